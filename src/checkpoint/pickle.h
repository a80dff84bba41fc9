#pragma once
// A reader of Python's pickles that cannot run code: it knows the opcodes that dicts of tensors need (protocols 2 to 5)
// and a short list of names; everything else is refused by name and byte.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "io/input_file.h"

namespace lowshot::checkpoint {

using PickleId = std::uint32_t;  ///< place in Pickle::values

struct PickleValue {
  enum class Kind : std::uint8_t {
    none,
    boolean,      ///< integer is 0 or 1
    integer,      ///< fits 64 bits
    big_integer,  ///< text holds its bytes, two's complement, little-endian
    real,
    string,        ///< text; bytes of Python 2's str are taken as they are
    bytes,         ///< text
    list,          ///< items
    tuple,         ///< items
    dict,          ///< items: key, value, key, value, ..
    ordered_dict,  ///< as dict
    global,        ///< text: "module.name", one of the allowed names
    storage,       ///< items: what the persistent id says behind 'storage': type, key, location, count [, view]
    tensor,        ///< items: storage, offset, shape, strides; not looked at yet
  };
  Kind kind = Kind::none;
  std::uint64_t position = 0;  ///< the byte of the file that made it
  std::int64_t integer = 0;
  double real = 0;
  std::string text;
  std::vector<PickleId> items;

  bool is(Kind k) const { return kind == k; }
  bool is_dict() const { return kind == Kind::dict || kind == Kind::ordered_dict; }
};

/// Values lie one beside the other and name each other by number: sharing costs nothing, and neither depth nor circles
/// can overflow a stack, here or when they are freed.
struct Pickle {
  std::vector<PickleValue> values;
  PickleId top = 0;
  std::uint64_t end = 0;  ///< the byte behind the pickle

  const PickleValue& operator[](PickleId id) const { return values[id]; }
  const PickleValue& root() const { return values[top]; }
  /// The value of a dict's key, the last where there are several; nullptr where there is none.
  const PickleValue* find(const PickleValue& dict, std::string_view key) const;
};

/// The pickle that begins at byte `begin` of the file and ends before `end`. At most 4 million values and at most about
/// 100 bytes of memory a byte of the pickle. Throws Error (input) naming the byte: opcodes and names that are not
/// allowed, a truncated pickle, a stack that does not fit, values that contain themselves.
Pickle read_pickle(const io::InputFile& file, std::uint64_t begin, std::uint64_t end);

/// "a list", "the string 'abc'", .. for messages.
std::string described(const PickleValue& value);

/// The name of any opcode of pickle, e.g. "BUILD"; empty where there is none.
std::string_view opcode_name(std::uint8_t opcode);

}  // namespace lowshot::checkpoint
