#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <random>

#include "lowshot/graph.h"
#include "lowshot/knn.h"
#include "lowshot/label.h"
#include "oracle/views.h"

namespace lowshot {
namespace {

// Rows about centres of norm 1, one class after the other in turn, and their graph.
struct Collection {
  Matrix<float> rows;
  std::vector<std::int32_t> truth;
  Graph graph;
};

Collection make_collection(std::size_t classes, std::size_t rows, float noise, std::uint32_t seed = 3) {
  constexpr std::size_t dim = 16;
  std::mt19937 random(seed);
  std::normal_distribution<float> gaussian;
  Matrix<float> centres(classes, dim);
  for (std::size_t e = 0; e < centres.size(); ++e) centres.data()[e] = gaussian(random);
  Collection c{Matrix<float>(rows, dim), {}, {}};
  for (std::size_t i = 0; i < rows; ++i) {
    c.truth.push_back(static_cast<std::int32_t>(i % classes));
    for (std::size_t d = 0; d < dim; ++d) c.rows(i, d) = centres(i % classes, d) + noise * gaussian(random);
  }
  Matrix<float> unit(rows, dim);
  std::copy_n(c.rows.data(), c.rows.size(), unit.data());
  normalise_rows(unit);
  Context context;
  c.graph = symmetrise(context, build_knn(context, DescriptorView(unit), {.k = 10}));
  return c;
}

// The first `count[c]` rows of class c.
std::vector<std::int32_t> labels_of(const Collection& c, const std::vector<std::size_t>& count) {
  std::vector<std::int32_t> labels(c.truth.size(), -1);
  std::vector<std::size_t> given(count.size());
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto own = static_cast<std::size_t>(c.truth[i]);
    if (given[own] < count[own]) ++given[own], labels[i] = c.truth[i];
  }
  return labels;
}

LabelResult label(const Collection& c, const std::vector<std::int32_t>& labels, std::uint32_t classes,
                  const LabelOptions& options = {}, const ShareSink& sink = {}, int threads = 2) {
  Context context = oracle::context_of(best_isa(), threads);
  const auto rows = rows_in_memory(DescriptorView(c.rows), "rows");
  return label_nodes(context, c.graph.view(), labels, classes, options, rows.get(), sink);
}

double right(const Collection& c, const LabelResult& result, const std::vector<std::int32_t>& labels) {
  double right = 0, asked = 0;
  for (std::size_t i = 0; i < labels.size(); ++i)
    if (labels[i] < 0) asked += 1, right += result.classes(i, 0) == c.truth[i] ? 1 : 0;
  return right / asked;
}

void expect_sound(const LabelResult& result, const char* what) {
  for (std::size_t i = 0; i < result.confidences.size(); ++i) {
    ASSERT_TRUE(result.confidences.data()[i] >= 0 && result.confidences.data()[i] <= 1.00001f) << what;
  }
  ASSERT_TRUE(std::isfinite(result.hold_out.accuracy) && result.hold_out.temperature > 0) << what;
  for (const double loss : result.hold_out.own_loss) ASSERT_FALSE(std::isnan(loss)) << what;
}

TEST(LabelNodes, OwnIsRightMoreOftenThanTheGraph) {
  const Collection c = make_collection(8, 1600, 1.6f);
  for (const std::size_t count : {1u, 3u, 10u}) {
    const auto labels = labels_of(c, std::vector<std::size_t>(8, count));
    LabelOptions options;
    options.recipe = LabelRecipe::graph;
    const double graph = right(c, label(c, labels, 8, options), labels);
    options.recipe = LabelRecipe::automatic;
    const LabelResult both = label(c, labels, 8, options);
    EXPECT_EQ(both.hold_out.recipe, LabelRecipe::own);
    EXPECT_GT(right(c, both, labels), graph + 0.02) << count;
  }
}

// A ring about a disc: classes of one mean, of which a classifier of means knows nothing. Its t falls, the graph
// decides.
TEST(LabelNodes, AClassifierThatKnowsNothingDoesNoHarm) {
  Collection c{Matrix<float>(600, 3), {}, {}};
  std::mt19937 random(2);
  std::uniform_real_distribution<float> uniform;
  for (std::size_t i = 0; i < 600; ++i) {
    const float angle = 6.2832f * uniform(random),
                radius = i % 2 == 1 ? 0.8f + 0.2f * uniform(random) : 0.5f * uniform(random);
    c.truth.push_back(static_cast<std::int32_t>(i % 2));
    c.rows(i, 0) = radius * std::cos(angle);
    c.rows(i, 1) = radius * std::sin(angle);
    c.rows(i, 2) = 3;
  }
  Matrix<float> unit(600, 3);
  std::copy_n(c.rows.data(), c.rows.size(), unit.data());
  normalise_rows(unit);
  Context context;
  c.graph = symmetrise(context, build_knn(context, DescriptorView(unit), {.k = 10}));
  std::vector<std::int32_t> labels(600, -1);
  for (std::size_t i = 0; i < 600; ++i)
    if (i % 30 < 2) labels[i] = c.truth[i];
  const LabelResult result = label(c, labels, 2);
  EXPECT_GT(right(c, result, labels), 0.97);
}

TEST(LabelNodes, IsSoundWhereLittleIsKnown) {
  const Collection c = make_collection(4, 240, 0.5f);
  using Counts = std::vector<std::size_t>;
  for (const Counts& counts : {Counts{1, 1, 1, 1}, Counts{1, 1, 0, 0}, Counts{5, 0, 0, 0}, Counts{1, 0, 0, 0},
                               Counts{49, 50, 51, 1}, Counts{60, 60, 60, 60}, Counts{2, 1, 30, 0}})
    for (const LabelRecipe recipe : {LabelRecipe::automatic, LabelRecipe::graph, LabelRecipe::own}) {
      LabelOptions options;
      options.recipe = recipe;
      for (const PriorRule prior : {PriorRule::automatic, PriorRule::labels, PriorRule::estimated}) {
        options.prior = prior;
        expect_sound(label(c, labels_of(c, counts), 4, options), "counts");
      }
    }
}

TEST(LabelNodes, IsSoundForEqualDescriptorsAndRowsThatNoLabelReaches) {
  Collection c = make_collection(2, 200, 0.2f);
  // Two islands: rows of class 0 know each other alone, and so do those of class 1; labels stand on the first.
  auto labels = labels_of(c, {5, 0});
  const LabelResult island = label(c, labels, 2);
  expect_sound(island, "islands");
  for (std::size_t i = 1; i < 200; i += 2) {
    EXPECT_EQ(island.status[i], RowStatus::classified);
    EXPECT_GE(island.classes(i, 0), 0);
  }
  LabelOptions graph;
  graph.recipe = LabelRecipe::graph;
  EXPECT_EQ(label(c, labels, 2, graph).status[1], RowStatus::unreached);

  std::fill_n(c.rows.data(), c.rows.size(), 1.0f);
  expect_sound(label(c, labels_of(c, {5, 5}), 2), "equal descriptors");
}

TEST(LabelNodes, DoesNotDependOnPartsSlicesAndThreads) {
  const Collection c = make_collection(20, 900, 0.8f);
  const auto labels = labels_of(c, std::vector<std::size_t>(20, 3));
  const LabelResult whole = label(c, labels, 20);
  LabelOptions options;
  options.parts = 4;
  options.slice = 16;
  Matrix<float> shares(900, 20);
  const LabelResult parts = label(
      c, labels, 20, options,
      [&](std::uint64_t node, std::uint32_t first, MatrixView<const float> tile) {
        for (std::size_t i = 0; i < tile.rows(); ++i)
          std::copy_n(tile.row(i), tile.cols(), shares.row(node + i) + first);
      },
      3);
  for (std::size_t i = 0; i < whole.classes.size(); ++i) {
    ASSERT_EQ(whole.classes.data()[i], parts.classes.data()[i]);
    ASSERT_EQ(whole.confidences.data()[i], parts.confidences.data()[i]);
  }
  for (std::size_t i = 0; i < 900; ++i) {
    double sum = 0;
    for (const float share : shares.view().row_span(i)) sum += share;
    ASSERT_NEAR(sum, 1, 1e-4);
    if (labels[i] < 0) {
      ASSERT_EQ(shares(i, static_cast<std::size_t>(parts.classes(i, 0))), parts.confidences(i, 0));
    }
  }
}

// The class of a held-out row is decided without it: rows whose labels were drawn by lot are right as often as chance.
TEST(LabelNodes, HeldOutRowsTakeNoPart) {
  const Collection c = make_collection(1, 600, 1.0f);
  std::mt19937 random(5);
  std::vector<std::int32_t> labels(600, -1);
  for (std::size_t i = 0; i < 400; ++i) labels[i] = static_cast<std::int32_t>(random() % 4);
  LabelOptions options;
  options.recipe = LabelRecipe::own;
  const LabelResult result = label(c, labels, 4, options);
  EXPECT_EQ(result.hold_out.checked_rows, 400u);
  EXPECT_LT(result.hold_out.accuracy, 0.25 + 4 * std::sqrt(0.25 * 0.75 / 400));
}

TEST(LabelNodes, TypicalityRanksAllRowsWhereNoLabelCanBeHeldOut) {
  const Collection c = make_collection(4, 400, 1.5f);
  const LabelResult result = label(c, labels_of(c, std::vector<std::size_t>(4, 1)), 4);
  ASSERT_EQ(result.hold_out.checked_rows, 0u);
  const double mean = std::accumulate(result.typicality.begin(), result.typicality.end(), 0.0) / 400;
  EXPECT_GT(mean, 0.45);
  EXPECT_LT(mean, 0.75);  // ties count as reached
  EXPECT_EQ(*std::max_element(result.typicality.begin(), result.typicality.end()), 1);
}

// 0 to 12 of 12 classes have 60 labels, the others one or three: the rows of the latter are right as often as where all
// classes have few.
TEST(LabelNodes, ClassesOfManyLabelsDoNoHarmToThoseOfFew) {
  for (const std::size_t rows : {1200u, 1800u}) {
    const Collection c = make_collection(12, rows, 1.5f);
    for (const std::size_t few : {1u, 3u}) {
      double without = 0;
      for (const std::size_t base : {0u, 1u, 2u, 5u, 10u, 12u}) {
        std::vector<std::size_t> counts(12, few);
        std::fill_n(counts.begin(), base, 60);
        const auto labels = labels_of(c, counts);
        const LabelResult result = label(c, labels, 12);
        expect_sound(result, "base classes");
        double right = 0, asked = 0;
        for (std::size_t i = 0; i < labels.size(); ++i)
          if (c.truth[i] >= 10 && labels[i] < 0) asked += 1, right += result.classes(i, 0) == c.truth[i] ? 1 : 0;
        if (base == 0) without = right / asked;
        EXPECT_GT(right / asked, without - 0.05) << rows << " rows, " << base << " of 60 labels, others " << few;
      }
    }
  }
}

TEST(LabelNodes, NothingHappensAtFiftyLabels) {
  const Collection c = make_collection(12, 1200, 1.5f);
  for (const std::size_t base : {1u, 12u}) {
    std::vector<std::size_t> counts(12, 3);
    std::fill_n(counts.begin(), base, 49);
    LabelResult before = label(c, labels_of(c, counts), 12);
    for (std::size_t more = 50; more <= 51; ++more) {
      std::fill_n(counts.begin(), base, more);
      const auto labels = labels_of(c, counts);
      LabelResult after = label(c, labels, 12);
      std::size_t moved = 0;
      for (std::size_t i = 0; i < labels.size(); ++i)
        moved += labels[i] < 0 && after.classes(i, 0) != before.classes(i, 0) ? 1 : 0;
      EXPECT_LE(moved, labels.size() / 25) << base << " classes of " << more;
      EXPECT_EQ(after.hold_out.recipe, before.hold_out.recipe);
      before = std::move(after);
    }
  }
}

// One label a class, or two of a few: nothing or next to nothing is held out, and yet rows are as sure as they are
// right.
TEST(LabelNodes, IsAsSureAsItIsRightWhereLittleIsHeldOut) {
  for (const float noise : {0.8f, 1.6f, 2.2f})
    for (const std::size_t second : {1u, 2u}) {
      double right_share = 0, sure = 0;
      for (const std::uint32_t seed : {3u, 4u, 5u, 6u}) {  // one draw of a single label a class is off by .1
        const Collection c = make_collection(10, 1500, noise, seed);
        std::vector<std::size_t> counts(10, 1);
        counts[0] = counts[1] = second;
        const auto labels = labels_of(c, counts);
        const LabelResult result = label(c, labels, 10);
        right_share += right(c, result, labels) / 4;
        for (std::size_t i = 0; i < labels.size(); ++i)
          if (labels[i] < 0) sure += result.confidences(i, 0) / static_cast<float>(labels.size() - 8 - 2 * second) / 4;
      }
      EXPECT_NEAR(sure, right_share, 0.08) << "noise " << noise;
    }
}

// Every class's probability at every node.
Matrix<float> shares_of(const Collection& c, const std::vector<std::int32_t>& labels, std::uint32_t classes,
                        const LabelOptions& options, int threads = 2) {
  Matrix<float> shares(c.rows.rows(), classes);
  label(
      c, labels, classes, options,
      [&](std::uint64_t node, std::uint32_t first, MatrixView<const float> tile) {
        for (std::size_t i = 0; i < tile.rows(); ++i)
          std::copy_n(tile.row(i), tile.cols(), shares.row(node + i) + first);
      },
      threads);
  return shares;
}

TEST(LabelNodes, PriorsWeighTheProbabilitiesOfEqualOnes) {
  const Collection c = make_collection(4, 400, 1.0f);
  const auto labels = labels_of(c, {3, 3, 3, 3});
  LabelOptions options;
  options.recipe = LabelRecipe::own;
  options.prior = PriorRule::uniform;
  const Matrix<float> equal = shares_of(c, labels, 4, options);
  options.prior = PriorRule::given;
  options.shares = {5, 0, 2, 3};
  const Matrix<float> weighed = shares_of(c, labels, 4, options);
  for (std::size_t i = 0; i < 400; ++i) {
    double sum = 0;
    for (std::size_t k = 0; k < 4; ++k) sum += equal(i, k) * options.shares[k];
    for (std::size_t k = 0; k < 4; ++k) ASSERT_NEAR(weighed(i, k), equal(i, k) * options.shares[k] / sum, 1e-5);
  }
  const LabelResult result = label(c, labels, 4, options);
  expect_sound(result, "a class of share 0");
  EXPECT_EQ(result.hold_out.priors.shares, (std::vector<double>{0.5, 0, 0.2, 0.3}));
  // The hold-out speaks of the same answers: no held-out row is of the class that is not there.
  EXPECT_LE(result.hold_out.accuracy, 0.75);
  options.recipe = LabelRecipe::graph;
  EXPECT_TRUE(label(c, labels, 4, options).hold_out.priors.shares.empty());
}

// Rows of four classes 12 : 4 : 2 : 1, or as many of each; labels as the former either way.
TEST(LabelNodes, AutomaticPriorsFollowTheRows) {
  const std::vector<std::size_t> proportion{12, 4, 2, 1};
  for (const bool imbalanced : {true, false}) {
    const Collection all = make_collection(4, 1900, 1.8f);
    Collection c;
    std::vector<std::size_t> kept;
    std::vector<std::size_t> seen(4);
    for (std::size_t i = 0; i < all.truth.size(); ++i) {
      const auto own = static_cast<std::size_t>(all.truth[i]);
      if (++seen[own] <= (imbalanced ? 35 * proportion[own] : 160)) kept.push_back(i);
    }
    c.rows = Matrix<float>(kept.size(), 16);
    for (std::size_t i = 0; i < kept.size(); ++i) {
      std::copy_n(all.rows.row(kept[i]), 16, c.rows.row(i));
      c.truth.push_back(all.truth[kept[i]]);
    }
    Matrix<float> unit(c.rows.rows(), 16);
    std::copy_n(c.rows.data(), c.rows.size(), unit.data());
    normalise_rows(unit);
    Context context;
    c.graph = symmetrise(context, build_knn(context, DescriptorView(unit), {.k = 10}));
    const auto labels = labels_of(c, {24, 8, 4, 2});
    LabelOptions options;
    options.recipe = LabelRecipe::own;
    const LabelResult chosen = label(c, labels, 4, options);
    EXPECT_EQ(chosen.hold_out.priors.rule, imbalanced ? PriorRule::labels : PriorRule::uniform);
    options.prior = imbalanced ? PriorRule::uniform : PriorRule::labels;
    EXPECT_GT(right(c, chosen, labels), right(c, label(c, labels, 4, options), labels)) << imbalanced;
  }
}

TEST(LabelNodes, PriorsAndRedrawnLabelsDoNotDependOnPartsAndThreads) {
  const Collection c = make_collection(5, 500, 1.2f);
  LabelOptions options;
  options.recipe = LabelRecipe::own;
  for (const auto& counts : {std::vector<std::size_t>{5, 4, 3, 2, 1}, std::vector<std::size_t>(5, 1)})
    for (const PriorRule rule : {PriorRule::estimated, PriorRule::automatic}) {
      const auto labels = labels_of(c, counts);
      options.prior = rule;
      options.parts = 1;
      const Matrix<float> whole = shares_of(c, labels, 5, options, 1);
      options.parts = 3;
      const Matrix<float> parts = shares_of(c, labels, 5, options, 3);
      EXPECT_EQ(std::memcmp(whole.data(), parts.data(), whole.size() * sizeof(float)), 0);
    }
}

}  // namespace
}  // namespace lowshot
