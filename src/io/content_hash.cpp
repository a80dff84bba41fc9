#include "io/content_hash.h"

#include <fmt/format.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <new>

namespace lowshot::io {

struct ContentHash::State {
  XXH3_state_t* xxh3 = XXH3_createState();  // its alignment is more than `new` promises

  ~State() { XXH3_freeState(xxh3); }
};

ContentHash::ContentHash() : state_(std::make_unique<State>()) {
  if (state_->xxh3 == nullptr) throw std::bad_alloc();
  XXH3_64bits_reset(state_->xxh3);
}

ContentHash::~ContentHash() = default;
ContentHash::ContentHash(ContentHash&&) noexcept = default;
ContentHash& ContentHash::operator=(ContentHash&&) noexcept = default;

void ContentHash::add(const void* data, std::uint64_t bytes) {
  XXH3_64bits_update(state_->xxh3, data, bytes);
}

std::string ContentHash::hex() const {
  return fmt::format("{:016x}", XXH3_64bits_digest(state_->xxh3));
}

}  // namespace lowshot::io
