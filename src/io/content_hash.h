#pragma once
// xxh3-64 of bytes that come piece by piece, as `hash_file` gives it for a file of the same bytes.

#include <cstdint>
#include <memory>
#include <string>

namespace lowshot::io {

class ContentHash {
 public:
  ContentHash();
  ~ContentHash();
  ContentHash(ContentHash&&) noexcept;
  ContentHash& operator=(ContentHash&&) noexcept;

  void add(const void* data, std::uint64_t bytes);
  std::string hex() const;  ///< of everything added so far

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lowshot::io
