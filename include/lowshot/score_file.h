#pragma once
// Score matrices of test rows in files (--storeL), with a side-car that says what their rows, columns and values are
// (docs/files.md, "Scores"), so that several classifiers can be combined.

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "lowshot/matrix.h"

namespace lowshot {

enum class ScoreKind {
  diffusion,      ///< non-negative, of any scale; a row of zeros was reached by no label
  log_softmax,    ///< logarithms of probabilities
  probabilities,  ///< non-negative, a row's sum is about 1
};

/// The side-car NAME.npy.scores.json of a score file NAME.npy [layers, rows, classes].
struct ScoreInfo {
  ScoreKind kind = ScoreKind::diffusion;
  std::vector<std::uint32_t> iterations;                     ///< one a layer
  std::vector<std::int32_t> classes;                         ///< one a column: the data set's class ids from 0
  std::vector<bool> is_novel;                                ///< one a column
  std::vector<std::uint32_t> rows;                           ///< one a row: its number in val.hdf5
  std::vector<std::int32_t> labels;                          ///< one a row: its true class, a column's number
  std::vector<std::pair<std::string, std::string>> options;  ///< of the run; for the reader, not compared
};

void write_score_info(const std::filesystem::path& scores, const ScoreInfo& info);
/// Throws Error (input) where it is absent, damaged or inconsistent (the key is named).
ScoreInfo read_score_info(const std::filesystem::path& scores);

/// One layer as float32, rows x classes. The file is npy, float16, float32 or float64, [layers, rows, classes] or, with
/// one layer, [rows, classes]. Throws Error (input) where its shape is not what `info` says, or a value is NaN or (but
/// for -infinity in log_softmax) infinite.
Matrix<float> read_score_layer(const std::filesystem::path& scores, const ScoreInfo& info, std::size_t layer);

}  // namespace lowshot
