#pragma once
// The original's YAML configuration of an extraction (f100m_save_data.yaml and its kin).

#include <filesystem>
#include <optional>
#include <string>

#include "lowshot/image.h"

namespace lowshot {

/// How a network's output becomes a descriptor, where it is not one already (ONNX models).
enum class Pooling { none, average, maximum, class_token };

/// What a configuration says; what it does not say keeps these values, which are the original's.
struct ExtractConfig {
  enum class DatasetType { none, numbered_zips, listed, class_folder };
  DatasetType dataset_type = DatasetType::none;  ///< F100MDataset, MetaDataset, ImageFolder
  std::filesystem::path dataset_path;            ///< dataset_params: root, or meta (the JSON) of a MetaDataset
  std::filesystem::path dataset_root;            ///< dataset_params: root of a MetaDataset, where its names begin
  ImageTransform transform;
  std::optional<std::uint32_t> batch_size;  ///< data_loader_params; num_workers and shuffle: false are accepted
  std::optional<std::string> output;        ///< model: name of the ONNX output
  std::optional<Pooling> pooling;           ///< model: how a 3-D or 4-D output is pooled
};

/// Throws Error (input) naming file, line and key: no YAML, an unknown key or transform, a transform of training
/// (random crops and flips), a list in another order than Scale, CenterCrop, ToTensor, Normalize (the first and the
/// last may be left out: no resizing, values from 0 to 1), shuffle: True, an anchor or alias.
ExtractConfig read_extract_config(const std::filesystem::path& yaml);

}  // namespace lowshot
