#pragma once
// A recipe in an experiment: what its classifier needs of the data directory, and its answer for a split.

#include <functional>

#include "lowshot/experiment.h"
#include "lowshot/row_source.h"

namespace lowshot {

/// Reads raw rows and fits the base classes. The mean that is subtracted is that of block 0, also where an experiment
/// has no background; without block 0 that of the base rows.
/// `recipe`: small, full, or automatic, which is settled here.
RecipePart prepare_recipe(Context& context, Recipe recipe, const DataDirectory& directory, const ClassSet& classes,
                          RowSource& train, RowSource& val);

/// What the base classes of a class set say to `automatic`.
BasePath base_path(const ClassSet& classes);
/// `recipe`, `automatic` settled.
Recipe settled(Recipe recipe, const BasePath& base);

/// The raw labelled rows of novel classes, as the split has them.
Matrix<float> labelled_novel_rows(const RecipePart& part, const Split& split);
/// delta of every class.
std::vector<float> offsets_of_classes(const ClassSet& classes, const Split& split);

/// The classifiers of all classes, for one split.
SoftmaxModel small_model(Context& context, const RecipePart& part, const Split& split);
ThreePartModel full_model(Context& context, const RecipePart& part, const Split& split);

/// votes <- the fused scores of all test rows, in blocks of rows. `classifier(rows, out)`: log-probabilities of raw
/// rows.
using ClassifierScores = std::function<void(const DescriptorView& rows, MatrixView<float> out)>;
void fuse_tests(Context& context, const RecipePart& part, const ClassSet& classes, const Split& split, double a,
                const ClassifierScores& classifier, MatrixView<float> votes);

/// Bytes of a RecipePart, and of what its classifiers hold at their peak.
std::uint64_t recipe_part_memory(Recipe recipe, const RowSource& train, const RowSource& val, std::uint64_t base_rows,
                                 std::uint64_t novel_rows, std::uint64_t test_rows, std::uint64_t classes);

}  // namespace lowshot
