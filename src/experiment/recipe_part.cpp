#include "experiment/recipe_part.h"

#include <algorithm>
#include <cstring>

#include "experiment/raw_rows.h"
#include "lowshot/io.h"

namespace lowshot {
namespace {

using namespace small_recipe;

RowTransform mean_power(Context& context, const DataDirectory& directory, RowSource& train,
                        std::span<const std::int32_t> base_labels) {
  const auto blocks = directory.blocks();
  if (blocks.empty()) return centred_power(context, train, exponent, base_labels);
  return centred_power(context, *open_hdf5_rows(blocks.front()), exponent);
}

}  // namespace

void use_recipe(ExperimentOptions& options, Recipe recipe) {
  options.recipe = recipe;
  if (recipe == Recipe::paper) return;
  options.knn.k = k;
  options.pca = {.kind = PcaChoice::Kind::none};
  options.diffusion.iterations = iterations;
}

RecipePart prepare_recipe(Context& context, const DataDirectory& directory, const ClassSet& classes, RowSource& train,
                          RowSource& val) {
  Phase phase(context, "classifier");
  std::vector<std::int32_t> base_labels(train.rows(), -1);
  std::vector<std::uint32_t> novel;
  for (std::size_t c = 0; c < classes.classes(); ++c)
    for (const std::uint32_t row : classes.train_rows[c])
      classes.is_novel[c] ? novel.push_back(row) : void(base_labels[row] = static_cast<std::int32_t>(c));
  std::sort(novel.begin(), novel.end());

  RecipePart part;
  const LdaOptions options{.transform = mean_power(context, directory, train, base_labels),
                           .shrinkage = shrinkage,
                           .label_weight = label_weight};
  part.lda = fit_lda(context, train, base_labels, static_cast<std::uint32_t>(classes.classes()), options);
  part.row_of_train.resize(train.rows());
  for (std::size_t i = 0; i < novel.size(); ++i) part.row_of_train[novel[i]] = static_cast<std::uint32_t>(i);
  part.novel = read_chosen(context, train, novel);
  part.test = read_chosen(context, val, classes.test_rows);
  return part;
}

Matrix<float> recipe_scores(Context& context, const RecipePart& part, const ClassSet& classes, const Split& split,
                            MatrixView<const float> votes) {
  const DescriptorView novel = part.novel.view();
  Matrix<float> labelled(split.novel_labelled_rows.size(), novel.cols());
  std::vector<std::uint64_t> labels(classes.classes());
  for (std::size_t i = 0; i < labelled.rows(); ++i) {
    const float* row = novel.load(part.row_of_train[split.novel_labelled_rows[i]], labelled.row(i));
    if (row != labelled.row(i)) std::memcpy(labelled.row(i), row, labelled.cols() * sizeof(float));
    ++labels[static_cast<std::size_t>(split.novel_labelled_classes[i])];
  }
  std::vector<float> offset(classes.classes());
  for (std::size_t c = 0; c < offset.size(); ++c)
    if (classes.is_novel[c]) offset[c] = static_cast<float>(novel_offset(labels[c]));

  const SoftmaxModel model = lda_model(context, part.lda, DescriptorView(labelled), split.novel_labelled_classes);
  Matrix<float> scores(votes.rows(), votes.cols());
  lda_log_softmax(context, part.lda.transform, model, part.test.view(), scores);
  fuse(context, votes, offset, classifier_share, scores);
  return scores;
}

std::uint64_t recipe_memory(const RowSource& train, const RowSource& val, std::uint64_t novel_rows,
                            std::uint64_t test_rows, std::uint64_t classes) {
  return raw_bytes(train, novel_rows) + raw_bytes(val, test_rows) + fit_lda_memory(classes, train.dim()) +
         2 * test_rows * classes * sizeof(float);
}

}  // namespace lowshot
