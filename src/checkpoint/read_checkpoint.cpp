// Which format a checkpoint has shows in its first bytes.
#include <algorithm>
#include <string>
#include <string_view>

#include "checkpoint/safetensors.h"
#include "checkpoint/torch_tensors.h"
#include "io/input_file.h"
#include "lowshot/named_tensors.h"

namespace lowshot {

NamedTensors read_checkpoint(const std::filesystem::path& path) {
  const io::InputFile file(path);
  std::string head(std::min<std::uint64_t>(file.size(), 512), '\0');
  file.read_at(0, head.data(), head.size());
  const std::string_view start = head;
  // First safetensors: the others have no brace there, and its first 8 bytes, a length, may be anything.
  if (start.size() > 8 && start[8] == '{') return checkpoint::read_safetensors(file);
  if (start.starts_with("PK\x03\x04")) return checkpoint::read_torch_zip(file);
  if (start.starts_with('\x80')) return checkpoint::read_torch_legacy(file);
  if (start.size() > 262 && start.substr(257, 5) == "ustar")
    file.fail("a tar archive, the format of PyTorch before 0.1.10, which is not read",
              "load it with a PyTorch of that time or unpack it, and save it again with torch.save");
  file.fail("expected a PyTorch checkpoint (torch.save) or safetensors and found another kind of file",
            "save the weights with torch.save(model.state_dict(), FILE)");
}

}  // namespace lowshot
