#include "label/names.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "lowshot/error.h"

namespace lowshot {

void Names::add(std::string_view name) {
  text_.append(name);
  ends_.push_back(text_.size());
}

std::string_view Names::operator[](std::size_t row) const {
  const std::uint64_t begin = row == 0 ? 0 : ends_[row - 1];
  return std::string_view(text_).substr(begin, ends_[row] - begin);
}

namespace label {

std::string_view part_of(std::string_view name, MatchBy match) {
  if (match == MatchBy::name) return name;
  const std::size_t slash = name.find_last_of("/\\");
  const std::string_view basename = slash == std::string_view::npos ? name : name.substr(slash + 1);
  if (match == MatchBy::basename) return basename;
  const std::size_t dot = basename.rfind('.');
  return dot == std::string_view::npos || dot == 0 ? basename : basename.substr(0, dot);
}

namespace {

std::uint64_t hash_of(std::string_view name) {
  return XXH3_64bits(name.data(), name.size());
}
std::uint32_t tag_of(std::uint64_t hash) {
  return static_cast<std::uint32_t>(hash >> 32);
}

}  // namespace

std::size_t NameIndex::slot_of(std::string_view name, std::uint64_t hash) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = hash & mask;
  while (slots_[at].number != absent && (slots_[at].tag != tag_of(hash) || names_[slots_[at].number] != name)) {
    at = (at + 1) & mask;
  }
  return at;
}

std::uint32_t NameIndex::find(std::string_view name) const {
  return slots_[slot_of(name, hash_of(name))].number;
}

std::uint32_t NameIndex::insert(std::string_view name) {
  const std::uint64_t hash = hash_of(name);
  std::size_t at = slot_of(name, hash);
  if (slots_[at].number != absent) return slots_[at].number;
  if (size() == absent - 1) throw Error(ErrorKind::resources, "more than 4294967294 different names");
  if (2 * (names_.size() + 1) > slots_.size()) {
    grow();
    at = slot_of(name, hash);
  }
  slots_[at] = {size(), tag_of(hash)};
  names_.add(name);
  return slots_[at].number;
}

void NameIndex::grow() {
  const std::size_t doubled = 2 * slots_.size();
  slots_.assign(doubled, {});
  for (std::uint32_t number = 0; number < names_.size(); ++number) {
    const std::uint64_t hash = hash_of(names_[number]);
    slots_[slot_of(names_[number], hash)] = {number, tag_of(hash)};
  }
}

}  // namespace label
}  // namespace lowshot
