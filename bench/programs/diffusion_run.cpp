// A diffusion over a stored k-NN table: what bench/compare times of ours beside sparse products.
//
//   lowshot_bench_diffusion_run PREFIX --k 32 [--order ORDER.npy] [--classes 128] [--labelled N] [--queries M]
//                               [--iterations 3] [--pruning auto] [--storage auto] [--step]
//                               [--labels-out LABELS.npy --rows ROWS.npy --out SCORES.npy]
//
// Prints JSON: seconds of symmetrise and of diffuse, each the least of the repeats, and the peak of memory of diffuse
// with its graph. --step: seconds of one dense step without read-out: what --iterations, unpruned, take more than 1,
// over the steps between. --out: the rows of U_T of the nodes that --rows lists (int32), not normalised.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <iostream>
#include <map>

#include "inputs.h"
#include "lowshot/context.h"
#include "lowshot/diffusion.h"
#include "lowshot/graph.h"
#include "lowshot/io.h"

namespace {

using namespace lowshot;

struct Options {
  std::string prefix, order, labels_out, rows, out;
  std::uint32_t k = 32, classes = 128;
  std::size_t labelled = 0, queries = 0;
  DiffusionOptions diffusion{.iterations = 3};
  bool step = false;
  int threads = 0, repeats = 3;
};

template <typename Work>
double least_seconds(int repeats, const Work& work) {
  double least = 0;
  for (int r = 0; r < repeats; ++r) {
    const auto start = std::chrono::steady_clock::now();
    work();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    least = r == 0 ? seconds : std::min(least, seconds);
  }
  return least;
}

// Nodes renumbered by their places, before anything is timed: labels and queries speak of places, too.
struct Problem {
  Graph graph;
  std::vector<std::int32_t> labels;
  Matrix<NodeId> queries;
  double symmetrise_seconds;
};

Problem prepare(Context& context, const Options& o) {
  const KnnTable table = bench::load_table(o.prefix, o.k);
  Problem p;
  const std::size_t n = table.rows();
  p.labels = bench::random_labels(n, o.labelled, o.classes);
  if (!o.labels_out.empty()) write_npy(o.labels_out, MatrixView<const std::int32_t>(p.labels.data(), 1, n));
  std::vector<NodeId> order;
  if (!o.order.empty()) {
    const std::vector<std::int32_t> read = read_npy_int32(o.order);
    order.assign(read.begin(), read.end());
  }
  p.queries = bench::random_queries(table, o.queries);
  p.symmetrise_seconds = least_seconds(o.repeats, [&] {
    p.graph = {};
    p.graph = symmetrise(context, table, {.order = order});
  });
  return p;
}

void write_scores(Context& context, const Options& o, const Problem& p) {
  const std::vector<std::int32_t> rows = read_npy_int32(o.rows);
  Matrix<NodeId> queries(rows.size(), 1);
  for (std::size_t q = 0; q < rows.size(); ++q) queries(q, 0) = static_cast<NodeId>(rows[q]);
  Matrix<float> scores(rows.size(), o.classes);
  DiffusionOptions options = o.diffusion;
  options.read_from = options.iterations;
  options.normalise_columns = false;
  diffuse(context, p.graph.view(), p.labels, o.classes, queries, options,
          [&](std::uint32_t, std::uint32_t first, MatrixView<const float> part) {
            for (std::size_t q = 0; q < part.rows(); ++q) std::copy_n(part.row(q), part.cols(), scores.row(q) + first);
          });
  write_npy(o.out, scores);
}

void run(const Options& o) {
  Context context;
  context.threads = o.threads;
  const Problem p = prepare(context, o);
  if (!o.out.empty()) write_scores(context, o, p);
  double sum = 0;  // so that nothing is left out as unused
  const auto diffusion = [&](std::uint32_t iterations) {
    DiffusionOptions options = o.diffusion;
    options.iterations = iterations;
    if (o.step) options.read_from = iterations, options.pruning = Pruning::off;
    diffuse(context, p.graph.view(), p.labels, o.classes, p.queries, options,
            [&](std::uint32_t, std::uint32_t, MatrixView<const float> s) { sum += s.size() > 0 ? s(0, 0) : 0; });
  };
  bench::reset_peak_memory();
  const std::uint32_t steps = o.diffusion.iterations;
  double seconds = 0, step = 0;
  context.seconds.clear();
  if (o.step) {
    const double one = least_seconds(o.repeats, [&] { diffusion(1); });
    seconds = least_seconds(o.repeats, [&] { diffusion(steps); });
    step = (seconds - one) / (steps - 1);
  } else {
    seconds = least_seconds(o.repeats, [&] { diffusion(steps); });
  }
  fmt::print(
      "{{\"nodes\": {}, \"edges\": {}, \"classes\": {}, \"labelled\": {}, \"queries\": {}, \"iterations\": {}, "
      "\"symmetrise_seconds\": {:.4f}, \"seconds\": {:.4f}, \"step_seconds\": {:.4f}, \"peak_bytes\": {}, "
      "\"check\": {:.6g}}}\n",
      p.graph.view().nodes(), p.graph.view().edges(), o.classes, o.labelled, o.queries, steps, p.symmetrise_seconds,
      seconds, step, bench::peak_memory(), sum);
}

}  // namespace

int main(int argc, char** argv) {
  Options o;
  CLI::App app("times a diffusion over a stored k-NN table");
  const std::map<std::string, Pruning> pruning{
      {"auto", Pruning::automatic}, {"on", Pruning::on}, {"off", Pruning::off}};
  app.add_option("prefix", o.prefix, "of the stored table")->required();
  app.add_option("--k", o.k, "columns used");
  app.add_option("--order", o.order, "int32 .npy: the node at each place");
  app.add_option("--classes", o.classes);
  app.add_option("--labelled", o.labelled, "nodes with a label, at random; 0: all");
  app.add_option("--labels-out", o.labels_out, "writes the labels: int32 .npy");
  app.add_option("--queries", o.queries, "test rows");
  app.add_option("--iterations", o.diffusion.iterations)->check(CLI::Range(2, 1000));
  app.add_option("--slice", o.diffusion.slice);
  app.add_option("--pruning", o.diffusion.pruning)->transform(CLI::CheckedTransformer(pruning));
  const std::map<std::string, Storage> storage{
      {"auto", Storage::automatic}, {"half", Storage::half}, {"single", Storage::single}};
  app.add_option("--storage", o.diffusion.storage)->transform(CLI::CheckedTransformer(storage));
  app.add_flag("--step", o.step, "seconds of one step");
  app.add_option("--rows", o.rows, "nodes whose scores --out holds");
  app.add_option("--out", o.out, "float32 .npy")->needs("--rows");
  app.add_option("--threads", o.threads, "0: all cores");
  app.add_option("--repeats", o.repeats, "the least time counts");
  CLI11_PARSE(app, argc, argv);
  try {
    run(o);
  } catch (const std::exception& e) {
    std::cerr << "lowshot_bench_diffusion_run: " << e.what() << '\n';
    return 1;
  }
}
