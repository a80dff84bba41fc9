// PyTorch's zip format (torch.save since 1.6), found by looking at files that it wrote: below one folder data.pkl (the
// object; a storage is the persistent id ('storage', type, key, location, count)), data/KEY (the values of a storage),
// version (a number as text) and, since 2.1, byteorder ("little" or "big").
#include <fmt/format.h>

#include "checkpoint/byte_source.h"
#include "checkpoint/torch_tensors.h"
#include "checkpoint/utf8.h"
#include "checkpoint/zip_directory.h"

namespace lowshot::checkpoint {
namespace {

constexpr std::string_view object_name = "data.pkl";

/// "FOLDER/" of the one member FOLDER/data.pkl.
std::string find_folder(const io::InputFile& file, const ZipDirectory& directory) {
  std::string folder;
  for (const auto& [name, member] : directory) {
    const std::size_t slash = name.find('/');
    if (slash == std::string::npos || std::string_view(name).substr(slash + 1) != object_name) continue;
    if (!folder.empty())
      file.fail(fmt::format("the zip file holds {} and {}: two checkpoints", shown(folder + "data.pkl"), shown(name)),
                "save one checkpoint to a file");
    folder = name.substr(0, slash + 1);
  }
  if (folder.empty())
    file.fail("the zip file has no member FOLDER/data.pkl, so it is no PyTorch checkpoint",
              "save the weights with torch.save");
  return folder;
}

/// Text of the member, which is a word; empty where it is absent.
std::string word(const io::InputFile& file, const ZipDirectory& directory, const std::string& name) {
  const auto found = directory.find(name);
  if (found == directory.end()) return {};
  const std::uint64_t begin = locate_member(file, name, found->second);
  std::string text =
      ByteSource(file, begin, begin + found->second.size).text(std::min<std::uint64_t>(found->second.size, 32));
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

void require_readable(const io::InputFile& file, const ZipDirectory& directory, const std::string& folder) {
  if (directory.count(folder + "constants.pkl") != 0)
    file.fail("this is a TorchScript program, expected a checkpoint of weights",
              "load it with torch.jit.load and save the weights: torch.save(module.state_dict(), FILE)");
  const std::string order = word(file, directory, folder + "byteorder");
  if (!order.empty() && order != "little")
    file.fail(fmt::format("the checkpoint's byte order is {}, only little-endian ones are read", shown(order)),
              "save it again on a little-endian machine (x86, ARM)");
  // Version 3 is that of every file since 1.6; 1 to 10 are those that PyTorch itself knows.
  const std::string version = word(file, directory, folder + "version");
  if (version.empty() || version.size() > 2 || version.find_first_not_of("0123456789") != std::string::npos)
    file.fail(fmt::format("the version of PyTorch's zip format is {}", version.empty() ? "missing" : shown(version)),
              "the file is damaged or of another kind: save it again with PyTorch");
}

}  // namespace

NamedTensors read_torch_zip(const io::InputFile& file) {
  const ZipDirectory directory = read_zip_directory(file);
  const std::string folder = find_folder(file, directory);
  require_readable(file, directory, folder);
  const std::string object = folder + std::string(object_name);
  const ZipMember& member = directory.at(object);
  const std::uint64_t begin = locate_member(file, object, member);
  const Pickle pickle = read_pickle(file, begin, begin + member.size);
  Storages storages = named_storages(file, pickle);
  for (auto& [key, storage] : storages) {
    const std::string name = folder + "data/" + key;
    const auto found = directory.find(name);
    if (found == directory.end())
      file.fail(fmt::format("the storage {} is missing: the zip file has no member {}", shown(key), shown(name)),
                "the file is damaged: make or fetch it again");
    const std::uint64_t bytes = storage.count * width(storage.type);
    if (found->second.size != bytes)
      fail_at(file, found->second.header,
              fmt::format("the member {} has {} bytes, its tensors expect {} ({} {})", shown(name), found->second.size,
                          bytes, storage.count, lowshot::name(storage.type)),
              "the file is damaged: make or fetch it again");
    storage.offset = locate_member(file, name, found->second);
  }
  return take_tensors(file, pickle, storages);
}

}  // namespace lowshot::checkpoint
