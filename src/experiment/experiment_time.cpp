// The time of a table of experiments, from the same work on a sample of its rows (lowshot/time_plan.h).
#include <algorithm>
#include <cmath>
#include <map>

#include "experiment/background.h"
#include "experiment/pca_choice.h"
#include "experiment/variant_graph.h"
#include "knn/table_search.h"
#include "lowshot/derived_files.h"
#include "lowshot/diffusion_time.h"
#include "lowshot/experiment.h"
#include "lowshot/io.h"
#include "lowshot/knn.h"
#include "lowshot/knn_time.h"
#include "lowshot/pca.h"

namespace lowshot {
namespace {

constexpr std::uint64_t most_nodes = 20000;
constexpr std::uint64_t pca_sample = 8192;

// Rows of a source through the map, normalised, and how long a row of it takes.
struct Sample {
  Matrix<float> rows;
  std::vector<std::uint64_t> row_of;
  double seconds_a_row = 0;
};

Sample take_sample(Context& context, RowSource& source, const LinearMap* map, std::uint64_t count) {
  Sample sample;
  const double seconds = seconds_of([&] {
    sample.rows = read_sample(source, count, 16, &sample.row_of);
    if (map != nullptr) {
      Matrix<float> mapped(sample.rows.rows(), map->out());
      apply_map(context, *map, sample.rows, mapped);
      sample.rows = std::move(mapped);
    }
    normalise_rows(sample.rows);
  });
  sample.seconds_a_row = seconds / static_cast<double>(std::max<std::size_t>(1, sample.rows.rows()));
  return sample;
}

// The map that will be used; where it is to be trained, one trained on a part, and the time of the whole.
std::optional<LinearMap> map_of(Context& context, const DataDirectory& directory, const PcaChoice& choice,
                                TimePlan& plan) {
  if (choice.kind == PcaChoice::Kind::none) return {};
  if (choice.kind == PcaChoice::Kind::file) return read_vt(choice.file);
  const PcaSource pca = find_pca(directory, choice);
  if (pca.stored) return read_vt(*pca.stored);
  const std::uint64_t rows = open_hdf5_rows(pca.train_from)->rows(), part = std::min(rows, pca_sample);
  const auto train = [&](std::uint64_t count) {
    const auto source = slice_rows(open_hdf5_rows(pca.train_from), 0, count);
    return train_pca(context, *source, {.dim = pca.dim});
  };
  LinearMap map;
  const double whole = seconds_of([&] { map = train(part); });
  const double half = seconds_of([&] { train((part + 1) / 2); });
  const double a_row = std::max(0.0, (whole - half) / static_cast<double>(part - part / 2));
  plan.add("PCA", whole + a_row * static_cast<double>(rows - part));
  return map;
}

/// Of one regression of the recipe `full`: a few iterations on a part of as many rows; values do not matter.
double regression_seconds(Context& context, const ExperimentPlan& sizes, std::uint32_t dim) {
  constexpr std::uint32_t iterations = 4;
  constexpr std::uint64_t most_rows = 4096;
  const std::uint64_t rows = std::min(sizes.base, most_rows);
  if (rows == 0 || sizes.classes == 0) return 0;
  const auto x = Matrix<float>::zeroed(rows, dim);
  std::vector<std::int32_t> labels(rows);
  for (std::size_t i = 0; i < rows; ++i) labels[i] = static_cast<std::int32_t>(i % sizes.classes);
  const double seconds =
      seconds_of([&] { softmax_regression(context, x, labels, sizes.classes, 1, {.iterations = iterations}); });
  return seconds * SoftmaxRegressionOptions{}.iterations / iterations * static_cast<double>(sizes.base) /
         static_cast<double>(rows);
}

}  // namespace

TimePlan experiment_seconds(Context& context, const ExperimentOptions& options,
                            const std::vector<std::uint32_t>& nlabeled, std::size_t seeds) {
  Context quiet = context;
  quiet.log = {};
  quiet.progress = {};
  const std::uint32_t most_labelled = nlabeled.empty() ? 0 : *std::max_element(nlabeled.begin(), nlabeled.end());
  const ExperimentPlan sizes = plan(options, most_labelled);
  const DataDirectory directory(options.data, options.work);
  TimePlan plan;
  if (options.variant.given_graph()) return plan;
  const auto train = open_hdf5_rows(directory.train());
  std::optional<LinearMap> map = map_of(quiet, directory, options.pca, plan);
  if (sizes.recipe == Recipe::small && sizes.dim < train->dim()) {
    const auto some = slice_rows(open_hdf5_rows(directory.train()), 0, std::min(train->rows(), pca_sample));
    map = train_pca(quiet, *some, {.dim = sizes.dim, .centred = false});
  }
  const Background background = open_background(directory, options, train->dim(), sizes.dim);
  const std::uint64_t test_rows = sizes.test_rows, train_rows = sizes.nodes - sizes.background;

  // A sample of the nodes: background and training rows in proportion.
  const std::uint64_t size = knn_sample_rows(context, sizes.nodes, sizes.dim);
  const std::uint64_t from_background = sizes.nodes == 0 ? 0 : size * sizes.background / sizes.nodes,
                      from_train = size - from_background;
  const LinearMap* used = map ? &*map : nullptr;
  const Sample labelled = take_sample(quiet, *train, used, from_train);
  Sample unlabelled;
  if (background.source)
    unlabelled = take_sample(quiet, *background.source, background.mapped ? nullptr : used, from_background);
  const std::size_t known = labelled.rows.rows(), others = unlabelled.rows.rows();
  Matrix<float> rows(others + known, sizes.dim);
  std::copy_n(unlabelled.rows.data(), unlabelled.rows.size(), rows.data());
  std::copy_n(labelled.rows.data(), labelled.rows.size(), rows.data() + unlabelled.rows.size());
  plan.add("reading", unlabelled.seconds_a_row * static_cast<double>(sizes.background) +
                          labelled.seconds_a_row * static_cast<double>(train->rows() + test_rows));

  const KnnRates rates = measure_knn(quiet, rows, stored_options(options.knn), sizes.nodes);
  const std::uint64_t most_novel = options.in_domain ? 0 : sizes.labelled_novel;
  const std::uint64_t static_rows = sizes.nodes - most_novel;
  // Kept tables are read in a quarter of the time that descriptors take on their way through the PCA.
  if (!sizes.static_tables_kept) {
    if (sizes.background != 0 && !sizes.background_graph_stored)
      plan.add("background graph", build_knn_seconds(rates, sizes.background));
    plan.add("graph", extend_knn_seconds(rates, sizes.background, static_rows - sizes.background) +
                          search_knn_seconds(rates, test_rows, static_rows));
  }

  // One diffusion over the sample's graph with the labels that its rows have; the largest stage of a run.
  const std::uint64_t nodes = std::min<std::uint64_t>(rows.rows(), most_nodes), all = rows.rows();
  if (nodes < 2 || train_rows == 0) return plan;
  const std::vector<std::int32_t> train_labels = read_hdf5_labels(directory.train());
  Matrix<float> some(nodes, sizes.dim);
  std::vector<std::int32_t> labels(nodes, -1);
  for (std::uint64_t i = 0; i < nodes; ++i) {
    const std::uint64_t from = all * i / nodes;
    std::copy_n(rows.row(from), sizes.dim, some.row(i));
    if (from >= others)
      labels[i] = train_labels[labelled.row_of[from - others]] % static_cast<std::int32_t>(sizes.classes);
  }
  const KnnTable table = build_knn(quiet, some, {.k = options.knn.k, .method = KnnMethod::exact});
  Graph network;
  const double symmetrised = seconds_of([&] { network = symmetrise(quiet, table); });
  const double m = static_cast<double>(nodes), n = static_cast<double>(sizes.nodes);
  const auto queries = static_cast<std::size_t>(std::clamp(std::ceil(static_cast<double>(test_rows) * m / n), 1.0, m));
  const double diffused = seconds_of([&] {
    if (!options.variant.standard()) {
      const EdgeWeights weights = edge_weights(quiet, network.view(), table, options.variant.weighting);
      propagate(quiet, {network.view(), weights}, labels, sizes.classes, propagation_of(options),
                [](std::uint32_t, std::uint32_t, MatrixView<const float>) {});
      return;
    }
    diffuse(quiet, network.view(), labels, sizes.classes, table.ids.view().rows(0, queries), options.diffusion,
            [](std::uint32_t, std::uint32_t, MatrixView<const float>) {});
  });
  const double novel = extend_knn_seconds(rates, static_rows + test_rows, most_novel);
  const double a_run =
      novel +
      n / m * ((options.in_domain ? 0 : symmetrised) + diffused * gather_slowdown(quiet, network.view(), sizes.nodes));
  const double runs = static_cast<double>(nlabeled.size() * seeds);
  plan.add("diffusion", a_run * runs);
  if (sizes.recipe == Recipe::full) plan.add("regression", regression_seconds(quiet, sizes, train->dim()) * runs);
  return plan;
}

TimePlan background_graph_seconds(Context& context, const ExperimentOptions& options) {
  Context quiet = context;
  quiet.log = {};
  quiet.progress = {};
  const ExperimentPlan sizes = plan_background_graph(options);
  const DataDirectory directory(options.data, options.work);
  TimePlan plan;
  const std::optional<LinearMap> map = map_of(quiet, directory, options.pca, plan);
  const std::uint32_t dim = map ? static_cast<std::uint32_t>(map->in()) : sizes.dim;
  const Background background = open_background(directory, options, dim, sizes.dim);
  const Sample sample = take_sample(quiet, *background.source, map && !background.mapped ? &*map : nullptr,
                                    knn_sample_rows(context, sizes.nodes, sizes.dim));
  plan.add("reading", sample.seconds_a_row * static_cast<double>(sizes.nodes));
  plan.add("graph",
           build_knn_seconds(measure_knn(quiet, sample.rows, stored_options(options.knn), sizes.nodes), sizes.nodes));
  return plan;
}

}  // namespace lowshot
