#pragma once
// Which PCA an experiment uses, and where it comes from: stored, or trained and kept.

#include <filesystem>
#include <optional>
#include <string>

#include "lowshot/context.h"
#include "lowshot/experiment.h"
#include "lowshot/io.h"
#include "lowshot/linear_map.h"

namespace lowshot {

struct ChosenPca {
  std::optional<LinearMap> map;               ///< nothing: descriptors stay as they are
  std::string name = "none";                  ///< for the log and for the names of derived files
  std::optional<std::filesystem::path> file;  ///< where it is stored; nothing when it could not be kept
};

/// What `choose_pca` will do, without doing it.
struct PcaSource {
  std::optional<std::filesystem::path> stored;  ///< read this file
  std::filesystem::path train_from;             ///< else train on this one
  std::uint32_t dim = 256;
  std::filesystem::path keep_as;  ///< name below the data or work directory

  Origin origin() const;  ///< of a map trained on `train_from`
};
PcaSource find_pca(const DataDirectory& directory, const PcaChoice& choice);

/// What the choice is called in logs and in the names of derived files.
std::string pca_name(const PcaChoice& choice);

/// Trains on source.train_from and keeps the map at `place`.
LinearMap train_and_keep(Context& context, const PcaSource& source, const std::optional<std::filesystem::path>& place);

/// `dim`: dimension of the descriptors, which a stored map must take. A file of --work made from other inputs or
/// options is made anew; a file without an origin side-car is somebody's own and used as it is.
ChosenPca choose_pca(Context& context, const DataDirectory& directory, const PcaChoice& choice, std::uint32_t dim);

}  // namespace lowshot
