#include "experiment/recipe_run.h"

#include <algorithm>

#include "experiment/full_recipe.h"
#include "experiment/recipe_part.h"

namespace lowshot {

RecipeRun::RecipeRun(Context& context, const StaticPart& part, const ExperimentOptions& options, const Split& split)
    : context_(context),
      part_(part),
      options_(options),
      split_(split),
      full_(part.recipe->recipe == Recipe::full),
      evidence_{part.recipe->recipe, part.recipe->base, {}} {
  if (full_) three_ = full_model(context, *part.recipe, split);
}

void RecipeRun::diffuse(const GraphView& graph, const ExperimentNodes& nodes, const ScoreSink& sink) {
  const auto classes = static_cast<std::uint32_t>(part_.classes.classes());
  if (!full_) {
    votes_ = Matrix<float>(part_.test.rows(), classes);
    const auto keep_last = [&](std::uint32_t t, std::uint32_t first, MatrixView<const float> scores) {
      sink(t, first, scores);
      if (t == options_.diffusion.iterations)
        for (std::size_t i = 0; i < scores.rows(); ++i)
          std::copy_n(scores.row(i), scores.cols(), votes_.row(i) + first);
    };
    return lowshot::diffuse(context_, graph, nodes.labels, classes, nodes.queries.ids, options_.diffusion, keep_last);
  }
  const auto row = [&](std::size_t i) {
    const std::uint64_t novel = i - part_.static_rows;
    return part_.rows.row(i < part_.static_rows ? i : part_.row_of_train[split_.novel_labelled_rows[novel]]);
  };
  const FullRecipeNodes all{graph, table_of(part_, nodes), nodes.queries, nodes.labels, nodes.labelled_novel, row};
  evidence_.in_domain = measure_in_domain(all, options_.smoothing);
  votes_ = full_recipe_votes(context_, *part_.recipe, part_.classes, three_.plain, all, evidence_.in_domain,
                             options_.diffusion.slice, sink);
}

TopClasses RecipeRun::answer() {
  const RecipePart& recipe = *part_.recipe;
  if (!full_) evidence_.in_domain.classifier_share = small_recipe::classifier_share;
  ClassifierScores classifier = [&](const DescriptorView& rows, MatrixView<float> out) {
    three_part_scores(context_, recipe.three, three_, rows, out);
  };
  SoftmaxModel discriminant;
  if (!full_) {
    discriminant = small_model(context_, recipe, split_);
    classifier = [&](const DescriptorView& rows, MatrixView<float> out) {
      lda_log_softmax(context_, recipe.lda.transform, discriminant, rows, out);
    };
  }
  fuse_tests(context_, recipe, part_.classes, split_, evidence_.in_domain.classifier_share, classifier, votes_);
  TopClasses top(votes_.rows(), 5, TopClasses::Scores::any_sign);
  top.offer(0, votes_, context_.thread_count());
  return top;
}

}  // namespace lowshot
