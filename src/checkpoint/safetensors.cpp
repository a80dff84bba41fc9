// safetensors: a 64-bit length, that many bytes of JSON {NAME: {"dtype", "shape", "data_offsets": [begin, end]}, ..,
// "__metadata__": {TEXT: TEXT}}, then the values, without gaps. Source: the format's description by its makers.
#include "checkpoint/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "checkpoint/byte_source.h"
#include "checkpoint/utf8.h"
#include "io/output_file.h"

namespace lowshot {
namespace {

using checkpoint::fail_at;
using checkpoint::shown;
using Json = nlohmann::json;

constexpr std::uint64_t most_header_bytes = 100'000'000;  // the format's own limit
constexpr std::size_t most_levels = 3;                    // of brackets: tensors, a tensor, its shape
constexpr std::string_view metadata_key = "__metadata__";
constexpr const char* damaged = "the file is damaged: make or fetch it again";

constexpr std::array<std::pair<std::string_view, TensorType>, 10> types{{{"F16", TensorType::float16},
                                                                         {"BF16", TensorType::bfloat16},
                                                                         {"F32", TensorType::float32},
                                                                         {"F64", TensorType::float64},
                                                                         {"I8", TensorType::int8},
                                                                         {"U8", TensorType::uint8},
                                                                         {"I16", TensorType::int16},
                                                                         {"I32", TensorType::int32},
                                                                         {"I64", TensorType::int64},
                                                                         {"BOOL", TensorType::boolean}}};

/// One tensor as the header describes it.
struct Entry {
  std::string name;
  TensorType type = TensorType::float32;
  std::vector<std::uint64_t> shape;
  std::uint64_t begin = 0, end = 0;  ///< in the part behind the header
};

class Header {
 public:
  explicit Header(const io::InputFile& file) : file_(file) {
    if (file.size() < 8) fail(0, fmt::format("a safetensors file has at least 8 bytes, this one {}", file.size()));
    bytes_ = checkpoint::ByteSource(file, 0, 8).number(8);
    if (bytes_ > most_header_bytes || bytes_ > file.size() - 8)
      fail(0, fmt::format("the header is said to have {} bytes; the file has {} and the format allows {}", bytes_,
                          file.size(), most_header_bytes));
  }

  std::uint64_t values_offset() const { return 8 + bytes_; }

  /// By their place in the file, which they fill without gaps.
  std::vector<Entry> entries() const {
    const Json root = parse();
    std::vector<Entry> result;
    for (const auto& [name, value] : root.items()) {
      if (name == metadata_key)
        require_texts(value);
      else
        result.push_back(entry(name, value));
    }
    std::sort(result.begin(), result.end(),
              [](const Entry& a, const Entry& b) { return std::tie(a.begin, a.end) < std::tie(b.begin, b.end); });
    std::uint64_t expected = 0;
    for (const Entry& e : result) {
      if (e.begin != expected)
        fail(8, fmt::format("tensor {} begins at byte {} of the values, expected {}: they must neither overlap nor "
                            "leave gaps",
                            shown(e.name), e.begin, expected));
      expected = e.end;
    }
    if (expected != file_.size() - values_offset())
      fail(values_offset(),
           fmt::format("the tensors fill {} bytes, {} are there", expected, file_.size() - values_offset()),
           "the file is truncated or damaged: make or fetch it again");
    return result;
  }

 private:
  [[noreturn]] void fail(std::uint64_t position, const std::string& what, const std::string& advice = damaged) const {
    fail_at(file_, position, what, advice);
  }

  /// The JSON, an object of shallow depth in which no key appears twice. (The parser itself would keep the last.)
  Json parse() const {
    std::string text(bytes_, '\0');
    file_.read_at(8, text.data(), text.size());
    if (!text.starts_with('{')) fail(8, "the header must begin with { and does not");
    std::vector<std::set<std::string>> keys;  // of the objects that are open
    std::size_t level = 0;
    const auto watch = [&](int, Json::parse_event_t event, Json& parsed) {
      switch (event) {
        case Json::parse_event_t::object_start:
          keys.emplace_back();
          [[fallthrough]];
        case Json::parse_event_t::array_start:
          if (++level > most_levels) fail(8, "the header's JSON is nested deeper than the format is");
          break;
        case Json::parse_event_t::object_end:
          keys.pop_back();
          [[fallthrough]];
        case Json::parse_event_t::array_end:
          --level;
          break;
        case Json::parse_event_t::key:
          if (!keys.back().insert(parsed.get<std::string>()).second)
            fail(8, fmt::format("the header has the key {} twice", shown(parsed.get<std::string>())));
          break;
        case Json::parse_event_t::value:
          break;
      }
      return true;
    };
    try {
      return Json::parse(text, watch);
    } catch (const Json::exception& error) {
      const auto* place = dynamic_cast<const Json::parse_error*>(&error);
      fail(8 + (place == nullptr ? 0 : place->byte), "the header's JSON is malformed");
    }
  }

  void require_texts(const Json& metadata) const {
    if (!metadata.is_object()) fail(8, fmt::format("{} must be an object", metadata_key));
    for (const auto& [key, value] : metadata.items())
      if (!value.is_string()) fail(8, fmt::format("{}: the value of {} must be a string", metadata_key, shown(key)));
  }

  std::vector<std::uint64_t> counts(const std::string& name, const Json& value, const char* key) const {
    const auto found = value.find(key);
    if (found == value.end() || !found->is_array())
      fail(8, fmt::format("tensor {}: \"{}\" must be a list of numbers", shown(name), key));
    std::vector<std::uint64_t> result;
    for (const Json& number : *found) {
      if (!number.is_number_unsigned())
        fail(8, fmt::format("tensor {}: \"{}\" must hold whole numbers from 0 on; entry {} is none", shown(name), key,
                            result.size()));
      result.push_back(number.get<std::uint64_t>());
    }
    return result;
  }

  TensorType type(const std::string& name, const Json& value) const {
    const auto found = value.find("dtype");
    if (found == value.end() || !found->is_string())
      fail(8, fmt::format("tensor {}: \"dtype\" must be a string", shown(name)));
    const auto& word = found->get_ref<const std::string&>();
    for (const auto& [known, type] : types)
      if (known == word) return type;
    fail(8, fmt::format("tensor {} has the type {}, which is not read", shown(name), shown(word)),
         "convert it to F16, BF16, F32, F64, I8, U8, I16, I32, I64 or BOOL");
  }

  Entry entry(const std::string& name, const Json& value) const {
    if (!value.is_object()) fail(8, fmt::format("tensor {} must be described by an object", shown(name)));
    for (const auto& [key, unused] : value.items())
      if (key != "dtype" && key != "shape" && key != "data_offsets")
        fail(8, fmt::format("tensor {} has the unknown key {}", shown(name), shown(key)),
             "the file is of a newer kind or damaged");
    Entry result{name, type(name, value), counts(name, value, "shape"), 0, 0};
    const std::vector<std::uint64_t> offsets = counts(name, value, "data_offsets");
    if (offsets.size() != 2 || offsets[0] > offsets[1])
      fail(8, fmt::format("tensor {}: \"data_offsets\" must be its begin and its end", shown(name)));
    result.begin = offsets[0];
    result.end = offsets[1];
    std::uint64_t bytes = width(result.type);
    bool good = true;
    for (const std::uint64_t side : result.shape) good = good && !__builtin_mul_overflow(bytes, side, &bytes);
    if (!good || bytes != result.end - result.begin)
      fail(8, fmt::format("tensor {} of {} {} does not fill bytes {} to {}", shown(name),
                          result.shape.empty() ? "one" : fmt::format("{}", fmt::join(result.shape, " x ")),
                          lowshot::name(result.type), result.begin, result.end));
    return result;
  }

  const io::InputFile& file_;
  std::uint64_t bytes_ = 0;
};

std::string_view word(TensorType type) {
  return std::find_if(types.begin(), types.end(), [&](const auto& t) { return t.second == type; })->first;
}

/// Widest types first, so that every value lies at a multiple of its own width; then by name.
std::vector<NamedTensors::const_pointer> by_width(const NamedTensors& tensors) {
  std::vector<NamedTensors::const_pointer> order;
  for (const auto& item : tensors) order.push_back(&item);
  std::stable_sort(order.begin(), order.end(),
                   [](const auto* a, const auto* b) { return width(a->second.type) > width(b->second.type); });
  return order;
}

void require_writable_names(const NamedTensors& tensors, const std::map<std::string, std::string>& metadata) {
  const auto require = [](bool good, const std::string& text) {
    if (!good)
      throw Error(ErrorKind::input, fmt::format("{} cannot be a name or a note in safetensors", shown(text)), "",
                  fmt::format("it must be UTF-8, and no tensor may be called {}", metadata_key));
  };
  for (const auto& [name, tensor] : tensors) require(checkpoint::is_utf8(name) && name != metadata_key, name);
  for (const auto& [key, value] : metadata) {
    require(checkpoint::is_utf8(key), key);
    require(checkpoint::is_utf8(value), value);
  }
}

}  // namespace

namespace checkpoint {

NamedTensors read_safetensors(const io::InputFile& file) {
  const Header header(file);
  NamedTensors tensors;
  for (Entry& e : header.entries()) {
    Tensor tensor{e.type, std::move(e.shape), std::vector<std::byte>(e.end - e.begin)};
    file.read_at(header.values_offset() + e.begin, tensor.bytes.data(), tensor.bytes.size());
    tensors.emplace(std::move(e.name), std::move(tensor));
  }
  return tensors;
}

}  // namespace checkpoint

NamedTensors read_safetensors(const std::filesystem::path& path) {
  return checkpoint::read_safetensors(io::InputFile(path));
}

void write_safetensors(const std::filesystem::path& path, const NamedTensors& tensors,
                       const std::map<std::string, std::string>& metadata) {
  require_writable_names(tensors, metadata);
  const std::vector<NamedTensors::const_pointer> order = by_width(tensors);
  nlohmann::json root = nlohmann::json::object();
  if (!metadata.empty()) root[std::string(metadata_key)] = metadata;
  std::uint64_t offset = 0;
  for (const auto* item : order) {
    const Tensor& tensor = item->second;
    root[item->first] = {{"dtype", word(tensor.type)},
                         {"shape", tensor.shape},
                         {"data_offsets", {offset, offset + tensor.bytes.size()}}};
    offset += tensor.bytes.size();
  }
  std::string header = root.dump();
  header.append((8 - header.size() % 8) % 8, ' ');
  if (header.size() > most_header_bytes)
    throw Error(ErrorKind::input, "the names and shapes of the tensors take more than the format's 100 MB of header",
                path.string());

  io::OutputFile file(path);
  file.reserve(8 + header.size() + offset);
  io::SequentialWriter writer(file);
  writer.value(static_cast<std::uint64_t>(header.size()));
  writer.bytes(header.data(), header.size());
  for (const auto* item : order) writer.bytes(item->second.bytes.data(), item->second.bytes.size());
  writer.flush();
  file.commit();
}

}  // namespace lowshot
