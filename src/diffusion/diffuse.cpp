// Label diffusion (Douze et al., CVPR 2018, section 3.3):   L_0 = one-hot labels, L <- W L, columns divided by sums.
//
// How we differ, and why the result is the same:
//   - U_t = W^t L_0 is stored, not L_t; L_t = U_t diag(1' U_t)^-1 is applied at read-out (column scaling commutes).
//   - the sums 1' U_t come from vectors (column_sums.cpp), never from a pass over the matrix.
//   - the first steps run on sparse rows, and rows that cannot matter are skipped (reach.h).
//   - classes are processed in slices; edges carry no weights, D^-1 is applied to the finished row.
// On entry: labels and neighbours in range (checked), B symmetric (Graph is).
#include "lowshot/diffusion.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <optional>

#include "diffusion/labels.h"
#include "diffusion/reach.h"
#include "diffusion/sparse_scores.h"
#include "diffusion/step.h"
#include "lowshot/error.h"

namespace lowshot {
namespace {

using diffusion::lane_floats;
using diffusion::SparseScores;
using diffusion::StepTask;

constexpr std::uint32_t largest_slice = 64;  // four cache lines a gathered row; wider slices fall out of L2
// What a sparse step costs, counted in classes of a dense row (0.11 ns each): about 20 an edge (it is looked at, mostly
// in vain) and 60 an addition (branches guessed wrong, entries written twice). Least CPU times of one Zen 4 thread,
// 75,000 nodes, 49 edges a row: first steps (0.01 and 0.13 additions an edge) take 8 and 12 ms, second ones 36 and 105
// ms (0.6 and 5.8) where 50 classes dense take 25; of 1000 classes 48 and 303 ms (0.6 and 7.1), a third 342 ms (18.6),
// dense 480.
constexpr std::uint64_t sparse_edge_cost = 20, sparse_addition_cost = 60;
// Entries of a row after the last step that is done sparsely, for the memory estimate. A step is sparse while rows hold
// fewer than (classes - 20) / 60 on average, and leads to some ten times as many: 5 to 140 were met at 50 to 1000
// classes.
constexpr std::uint32_t sparse_entries(std::uint32_t classes) {
  return std::min(140u, 4 + classes / 6);
}
constexpr std::size_t step_chunk = 256;  // rows a thread takes at a time

// Consecutive classes that go through the steps together, padded to whole cache lines.
struct Slice {
  std::uint32_t first, count, width;
};

std::vector<Slice> make_slices(std::uint32_t classes, std::uint32_t wanted) {
  const std::uint32_t most = std::min({wanted == 0 ? largest_slice : wanted, largest_slice, classes});
  const std::uint32_t pieces = (classes + most - 1) / most, even = (classes + pieces - 1) / pieces;
  std::vector<Slice> slices;
  for (std::uint32_t first = 0; first < classes; first += even) {
    const std::uint32_t count = std::min(even, classes - first);
    slices.push_back({first, count, (count + lane_floats - 1) / lane_floats * lane_floats});
  }
  return slices;
}

void require_arguments(const GraphView& graph, std::span<const std::int32_t> labels, std::uint32_t classes,
                       MatrixView<const NodeId> queries, const DiffusionOptions& options) {
  diffusion::require_labels(graph, labels, classes);
  if (options.iterations >= diffusion::too_far)
    throw Error(ErrorKind::usage,
                fmt::format("{} iterations are more than {}", options.iterations, diffusion::too_far - 1));
  for (std::size_t e = 0; e < queries.size(); ++e)
    if (queries.data()[e] != no_node && queries.data()[e] >= graph.nodes())
      throw Error(ErrorKind::input,
                  fmt::format("query {} names node {} of {}", e / queries.cols(), queries.data()[e], graph.nodes()));
}

// diag(1' U_t)^-1; 0 for a class that no node has. All ones where U_t itself is wanted.
Matrix<float> readout_scales(Context& context, const GraphView& graph, std::span<const std::int32_t> labels,
                             std::uint32_t classes, const DiffusionOptions& options) {
  Matrix<float> scales(options.iterations + 1, classes);
  if (!options.normalise_columns) {
    std::fill_n(scales.data(), scales.size(), 1.0f);
    return scales;
  }
  const Matrix<double> sums = column_sums(context, graph, labels, classes, options.iterations);
  for (std::size_t e = 0; e < sums.size(); ++e)
    scales.data()[e] = sums.data()[e] > 0 ? static_cast<float>(1 / sums.data()[e]) : 0.0f;
  return scales;
}

// V_t = W2 U_t diag(scale) for one slice of a dense U_t. `scores`: queries x slice.count.
void read_out(int threads, const float* u, const Slice& slice, MatrixView<const NodeId> queries, const float* scale,
              MatrixView<float> scores) {
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t q = 0; q < queries.rows(); ++q) {
    float sum[largest_slice] = {};
    for (const NodeId j : queries.row_span(q))
      if (j != no_node) {
        const float* row = u + std::size_t{j} * slice.width;
        for (std::uint32_t c = 0; c < slice.width; ++c) sum[c] += row[c];
      }
    for (std::uint32_t c = 0; c < slice.count; ++c) scores(q, c) = sum[c] * scale[slice.first + c];
  }
}

void read_out(int threads, const SparseScores& u, const Slice& slice, MatrixView<const NodeId> queries,
              const float* scale, MatrixView<float> scores) {
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t q = 0; q < queries.rows(); ++q) {
    float sum[largest_slice] = {};
    for (const NodeId j : queries.row_span(q))
      if (j != no_node)
        for (const auto& [cls, score] : u.row(j, slice.first, slice.count)) sum[cls - slice.first] += score;
    for (std::uint32_t c = 0; c < slice.count; ++c) scores(q, c) = sum[c] * scale[slice.first + c];
  }
}

// U <- D^-1 B U for the rows of one step. No list means all rows.
void dense_step(Context& context, const StepTask& task, const std::vector<std::uint32_t>* rows) {
  const auto kernel = diffusion::step_kernel(context.isa);
  const std::uint32_t* list = rows != nullptr ? rows->data() : nullptr;
  const std::size_t count = rows != nullptr ? rows->size() : task.nodes;
#pragma omp parallel for num_threads(context.thread_count()) schedule(dynamic, 1)
  for (std::size_t begin = 0; begin < count; begin += step_chunk)
    kernel(task, list, begin, std::min(count, begin + step_chunk));
}

StepTask make_task(const GraphView& graph, const Matrix<float>& from, Matrix<float>& to, std::uint32_t width) {
  return {graph.offsets.data(),
          graph.neighbours.data(),
          graph.inverse_degree.data(),
          graph.nodes(),
          from.data(),
          to.data(),
          width};
}

// Which rows step t works on. Listed anew for every step and slice, which costs 0.1 ms where a step costs 30; keeping
// the lists of all steps would cost 4 bytes a node and step.
class StepRows {
 public:
  StepRows(int threads, const GraphView& graph, std::span<const std::int32_t> labels, MatrixView<const NodeId> queries,
           const DiffusionOptions& options)
      : last_(options.iterations), automatic_(options.pruning == Pruning::automatic) {
    std::vector<bool> labelled(graph.nodes()), read(graph.nodes());
    for (std::size_t i = 0; i < labels.size(); ++i) labelled[i] = labels[i] >= 0;
    for (std::size_t e = 0; e < queries.size(); ++e)
      if (queries.data()[e] != no_node) read[queries.data()[e]] = true;
    from_labels_ = diffusion::hops_from(threads, graph, labelled, last_);
    from_readout_ = diffusion::hops_from(threads, graph, read, last_);
  }

  std::vector<std::uint32_t> list(std::uint32_t t) const {
    return diffusion::rows_of_step(from_labels_, from_readout_, t, last_);
  }
  /// A list of nearly all rows only costs: walking all of them in order is as quick.
  bool is_worth_while(const std::vector<std::uint32_t>& rows) const {
    return !automatic_ || rows.size() <= from_labels_.size() / 20 * 19;
  }

 private:
  std::uint32_t last_;
  bool automatic_;
  diffusion::Hops from_labels_, from_readout_;
};

bool sparse_step_pays(const GraphView& graph, const SparseScores& u, std::uint32_t classes) {
  return graph.edges() * sparse_edge_cost + diffusion::step_work(graph, u) * sparse_addition_cost <
         graph.edges() * classes;
}

}  // namespace

std::uint64_t diffuse_memory(std::uint64_t nodes, std::uint64_t queries, std::uint32_t classes,
                             const DiffusionOptions& options) {
  const Slice widest = make_slices(classes, options.slice).front();
  const std::uint64_t dense = 2 * nodes * widest.width * sizeof(float);
  const std::uint64_t scores = queries * widest.count * sizeof(float);
  const std::uint64_t sums = 2 * nodes * sizeof(double);
  if (options.pruning == Pruning::off) return dense + scores + sums;
  // Row lists and hops; sparse rows, of which old, new and the pieces of the new exist together.
  const std::uint64_t lists = nodes * (2 * sizeof(std::uint16_t) + sizeof(std::uint32_t));
  const std::uint64_t sparse = nodes * (2 * sizeof(std::uint64_t) +
                                        2 * std::min(classes, sparse_entries(classes)) * sizeof(diffusion::ClassScore));
  return dense + scores + sums + lists + sparse;
}

void diffuse(Context& context, const GraphView& graph, std::span<const std::int32_t> labels, std::uint32_t classes,
             MatrixView<const NodeId> queries, const DiffusionOptions& options, const ScoreSink& sink) {
  require_arguments(graph, labels, classes, queries, options);
  const int threads = context.thread_count();
  const std::uint32_t last = options.iterations;
  const std::vector<Slice> slices = make_slices(classes, options.slice);
  const Matrix<float> scales = readout_scales(context, graph, labels, classes, options);
  Matrix<float> scores(queries.rows(), slices.front().count);
  const auto emit = [&](std::uint32_t t, const Slice& slice, const auto& u) {
    if (t < options.read_from) return;
    const MatrixView<float> view(scores.data(), queries.rows(), slice.count);
    read_out(threads, u, slice, queries, scales.row(t), view);
    sink(t, slice.first, view);
  };

  // Sparse steps, all classes at once: t = 0 .. dense_from.
  SparseScores sparse = diffusion::one_hot(labels);
  const bool prune = options.pruning != Pruning::off;
  std::optional<StepRows> rows;
  if (prune) rows.emplace(threads, graph, labels, queries, options);
  std::uint32_t dense_from = 0;
  for (const Slice& slice : slices) emit(0, slice, sparse);
  while (prune && dense_from < last && sparse_step_pays(graph, sparse, classes)) {
    ++dense_from;
    sparse = diffusion::sparse_step(threads, graph, sparse, classes, rows->list(dense_from));
    for (const Slice& slice : slices) emit(dense_from, slice, sparse);
  }
  if (dense_from == last) return;

  // Dense steps, slice by slice.
  const std::uint32_t widest = slices.front().width;
  Matrix<float> from(graph.nodes(), widest), to(graph.nodes(), widest);
  std::uint64_t done = 0;
  for (const Slice& slice : slices) {
    diffusion::expand(threads, sparse, slice.first, {from.data(), graph.nodes(), slice.width});
    // Rows that a step skips must read as zero: no label has reached them.
    if (prune) std::fill_n(to.data(), graph.nodes() * slice.width, 0.0f);
    for (std::uint32_t t = dense_from + 1; t <= last; ++t) {
      std::vector<std::uint32_t> list;
      if (prune) list = rows->list(t);
      const bool some = prune && rows->is_worth_while(list);
      dense_step(context, make_task(graph, from, to, slice.width), some ? &list : nullptr);
      std::swap(from, to);
      emit(t, slice, from.data());
      context.report("diffusion", ++done, slices.size() * (last - dense_from), "steps");
    }
  }
}

void diffuse_all_nodes(Context& context, const GraphView& graph, std::span<const std::int32_t> labels,
                       std::uint32_t classes, const DiffusionOptions& options, const ScoreSink& sink) {
  require_arguments(graph, labels, classes, {}, options);
  const int threads = context.thread_count();
  const std::vector<Slice> slices = make_slices(classes, options.slice);
  const Matrix<float> scales = readout_scales(context, graph, labels, classes, options);
  const SparseScores start = diffusion::one_hot(labels);
  const std::uint32_t widest = slices.front().width;
  Matrix<float> from(graph.nodes(), widest), to(graph.nodes(), widest), scaled(graph.nodes(), slices.front().count);
  for (const Slice& slice : slices) {
    diffusion::expand(threads, start, slice.first, {from.data(), graph.nodes(), slice.width});
    for (std::uint32_t t = 0; t <= options.iterations; ++t) {
      if (t != 0) {
        dense_step(context, make_task(graph, from, to, slice.width), nullptr);
        std::swap(from, to);
      }
      if (t < options.read_from) continue;
      // L_t = U_t diag(1' U_t)^-1
      const MatrixView<float> view(scaled.data(), graph.nodes(), slice.count);
#pragma omp parallel for num_threads(threads) schedule(static)
      for (std::size_t i = 0; i < graph.nodes(); ++i)
        for (std::uint32_t c = 0; c < slice.count; ++c)
          view(i, c) = from.data()[i * slice.width + c] * scales(t, slice.first + c);
      sink(t, slice.first, view);
    }
  }
}

}  // namespace lowshot
