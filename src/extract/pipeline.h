#pragma once
// Threads that read, decode and crop images ahead of the network.

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "lowshot/image.h"
#include "lowshot/image_set.h"
#include "lowshot/matrix.h"

namespace lowshot::extract_detail {

/// Crops of consecutive images. A bad image is a black crop with its reason beside it.
struct Batch {
  Matrix<std::uint8_t> crops;
  std::uint64_t first = 0;
  std::size_t count = 0;
  std::vector<std::string> reasons;  ///< count; empty where the image is good
};

/// Images first .. end - 1 in batches, in order.
class Pipeline {
 public:
  Pipeline(const ImageSet& images, const ImageTransform& transform, std::uint64_t first, std::uint64_t end,
           std::uint32_t batch, int decoders);
  ~Pipeline();
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  /// The next batch, complete; waits for it. Valid until the next call. Throws what a decoding thread threw, but for
  /// what is wrong with an image.
  const Batch& next();
  double decode_seconds() const;  ///< so far, summed over the threads

  static constexpr std::size_t ahead = 3;  ///< batches in memory: one for the network, two on their way

 private:
  struct Slot {
    Batch batch;
    std::size_t finished = 0;
  };

  void work(const std::stop_token& stop);
  std::uint64_t batch_of(std::uint64_t image) const { return (image - first_) / size_; }

  const ImageSet& images_;
  const ImageTransform& transform_;
  std::uint64_t first_, end_, next_image_;
  std::uint32_t size_;
  std::uint64_t delivered_ = 0;  // batches given out by next()
  mutable std::mutex mutex_;
  std::condition_variable_any room_, ready_;
  std::vector<Slot> slots_;
  std::exception_ptr failure_;
  double seconds_ = 0;
  std::vector<std::jthread> threads_;  // last: joined before what they use goes
};

}  // namespace lowshot::extract_detail
