// Score files: npy, and the JSON side-car that says what rows, columns and values are.
#include "lowshot/score_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "core/half.h"
#include "io/input_file.h"
#include "io/npy.h"
#include "lowshot/io.h"

namespace lowshot {
namespace {

using Json = nlohmann::ordered_json;

constexpr int score_format = 1;
constexpr const char* kind_names[] = {"diffusion", "log_softmax", "probabilities"};
constexpr const char* advice = "docs/files.md says what a score file's side-car holds";

fs::path side_car(const fs::path& scores) {
  return scores.string() + ".scores.json";
}

class Reader {
 public:
  explicit Reader(const fs::path& path) : file_(path) {
    std::string text(file_.size(), '\0');
    file_.read_at(0, text.data(), text.size());
    root_ = Json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!root_.is_object()) file_.fail("expected a JSON object", advice);
  }

  [[noreturn]] void fail(const std::string& what) const { file_.fail(what, advice); }

  const Json& member(const char* key) const {
    const auto found = root_.find(key);
    if (found == root_.end()) fail(fmt::format("the key \"{}\" is missing", key));
    return *found;
  }

  /// Whole numbers from 0 to `most`.
  template <typename T>
  std::vector<T> numbers(const char* key, std::uint64_t most) const {
    std::vector<T> values;
    for (const Json& entry : list(key)) {
      if (!entry.is_number_unsigned() || entry.get<std::uint64_t>() > most)
        fail(fmt::format("\"{}\" must hold whole numbers from 0 to {}; entry {} is not one", key, most, values.size()));
      values.push_back(static_cast<T>(entry.get<std::uint64_t>()));
    }
    return values;
  }

  std::vector<bool> flags(const char* key) const {
    std::vector<bool> values;
    for (const Json& entry : list(key)) {
      if (!entry.is_boolean())
        fail(fmt::format("\"{}\" must hold true and false; entry {} is not", key, values.size()));
      values.push_back(entry.get<bool>());
    }
    return values;
  }

  const Json& root() const { return root_; }

 private:
  const Json& list(const char* key) const {
    const Json& value = member(key);
    if (!value.is_array()) fail(fmt::format("\"{}\" must be a list", key));
    return value;
  }

  io::InputFile file_;
  Json root_;
};

ScoreKind kind_of(const Reader& reader) {
  const Json& kind = reader.member("kind");
  for (const ScoreKind known : {ScoreKind::diffusion, ScoreKind::log_softmax, ScoreKind::probabilities})
    if (kind == kind_names[static_cast<int>(known)]) return known;
  reader.fail("\"kind\" must be \"diffusion\", \"log_softmax\" or \"probabilities\"");
}

template <typename T>
void convert_values(const std::vector<char>& bytes, float* to, std::size_t count) {
  const T* from = reinterpret_cast<const T*>(bytes.data());
  for (std::size_t i = 0; i < count; ++i) to[i] = static_cast<float>(from[i]);
}

void read_values(const io::InputFile& file, io::Scalar type, std::uint64_t offset, MatrixView<float> out) {
  if (type == io::Scalar::float32) return file.read_at(offset, out.data(), out.size() * sizeof(float));
  std::vector<char> bytes(out.cols() * io::width(type));
  for (std::size_t i = 0; i < out.rows(); ++i) {
    file.read_at(offset + i * bytes.size(), bytes.data(), bytes.size());
    if (type == io::Scalar::float16)
      convert(reinterpret_cast<const Half*>(bytes.data()), out.row(i), out.cols());
    else
      convert_values<double>(bytes, out.row(i), out.cols());
  }
}

}  // namespace

void write_score_info(const fs::path& scores, const ScoreInfo& info) {
  std::vector<std::int32_t> labels;  // in the file, ids of the data set: a column's number says nothing by itself
  for (const std::int32_t label : info.labels) labels.push_back(info.classes[static_cast<std::size_t>(label)]);
  Json options = Json::object();
  for (const auto& [name, value] : info.options) options[name] = value;
  const Json json = {{"format", score_format},
                     {"kind", kind_names[static_cast<int>(info.kind)]},
                     {"iterations", info.iterations},
                     {"classes", info.classes},
                     {"novel", info.is_novel},
                     {"rows", info.rows},
                     {"labels", labels},
                     {"options", options},
                     {"program", "lowshot " LOWSHOT_VERSION}};
  write_file(side_car(scores), json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
}

ScoreInfo read_score_info(const fs::path& scores) {
  io::InputFile{scores};  // a name that is wrong altogether is said before its side-car is missed
  const Reader reader(side_car(scores));
  constexpr std::uint64_t most_id = std::numeric_limits<std::int32_t>::max();
  ScoreInfo info;
  if (reader.member("format") != score_format) reader.fail(fmt::format("\"format\" must be {}", score_format));
  info.kind = kind_of(reader);
  info.iterations = reader.numbers<std::uint32_t>("iterations", std::numeric_limits<std::uint32_t>::max());
  info.classes = reader.numbers<std::int32_t>("classes", most_id);
  info.is_novel = reader.flags("novel");
  info.rows = reader.numbers<std::uint32_t>("rows", std::numeric_limits<std::uint32_t>::max());
  info.labels = reader.numbers<std::int32_t>("labels", most_id);
  if (info.iterations.empty() || info.classes.empty() || info.rows.empty())
    reader.fail("\"iterations\", \"classes\" and \"rows\" must not be empty");
  if (std::set<std::int32_t>(info.classes.begin(), info.classes.end()).size() != info.classes.size())
    reader.fail("\"classes\" holds an id twice");
  if (info.is_novel.size() != info.classes.size())
    reader.fail(fmt::format("\"novel\" has {} entries and \"classes\" {}", info.is_novel.size(), info.classes.size()));
  if (info.labels.size() != info.rows.size())
    reader.fail(fmt::format("\"labels\" has {} entries and \"rows\" {}", info.labels.size(), info.rows.size()));
  for (std::size_t i = 0; i < info.labels.size(); ++i) {
    const auto found = std::find(info.classes.begin(), info.classes.end(), info.labels[i]);
    if (found == info.classes.end())
      reader.fail(fmt::format("entry {} of \"labels\" is {}, which is not in \"classes\"", i, info.labels[i]));
    info.labels[i] = static_cast<std::int32_t>(found - info.classes.begin());
  }
  if (const auto options = reader.root().find("options"); options != reader.root().end() && options->is_object())
    for (const auto& [name, value] : options->items())
      info.options.emplace_back(name, value.is_string() ? value.get<std::string>() : std::string());
  return info;
}

Matrix<float> read_score_layer(const fs::path& scores, const ScoreInfo& info, std::size_t layer) {
  const io::InputFile file(scores);
  const io::NpyHeader header = io::read_npy_header(file);
  const std::uint64_t layers = info.iterations.size(), rows = info.rows.size(), classes = info.classes.size();
  const std::vector<std::uint64_t> whole = {layers, rows, classes}, flat = {rows, classes};
  if (!io::is_float(header.type) || (header.shape != whole && !(layers == 1 && header.shape == flat)))
    file.fail(fmt::format("the array is {} [{}] and its side-car speaks of floats [{}]", io::name(header.type),
                          fmt::join(header.shape, ", "), fmt::join(whole, ", ")),
              "the two are not of one run: make both again");
  Matrix<float> values(rows, classes);  // the header's size is that of the file
  read_values(file, header.type, header.data_offset + layer * rows * classes * io::width(header.type), values);
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t c = 0; c < classes; ++c) {
      const float value = values(i, c);
      const bool good = info.kind == ScoreKind::log_softmax
                            ? value < std::numeric_limits<float>::infinity()
                            : value >= 0 && value < std::numeric_limits<float>::infinity();
      if (!good)
        file.fail(fmt::format("row {}, column {} holds {}; expected {}", i, c, value,
                              info.kind == ScoreKind::log_softmax ? "a logarithm" : "a number from 0 on"));
    }
  return values;
}

}  // namespace lowshot
