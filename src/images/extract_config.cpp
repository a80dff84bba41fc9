// The original's YAML configuration, read strictly: whatever is not understood is refused with its line, because a key
// that is passed over silently changes descriptors.
#include "lowshot/extract_config.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <sstream>
#include <string_view>

#include "io/input_file.h"
#include "io/text_table.h"
#include "lowshot/error.h"

namespace lowshot {
namespace {

namespace fs = std::filesystem;

// The original's files have less than a kilobyte.
constexpr std::uint64_t max_bytes = 1 << 20;
// Theirs nest three deep.
constexpr int max_depth = 8;
constexpr std::uint32_t smallest_side = 32, largest_side = 2048;

class Reader;

/// Passes over a file before any node is made of it: YAML's own means of repeating parts of a file are refused, so its
/// content is as large as the file.
class Structure : public YAML::EventHandler {
 public:
  explicit Structure(const Reader& reader) : reader_(reader) {}

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { node(mark, anchor); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { node(mark, 1); }
  void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor, const std::string&) override {
    node(mark, anchor);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    begin(mark, anchor);
  }
  void OnSequenceEnd() override { --depth_; }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    begin(mark, anchor);
  }
  void OnMapEnd() override { --depth_; }

 private:
  void node(const YAML::Mark& mark, YAML::anchor_t anchor) const;
  void begin(const YAML::Mark& mark, YAML::anchor_t anchor);

  const Reader& reader_;
  int depth_ = 0;
};

/// Values of one file, with messages that name file, line and key.
class Reader {
 public:
  explicit Reader(const fs::path& path) : path_(path) {
    const io::InputFile file(path);
    if (file.size() > max_bytes) {
      file.fail(fmt::format("expected a configuration of at most {} bytes and found {}", max_bytes, file.size()),
                "name a YAML file like f100m_save_data.yaml");
    }
    std::string text(file.size(), '\0');
    file.read_at(0, text.data(), text.size());
    try {
      std::istringstream stream(text);
      YAML::Parser parser(stream);
      Structure structure(*this);
      if (!parser.HandleNextDocument(structure)) file.fail("expected a YAML configuration and found an empty file");
      if (parser.HandleNextDocument(structure))
        file.fail("expected one YAML document and found several", "remove all but one");
      root = YAML::Load(text);
    } catch (const YAML::Exception& error) {
      fail(error.mark, fmt::format("the YAML is malformed: {}", error.msg), "check the indentation and the brackets");
    }
  }

  [[noreturn]] void fail(const YAML::Mark& mark, const std::string& what, const std::string& advice = {}) const {
    // Places count from 0; none is -1.
    throw Error(ErrorKind::input, what,
                mark.is_null() ? path_.string() : io::at_line(path_, static_cast<std::uint64_t>(mark.line) + 1),
                advice);
  }

  /// Calls `on_entry` for each key of a map; it returns false for a key that it does not know.
  void each(const YAML::Node& map, const std::string& name, std::string_view known,
            const std::function<bool(const std::string& key, const YAML::Node& value)>& on_entry) const {
    if (!map.IsMap())
      fail(map.Mark(), fmt::format("{} must hold keys with values", name), fmt::format("its keys are {}", known));
    std::vector<std::string> seen;
    for (const auto& entry : map) {
      if (!entry.first.IsScalar()) fail(entry.first.Mark(), fmt::format("a key of {} is no word", name));
      const std::string& key = entry.first.Scalar();
      if (std::find(seen.begin(), seen.end(), key) != seen.end()) {
        fail(entry.first.Mark(), fmt::format("the key {} of {} is there twice", io::shown(key), name), "remove one");
      }
      seen.push_back(key);
      if (!on_entry(key, entry.second)) {
        fail(entry.first.Mark(), fmt::format("the key {} of {} is not known", io::shown(key), name),
             fmt::format("its keys are {}", known));
      }
    }
  }

  std::string text(const YAML::Node& node, const std::string& key) const {
    if (!node.IsScalar() || node.Scalar().empty()) fail(node.Mark(), fmt::format("{} must be a word or a path", key));
    if (node.Scalar().find('\0') != std::string::npos) fail(node.Mark(), fmt::format("{} holds a zero byte", key));
    return node.Scalar();
  }

  std::uint32_t whole(const YAML::Node& node, const std::string& key, std::uint32_t least, std::uint32_t most) const {
    std::int64_t value = 0;
    if (!node.IsScalar() || !YAML::convert<std::int64_t>::decode(node, value) || value < least || value > most) {
      fail(node.Mark(),
           fmt::format("{} must be a whole number from {} to {} and is {}", key, least, most, shown(node)));
    }
    return static_cast<std::uint32_t>(value);
  }

  bool truth(const YAML::Node& node, const std::string& key) const {
    bool value = false;
    if (!node.IsScalar() || !YAML::convert<bool>::decode(node, value)) {
      fail(node.Mark(), fmt::format("{} must be True or False and is {}", key, shown(node)));
    }
    return value;
  }

  std::array<float, 3> colours(const YAML::Node& node, const std::string& key, bool positive) const {
    std::array<float, 3> values{};
    bool good = node.IsSequence() && node.size() == 3;
    for (std::size_t c = 0; good && c < 3; ++c) {
      good = node[c].IsScalar() && YAML::convert<float>::decode(node[c], values[c]) && std::isfinite(values[c]) &&
             std::abs(values[c]) <= 1000 && (!positive || values[c] > 1e-6F);
    }
    if (!good) {
      fail(node.Mark(),
           fmt::format("{} must be three {}numbers, for red, green and blue, of values from 0 to 1", key,
                       positive ? "positive " : ""),
           "see f100m_save_data.yaml");
    }
    return values;
  }

  static std::string shown(const YAML::Node& node) {
    if (node.IsScalar()) return io::shown(node.Scalar());
    return node.IsSequence() ? "a list" : node.IsMap() ? "a map" : "empty";
  }

  YAML::Node root;

 private:
  fs::path path_;
};

void Structure::node(const YAML::Mark& mark, YAML::anchor_t anchor) const {
  if (anchor != 0) reader_.fail(mark, "anchors (&name) and aliases (*name) are not read", "write the values out");
}

void Structure::begin(const YAML::Mark& mark, YAML::anchor_t anchor) {
  node(mark, anchor);
  if (++depth_ > max_depth) reader_.fail(mark, fmt::format("lists and maps are nested more than {} deep", max_depth));
}

// --- the sections ----------------------------------------------------------------------------------------------------

ExtractConfig::DatasetType dataset_type(const Reader& reader, const YAML::Node& node) {
  const std::string name = reader.text(node, "dataset_type");
  if (name == "F100MDataset") return ExtractConfig::DatasetType::numbered_zips;
  if (name == "MetaDataset") return ExtractConfig::DatasetType::listed;
  if (name == "ImageFolder") return ExtractConfig::DatasetType::class_folder;
  reader.fail(node.Mark(), fmt::format("the dataset_type {} is not known", io::shown(name)),
              "it is F100MDataset, MetaDataset or ImageFolder");
}

void read_dataset(const Reader& reader, const YAML::Node& section, ExtractConfig& config) {
  const bool listed = config.dataset_type == ExtractConfig::DatasetType::listed;
  if (config.dataset_type == ExtractConfig::DatasetType::none) {
    reader.fail(section.Mark(), "dataset_params without a dataset_type", "add dataset_type");
  }
  reader.each(section, "dataset_params", listed ? "meta, root" : "root",
              [&](const std::string& key, const YAML::Node& value) {
                if (key == "root") {
                  (listed ? config.dataset_root : config.dataset_path) = reader.text(value, "dataset_params.root");
                } else if (key == "meta" && listed) {
                  config.dataset_path = reader.text(value, "dataset_params.meta");
                } else {
                  return false;
                }
                return true;
              });
}

/// What the list of transforms asks for.
struct Steps {
  bool scale = true, normalize = true;
};

Steps read_steps(const Reader& reader, const YAML::Node& list) {
  constexpr std::array<std::string_view, 4> order{"Scale", "CenterCrop", "ToTensor", "Normalize"};
  constexpr std::array<std::string_view, 10> training{
      "RandomSizedCrop", "RandomResizedCrop", "RandomHorizontalFlip", "RandomVerticalFlip", "RandomCrop",
      "RandomRotation",  "RandomAffine",      "RandomErasing",        "ImageJitter",        "ColorJitter"};
  const std::string advice =
      "the list is [Scale, CenterCrop, ToTensor, Normalize], with or without the first and the last";
  if (!list.IsSequence()) reader.fail(list.Mark(), "transform_list must be a list", advice);
  std::size_t next = 0;
  std::array<bool, 4> there{};
  for (const YAML::Node& entry : list) {
    const std::string name = reader.text(entry, "an entry of transform_list");
    if (std::find(training.begin(), training.end(), name) != training.end()) {
      reader.fail(entry.Mark(), fmt::format("{} of transform_list is for training: it makes descriptors random", name),
                  advice);
    }
    const auto at = static_cast<std::size_t>(std::find(order.begin(), order.end(), name) - order.begin());
    if (at == order.size())
      reader.fail(entry.Mark(), fmt::format("the transform {} is not known", io::shown(name)), advice);
    if (at < next) reader.fail(entry.Mark(), fmt::format("{} is out of place in transform_list", name), advice);
    there[at] = true;
    next = at + 1;
  }
  for (const std::size_t needed : {1, 2}) {
    if (!there[needed]) reader.fail(list.Mark(), fmt::format("{} is missing in transform_list", order[needed]), advice);
  }
  return {there[0], there[3]};
}

void read_transform(const Reader& reader, const YAML::Node& section, ImageTransform& transform) {
  Steps steps;
  YAML::Mark crop_place = section.Mark();
  bool has_mean = false, has_deviation = false;
  const auto normalize = [&](const std::string& key, const YAML::Node& value) {
    const bool mean = key == "mean";
    if (!mean && key != "std") return false;
    bool& there = mean ? has_mean : has_deviation;
    if (there)
      reader.fail(value.Mark(), fmt::format("{} is given twice, in transform_params and in normalize_param", key),
                  "remove one");
    there = true;
    (mean ? transform.mean : transform.deviation) = reader.colours(value, "transform_params." + key, !mean);
    return true;
  };
  reader.each(section, "transform_params", "transform_list, scale, image_size, mean, std, normalize_param",
              [&](const std::string& key, const YAML::Node& value) {
                if (key == "transform_list") {
                  steps = read_steps(reader, value);
                } else if (key == "scale") {
                  transform.scale = reader.whole(value, "transform_params.scale", smallest_side, largest_side);
                } else if (key == "image_size") {
                  transform.crop = reader.whole(value, "transform_params.image_size", smallest_side, largest_side);
                  crop_place = value.Mark();
                } else if (key == "normalize_param") {
                  reader.each(value, "normalize_param", "mean, std", normalize);
                } else {
                  return normalize(key, value);
                }
                return true;
              });
  if (!steps.scale) transform.scale = 0;
  if (!steps.normalize) {
    if (has_mean || has_deviation) {
      reader.fail(section.Mark(), "mean or std without Normalize in transform_list", "add Normalize or remove them");
    }
    transform.mean = {0, 0, 0};
    transform.deviation = {1, 1, 1};
  }
  if (transform.scale != 0 && transform.crop > transform.scale) {
    reader.fail(crop_place,
                fmt::format("the image_size {} is above the scale {}: crops would have black edges", transform.crop,
                            transform.scale),
                "choose an image_size of at most the scale");
  }
}

void read_loader(const Reader& reader, const YAML::Node& section, ExtractConfig& config) {
  reader.each(section, "data_loader_params", "batch_size, shuffle, num_workers, pin_memory",
              [&](const std::string& key, const YAML::Node& value) {
                const std::string name = "data_loader_params." + key;
                if (key == "batch_size") {
                  config.batch_size = reader.whole(value, name, 1, 1 << 16);
                } else if (key == "num_workers") {
                  reader.whole(value, name, 0, 1 << 16);
                } else if (key == "pin_memory") {
                  reader.truth(value, name);
                } else if (key == "shuffle") {
                  if (reader.truth(value, name)) {
                    reader.fail(value.Mark(), "shuffle is True: descriptors would lose the order of their images",
                                "set it to False");
                  }
                } else {
                  return false;
                }
                return true;
              });
}

void read_model(const Reader& reader, const YAML::Node& section, ExtractConfig& config) {
  reader.each(section, "model", "output, pooling", [&](const std::string& key, const YAML::Node& value) {
    if (key == "output") {
      config.output = reader.text(value, "model.output");
    } else if (key == "pooling") {
      const std::string name = reader.text(value, "model.pooling");
      if (name == "none") {
        config.pooling = Pooling::none;
      } else if (name == "average") {
        config.pooling = Pooling::average;
      } else if (name == "maximum") {
        config.pooling = Pooling::maximum;
      } else if (name == "class_token") {
        config.pooling = Pooling::class_token;
      } else {
        reader.fail(value.Mark(), fmt::format("the model.pooling {} is not known", io::shown(name)),
                    "it is average, maximum, class_token or none");
      }
    } else {
      return false;
    }
    return true;
  });
}

}  // namespace

ExtractConfig read_extract_config(const fs::path& yaml) {
  const Reader reader(yaml);
  ExtractConfig config;
  // dataset_params are understood once the type is known, wherever it stands.
  if (reader.root.IsMap() && reader.root["dataset_type"]) {
    config.dataset_type = dataset_type(reader, reader.root["dataset_type"]);
  }
  reader.each(reader.root, "the configuration",
              "dataset_type, dataset_params, transform_params, data_loader_params, model",
              [&](const std::string& key, const YAML::Node& value) {
                if (key == "dataset_params") {
                  read_dataset(reader, value, config);
                } else if (key == "transform_params") {
                  read_transform(reader, value, config.transform);
                } else if (key == "data_loader_params") {
                  read_loader(reader, value, config);
                } else if (key == "model") {
                  read_model(reader, value, config);
                } else {
                  return key == "dataset_type";
                }
                return true;
              });
  return config;
}

}  // namespace lowshot
