// Descriptor sources made of others: by the file's ending, a range of rows, several files as one.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "io/flat_rows.h"
#include "lowshot/error.h"
#include "lowshot/io.h"

namespace lowshot {
namespace {

class SlicedRows : public RowSource {
 public:
  SlicedRows(std::unique_ptr<RowSource> source, std::uint64_t begin, std::uint64_t end)
      : source_(std::move(source)), begin_(begin), end_(end) {}

  std::uint64_t rows() const override { return end_ - begin_; }
  std::uint32_t dim() const override { return source_->dim(); }
  bool is_half() const override { return source_->is_half(); }
  void read(std::uint64_t begin, MatrixView<float> out) override {
    io::require_block(*this, begin, out);
    source_->read(begin_ + begin, out);
  }
  std::string name() const override {
    return begin_ == 0 ? source_->name() : fmt::format("{} (rows counted from {})", source_->name(), begin_);
  }

 private:
  std::unique_ptr<RowSource> source_;
  std::uint64_t begin_, end_;
};

class ConcatenatedRows : public RowSource {
 public:
  explicit ConcatenatedRows(std::vector<std::unique_ptr<RowSource>> sources) : sources_(std::move(sources)) {
    for (const auto& source : sources_) starts_.push_back(starts_.back() + source->rows());
  }

  std::uint64_t rows() const override { return starts_.back(); }
  std::uint32_t dim() const override { return sources_[0]->dim(); }
  bool is_half() const override {
    return std::all_of(sources_.begin(), sources_.end(), [](const auto& source) { return source->is_half(); });
  }
  void read(std::uint64_t begin, MatrixView<float> out) override {
    io::require_block(*this, begin, out);
    std::uint64_t done = 0;
    for (std::size_t s = 0; s < sources_.size() && done < out.rows(); ++s) {
      const std::uint64_t from = begin + done;
      if (from >= starts_[s + 1]) continue;
      const std::uint64_t count = std::min<std::uint64_t>(out.rows() - done, starts_[s + 1] - from);
      sources_[s]->read(from - starts_[s], out.rows(done, done + count));
      done += count;
    }
  }
  std::string name() const override {
    return sources_.size() == 1
               ? sources_[0]->name()
               : fmt::format("{} and {} more, rows counted through", sources_[0]->name(), sources_.size() - 1);
  }

 private:
  std::vector<std::unique_ptr<RowSource>> sources_;
  std::vector<std::uint64_t> starts_ = {0};
};

class RemainingRows : public RowSource {
 public:
  RemainingRows(RowSource& source, const std::vector<std::uint64_t>& skipped) : source_(source) {
    for (std::size_t s = 0; s < skipped.size(); ++s) before_.push_back(skipped[s] - s);
  }

  std::uint64_t rows() const override { return source_.rows() - before_.size(); }
  std::uint32_t dim() const override { return source_.dim(); }
  bool is_half() const override { return source_.is_half(); }
  void read(std::uint64_t begin, MatrixView<float> out) override {
    io::require_block(*this, begin, out);
    for (std::uint64_t row = begin, end = begin + out.rows(); row < end;) {
      const auto next = std::upper_bound(before_.begin(), before_.end(), row);  // the first skipped row behind it
      const std::uint64_t last = next == before_.end() ? end : std::min(end, *next);
      source_.read(row + static_cast<std::uint64_t>(next - before_.begin()), out.rows(row - begin, last - begin));
      row = last;
    }
  }
  std::string name() const override {
    return before_.empty() ? source_.name()
                           : fmt::format("{} ({} skipped rows not counted)", source_.name(), before_.size());
  }

 private:
  RowSource& source_;
  std::vector<std::uint64_t> before_;  // how many remaining rows stand before each skipped one
};

}  // namespace

std::unique_ptr<RowSource> skip_rows(RowSource& source, const std::vector<std::uint64_t>& skipped) {
  return std::make_unique<RemainingRows>(source, skipped);
}

std::unique_ptr<RowSource> open_rows(const fs::path& path, std::optional<std::uint32_t> dim) {
  const std::string ending = path.extension().string();
  if (ending == ".npy") return open_npy_rows(path);
  if (ending == ".hdf5" || ending == ".h5") return open_hdf5_rows(path);
  if (ending == ".index") return open_index_rows(path);
  if (!dim) {
    throw Error(ErrorKind::usage, "a file without header needs its dimension", path.string(),
                "give the dimension, or a file ending in .npy, .hdf5, .h5 or .index");
  }
  return open_raw_rows(path, *dim);
}

std::unique_ptr<RowSource> slice_rows(std::unique_ptr<RowSource> source, std::uint64_t begin, std::uint64_t end) {
  if (begin > end || end > source->rows()) {
    throw Error(ErrorKind::input, fmt::format("rows {} to {} are wanted, there are {}", begin, end, source->rows()),
                source->name(), "ask for fewer rows");
  }
  if (begin == 0 && end == source->rows()) return source;
  return std::make_unique<SlicedRows>(std::move(source), begin, end);
}

std::unique_ptr<RowSource> concatenate_rows(std::vector<std::unique_ptr<RowSource>> sources) {
  if (sources.empty()) throw Error(ErrorKind::usage, "at least one file of descriptors is needed");
  for (const auto& source : sources) {
    if (source->dim() == sources[0]->dim()) continue;
    throw Error(
        ErrorKind::input,
        fmt::format("descriptors of dimension {} and {} cannot be put together", sources[0]->dim(), source->dim()),
        fmt::format("{} and {}", sources[0]->name(), source->name()));
  }
  if (sources.size() == 1) return std::move(sources[0]);
  return std::make_unique<ConcatenatedRows>(std::move(sources));
}

}  // namespace lowshot
