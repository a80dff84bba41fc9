// Everything that lowshot/diffusion.h promises, against the paper's formulas on dense float64 matrices.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <numeric>
#include <random>

#include "lowshot/diffusion.h"
#include "lowshot/memory.h"
#include "oracle/dense.h"
#include "oracle/made_up_graphs.h"
#include "oracle/views.h"

namespace lowshot {
namespace {

using oracle::context_of;
using oracle::Lists;

/// Scores of every iteration put together from the slices; each (iteration, class) may come once.
struct Collected {
  std::vector<Matrix<float>> scores;  // one an iteration, rows x classes
  std::vector<std::vector<int>> times;

  Collected(std::uint32_t iterations, std::size_t rows, std::uint32_t classes)
      : times(iterations + 1, std::vector<int>(classes, 0)) {
    for (std::uint32_t t = 0; t <= iterations; ++t) {
      scores.emplace_back(rows, classes);
      std::fill_n(scores.back().data(), scores.back().size(), -1.0f);
    }
  }
  ScoreSink sink() {
    return [this](std::uint32_t t, std::uint32_t first, MatrixView<const float> slice) {
      ASSERT_LT(t, scores.size());
      ASSERT_EQ(slice.rows(), scores[t].rows());
      ASSERT_LE(first + slice.cols(), scores[t].cols());
      for (std::size_t c = 0; c < slice.cols(); ++c) ++times[t][first + c];
      for (std::size_t i = 0; i < slice.rows(); ++i) std::copy_n(slice.row(i), slice.cols(), scores[t].row(i) + first);
    };
  }
};

/// One diffusion problem.
struct Problem {
  Lists lists;
  std::size_t k = 0;
  std::vector<std::int32_t> labels;
  std::uint32_t classes = 0;
  Lists queries;
  Graph graph;

  Problem(Lists lists_, std::size_t k_, std::vector<std::int32_t> labels_, std::uint32_t classes_, Lists queries_)
      : lists(std::move(lists_)), k(k_), labels(std::move(labels_)), classes(classes_), queries(std::move(queries_)) {
    Context context;
    graph = symmetrise(context, oracle::table_of(lists, k));
  }
  std::size_t nodes() const { return labels.size(); }

  Collected run(Context& context, const DiffusionOptions& options, const GraphView& view) const {
    Collected result(options.iterations, queries.size(), classes);
    diffuse(context, view, labels, classes, oracle::ids_of(queries, 6), options, result.sink());
    return result;
  }
  Collected run(const DiffusionOptions& options, Isa isa = Isa::avx2, int threads = 1) const {
    Context context = context_of(isa, threads);
    return run(context, options, graph.view());
  }
  Collected run_all_nodes(const DiffusionOptions& options, Isa isa = Isa::avx2, int threads = 1) const {
    Context context = context_of(isa, threads);
    Collected result(options.iterations, nodes(), classes);
    diffuse_all_nodes(context, graph.view(), labels, classes, options, result.sink());
    return result;
  }
  std::vector<oracle::Dense> expected(std::size_t iterations) const {
    return oracle::diffuse(oracle::transition(oracle::symmetric(oracle::adjacency(lists))), labels, classes,
                           iterations);
  }
  // All terms are positive, so each rounding is at most 2^-24 of the result: one an edge, two a step for D^-1, six for
  // a query's neighbours, a few for the column sum's reciprocal.
  double relative_error(std::size_t t) const {
    std::size_t most = 0;
    for (std::size_t i = 0; i < nodes(); ++i) most = std::max(most, graph.view().row(i).size());
    return std::ldexp(static_cast<double>(t * (most + 3) + 12), -24);
  }
};

/// Queries of up to six nodes with holes; the last names nobody.
Lists make_queries(std::size_t count, std::size_t nodes, std::uint32_t seed) {
  std::mt19937 random(seed);
  Lists queries(count);
  for (std::size_t q = 0; q + 1 < count; ++q) {
    const std::int64_t first = static_cast<std::int64_t>(random() % nodes);
    for (std::int64_t j = 0; j < 6; ++j)
      queries[q].push_back(random() % 5 == 0 ? -1 : (first + j * 3) % static_cast<std::int64_t>(nodes));
  }
  if (count != 0) queries[count - 1].assign(6, -1);
  return queries;
}

Problem clustered_problem(std::size_t nodes, std::uint32_t classes, std::size_t every = 5) {
  return {oracle::clustered_lists(nodes, 6, 1), 6, oracle::labels(nodes, classes, every, 2), classes,
          make_queries(40, nodes, 3)};
}

Problem untidy_problem(std::size_t nodes, std::uint32_t classes, std::size_t every = 5) {
  return {oracle::untidy_lists(nodes, 4, 4), 4, oracle::labels(nodes, classes, every, 5), classes,
          make_queries(30, nodes, 6)};
}

/// Labels at one end of a chain, queries at a few places: most rows matter in few steps.
Problem chain_problem() {
  std::vector<std::int32_t> labels(200, -1);
  labels[0] = 0, labels[3] = 2, labels[60] = 2, labels[61] = 0, labels[199] = 3;
  return {oracle::chain(200), 2, labels, 4, {{1}, {5, 6}, {63, -1, 70}, {100}, {195, 199}, {-1}}};
}

void expect_each_once(const Collected& collected) {
  for (const auto& times : collected.times)
    for (const int count : times) ASSERT_EQ(count, 1);
}

// With half precision each of t steps rounds once more, to 2^-11 of the entry at most.
void expect_oracle(const Problem& problem, const Collected& collected, const std::vector<oracle::Dense>& l,
                   Storage storage = Storage::single) {
  expect_each_once(collected);
  for (std::size_t t = 0; t < collected.scores.size(); ++t) {
    const oracle::Dense v = oracle::read_out(l[t], problem.queries);
    const double half_error = storage == Storage::half ? std::ldexp(1.01 * static_cast<double>(t), -11) : 0;
    for (std::size_t q = 0; q < v.rows; ++q)
      for (std::size_t c = 0; c < v.cols; ++c)
        ASSERT_NEAR(collected.scores[t](q, c), v(q, c), v(q, c) * (problem.relative_error(t) + half_error))
            << "iteration " << t << ", query " << q << ", class " << c;
  }
}

void expect_same_bits(const Collected& a, const Collected& b) {
  ASSERT_EQ(a.scores.size(), b.scores.size());
  for (std::size_t t = 0; t < a.scores.size(); ++t) {
    ASSERT_EQ(a.scores[t].size(), b.scores[t].size());
    for (std::size_t e = 0; e < a.scores[t].size(); ++e)
      ASSERT_EQ(std::memcmp(a.scores[t].data() + e, b.scores[t].data() + e, sizeof(float)), 0)
          << "iteration " << t << ", row " << e / a.scores[t].cols() << ", class " << e % a.scores[t].cols() << ": "
          << a.scores[t].data()[e] << " and " << b.scores[t].data()[e];
  }
}

constexpr Pruning every_pruning[] = {Pruning::automatic, Pruning::on, Pruning::off};
constexpr Storage every_storage[] = {Storage::half, Storage::single};

DiffusionOptions options_of(std::uint32_t iterations, std::uint32_t slice, Pruning pruning, Storage storage) {
  DiffusionOptions options{iterations, slice, pruning};
  options.storage = storage;
  return options;
}

TEST(Diffuse, IsTheOracle) {
  for (const std::uint32_t classes : {1u, 2u, 15u, 16u, 17u, 50u, 64u, 65u, 130u})
    for (const bool clustered : {true, false}) {
      const Problem problem = clustered ? clustered_problem(180, classes) : untidy_problem(150, classes);
      const auto l = problem.expected(10);
      for (const std::uint32_t iterations : {0u, 1u, 2u, 3u, 10u})
        for (const Pruning pruning : every_pruning) {
          SCOPED_TRACE(std::to_string(classes) + " classes, " + std::to_string(iterations) + " iterations, pruning " +
                       std::to_string(static_cast<int>(pruning)) + (clustered ? ", clustered" : ", untidy"));
          for (const Storage storage : every_storage)
            expect_oracle(problem, problem.run(options_of(iterations, 0, pruning, storage)), l, storage);
          if (HasFatalFailure()) return;
        }
    }
}

TEST(Diffuse, IsTheOracleOnAChainWhereMostRowsAreSkipped) {
  const Problem problem = chain_problem();
  const auto l = problem.expected(80);
  for (const std::uint32_t iterations : {0u, 1u, 2u, 3u, 10u, 40u, 80u})
    for (const Pruning pruning : every_pruning) {
      expect_oracle(problem, problem.run({iterations, 0, pruning}), l);
      if (HasFatalFailure()) return;
    }
}

TEST(Diffuse, PrunedIsPlainToTheLastBit) {
  const Problem problems[] = {clustered_problem(300, 70), clustered_problem(300, 10, 90), untidy_problem(250, 20),
                              untidy_problem(250, 20, 80), chain_problem()};
  for (const Problem& problem : problems)
    for (const std::uint32_t iterations : {1u, 3u, 4u, 9u}) {
      for (const Storage storage : every_storage) {
        const Collected plain = problem.run(options_of(iterations, 0, Pruning::off, storage));
        for (const Pruning pruning : {Pruning::automatic, Pruning::on})
          for (const std::uint32_t slice : {0u, 1u, 7u})
            expect_same_bits(problem.run(options_of(iterations, slice, pruning, storage)), plain);
      }
      if (HasFatalFailure()) return;
    }
}

// Many classes, all nodes labelled, half of them read: counted work makes blocks of the second step and, of the third,
// only the rows that are read.
TEST(Diffuse, BlocksAndNamedRowsArePlainToTheLastBit) {
  Lists queries(75);
  for (std::size_t q = 0; q < queries.size(); ++q)
    for (std::size_t j = 0; j < 6; ++j) queries[q].push_back(static_cast<std::int64_t>((q * 61 % 75) * 6 + j));
  queries[7][2] = -1;
  const Problem problem(oracle::untidy_lists(900, 8, 4), 8, oracle::labels(900, 600, 1, 5), 600, queries);
  for (const Storage storage : every_storage) {
    const Collected plain = problem.run(options_of(3, 0, Pruning::off, storage));
    expect_oracle(problem, plain, problem.expected(3), storage);
    for (const int threads : {1, 3})
      for (const std::uint32_t slice : {0u, 7u}) {
        Context context = context_of(Isa::avx2, threads);
        std::string log;
        context.log = [&](LogLevel, const std::string& line) { log += line + "\n"; };
        expect_same_bits(problem.run(context, options_of(3, slice, Pruning::automatic, storage), problem.graph.view()),
                         plain);
        if (slice == 0) {  // others have less room, and are dense from step 2 on
          EXPECT_NE(log.find("step 2 sparse, in blocks"), std::string::npos) << log;
          EXPECT_NE(log.find("step 3 dense, the 449 rows that are read"), std::string::npos) << log;
        }
      }
    // Every iteration that is asked for, and no other.
    for (const std::uint32_t from : {1u, 2u, 3u}) {
      DiffusionOptions options = options_of(3, 0, Pruning::automatic, storage);
      options.read_from = from;
      const Collected some = problem.run(options);
      for (std::uint32_t t = 0; t <= 3; ++t)
        for (std::uint32_t c = 0; c < 600; ++c) ASSERT_EQ(some.times[t][c], t >= from) << t;
      ASSERT_EQ(std::memcmp(some.scores[3].data(), plain.scores[3].data(), plain.scores[3].size() * sizeof(float)), 0);
    }
  }
}

TEST(Diffuse, DoesNotDependOnSliceThreadsOrInstructionSet) {
  const Problem problem = clustered_problem(700, 70);
  for (const Storage storage : every_storage) {
    const Collected expected = problem.run(options_of(5, 0, Pruning::off, storage));
    for (const Pruning pruning : every_pruning)
      for (const Isa isa : oracle::machine_isas())
        for (const std::uint32_t slice : {1u, 7u, 64u, 70u, 1000u}) {
          const Collected collected = problem.run(options_of(5, slice, pruning, storage), isa);
          expect_each_once(collected);
          expect_same_bits(collected, expected);
          if (HasFatalFailure()) return;
        }
    for (const int threads : {2, 5})
      for (const Pruning pruning : every_pruning)
        expect_same_bits(problem.run(options_of(5, 0, pruning, storage), Isa::avx2, threads), expected);
  }
}

TEST(Diffuse, HalfPrecisionIsAutomaticForLargeGraphsOnly) {
  const Problem small = clustered_problem(120, 9);
  expect_same_bits(small.run({3}), small.run(options_of(3, 0, Pruning::automatic, Storage::single)));
  std::vector<std::int32_t> labels(1 << 17, -1);
  labels[0] = 0, labels[4] = 1;  // the first node's degree is 3: its share has no end in binary
  const Problem large(oracle::chain(1 << 17), 2, labels, 2, {{0, 1}, {2, 3}});
  const Collected half = large.run(options_of(3, 0, Pruning::automatic, Storage::half));
  expect_same_bits(large.run({3}), half);
  const Collected single = large.run(options_of(3, 0, Pruning::automatic, Storage::single));
  EXPECT_NE(half.scores[3](0, 0), single.scores[3](0, 0));
}

// Entries fall under half precision's smallest number; what is left of them must be the same on every way.
TEST(Diffuse, InHalfPrecisionSmallEntriesVanishOnEveryWayAlike) {
  std::vector<std::int32_t> labels(400, -1);
  labels[0] = 0, labels[200] = 1;
  Lists queries;
  for (std::int64_t i = 0; i < 60; ++i) queries.push_back({i, 200 + i, 200 - i, -1, -1, -1});
  const Problem problem(oracle::chain(400), 2, labels, 2, queries);
  const Collected plain = problem.run(options_of(50, 0, Pruning::off, Storage::half));
  const Collected exact = problem.run(options_of(50, 0, Pruning::off, Storage::single));
  bool vanished = false;
  for (std::size_t q = 0; q < queries.size(); ++q)
    vanished = vanished || (plain.scores[50](q, 0) == 0 && exact.scores[50](q, 0) > 0);
  EXPECT_TRUE(vanished);
  for (const Pruning pruning : {Pruning::automatic, Pruning::on})
    for (const Isa isa : oracle::machine_isas())
      expect_same_bits(problem.run(options_of(50, 0, pruning, Storage::half), isa, 2), plain);
}

// The order in which a graph keeps its nodes is nobody else's business: same answers, but for the order of sums.
TEST(Diffuse, AGraphInAnotherOrderGivesTheSame) {
  const Problem problem = clustered_problem(170, 20);
  std::vector<NodeId> order(170);
  std::iota(order.begin(), order.end(), NodeId{0});
  std::shuffle(order.begin(), order.end(), std::mt19937(8));
  Context context = context_of(Isa::avx2, 2);
  const Graph ordered = symmetrise(context, oracle::table_of(problem.lists, 6), {.order = order});
  const auto l = problem.expected(5);
  for (const Pruning pruning : every_pruning)
    for (const Storage storage : every_storage)
      expect_oracle(problem, problem.run(context, options_of(5, 0, pruning, storage), ordered.view()), l, storage);
  Collected all(5, 170, 20);
  diffuse_all_nodes(context, ordered.view(), problem.labels, 20, {5}, all.sink());
  const Collected expected = problem.run_all_nodes({5});
  for (std::size_t t = 0; t <= 5; ++t)
    for (std::size_t i = 0; i < 170; ++i)
      for (std::size_t c = 0; c < 20; ++c)
        ASSERT_NEAR(all.scores[t](i, c), expected.scores[t](i, c),
                    2 * problem.relative_error(t) * expected.scores[t](i, c));
}

TEST(Diffuse, SlicesHoldNoMoreClassesThanWereAskedFor) {
  const Problem problem = clustered_problem(60, 50);
  for (const std::uint32_t slice : {1u, 7u, 50u}) {
    Context context = context_of(Isa::avx2, 1);
    std::map<std::pair<std::uint32_t, std::uint32_t>, int> calls;
    diffuse(context, problem.graph.view(), problem.labels, 50, oracle::ids_of(problem.queries, 6), {2, slice},
            [&](std::uint32_t t, std::uint32_t first, MatrixView<const float> scores) {
              EXPECT_LE(scores.cols(), slice);
              EXPECT_GT(scores.cols(), 0u);
              ++calls[{t, first}];
            });
    for (const auto& [call, times] : calls)
      EXPECT_EQ(times, 1) << "iteration " << call.first << ", class " << call.second;
  }
}

TEST(Diffuse, AClassWithoutNodesStaysZeroAndNothingIsNaN) {
  const Problem problem = untidy_problem(150, 20);
  for (const Pruning pruning : every_pruning) {
    const Collected collected = problem.run({6, 0, pruning});
    for (const Matrix<float>& scores : collected.scores)
      for (std::size_t q = 0; q < scores.rows(); ++q) {
        ASSERT_EQ(scores(q, 1), 0);
        for (std::size_t c = 0; c < 20; ++c) ASSERT_TRUE(std::isfinite(scores(q, c)) && scores(q, c) >= 0);
      }
  }
  // No node has any class at all.
  Problem unlabelled = clustered_problem(50, 3);
  unlabelled.labels.assign(50, -1);
  for (const Pruning pruning : every_pruning) {
    const Collected collected = unlabelled.run({3, 0, pruning});
    expect_each_once(collected);
    for (const Matrix<float>& scores : collected.scores)
      for (std::size_t e = 0; e < scores.size(); ++e) ASSERT_EQ(scores.data()[e], 0);
  }
}

TEST(Diffuse, QueriesWithoutNeighboursScoreZeroAndNoQueriesAreFine) {
  const Problem problem = clustered_problem(100, 5, 1);
  const Collected collected = problem.run({3});
  const std::size_t last = problem.queries.size() - 1;
  for (const Matrix<float>& scores : collected.scores) {
    for (std::size_t c = 0; c < 5; ++c) EXPECT_EQ(scores(last, c), 0);
    EXPECT_GT(*std::max_element(scores.row(0), scores.row(0) + 5), 0);
  }
  Problem none = clustered_problem(100, 5);
  none.queries.clear();
  for (const Pruning pruning : every_pruning) expect_each_once(none.run({3, 0, pruning}));
}

TEST(Diffuse, UnreachableNodesChangeNothing) {
  const Problem problem = clustered_problem(150, 12);
  Lists more = problem.lists;
  for (const auto& list : oracle::untidy_lists(60, 6, 7)) {
    more.push_back(list);
    for (std::int64_t& id : more.back())
      if (id >= 0) id += 150;
  }
  std::vector<std::int32_t> labels = problem.labels;
  labels.resize(210, -1);
  const Problem larger(more, 6, labels, 12, problem.queries);
  for (const Pruning pruning : every_pruning)
    expect_same_bits(larger.run({6, 0, pruning}), problem.run({6, 0, pruning}));
  // Queries that name them alone are never reached.
  const Problem lost(more, 6, labels, 12, {{150, 170, 209}, {150, 0}});
  for (const Pruning pruning : every_pruning) {
    const Collected collected = lost.run({6, 0, pruning});
    for (std::size_t c = 0; c < 12; ++c) EXPECT_EQ(collected.scores[6](0, c), 0);
  }
}

// Relative to the largest score of the row: a permutation changes the order of the sums.
void expect_close(const Matrix<float>& a, const Matrix<float>& b, const std::vector<std::size_t>& class_of) {
  for (std::size_t q = 0; q < a.rows(); ++q)
    for (std::size_t c = 0; c < a.cols(); ++c)
      ASSERT_NEAR(a(q, c), b(q, class_of[c]), 1e-5 * a(q, c)) << "query " << q << ", class " << c;
}

TEST(Diffuse, PermutingNodesOrClassesPermutesTheAnswer) {
  const Problem problem = clustered_problem(170, 20);
  const Collected expected = problem.run({5});
  std::mt19937 random(8);
  std::vector<std::size_t> same_class(20), other_class(20), new_id(170);
  std::iota(same_class.begin(), same_class.end(), 0);
  other_class = same_class;
  std::shuffle(other_class.begin(), other_class.end(), random);
  std::iota(new_id.begin(), new_id.end(), 0);
  std::shuffle(new_id.begin(), new_id.end(), random);

  const auto moved = [&](std::int64_t id) {
    return id < 0 ? id : static_cast<std::int64_t>(new_id[static_cast<std::size_t>(id)]);
  };
  Lists lists(170), queries = problem.queries;
  std::vector<std::int32_t> labels(170), relabelled = problem.labels;
  for (std::size_t i = 0; i < 170; ++i) {
    for (const std::int64_t id : problem.lists[i]) lists[new_id[i]].push_back(moved(id));
    labels[new_id[i]] = problem.labels[i];
    if (relabelled[i] >= 0)
      relabelled[i] = static_cast<std::int32_t>(other_class[static_cast<std::size_t>(relabelled[i])]);
  }
  for (auto& query : queries)
    for (std::int64_t& id : query) id = moved(id);
  const Problem other_nodes(lists, 6, labels, 20, queries);
  const Problem other_classes(problem.lists, 6, relabelled, 20, problem.queries);
  for (const Pruning pruning : every_pruning) {
    const Collected nodes = other_nodes.run({5, 0, pruning}), classes = other_classes.run({5, 0, pruning});
    for (std::uint32_t t = 0; t <= 5; ++t) {
      expect_close(expected.scores[t], nodes.scores[t], same_class);
      expect_close(expected.scores[t], classes.scores[t], other_class);
    }
  }
}

TEST(Diffuse, GraphsWhoseOffsetsStartBeyond32BitsGiveTheSame) {
  const Problem problem = clustered_problem(150, 40);
  Array<std::uint64_t> offsets = problem.graph.offsets;
  for (std::uint64_t& offset : offsets) offset += (std::uint64_t{1} << 34) + 77;
  const GraphView shifted{offsets, problem.graph.neighbours, problem.graph.inverse_degree};
  for (const Isa isa : oracle::machine_isas())
    for (const Pruning pruning : every_pruning) {
      Context context = context_of(isa, 2);
      expect_same_bits(problem.run(context, {4, 0, pruning}, shifted), problem.run({4, 0, pruning}));
    }
}

TEST(Diffuse, RefusesWhatCannotBe) {
  const Problem good = clustered_problem(20, 3);
  const auto error = [&](const auto& change, std::uint32_t iterations = 2) {
    Problem bad = good;
    change(bad);
    return oracle::error_of([&] { bad.run({iterations}); });
  };
  EXPECT_EQ(error([](Problem&) {}), "nothing was thrown");
  EXPECT_EQ(error([](Problem& p) { p.labels[7] = 3; }), "input: node 7 has class 3, classes are 0 to 2");
  EXPECT_EQ(error([](Problem& p) { p.labels[7] = -2; }), "input: node 7 has class -2, classes are 0 to 2");
  EXPECT_EQ(error([](Problem& p) { p.labels.pop_back(); }), "input: 19 labels for a graph of 20 nodes");
  EXPECT_EQ(error([](Problem& p) { p.queries[4] = {0, 1, 20}; }), "input: query 4 names node 20 of 20");
  EXPECT_EQ(error([](Problem& p) { p.classes = 0; }), "input: diffusion needs at least one class");
  EXPECT_EQ(error([](Problem&) {}, 65535), "usage: 65535 iterations are more than 65534");
  Problem many = good;
  many.classes = 65537;
  EXPECT_EQ(oracle::error_of([&] { many.run(options_of(0, 0, Pruning::off, Storage::half)); }),
            "usage: half precision holds at most 65536 classes and there are 65537");
}

TEST(Diffuse, OfAnEmptyGraph) {
  const Problem problem({}, 3, {}, 4, {{-1}, {-1, -1}});
  for (const Pruning pruning : every_pruning) expect_oracle(problem, problem.run({2, 0, pruning}), problem.expected(2));
}

TEST(DiffuseAllNodes, IsTheOracleWithColumnsThatSumToOne) {
  for (const std::uint32_t classes : {1u, 17u, 65u}) {
    const Problem problem = untidy_problem(150, classes);
    const auto l = problem.expected(6);
    const Collected collected = problem.run_all_nodes({6});
    expect_each_once(collected);
    for (std::uint32_t t = 0; t <= 6; ++t)
      for (std::uint32_t c = 0; c < classes; ++c) {
        double sum = 0;
        for (std::size_t i = 0; i < 150; ++i) {
          sum += collected.scores[t](i, c);
          ASSERT_NEAR(collected.scores[t](i, c), l[t](i, c), l[t](i, c) * problem.relative_error(t));
        }
        const bool has_nodes =
            std::count(problem.labels.begin(), problem.labels.end(), static_cast<std::int32_t>(c)) != 0;
        EXPECT_NEAR(sum, has_nodes ? 1 : 0, problem.relative_error(t)) << "iteration " << t << ", class " << c;
      }
  }
}

// 1' D W = 1' B = (D 1)': what a class holds, weighted by degrees, is kept by every step.
TEST(DiffuseAllNodes, KeepsTheDegreeWeightedSumOfEveryClass) {
  for (const bool clustered : {true, false}) {
    const Problem problem = clustered ? clustered_problem(200, 12) : untidy_problem(200, 12);
    const std::vector<double> degree = oracle::row_sums(oracle::symmetric(oracle::adjacency(problem.lists)));
    const Collected l = problem.run_all_nodes({20});
    Context context;
    const Matrix<double> sums = column_sums(context, problem.graph.view(), problem.labels, 12, 20);
    for (std::uint32_t c = 0; c < 12; ++c) {
      double first = 0;
      for (std::uint32_t t = 0; t <= 20; ++t) {
        double kept = 0;  // sum_i D_i U_t[i, c]; U_t is L_t times its column sum
        for (std::size_t i = 0; i < 200; ++i) kept += degree[i] * l.scores[t](i, c) * sums(t, c);
        if (t == 0) first = kept;
        EXPECT_NEAR(kept, first, 1e-5 * first) << "iteration " << t << ", class " << c;
      }
    }
  }
}

TEST(DiffuseAllNodes, DoesNotDependOnSliceThreadsOrInstructionSet) {
  const Problem problem = clustered_problem(400, 40);
  const Collected expected = problem.run_all_nodes({4});
  for (const Isa isa : oracle::machine_isas())
    for (const std::uint32_t slice : {1u, 7u, 40u}) expect_same_bits(problem.run_all_nodes({4, slice}, isa), expected);
  expect_same_bits(problem.run_all_nodes({4}, Isa::avx2, 2), expected);
}

TEST(DiffuseMemory, CoversTheDenseSlicesAndGrowsWithThem) {
  const DiffusionOptions narrow{3, 16, Pruning::off}, wide{3, 64, Pruning::off};
  EXPECT_GE(diffuse_memory(1000, 0, 64, narrow), 2u * 1000 * 16 * 4);
  EXPECT_GE(diffuse_memory(1000, 0, 64, wide), 2u * 1000 * 64 * 4);
  EXPECT_LT(diffuse_memory(1000, 0, 64, wide), 2 * (2u * 1000 * 64 * 4));
}

TEST(DiffuseMemory, HalfPrecisionTakesHalfOfIt) {
  for (const Pruning pruning : every_pruning) {
    const std::uint64_t half = diffuse_memory(1000000, 0, 512, options_of(3, 0, pruning, Storage::half)),
                        single = diffuse_memory(1000000, 0, 512, options_of(3, 0, pruning, Storage::single));
    EXPECT_LT(static_cast<double>(half), .56 * static_cast<double>(single));
    EXPECT_EQ(diffuse_memory(1000000, 0, 512, options_of(3, 0, pruning, Storage::automatic)), half);
  }
  EXPECT_EQ(diffuse_memory(100000, 0, 512, {3}),
            diffuse_memory(100000, 0, 512, options_of(3, 0, Pruning::automatic, Storage::single)));
}

// The bound on sparse rows is what makes the estimate hold: the whole process must not grow by more, with every node
// labelled, read, and in reach of hundreds of classes.
TEST(DiffuseMemory, IsNotPassed) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizer keeps what is freed";
#endif
  const std::size_t n = 30000;
  const std::uint32_t classes = 400;
  std::vector<std::int32_t> labels(n);
  for (std::size_t i = 0; i < n; ++i) labels[i] = static_cast<std::int32_t>((i * 7919) % classes);
  Context context = context_of(Isa::avx2, 2);
  const Graph graph = symmetrise(context, oracle::table_of(oracle::untidy_lists(n, 12, 2), 12));
  Matrix<NodeId> queries(n, 1);
  std::iota(queries.data(), queries.data() + n, NodeId{0});
  for (const Storage storage : every_storage) {
    const DiffusionOptions options = options_of(3, 0, Pruning::on, storage);
    std::uint64_t most = 0;
    const std::uint64_t before = resident_bytes();
    diffuse(context, graph.view(), labels, classes, queries, options,
            [&](std::uint32_t, std::uint32_t, MatrixView<const float>) { most = std::max(most, resident_bytes()); });
    // Slabs of 4 MiB, two steps, two threads, each half filled at worst; and the stacks and heaps of threads.
    EXPECT_LE(most - std::min(most, before), diffuse_memory(n, n, classes, options) + (24 << 20));
  }
}

}  // namespace
}  // namespace lowshot
