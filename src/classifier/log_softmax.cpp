// log P(class | row) of a trained regression, with the training's own kernels.
#include <fmt/format.h>
#include <omp.h>

#include <cmath>

#include "classifier/panels.h"
#include "lowshot/error.h"

namespace lowshot {

using namespace classifier;

namespace {

// Rows a thread multiplies at a time: as a training's minibatch, for the same caches.
constexpr std::size_t block_rows = 96;

struct Block {
  Matrix<float> x, z;               // block_rows x stride; (panels * block_rows) x panel_classes
  std::vector<float> maxima, sums;  // panels x block_rows
  std::vector<float> maximum, sum;
};

void score(const PanelKernels& kernels, const Panels& weights, const DescriptorView& rows, std::size_t first,
           Block& block, MatrixView<float> out) {
  const auto count = static_cast<std::uint32_t>(out.rows());
  for (std::size_t i = 0; i < count; ++i) gather(rows, first + i, block.x.row(i));
  const BatchView x{block.x.data(), block.x.cols(), count};
  for (std::uint32_t p = 0; p < weights.count; ++p) {
    float* z = block.z.row(p * block_rows);
    for (std::uint32_t k = 0; k < weights.inputs; k += input_block)
      kernels.logits(x, weights.panel(p), k, std::min(weights.inputs, k + input_block), z);
    for (std::size_t i = 0; i < count; ++i)
      for (std::uint32_t c = 0; c < weights.classes_of(p); ++c)
        out(i, p * panel_classes + c) = z[i * panel_classes + c];
    kernels.exponentials(z, count, weights.classes_of(p), block.maxima.data() + p * block_rows,
                         block.sums.data() + p * block_rows);
  }
  kernels.join(block.maxima.data(), block.sums.data(), weights.count, block_rows, block.maximum.data(),
               block.sum.data());
  for (std::size_t i = 0; i < count; ++i) {
    const float log_sum = std::log(block.sum[i]);
    for (float& value : out.row_span(i)) value = (value - block.maximum[i]) - log_sum;
  }
}

}  // namespace

void log_softmax(Context& context, const SoftmaxModel& model, const DescriptorView& rows, MatrixView<float> out) {
  if (rows.cols() != model.dim() || out.rows() != rows.rows() || out.cols() != model.classes())
    throw Error(ErrorKind::usage,
                fmt::format("{} x {} scores are asked for of {} rows of {} dimensions; the model has "
                            "{} classes of {}",
                            out.rows(), out.cols(), rows.rows(), rows.cols(), model.classes(), model.dim()));
  const PanelKernels kernels = panel_kernels(context.isa);
  const Panels weights = pack(model);
  const std::size_t blocks = (rows.rows() + block_rows - 1) / block_rows;
  const int threads = static_cast<int>(
      std::min<std::size_t>(static_cast<std::size_t>(context.thread_count()), std::max<std::size_t>(blocks, 1)));
  std::vector<Block> own(static_cast<std::size_t>(threads));
  for (Block& block : own) {
    block.x = Matrix<float>::zeroed(block_rows, batch_stride(model.dim()));
    block.z = Matrix<float>::zeroed(weights.count * block_rows, panel_classes);
    block.maxima.resize(weights.count * block_rows);
    block.sums.resize(weights.count * block_rows);
    block.maximum.resize(block_rows);
    block.sum.resize(block_rows);
  }
#pragma omp parallel for num_threads(threads) schedule(dynamic)
  for (std::size_t b = 0; b < blocks; ++b) {
    const std::size_t first = b * block_rows, last = std::min(rows.rows(), first + block_rows);
    score(kernels, weights, rows, first, own[static_cast<std::size_t>(omp_get_thread_num())],
          MatrixView<float>(out.row(first), last - first, out.cols()));
  }
}

}  // namespace lowshot
