#include "experiment/recipe_part.h"

#include <algorithm>
#include <cstring>

#include "experiment/raw_rows.h"
#include "lowshot/io.h"

namespace lowshot {
namespace {

using namespace small_recipe;

RowTransform mean_power(Context& context, const DataDirectory& directory, RowSource& train,
                        std::span<const std::int32_t> base_labels, float exponent) {
  const auto blocks = directory.blocks();
  if (blocks.empty()) return centred_power(context, train, exponent, base_labels);
  return centred_power(context, *open_hdf5_rows(blocks.front()), exponent);
}

}  // namespace

void use_recipe(ExperimentOptions& options, Recipe recipe) {
  options.recipe = recipe;
  if (recipe == Recipe::paper) return;
  options.knn.k = k;
  options.pca = {.kind = PcaChoice::Kind::none};  // `full` brings a map of its own
  options.diffusion.iterations = iterations;
}

RecipePart prepare_recipe(Context& context, Recipe recipe, const DataDirectory& directory, const ClassSet& classes,
                          RowSource& train, RowSource& val) {
  Phase phase(context, "classifier");
  std::vector<std::int32_t> base_labels(train.rows(), -1);
  std::vector<std::uint32_t> novel;
  for (std::size_t c = 0; c < classes.classes(); ++c)
    for (const std::uint32_t row : classes.train_rows[c])
      classes.is_novel[c] ? novel.push_back(row) : void(base_labels[row] = static_cast<std::int32_t>(c));
  std::sort(novel.begin(), novel.end());

  RecipePart part;
  const auto count = static_cast<std::uint32_t>(classes.classes());
  if (recipe == Recipe::small) {
    const LdaOptions options{.transform = mean_power(context, directory, train, base_labels, exponent),
                             .shrinkage = shrinkage,
                             .label_weight = label_weight};
    part.lda = fit_lda(context, train, base_labels, count, options);
  } else {
    part.three =
        fit_three_part(context, train, base_labels, count, mean_power(context, directory, train, base_labels, 0.5f));
    part.spread = spreading(part.three.plain, full_recipe::graph_shrinkage, full_recipe::graph_power);
    part.gather = spreading(part.three.plain, full_recipe::graph_shrinkage, -full_recipe::graph_power);
  }
  part.row_of_train.resize(train.rows());
  for (std::size_t i = 0; i < novel.size(); ++i) part.row_of_train[novel[i]] = static_cast<std::uint32_t>(i);
  part.novel = read_chosen(context, train, novel);
  part.test = read_chosen(context, val, classes.test_rows);
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

Matrix<float> small_scores(Context& context, const RecipePart& part, const ClassSet& classes, const Split& split,
                           MatrixView<const float> votes) {
  const Matrix<float> labelled = labelled_novel_rows(part, split);
  const SoftmaxModel model = lda_model(context, part.lda, DescriptorView(labelled), split.novel_labelled_classes);
  Matrix<float> scores(votes.rows(), votes.cols());
  lda_log_softmax(context, part.lda.transform, model, part.test.view(), scores);
  fuse(context, votes, offsets_of_classes(classes, split), classifier_share, scores);
  return scores;
}

std::uint64_t recipe_memory(Recipe recipe, const RowSource& train, const RowSource& val, std::uint64_t base_rows,
                            std::uint64_t novel_rows, std::uint64_t test_rows, std::uint64_t classes,
                            std::uint64_t nodes) {
  const std::uint64_t rows = raw_bytes(train, novel_rows) + raw_bytes(val, test_rows);
  const std::uint64_t scores = 2 * test_rows * classes * sizeof(float);
  if (recipe == Recipe::small) return rows + fit_lda_memory(classes, train.dim()) + scores;
  // Whitened base rows, once for all and once with the novel ones; L_3, L_t, its successor and P of all nodes
  return rows + 3 * fit_lda_memory(classes, train.dim()) + scores + 2 * base_rows * train.dim() * sizeof(float) +
         4 * nodes * classes * sizeof(float);
}

}  // namespace lowshot
