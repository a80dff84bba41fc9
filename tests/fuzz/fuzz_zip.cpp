// Any bytes are a zip whose members can be read, or an Error.
#include <cstdlib>

#include "archive/zip_archive.h"
#include "fuzz/memory_file.h"
#include "lowshot/error.h"
#include "lowshot/image_set.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::MemoryFile file(data, size);
  constexpr std::uint64_t limit = 1 << 20;
  try {
    const lowshot::archive::ZipArchive zip(file.path());
    for (std::uint64_t i = 0; i < zip.size(); ++i) {
      try {
        if (zip.read(i, limit).size() != zip.member(i).bytes) std::abort();
      } catch (const lowshot::Error&) {
      }
    }
    zip.find("000.jpg");
  } catch (const lowshot::Error&) {
    return 0;
  }
  try {
    const auto set = lowshot::open_image_zip(file.path());
    set->fingerprint();
    for (std::uint64_t i = 0; i < set->size(); ++i) set->read(i);
  } catch (const lowshot::Error&) {
  }
  return 0;
}
