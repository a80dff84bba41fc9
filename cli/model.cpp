// lowshot model convert|info: the weights of a network, out of the checkpoints that PyTorch writes.
#ifdef LOWSHOT_WITH_EXTRACT
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>

#include "common.h"
#include "lowshot/error.h"
#include "lowshot/io.h"
#include "lowshot/memory.h"
#include "lowshot/named_tensors.h"

namespace lowshot::cli {
namespace {

struct Options {
  std::string input, output, json;
  bool half = false;
};

std::uint64_t total_bytes(const NamedTensors& tensors) {
  std::uint64_t bytes = 0;
  for (const auto& [name, tensor] : tensors) bytes += tensor.bytes.size();
  return bytes;
}

std::string shape_text(const Tensor& tensor) {
  return tensor.shape.empty() ? "one value" : fmt::format("{}", fmt::join(tensor.shape, " x "));
}

Json tensors_json(const NamedTensors& tensors) {
  Json list = Json::array();
  for (const auto& [name, tensor] : tensors)
    list.push_back({{"name", name},
                    {"type", lowshot::name(tensor.type)},
                    {"shape", tensor.shape},
                    {"bytes", tensor.bytes.size()}});
  return list;
}

/// "3 float32, 1 int64": how many tensors there are of each type.
std::string types_text(const NamedTensors& tensors) {
  std::map<std::string_view, std::size_t> counts;
  for (const auto& [name, tensor] : tensors) ++counts[lowshot::name(tensor.type)];
  std::string text;
  for (const auto& [type, count] : counts) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, type);
  return text;
}

/// A name as it is printed: control characters would move the cursor.
std::string printable(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return (c >= 0 && c < 0x20) || c == 0x7f; }, '?');
  return text;
}

void info(const Options& o) {
  if (!o.json.empty()) require_writable(o.json);
  const NamedTensors tensors = read_checkpoint(o.input);
  std::size_t width = 0;
  for (const auto& [name, tensor] : tensors) width = std::max(width, name.size());
  width = std::min<std::size_t>(width, 60);
  for (const auto& [name, tensor] : tensors)
    fmt::print("{:<{}}  {:<8}  {}\n", printable(name), width, lowshot::name(tensor.type), shape_text(tensor));
  const std::uint64_t bytes = total_bytes(tensors);
  fmt::print("{} tensors ({}), {}\n", tensors.size(), types_text(tensors), format_bytes(bytes));
  if (!o.json.empty())
    write_file(
        o.json,
        Json{{"file", o.input}, {"version", LOWSHOT_VERSION}, {"tensors", tensors_json(tensors)}, {"bytes", bytes}}
                .dump(2) +
            "\n");
}

void convert(const Options& o) {
  require_writable(o.output);
  if (!o.json.empty()) require_writable(o.json);
  NamedTensors tensors = read_checkpoint(o.input);
  const std::uint64_t read = total_bytes(tensors);
  std::size_t changed = 0;
  if (o.half) {
    for (auto& [name, tensor] : tensors) {
      if (tensor.type != TensorType::float32) continue;
      tensor = to_float16(name, tensor);
      ++changed;
    }
  }
  // Readers that other programs have ask for the note "format", which says whose conventions the names follow.
  write_safetensors(o.output, tensors, {{"format", "pt"}});
  const std::uint64_t written = total_bytes(tensors);
  fmt::print("{}: {} tensors ({}), {}\n", o.output, tensors.size(), types_text(tensors), format_bytes(written));
  if (changed != 0) fmt::print("{} tensors were float32 and are float16\n", changed);
  if (!o.json.empty())
    write_file(o.json, Json{{"file", o.output},
                            {"version", LOWSHOT_VERSION},
                            {"input", o.input},
                            {"tensors", tensors.size()},
                            {"bytes_read", read},
                            {"bytes", written},
                            {"halved", changed}}
                               .dump(2) +
                           "\n");
}

void add_convert(CLI::App& model) {
  auto o = std::make_shared<Options>();
  CLI::App* command = model.add_subcommand("convert", "Write a checkpoint's weights as safetensors");
  command->footer(
      "Reads PyTorch checkpoints of both formats, and safetensors, without running code that a checkpoint may hold.\n"
      "Names, types and shapes stay; docs/files.md, \"Network weights\", says where the tensors are looked for.\n"
      "Examples:\n"
      "  lowshot model convert 59.tar -o resnet10.safetensors\n"
      "  lowshot model convert model.pt -o model.safetensors --half");
  command->add_option("IN", o->input, "The checkpoint")->required();
  command->add_option("-o,--output", o->output, "The result, replaced if it exists")->required();
  command->add_flag("--half", o->half, "Store float32 as float16: half the size, 11 significant bits");
  command->add_option("--json", o->json, "Write what was done to this file as JSON");
  command->callback([o] { convert(*o); });
}

void add_model_info(CLI::App& model) {
  auto o = std::make_shared<Options>();
  CLI::App* command = model.add_subcommand("info", "Names, types and shapes of a checkpoint's tensors");
  command->footer("Example:\n  lowshot model info 59.tar --json tensors.json");
  command->add_option("FILE", o->input, "A PyTorch checkpoint or safetensors")->required();
  command->add_option("--json", o->json, "Write the same to this file as JSON");
  command->callback([o] { info(*o); });
}

}  // namespace

void add_model(CLI::App& app) {
  CLI::App* model = app.add_subcommand("model", "Weights of networks: convert, info");
  model->require_subcommand(1);
  add_convert(*model);
  add_model_info(*model);
}

}  // namespace lowshot::cli
#endif
