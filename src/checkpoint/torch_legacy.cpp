// PyTorch's stream of pickles (torch.save before 1.6, and after it with _use_new_zipfile_serialization=False), found by
// looking at files that it wrote:
//
//   pickle: the number 0x1950a86a20f9469cfc6c      pickle: the protocol's version, 1001
//   pickle: {'protocol_version': 1001, 'little_endian': True, 'type_sizes': {..}}
//   pickle: the object; a storage is the persistent id ('storage', type, key, location, count, view)
//   pickle: the list of the storages' keys; then for each of them int64 count and the values
#include <fmt/format.h>

#include <string_view>

#include "checkpoint/byte_source.h"
#include "checkpoint/torch_tensors.h"
#include "checkpoint/utf8.h"

namespace lowshot::checkpoint {
namespace {

using Kind = PickleValue::Kind;

constexpr std::string_view magic{"\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 10};
constexpr std::int64_t version = 1001;
constexpr const char* other_kind = "the file is damaged or of another kind: make or fetch it again";

void require_system(const io::InputFile& file, const Pickle& system) {
  const PickleValue& info = system.root();
  const PickleValue* little = info.is_dict() ? system.find(info, "little_endian") : nullptr;
  if (little == nullptr || !little->is(Kind::boolean))
    fail_at(file, info.position, "the checkpoint does not say whether its numbers are little-endian", other_kind);
  if (little->integer == 0)
    fail_at(file, little->position, "the checkpoint's numbers are big-endian, only little-endian ones are read",
            "save it again on a little-endian machine (x86, ARM)");
  const PickleValue* sizes = system.find(info, "type_sizes");
  if (sizes == nullptr || !sizes->is_dict())
    fail_at(file, info.position, "the checkpoint does not say the sizes of its types", other_kind);
  for (const auto& [type, bytes] : {std::pair("short", 2), std::pair("int", 4), std::pair("long", 4)}) {
    const PickleValue* size = system.find(*sizes, type);
    if (size == nullptr || !size->is(Kind::integer) || size->integer != bytes)
      fail_at(file, sizes->position,
              fmt::format("the checkpoint's {} has {} bytes, expected {}", type,
                          size == nullptr ? "no" : described(*size), bytes),
              other_kind);
  }
}

/// Walks over the storages behind the list of their keys and fills in where they lie.
void locate(const io::InputFile& file, const Pickle& keys, Storages& storages) {
  if (!keys.root().is(Kind::list))
    fail_at(file, keys.root().position,
            fmt::format("expected the list of storages and found {}", described(keys.root())), other_kind);
  std::uint64_t position = keys.end;
  std::map<std::string_view, bool> seen;
  for (const PickleId id : keys.root().items) {
    const PickleValue& key = keys[id];
    const auto found = key.is(Kind::string) ? storages.find(key.text) : storages.end();
    if (found == storages.end())
      fail_at(file, key.position, fmt::format("the list of storages names {}, which no tensor uses", described(key)),
              other_kind);
    if (seen[key.text])
      fail_at(file, key.position, fmt::format("the list of storages names {} twice", described(key)), other_kind);
    seen[key.text] = true;
    Storage& storage = found->second;
    const std::uint64_t left = file.size() - position, bytes = storage.count * width(storage.type);
    if (left < 8 || left - 8 < bytes)
      fail_at(file, position,
              fmt::format("storage {} needs {} bytes and {} are left", shown(key.text), bytes + 8, left),
              "the file is truncated: make or fetch it again");
    const std::uint64_t count = ByteSource(file, position, file.size()).number(8);
    if (count != storage.count)
      fail_at(file, position,
              fmt::format("storage {} holds {} values, its tensors expect {}", shown(key.text), count, storage.count),
              other_kind);
    storage.offset = position + 8;
    position += 8 + bytes;
  }
  if (seen.size() != storages.size())
    fail_at(file, keys.root().position,
            fmt::format("the file has {} storages, its tensors use {}", seen.size(), storages.size()), other_kind);
  if (position != file.size())
    fail_at(file, position, fmt::format("the storages end here and the file has {} bytes more", file.size() - position),
            other_kind);
}

}  // namespace

NamedTensors read_torch_legacy(const io::InputFile& file) {
  const Pickle first = read_pickle(file, 0, file.size());
  if (!first.root().is(Kind::big_integer) || first.root().text != magic)
    fail_at(file, 0, "a pickle begins here, and it is not that of a PyTorch checkpoint",
            "save the weights with torch.save");
  const Pickle second = read_pickle(file, first.end, file.size());
  if (!second.root().is(Kind::integer) || second.root().integer != version)
    fail_at(file, first.end,
            fmt::format("the version of PyTorch's format is {}, expected {}", described(second.root()), version),
            "save the checkpoint again with PyTorch 1.6 or later");
  const Pickle system = read_pickle(file, second.end, file.size());
  require_system(file, system);
  const Pickle object = read_pickle(file, system.end, file.size());
  const Pickle keys = read_pickle(file, object.end, file.size());
  Storages storages = named_storages(file, object);
  locate(file, keys, storages);
  return take_tensors(file, object, storages);
}

}  // namespace lowshot::checkpoint
