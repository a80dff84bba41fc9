// Any bytes are a configuration within its bounds, or an Error.
#include <cstdlib>

#include "fuzz/memory_file.h"
#include "lowshot/error.h"
#include "lowshot/extract_config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::MemoryFile file(data, size);
  try {
    const lowshot::ExtractConfig config = lowshot::read_extract_config(file.path());
    const lowshot::ImageTransform& t = config.transform;
    if (t.crop < 32 || t.crop > 2048 || t.scale > 2048 || (t.scale != 0 && t.scale < t.crop)) std::abort();
    for (const float deviation : t.deviation) {
      if (!(deviation > 0)) std::abort();
    }
  } catch (const lowshot::Error&) {
  }
  return 0;
}
