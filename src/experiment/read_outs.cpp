#include "experiment/read_outs.h"

#include <utility>

namespace lowshot {

ReadOuts::ReadOuts(const Sizes& sizes, int threads, const fs::path& scores, Complete complete)
    : sizes_(sizes), threads_(threads), complete_(std::move(complete)), offered_(sizes.last + 1, 0) {
  for (std::uint32_t t = 0; t <= sizes.last; ++t) top_.emplace_back(sizes.tests);
  if (!scores.empty()) file_.emplace(scores, std::vector<std::uint64_t>{sizes.last + 1, sizes.tests, sizes.classes});
}

void ReadOuts::take(std::uint32_t t, std::uint32_t first, MatrixView<const float> scores) {
  top_[t].offer(first, scores, threads_);
  if (file_) file_->write(t * sizes_.tests, first, scores);
  offered_[t] += static_cast<std::uint32_t>(scores.cols());
  for (; next_ <= sizes_.last && offered_[next_] == sizes_.classes; ++next_) complete_(next_, top_[next_]);
}

void ReadOuts::commit() {
  if (file_) file_->commit();
}

}  // namespace lowshot
