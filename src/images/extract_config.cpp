// The original's YAML configuration, read strictly: whatever is not understood is refused with its line, because a key
// that is passed over silently changes descriptors.
#include "lowshot/extract_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "io/text_table.h"
#include "io/yaml_file.h"

namespace lowshot {
namespace {

namespace fs = std::filesystem;
using Reader = io::YamlFile;

constexpr std::uint32_t smallest_side = 32, largest_side = 2048;

std::array<float, 3> colours(const Reader& reader, const YAML::Node& node, const std::string& key, bool positive) {
  std::array<float, 3> values{};
  bool good = node.IsSequence() && node.size() == 3;
  for (std::size_t c = 0; good && c < 3; ++c) {
    good = node[c].IsScalar() && YAML::convert<float>::decode(node[c], values[c]) && std::isfinite(values[c]) &&
           std::abs(values[c]) <= 1000 && (!positive || values[c] > 1e-6F);
  }
  if (!good) {
    reader.fail(node.Mark(),
                fmt::format("{} must be three {}numbers, for red, green and blue, of values from 0 to 1", key,
                            positive ? "positive " : ""),
                "see f100m_save_data.yaml");
  }
  return values;
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
    (mean ? transform.mean : transform.deviation) = colours(reader, value, "transform_params." + key, !mean);
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
  const Reader reader(yaml, "configuration", "name a YAML file like f100m_save_data.yaml");
  ExtractConfig config;
  // dataset_params are understood once the type is known, wherever it stands.
  if (reader.root().IsMap() && reader.root()["dataset_type"]) {
    config.dataset_type = dataset_type(reader, reader.root()["dataset_type"]);
  }
  reader.each(reader.root(), "the configuration",
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
