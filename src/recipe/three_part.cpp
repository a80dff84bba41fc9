#include "lowshot/three_part.h"

#include <algorithm>

#include "lowshot/pca.h"

namespace lowshot {
namespace {

constexpr std::size_t block_rows = 4096;

/// u of raw rows: transformed, then mapped.
void whiten_rows(Context& context, const LdaFit& fit, const LinearMap& map, MatrixView<float> x, MatrixView<float> u) {
  transform_rows(context, fit.transform, x);
  apply_map(context, map, x, u);
}

}  // namespace

ThreePartFit fit_three_part(Context& context, RowSource& x, std::span<const std::int32_t> labels, std::uint32_t classes,
                            const RowTransform& centred) {
  ThreePartFit fit;
  fit.plain = fit_lda(context, x, labels, classes, {.shrinkage = 0.9, .label_weight = 1});
  fit.root = fit_lda(context, x, labels, classes,
                     {.transform = centred, .shrinkage = centred.exponent == 1 ? 0.5 : 0.7, .label_weight = 2});
  fit.whitening = whitening(fit.plain);
  for (const std::int32_t label : labels)
    if (label >= 0) fit.base_labels.push_back(label);
  fit.base = Matrix<float>(fit.base_labels.size(), x.dim());
  Matrix<float> block(static_cast<std::size_t>(std::min<std::uint64_t>(block_rows, x.rows())), x.dim());
  for (std::uint64_t first = 0, done = 0; first < x.rows(); first += block_rows) {
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(block_rows, x.rows() - first));
    x.read(first, block.view().rows(0, count));
    std::size_t kept = 0;
    for (std::size_t i = 0; i < count; ++i)
      if (labels[first + i] >= 0) std::copy_n(block.row(i), x.dim(), block.row(kept++));
    whiten_rows(context, fit.plain, fit.whitening, block.view().rows(0, kept), fit.base.view().rows(done, done + kept));
    done += kept;
  }
  if (fit.base.rows() != 0) fit.step = softmax_step(context, fit.base, SoftmaxRegressionOptions{}.penalty);
  return fit;
}

ThreePartModel three_part_model(Context& context, const ThreePartFit& fit, const DescriptorView& x,
                                std::span<const std::int32_t> labels) {
  ThreePartModel model{lda_model(context, fit.plain, x, labels), lda_model(context, fit.root, x, labels), {}};
  const std::size_t dim = x.cols();
  Matrix<float> novel(x.rows(), dim), u(x.rows(), dim);
  for (std::size_t i = 0; i < x.rows(); ++i)
    if (const float* row = x.load(i, novel.row(i)); row != novel.row(i)) std::copy_n(row, dim, novel.row(i));
  whiten_rows(context, fit.plain, fit.whitening, novel, u);
  Phase phase(context, "regression");
  const RegressionRows parts[] = {{fit.base, fit.base_labels}, {u, labels}};
  model.regression = behind(
      fit.whitening, softmax_regression(context, parts, static_cast<std::uint32_t>(fit.plain.classes()), fit.step));
  return model;
}

void three_part_scores(Context& context, const ThreePartFit& fit, const ThreePartModel& model, const DescriptorView& x,
                       MatrixView<float> out) {
  Matrix<float> part(std::min(block_rows, x.rows()), out.cols());
  for (std::size_t first = 0; first < x.rows(); first += block_rows) {
    const std::size_t last = std::min(x.rows(), first + block_rows);
    const DescriptorView rows = x.rows(first, last);
    const MatrixView<float> sum = out.rows(first, last), other = part.view().rows(0, last - first);
    lda_log_softmax(context, fit.plain.transform, model.plain, rows, sum);
    const auto add = [&](const RowTransform& transform, const SoftmaxModel& one, float scale) {
      lda_log_softmax(context, transform, one, rows, other);
      for (std::size_t e = 0; e < sum.size(); ++e) sum.data()[e] = (sum.data()[e] + other.data()[e]) * scale;
    };
    add(fit.root.transform, model.root, 1);
    add(fit.plain.transform, model.regression, 1.0f / 3);
  }
}

}  // namespace lowshot
