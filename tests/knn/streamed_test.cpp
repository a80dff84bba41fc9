#include "lowshot/knn_streamed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <set>

#include "core/half.h"
#include "knn/streamed_cells.h"
#include "knn/streamed_files.h"
#include "lowshot/memory.h"
#include "oracle/files.h"
#include "oracle/memory_rows.h"
#include "oracle/views.h"

namespace lowshot {
namespace {

namespace fs = std::filesystem;
using fixtures::TemporaryDirectory;
using oracle::error_of;
using oracle::MadeUpRows;
using oracle::make_rows;
using oracle::MemoryRows;
using oracle::Shape;

Context context_of(int threads) {
  Context context;
  context.threads = threads;
  return context;
}

// The second pass over the rows fails at once: a job that is killed while cells are filled.
class FailingRows : public MemoryRows {
 public:
  using MemoryRows::MemoryRows;
  void read(std::uint64_t begin, MatrixView<float> out) override {
    if (begin == 0 && out.rows() > 1 && passes_++ == 1) throw std::runtime_error("killed");
    MemoryRows::read(begin, out);
  }

 private:
  int passes_ = 0;
};

// Rounded to float16, which the source says.
class HalfRows : public MemoryRows {
 public:
  explicit HalfRows(const MadeUpRows& rows) : MemoryRows(rounded(rows)) {}
  bool is_half() const override { return true; }

 private:
  static MadeUpRows rounded(MadeUpRows rows) {
    for (float& value : rows.values) value = to_float(to_half(value));
    return rows;
  }
};

Matrix<float> all_rows(RowSource& source, bool normalise) {
  Matrix<float> rows(source.rows(), source.dim());
  source.read(0, rows);
  if (normalise) normalise_rows(rows);
  return rows;
}

struct Streamed {
  TemporaryDirectory directory;
  KnnFiles files;
  StreamedKnnOptions options;

  explicit Streamed(std::uint64_t memory, KnnMethod method = KnnMethod::automatic, std::uint32_t k = 8)
      : files(knn_file_names(directory / "t", stored_k(k), TableFormat::raw)) {
    options.knn = {.k = k, .method = method};
    options.memory = memory;
    options.scratch = directory / "t.scratch";
  }
  StreamedKnnReport build(RowSource& source, int threads = 2) {
    Context context = context_of(threads);
    return build_knn_streamed(context, source, files, options);
  }
  KnnTable table(std::uint64_t rows) const { return read_knn(files, rows, options.knn.k); }
  std::string bytes() const { return fixtures::bytes_of(files.ids) + fixtures::bytes_of(files.similarities); }
};

// Share of the true neighbours (by the exact search in memory) that a table has, places that tie counted.
double recall(const KnnTable& table, const KnnTable& truth) {
  std::uint64_t found = 0, all = 0;
  for (std::size_t i = 0; i < truth.rows(); ++i) {
    const float last = truth.similarities(i, truth.k() - 1);
    for (std::size_t j = 0; j < truth.k(); ++j) found += table.similarities(i, j) >= last - 1e-6f ? 1 : 0;
    all += truth.k();
  }
  return static_cast<double>(found) / static_cast<double>(all);
}

void expect_tidy(const KnnTable& table) {
  for (std::size_t i = 0; i < table.rows(); ++i) {
    std::set<NodeId> seen;
    for (std::size_t j = 0; j < table.k(); ++j) {
      ASSERT_TRUE(seen.insert(table.ids(i, j)).second) << "row " << i << " holds an id twice";
      if (j == 0) continue;
      ASSERT_GE(table.similarities(i, j - 1), table.similarities(i, j)) << "row " << i;
      if (table.similarities(i, j - 1) == table.similarities(i, j)) {
        ASSERT_LT(table.ids(i, j - 1), table.ids(i, j));
      }
    }
  }
}

constexpr std::uint64_t mib = std::uint64_t{1} << 20;

TEST(KnnStreamed, BlocksGiveTheTableOfOneSearch) {
  for (const bool normalise : {true, false}) {
    MemoryRows source(make_rows(Shape::clustered, 3000, 24, 1));
    Streamed streamed(mib / 2, KnnMethod::exact);
    streamed.options.normalise = normalise;
    const StreamedKnnReport report = streamed.build(source);
    EXPECT_GT(report.parts, 2u);
    EXPECT_LT(source.largest_read(), 3000u);
    Context context = context_of(2);
    const KnnTable whole = build_knn(context, all_rows(source, normalise), streamed.options.knn),
                   table = streamed.table(3000);
    EXPECT_EQ(std::memcmp(whole.ids.data(), table.ids.data(), whole.ids.size() * sizeof(NodeId)), 0);
    EXPECT_EQ(std::memcmp(whole.similarities.data(), table.similarities.data(), whole.ids.size() * sizeof(float)), 0);
  }
}

TEST(KnnStreamed, CellsReachTheRecallAndSayIt) {
  for (const Metric metric : {Metric::inner_product, Metric::l2}) {
    MemoryRows source(make_rows(Shape::clustered, 20000, 32, 2));
    Streamed streamed(2 * mib);
    streamed.options.knn.metric = metric;
    const StreamedKnnReport report = streamed.build(source);
    EXPECT_GT(report.parts, 4u);
    EXPECT_LT(source.largest_read(), 20000u);
    Context context = context_of(2);
    KnnOptions exact = streamed.options.knn;
    exact.method = KnnMethod::exact;
    const KnnTable truth = build_knn(context, all_rows(source, true), exact), table = streamed.table(20000);
    expect_tidy(table);
    const double reached = recall(table, truth);
    EXPECT_GE(reached, 0.95);
    EXPECT_NEAR(report.recall, reached, 0.01);
    EXPECT_FALSE(fs::exists(streamed.options.scratch));
  }
}

TEST(KnnStreamed, ThreadsDoNotMatter) {
  MemoryRows source(make_rows(Shape::unit, 6000, 20, 3));
  Streamed one(mib), three(mib);
  one.build(source, 1);
  three.build(source, 3);
  EXPECT_EQ(one.bytes(), three.bytes());
}

TEST(KnnStreamed, HalfRowsAreComparedAsTheyAre) {
  HalfRows source(make_rows(Shape::clustered, 6000, 20, 4));
  Streamed streamed(mib);
  EXPECT_GE(streamed.build(source).recall, 0.95);
  Matrix<float> rows = all_rows(source, true);
  const KnnTable table = streamed.table(6000);
  for (std::size_t i = 0; i < 6000; i += 97)
    for (std::size_t j = 0; j < 8; ++j) {
      double dot = 0;
      for (std::size_t d = 0; d < 20; ++d) dot += static_cast<double>(rows(i, d)) * rows(table.ids(i, j), d);
      EXPECT_NEAR(table.similarities(i, j), dot, 1e-5);
    }
}

TEST(KnnStreamed, ShapesThatNoCellDividesFitAllTheSame) {
  for (const Shape shape : {Shape::all_equal, Shape::outliers, Shape::skewed, Shape::gaussian}) {
    MemoryRows source(make_rows(shape, 6000, 16, 5));
    Streamed streamed(mib);
    streamed.options.normalise = false;
    streamed.options.knn.metric = Metric::l2;
    const StreamedKnnReport report = streamed.build(source);
    expect_tidy(streamed.table(6000));
    EXPECT_LE(report.copies, 8) << oracle::name(shape);
    if (shape == Shape::all_equal) {
      EXPECT_EQ(report.recall, 1);
    }
  }
}

TEST(KnnStreamed, AKilledCallGoesOnAndEndsTheSame) {
  const MadeUpRows rows = make_rows(Shape::clustered, 6000, 20, 6);
  Streamed whole(mib);
  MemoryRows source(rows);
  const std::uint64_t parts = whole.build(source).parts;

  // Killed in the second cell: the first one's lists are there.
  Streamed killed(mib);
  Context context = context_of(2);
  context.progress = [](const Progress& p) {
    if (p.phase == "k-NN graph by cells") throw std::runtime_error("killed");
  };
  EXPECT_THROW(build_knn_streamed(context, source, killed.files, killed.options), std::runtime_error);
  EXPECT_FALSE(fs::exists(killed.files.ids));
  const std::uint64_t read_before = source.rows_read();
  const StreamedKnnReport report = killed.build(source);
  EXPECT_EQ(report.resumed_parts, 1u);
  EXPECT_EQ(report.parts, parts);
  EXPECT_EQ(source.rows_read(), read_before);  // the cells are filled: nothing is read again
  EXPECT_EQ(killed.bytes(), whole.bytes());
  EXPECT_FALSE(fs::exists(killed.options.scratch));

  // Killed while cells are filled: begun anew.
  Streamed early(mib);
  FailingRows failing(rows);
  EXPECT_THROW(early.build(failing), std::runtime_error);
  EXPECT_EQ(early.build(source).resumed_parts, 0u);
  EXPECT_EQ(early.bytes(), whole.bytes());
}

TEST(KnnStreamed, OtherRowsOrOptionsBeginAnew) {
  MemoryRows source(make_rows(Shape::clustered, 6000, 20, 6)), other(make_rows(Shape::clustered, 6000, 20, 7));
  Streamed streamed(mib), clean(mib);
  streamed.options.origin.inputs = {{"rows", "one"}};
  Context context = context_of(2);
  context.progress = [](const Progress& p) {
    if (p.phase == "k-NN graph by cells") throw std::runtime_error("killed");
  };
  EXPECT_THROW(build_knn_streamed(context, source, streamed.files, streamed.options), std::runtime_error);
  streamed.options.origin.inputs = {{"rows", "other"}};
  EXPECT_EQ(streamed.build(other).resumed_parts, 0u);
  clean.build(other);
  EXPECT_EQ(streamed.bytes(), clean.bytes());
}

TEST(KnnStreamed, DamagedScratchFilesAreFound) {
  MemoryRows source(make_rows(Shape::clustered, 6000, 20, 6));
  Streamed streamed(mib), whole(mib);
  whole.build(source);
  Context context = context_of(2);
  context.progress = [](const Progress& p) {
    if (p.phase == "k-NN graph by cells") throw std::runtime_error("killed");
  };
  EXPECT_THROW(build_knn_streamed(context, source, streamed.files, streamed.options), std::runtime_error);
  const fs::path rows = streamed.options.scratch / "cell00001.rows";
  std::string bytes = fixtures::bytes_of(rows);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  fixtures::put(rows, bytes);
  EXPECT_THAT(error_of([&] { streamed.build(source); }), testing::HasSubstr("is not what was written"));
  // Lists that changed are made again, as long as their rows are there; these are gone.
  fs::remove_all(streamed.options.scratch);
  streamed.build(source);
  EXPECT_EQ(streamed.bytes(), whole.bytes());
}

TEST(KnnStreamed, PlacesSpreadTheTable) {
  const MadeUpRows rows = make_rows(Shape::clustered, 4000, 16, 8);
  MemoryRows source(rows);
  std::vector<NodeId> places;
  for (NodeId i = 0; i < 4000; ++i) places.push_back(2 * i + 1);
  for (const KnnMethod method : {KnnMethod::exact, KnnMethod::automatic}) {
    Streamed plain(mib, method), spread_out(mib, method);
    plain.build(source);
    spread_out.options.places = places;
    spread_out.options.table_rows = 8003;
    spread_out.build(source);
    const KnnTable expected = spread(plain.table(4000), places, 8003), table = spread_out.table(8003);
    EXPECT_EQ(std::memcmp(expected.ids.data(), table.ids.data(), table.ids.size() * sizeof(NodeId)), 0);
  }
}

TEST(KnnStreamed, PlanNamesWhatItTakes) {
  StreamedKnnOptions options;
  options.knn = {.k = 32};
  options.memory = std::uint64_t{4} << 30;
  const StreamedKnnPlan plan = plan_streamed_knn(5'000'000, 512, false, options);
  EXPECT_LE(plan.memory.total(), options.memory);
  EXPECT_GT(plan.memory.total(), options.memory / 2);
  EXPECT_GE(plan.parts, 5u);
  EXPECT_GT(plan.scratch_bytes, std::uint64_t{5'000'000} * 512 * 4);
  // float16 rows take half: larger cells.
  EXPECT_GT(plan_streamed_knn(5'000'000, 512, true, options).rows_at_once, plan.rows_at_once);
  options.memory = 100'000;
  EXPECT_THAT(error_of([&] { plan_streamed_knn(5'000'000, 512, false, options); }),
              testing::MatchesRegex("resources: even piece by piece this search needs .* raise --memory"));
  options.knn.method = KnnMethod::exact;
  EXPECT_THAT(error_of([&] { plan_streamed_knn(5'000'000, 512, false, options); }),
              testing::HasSubstr("raise --memory"));
}

TEST(KnnStreamed, BadRowsAreNamed) {
  MadeUpRows rows = make_rows(Shape::unit, 6000, 20, 9);
  rows.row(4321)[3] = NAN;
  for (const KnnMethod method : {KnnMethod::exact, KnnMethod::automatic}) {
    MemoryRows source(rows);
    Streamed streamed(mib, method);
    EXPECT_THAT(error_of([&] { streamed.build(source); }), testing::HasSubstr("row 4321, column 3"));
    EXPECT_FALSE(fs::exists(streamed.files.ids));
  }
}

TEST(KnnStreamed, SpaceIsLookedAtFirst) {
  const TemporaryDirectory directory;
  knn::require_space(directory / "not/yet/there", 1);
  EXPECT_THAT(error_of([&] { knn::require_space(directory / "not/yet/there", std::uint64_t{1} << 60); }),
              testing::MatchesRegex("resources: .*1.00 EiB.* is free.*--scratch.*"));
}

TEST(StreamedCells, MarginMakesPairsMeet) {
  const MadeUpRows rows = make_rows(Shape::clustered, 4000, 16, 10);
  Context context = context_of(2);
  const KnnTable table = build_knn(context, oracle::view(rows), {.k = 8});
  knn::TruePairs truth;
  truth.ends = Matrix<float>(4000, 16);
  std::copy_n(rows.values.data(), rows.values.size(), truth.ends.data());
  for (std::uint32_t i = 0; i < 4000; i += 7)
    for (std::size_t j = 1; j < 8; ++j) truth.pairs.emplace_back(i, table.ids(i, j));
  double copies = 0;
  for (const double coverage : {0.5, 0.9, 0.99}) {
    const knn::CellChoice choice = knn::choose_cells(context, oracle::view(rows), truth, 4000, 700, coverage);
    EXPECT_GE(choice.coverage, coverage);
    EXPECT_LE(choice.largest * 4000, 700);
    EXPECT_GE(choice.copies, copies);
    copies = choice.copies;
    // What it says is so.
    std::uint64_t met = 0, all_copies = 0;
    std::vector<float> a(choice.cells.count()), b(choice.cells.count());
    std::uint32_t in_a[knn::Cells::most_copies], in_b[knn::Cells::most_copies];
    for (const auto& [i, j] : truth.pairs) {
      choice.cells.score(rows.row(i), a.data());
      choice.cells.score(rows.row(j), b.data());
      const std::set<std::uint32_t> of_a(in_a, in_a + choice.cells.choose(a.data(), in_a));
      const std::uint32_t count = choice.cells.choose(b.data(), in_b);
      met += std::any_of(in_b, in_b + count, [&](std::uint32_t c) { return of_a.count(c) != 0; }) ? 1 : 0;
      all_copies += count;
    }
    EXPECT_NEAR(static_cast<double>(met) / static_cast<double>(truth.pairs.size()), choice.coverage, 0.01);
  }
}

}  // namespace
}  // namespace lowshot
