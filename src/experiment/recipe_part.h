#pragma once
// A recipe in an experiment: what its classifier needs of the data directory, and its answer for a split.

#include "lowshot/experiment.h"
#include "lowshot/row_source.h"

namespace lowshot {

/// Reads raw rows and fits the base classes. The mean that is subtracted is that of block 0, also where an experiment
/// has no background; without block 0 that of the base rows.
RecipePart prepare_recipe(Context& context, Recipe recipe, const DataDirectory& directory, const ClassSet& classes,
                          RowSource& train, RowSource& val);

/// The raw labelled rows of novel classes, as the split has them.
Matrix<float> labelled_novel_rows(const RecipePart& part, const Split& split);
/// delta of every class.
std::vector<float> offsets_of_classes(const ClassSet& classes, const Split& split);

/// `small`: the scores of all test rows, tests x C: the classifier's, fused with `votes`, the last read-out.
Matrix<float> small_scores(Context& context, const RecipePart& part, const ClassSet& classes, const Split& split,
                           MatrixView<const float> votes);

/// Bytes of a RecipePart, and of what `recipe_scores` holds with its argument.
std::uint64_t recipe_memory(Recipe recipe, const RowSource& train, const RowSource& val, std::uint64_t base_rows,
                            std::uint64_t novel_rows, std::uint64_t test_rows, std::uint64_t classes,
                            std::uint64_t nodes);

}  // namespace lowshot
