#pragma once
// The part of a name that is compared, and different names numbered in the order in which they come.

#include <cstdint>
#include <string_view>
#include <vector>

#include "lowshot/label.h"

namespace lowshot::label {

/// The whole name, its basename or its stem (a view into `name`). A leading dot begins no extension, and a name that
/// ends in a slash has an empty basename.
std::string_view part_of(std::string_view name, MatchBy match);

/// An open-addressing table over one buffer of text: letters and about 16 bytes a name, where a map of strings takes
/// 80 or more.
class NameIndex {
 public:
  static constexpr std::uint32_t absent = 0xffffffff;

  std::uint32_t insert(std::string_view name);  ///< its number, new or old
  std::uint32_t find(std::string_view name) const;
  std::uint32_t size() const { return static_cast<std::uint32_t>(names_.size()); }
  std::string_view operator[](std::uint32_t number) const { return names_[number]; }

 private:
  std::size_t slot_of(std::string_view name) const;  ///< where it is, or the free slot where it would go
  void grow();

  Names names_;
  std::vector<std::uint32_t> slots_ = std::vector<std::uint32_t>(16, absent);  // a power of two, at most half full
};

}  // namespace lowshot::label
