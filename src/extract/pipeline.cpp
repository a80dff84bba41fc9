#include "extract/pipeline.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <optional>

#include "lowshot/error.h"

namespace lowshot::extract_detail {
namespace {

// Decodes and crops one image; returns what is wrong with it, empty for a good one.
std::string prepare(const ImageSet& images, const ImageTransform& transform, std::uint64_t i, std::uint8_t* crop) {
  try {
    const std::optional<std::vector<std::byte>> bytes = images.read(i);
    if (bytes) {
      crop_image(transform, decode_image(*bytes), crop);
      return {};
    }
  } catch (const UnusablePart&) {
    throw;
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::input) throw;
    std::memset(crop, 0, std::size_t{3} * transform.crop * transform.crop);
    return e.what();
  }
  std::memset(crop, 0, std::size_t{3} * transform.crop * transform.crop);
  return "missing";
}

}  // namespace

Pipeline::Pipeline(const ImageSet& images, const ImageTransform& transform, std::uint64_t first, std::uint64_t end,
                   std::uint32_t batch, int decoders)
    : images_(images), transform_(transform), first_(first), end_(end), next_image_(first), size_(batch) {
  slots_.resize(ahead);
  for (std::size_t s = 0; s < ahead; ++s) {
    slots_[s].batch.crops = Matrix<std::uint8_t>(batch, std::size_t{3} * transform.crop * transform.crop);
    slots_[s].batch.reasons.resize(batch);
  }
  for (int t = 0; t < decoders; ++t) threads_.emplace_back([this](const std::stop_token& stop) { work(stop); });
}

Pipeline::~Pipeline() {
  for (std::jthread& t : threads_) t.request_stop();
  room_.notify_all();
}

void Pipeline::work(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    std::uint64_t image = 0;
    {
      // The slot of a batch is free once the batch `ahead` before it is no longer in use.
      std::unique_lock lock(mutex_);
      room_.wait(lock, stop, [&] {
        return next_image_ >= end_ || failure_ || batch_of(next_image_) < delivered_ + ahead - (delivered_ > 0 ? 1 : 0);
      });
      if (stop.stop_requested() || next_image_ >= end_ || failure_) return;
      image = next_image_++;
    }
    Slot& slot = slots_[batch_of(image) % ahead];
    const std::size_t place = (image - first_) % size_;
    const auto start = std::chrono::steady_clock::now();
    try {
      slot.batch.reasons[place] = prepare(images_, transform_, image, slot.batch.crops.row(place));
    } catch (...) {
      const std::lock_guard lock(mutex_);
      failure_ = std::current_exception();
      ready_.notify_all();
      room_.notify_all();
      return;
    }
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const std::lock_guard lock(mutex_);
    seconds_ += seconds;
    ++slot.finished;
    ready_.notify_all();
  }
}

const Batch& Pipeline::next() {
  std::unique_lock lock(mutex_);
  if (delivered_ > 0) slots_[(delivered_ - 1) % ahead].finished = 0;
  ++delivered_;
  room_.notify_all();
  Slot& slot = slots_[(delivered_ - 1) % ahead];
  slot.batch.first = first_ + (delivered_ - 1) * size_;
  slot.batch.count = static_cast<std::size_t>(std::min<std::uint64_t>(size_, end_ - slot.batch.first));
  ready_.wait(lock, [&] { return failure_ || slot.finished == slot.batch.count; });
  if (failure_) std::rethrow_exception(failure_);
  return slot.batch;
}

double Pipeline::decode_seconds() const {
  const std::lock_guard lock(mutex_);
  return seconds_;
}

}  // namespace lowshot::extract_detail
