#include "experiment/recipe_part.h"

#include <algorithm>
#include <cstring>

#include "lowshot/io.h"
#include "lowshot/pca.h"

namespace lowshot {
namespace {

using namespace small_recipe;

constexpr std::size_t fused_rows = 4096;  // of a block

RowTransform mean_power(Context& context, const DataDirectory& directory, RowSource& base, float exponent) {
  const auto blocks = directory.blocks();
  return centred_power(context, blocks.empty() ? base : *open_hdf5_rows(blocks.front()), exponent);
}

}  // namespace

void use_recipe(ExperimentOptions& options, Recipe recipe) {
  options.recipe = recipe;
  if (recipe == Recipe::paper) return;
  options.knn.k = k;
  options.pca = {.kind = PcaChoice::Kind::none};  // recipes bring a map of their own
  options.diffusion.iterations = iterations;
}

BasePath base_path(const ClassSet& classes) {
  std::vector<std::uint64_t> labels;
  for (std::size_t c = 0; c < classes.classes(); ++c)
    if (!classes.is_novel[c]) labels.push_back(classes.train_rows[c].size());
  return base_path(labels);
}

Recipe settled(Recipe recipe, const BasePath& base) {
  if (recipe != Recipe::automatic) return recipe;
  return base.holds() ? Recipe::full : Recipe::small;
}

RecipePart prepare_recipe(Context& context, Recipe recipe, const DataDirectory& directory, const ClassSet& classes,
                          RowSource& train, RowSource& val) {
  Phase phase(context, "classifier");
  std::vector<std::int32_t> label_of_row(train.rows(), -1);
  std::vector<std::uint32_t> base_rows, novel_rows;
  for (std::size_t c = 0; c < classes.classes(); ++c)
    for (const std::uint32_t row : classes.train_rows[c]) {
      (classes.is_novel[c] ? novel_rows : base_rows).push_back(row);
      label_of_row[row] = static_cast<std::int32_t>(c);
    }
  std::sort(base_rows.begin(), base_rows.end());
  std::sort(novel_rows.begin(), novel_rows.end());
  std::vector<std::int32_t> labels;
  for (const std::uint32_t row : base_rows) labels.push_back(label_of_row[row]);
  // The fits pass over the base rows up to seven times; from the file each would be a tenth of a diffusion.
  const RawRows raw = gather_rows(context, train, base_rows);
  const auto base = rows_in_memory(raw.view(), train.name());

  RecipePart part;
  part.base = base_path(classes);
  part.recipe = settled(recipe, part.base);
  const auto count = static_cast<std::uint32_t>(classes.classes());
  if (part.recipe == Recipe::small) {
    const LdaOptions options{.transform = mean_power(context, directory, *base, exponent),
                             .shrinkage = shrinkage,
                             .label_weight = label_weight};
    part.lda = fit_lda(context, *base, labels, count, options);
    if (train.dim() > graph_dim && base->rows() > graph_dim)
      part.map = train_pca(context, *base, {.dim = graph_dim, .centred = false});
  } else {
    part.three = fit_three_part(context, *base, labels, count, mean_power(context, directory, *base, 0.5f));
    part.map = spreading(part.three.plain, full_recipe::graph_shrinkage, full_recipe::graph_power);
    part.back = spreading(part.three.plain, full_recipe::graph_shrinkage, -full_recipe::graph_power);
  }
  part.row_of_train.resize(train.rows());
  for (std::size_t i = 0; i < novel_rows.size(); ++i) part.row_of_train[novel_rows[i]] = static_cast<std::uint32_t>(i);
  part.novel = gather_rows(context, train, novel_rows);
  part.test = gather_rows(context, val, classes.test_rows);
  return part;
}

Matrix<float> labelled_novel_rows(const RecipePart& part, const Split& split) {
  const DescriptorView novel = part.novel.view();
  Matrix<float> labelled(split.novel_labelled_rows.size(), novel.cols());
  for (std::size_t i = 0; i < labelled.rows(); ++i) {
    const float* row = novel.load(part.row_of_train[split.novel_labelled_rows[i]], labelled.row(i));
    if (row != labelled.row(i)) std::memcpy(labelled.row(i), row, labelled.cols() * sizeof(float));
  }
  return labelled;
}

std::vector<float> offsets_of_classes(const ClassSet& classes, const Split& split) {
  std::vector<std::uint64_t> labels(classes.classes());
  for (const std::int32_t c : split.novel_labelled_classes) ++labels[static_cast<std::size_t>(c)];
  std::vector<float> offset(classes.classes());
  for (std::size_t c = 0; c < offset.size(); ++c)
    if (classes.is_novel[c]) offset[c] = static_cast<float>(novel_offset(labels[c]));
  return offset;
}

SoftmaxModel small_model(Context& context, const RecipePart& part, const Split& split) {
  return lda_model(context, part.lda, DescriptorView(labelled_novel_rows(part, split)), split.novel_labelled_classes);
}

ThreePartModel full_model(Context& context, const RecipePart& part, const Split& split) {
  return three_part_model(context, part.three, DescriptorView(labelled_novel_rows(part, split)),
                          split.novel_labelled_classes);
}

void fuse_tests(Context& context, const RecipePart& part, const ClassSet& classes, const Split& split, double a,
                const ClassifierScores& classifier, MatrixView<float> votes) {
  const std::vector<float> offset = offsets_of_classes(classes, split);
  Matrix<float> scores(std::min(fused_rows, votes.rows()), votes.cols());
  for (std::size_t first = 0; first < votes.rows(); first += fused_rows) {
    const std::size_t last = std::min(votes.rows(), first + fused_rows);
    const MatrixView<float> block = votes.rows(first, last), own = scores.view().rows(0, last - first);
    classifier(part.test.view().rows(first, last), own);
    fuse(context, block, offset, a, own);
    std::copy_n(own.data(), own.size(), block.data());
  }
}

std::uint64_t recipe_part_memory(Recipe recipe, const RowSource& train, const RowSource& val, std::uint64_t base_rows,
                                 std::uint64_t novel_rows, std::uint64_t test_rows, std::uint64_t classes) {
  const std::uint64_t dim = train.dim(), kept = raw_bytes(train, novel_rows) + raw_bytes(val, test_rows);
  const std::uint64_t fit = fit_lda_memory(classes, dim), blocks = fused_rows * (dim + 2 * classes) * sizeof(float);
  const std::uint64_t base = raw_bytes(train, base_rows);  // until it is fitted
  if (recipe == Recipe::small) return kept + fit + std::max(base, blocks);
  return kept + 3 * fit + base_rows * dim * sizeof(float) +
         std::max(base, softmax_regression_memory(base_rows, classes, dim) + blocks);
}

}  // namespace lowshot
