#pragma once
// Networks that turn crops into descriptors: the five ResNets of the original on the CPU and on CUDA devices, and any
// ONNX model. Source: He et al., CVPR 2016; the original's variant of it (docs/extract.md).

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "lowshot/context.h"
#include "lowshot/extract_config.h"
#include "lowshot/matrix.h"
#include "lowshot/named_tensors.h"

namespace lowshot {

/// Runs on batches of a fixed number of crops. Not thread-safe: one thread calls it, and it is that thread that opens
/// OpenMP regions. A crop's descriptor does not depend on its place in the batch or on its neighbours.
class Network {
 public:
  virtual ~Network() = default;
  virtual std::uint32_t dim() const = 0;     ///< of the descriptors
  virtual std::uint32_t batch() const = 0;   ///< crops that a call takes best, and at most
  virtual std::uint32_t crop() const = 0;    ///< side of a crop in pixels
  virtual std::uint64_t memory() const = 0;  ///< host memory that it holds: weights and activations
  /// `crops`: n x (3 crop crop) bytes, R G B of a pixel together (crop_image); n <= batch(). `out`: n x dim().
  virtual void run(MatrixView<const std::uint8_t> crops, MatrixView<float> out) = 0;
  /// Everything that the bits of a descriptor depend on besides weights and crop, e.g.
  /// "ResNet50 on the CPU, float32 (oneDNN 2.6.3, AVX-512)". A resumed job compares it.
  virtual std::string description() const = 0;
};

/// What a network needs to know of the transform besides the pixels.
struct Normalisation {
  std::array<float, 3> mean, deviation;
};

/// One convolution with its batch norm folded in: weights are out x in x kernel x kernel.
struct Convolution {
  std::string name;  ///< in the checkpoint, e.g. "module.trunk.4.C1"
  std::uint32_t in = 0, out = 0, kernel = 1, stride = 1, pad = 0;
  bool has_bias = false;             ///< in the checkpoint
  std::string batch_norm;            ///< its name in the checkpoint; empty: none follows
  bool relu = false;                 ///< follows directly (for the last of a block: after the sum)
  std::vector<float> weights, bias;  ///< folded; empty in a description without weights
};

/// Main path, then the sum with the input (or its shortcut convolution), then ReLU.
struct Block {
  std::vector<Convolution> path;
  std::vector<Convolution> shortcut;  ///< none or one
};

/// The description that every device executes: stem, 3 x 3 / 2 max pool (pad 1), blocks, average over the map.
struct ResNet {
  std::string name;  ///< "ResNet50"
  Convolution stem;
  std::vector<Block> blocks;
  std::uint32_t dim() const { return blocks.back().path.back().out; }
};

std::vector<std::string> resnet_names();  ///< ResNet10, ResNet18, ResNet34, ResNet50, ResNet101
/// The layers of one of them without weights. Error (usage) for another name.
ResNet resnet_architecture(const std::string& name);

/// A checkpoint held against the five architectures.
struct ModelCheck {
  std::string recognised;               ///< the architecture with the fewest differences; empty: no ResNet of these
  std::vector<std::string> missing;     ///< tensors it needs and the checkpoint lacks
  std::vector<std::string> extra;       ///< tensors that it has no use for
  std::vector<std::string> mismatched;  ///< "NAME is 64 x 3 x 3 x 3, must be 64 x 3 x 7 x 7"
};
ModelCheck check_model(const NamedTensors& tensors);

/// The network with the checkpoint's weights, batch norms folded in double precision. Throws Error (input) naming what
/// is missing or misshapen; `where` names the checkpoint.
ResNet load_resnet(const std::string& name, const NamedTensors& tensors, const std::string& where);

/// On the CPU through oneDNN, float32, activations in its blocked layout. `batch` 0: a good one for the processor.
std::unique_ptr<Network> make_cpu_network(Context& context, const ResNet& model, const Normalisation& normalisation,
                                          std::uint32_t crop, std::uint32_t batch = 0);

/// On a CUDA device through cuDNN 9, channels last; `half`: float16 with float32 sums, else float32 throughout (no
/// TF32). A batch goes through in passes of up to 128 crops; `batch` 0: four of them. A crop's bits depend on what
/// description() names: card, version of cuDNN, crops a pass, precision. Error (device): no GPU or no cuDNN, here or in
/// the build, or too little of its memory. `device` is the thread's current one afterwards, and after every run.
std::unique_ptr<Network> make_cuda_network(Context& context, const ResNet& model, const Normalisation& normalisation,
                                           std::uint32_t crop, int device, bool half, std::uint32_t batch = 0);
bool has_cuda_networks();  ///< the build has them

/// What is run of an ONNX model.
struct OnnxOptions {
  std::string output;                  ///< name of the output; empty: the only one
  Pooling pooling = Pooling::average;  ///< of a 3-D or 4-D output
};
/// A user's ONNX model through OpenVINO, on the CPU, float32. The model has one input, images x 3 x height x width of
/// float32 or float16, and an output that a descriptor can be made of (docs/onnx.md). Error (input) for another model
/// or one that OpenVINO cannot run, Error (device) in a build without it.
std::unique_ptr<Network> make_onnx_network(Context& context, const std::filesystem::path& model,
                                           const OnnxOptions& options, const Normalisation& normalisation,
                                           std::uint32_t crop, std::uint32_t batch = 0);
bool has_onnx();             ///< the build has it
std::string onnx_library();  ///< what runs it, e.g. "OpenVINO 2026.4.1"; empty in a build without

}  // namespace lowshot
