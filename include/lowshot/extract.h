#pragma once
// Images -> descriptors: the feature extraction of the system, as a job that survives being killed.
// Paper: section 4, "Image descriptors" (Douze et al., CVPR 2018).

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "lowshot/context.h"
#include "lowshot/image.h"
#include "lowshot/image_set.h"
#include "lowshot/memory.h"
#include "lowshot/network.h"

namespace lowshot {

/// What becomes of an image that is absent or cannot be decoded. Its row stays in any case.
enum class OnBad {
  black,  ///< the descriptor of a black image, as in the original; all bad rows are duplicates then
  zero,   ///< a row of zeros, which has no neighbours (knn build --skip-rows)
  stop,   ///< the job ends; what is done so far is kept
};

struct ExtractOptions {
  OnBad on_bad = OnBad::black;
  bool half = false;               ///< store float16
  std::uint32_t part_rows = 4096;  ///< rows of a part, the most work that a killed job loses; a multiple of the batch
                                   ///< is cheapest
  std::string model_hash;          ///< of the weights' file; a job goes on only with the same
};

struct BadImage {
  std::uint64_t row = 0;
  std::string name, reason;  ///< reason "missing": the image is absent
};

struct Extraction {
  std::uint64_t rows = 0, resumed = 0;  ///< resumed: rows that an earlier run had finished
  std::uint32_t dim = 0;
  bool up_to_date = false;  ///< the file was there, made from the same: nothing was done
  std::vector<BadImage> bad;
  double seconds = 0;          ///< of the pipeline, without assembling the file
  double decode_seconds = 0;   ///< summed over the decoding threads
  double network_seconds = 0;  ///< of the network, which waits for nothing meanwhile
  std::uint32_t decoders = 0;  ///< decoding threads
};

/// STEM.bad.csv of STEM.hdf5 or STEM.npy.
std::filesystem::path bad_list_name(std::filesystem::path out);

/// Host memory of the job, without the network's own.
std::uint64_t extract_memory(const Context& context, const ImageTransform& transform, const Network& network);

/// Describes every image of the set and writes `out`: HDF5 of the protocol where its name ends in .hdf5 or .h5, else
/// npy. Row i is image i. Beside it bad_list_name(out) (row,name,reason), only where there are bad images, and
/// OUT.meta.json.
///
/// Finished parts lie in OUT.parts, each with its checksum; a killed job that is started again goes on where it was and
/// ends with the same bytes, whatever the number of threads. Another set, model, transform or option is refused there.
/// Images are decoded by threads of their own, ahead of the network by a few batches. Throws Error.
Extraction extract(Context& context, const ImageSet& images, const ImageTransform& transform, Network& network,
                   const std::filesystem::path& out, const ExtractOptions& options);

}  // namespace lowshot
