// Label diffusion (Douze et al., CVPR 2018, section 3.3):   L_0 = one-hot labels, L <- W L, columns divided by sums.
//
// How we differ, and why the result is the same:
//   - U_t = W^t L_0 is stored, not L_t; L_t = U_t diag(1' U_t)^-1 is applied at read-out (column scaling commutes).
//   - the sums 1' U_t come from vectors (column_sums.cpp), never from a pass over the matrix.
//   - the first steps run on sparse rows, and rows that cannot matter are skipped (reach.h): labels tell their
//     neighbours (first_step.h), sparse rows are added up (row_sum.h), the last sparse step makes blocks that dense
//     slices are written from (block_scores.h), a last dense step makes only the rows that are read (named_rows.h).
//   - classes are processed in slices; edges carry no weights, D^-1 is applied to the finished row.
// And where it is not quite the same: U_t may be stored in half precision (Storage).
// On entry: labels and neighbours in range (checked), B symmetric (Graph is).
#include "lowshot/diffusion.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <type_traits>

#include "diffusion/block_scores.h"
#include "diffusion/first_step.h"
#include "diffusion/named_rows.h"
#include "diffusion/places.h"
#include "diffusion/reach.h"
#include "diffusion/read_out.h"
#include "diffusion/slices.h"
#include "diffusion/sparse_scores.h"
#include "diffusion/step.h"
#include "lowshot/error.h"

namespace lowshot {
namespace {

using diffusion::BlockScores;
using diffusion::NamedRows;
using diffusion::Reach;
using diffusion::Slice;
using diffusion::SparseScores;
using diffusion::StepTask;

// 250,000 nodes, 64 classes, one Zen 5 thread: .040 s a step in float32, .024 in half precision (.082 and .034 with
// nodes as they came); smaller slices stay in the last cache, and small graphs keep the exact path.
constexpr std::uint64_t half_from_nodes = 1 << 17;
// What a sparse step costs, counted in classes of a dense row: about 100 an edge (it is looked at, mostly in vain) and
// 20 an addition. CPU seconds, 1,000,000 nodes in cluster order, 52 million edges, half precision, a thread of a Zen 5
// and of an Intel Xeon (Sapphire Rapids): a dense step of 64 classes .11 and .26 (.031 and .077 ns a class and edge), a
// first sparse step that looks for labels .17 and .20, a second one (165 million additions) 1.2 and 1.1.
constexpr std::uint64_t sparse_edge_cost = 100, sparse_addition_cost = 20;
// What the change to dense slices costs, a row and class: those of 1024 classes take .5 on the Xeon.
constexpr std::uint64_t expand_cost = 6;
// The first step goes from labels to their neighbours when it follows fewer than one edge in so many.
constexpr std::uint64_t few_told = 4;
// Sparse rows, old and new together, hold at most as many entries a slot of the two dense slices: twice their memory in
// float32 and in half precision.
constexpr std::uint64_t sparse_rows_of_slices = 2;
constexpr std::size_t step_chunk = 256;  // rows a thread takes at a time

void require_arguments(int threads, const GraphView& graph, std::span<const std::int32_t> labels, std::uint32_t classes,
                       MatrixView<const NodeId> queries, const DiffusionOptions& options) {
  diffusion::require_labels(threads, graph, labels, classes);
  if (options.iterations >= diffusion::too_far)
    throw Error(ErrorKind::usage,
                fmt::format("{} iterations are more than {}", options.iterations, diffusion::too_far - 1));
  if (options.storage == Storage::half && classes > diffusion::most_classes<Half>)
    throw Error(ErrorKind::usage, fmt::format("half precision holds at most {} classes and there are {}",
                                              diffusion::most_classes<Half>, classes));
  diffusion::require_queries(threads, graph, queries);
}

bool stores_half(std::uint64_t nodes, std::uint32_t classes, Storage storage) {
  if (storage != Storage::automatic) return storage == Storage::half;
  return nodes >= half_from_nodes && classes <= diffusion::most_classes<Half>;
}

// What turns stored values into L_t: diag(1' U_t)^-1, 0 for a class that no node has; or into U_t itself.
Matrix<float> readout_scales(Context& context, const GraphView& graph, std::span<const std::int32_t> labels,
                             std::uint32_t classes, const DiffusionOptions& options, float stored_one) {
  Matrix<float> scales(options.iterations + 1, classes);
  if (!options.normalise_columns) {
    std::fill_n(scales.data(), scales.size(), 1 / stored_one);
    return scales;
  }
  const Matrix<double> sums = column_sums(context, graph, labels, classes, options.iterations);
  for (std::size_t e = 0; e < sums.size(); ++e)
    scales.data()[e] = sums.data()[e] > 0 ? static_cast<float>(1 / sums.data()[e]) / stored_one : 0.0f;
  return scales;
}

// U_t <- D^-1 B U_{t-1} for the rows that matter; all rows without `reach`. Rows that no label has reached become 0
// where a later step or the read-out looks at them.
template <typename T>
void dense_step(Context& context, const GraphView& graph, const Matrix<T>& from, Matrix<T>& to, std::uint32_t width,
                const Reach* reach, std::uint32_t t) {
  const auto kernel = diffusion::step_kernel<T>(context.isa);
  const std::size_t n = graph.nodes();
  const StepTask<T> task{
      graph.offsets.data(), graph.neighbours.data(), graph.inverse_degree.data(), n, from.data(), to.data(), width};
#pragma omp parallel for num_threads(context.thread_count()) schedule(dynamic, 1)
  for (std::size_t begin = 0; begin < n; begin += step_chunk) {
    const std::size_t end = std::min(n, begin + step_chunk);
    if (reach == nullptr) {
      kernel(task, nullptr, begin, end);
      continue;
    }
    std::uint32_t rows[step_chunk];
    std::size_t count = 0;
    for (std::size_t i = begin; i < end; ++i) {
      if (!reach->needed(i, t)) continue;
      if (reach->reached(i, t))
        rows[count++] = static_cast<std::uint32_t>(i);
      else
        std::fill_n(to.data() + i * width, width, T{});
    }
    if (count == end - begin)
      kernel(task, nullptr, begin, end);
    else
      kernel(task, rows, 0, count);
  }
}

// What sparse steps leave for the dense ones: U_t of the last one, in rows or in blocks.
template <typename T>
struct SparseStart {
  std::uint32_t t = 0;
  SparseScores<T> rows;
  std::optional<BlockScores<T>> blocks;
};

// Counted work of a step on sparse rows, and of one on dense rows after `expanded` of them were written, in classes of
// a dense row.
std::uint64_t sparse_cost(std::uint64_t edges, std::uint64_t additions) {
  return edges * sparse_edge_cost + additions * sparse_addition_cost;
}
std::uint64_t dense_cost(std::uint64_t edges, std::uint64_t expanded, std::uint32_t classes) {
  return classes * (edges + expanded * expand_cost);
}

// Whether the step after one of `work` would rather be dense. Rows are expanded sooner or later, unless it is the last.
bool dense_follows(const diffusion::StepWork& work, std::uint32_t classes, bool last_follows) {
  const double entries =
      std::min<double>(classes, static_cast<double>(work.additions) / static_cast<double>(work.rows + 1));
  const auto additions = static_cast<std::uint64_t>(entries * static_cast<double>(work.next_edges));
  return sparse_cost(work.next_edges, additions) > dense_cost(work.next_edges, last_follows ? work.rows : 0, classes);
}

// Steps t = 1, 2, .. on sparse rows, all classes at once, for as long as counted work says it pays (Pruning::on: for as
// long as their memory allows); the last one before dense steps makes blocks. `emit` gets every U_t that is made of
// rows.
template <typename T, typename Emit>
void sparse_steps(Context& context, const GraphView& graph, std::span<const std::int32_t> labels, std::uint32_t classes,
                  std::uint32_t width, const Reach& reach, const DiffusionOptions& options, SparseStart<T>& u,
                  const Emit& emit) {
  const int threads = context.thread_count();
  const std::uint64_t told_edges = diffusion::labelled_edges(threads, graph, labels);
  const std::uint64_t most_entries = sparse_rows_of_slices * graph.nodes() * width;
  const bool on = options.pruning == Pruning::on;
  for (std::uint32_t t = 1; t <= options.iterations; ++t) {
    const diffusion::StepWork work = diffusion::step_work(threads, graph, u.rows, reach, t);
    const bool last = t == options.iterations;
    if (u.rows.entries > most_entries) return;
    const std::uint64_t room = most_entries - u.rows.entries;
    const bool told = t == 1 && told_edges * few_told < work.edges && told_edges < room;
    const std::uint64_t sparse = told ? sparse_cost(0, told_edges) : sparse_cost(work.edges, work.additions);
    if (!on && sparse >= dense_cost(work.edges, last ? graph.nodes() : 0, classes)) return;
    if (!on && !told && !last && classes <= diffusion::most_block_classes &&
        dense_follows(work, classes, t + 1 == options.iterations)) {
      u.blocks =
          diffusion::block_step(threads, graph, u.rows, classes, reach, t, room * sizeof(diffusion::ClassScore<T>));
      if (!u.blocks) return;
      u.t = t;
      u.rows = {};
      context.detail(fmt::format("diffusion: step {} sparse, in blocks", t));
      return;
    }
    if (told) {
      u.rows = diffusion::first_step<T>(threads, graph, labels, reach);
    } else {
      auto stepped = diffusion::sparse_step(threads, graph, u.rows, classes, reach, t, room);
      if (!stepped) return;
      u.rows = std::move(*stepped);
    }
    u.t = t;
    emit(t);
    context.detail(fmt::format("diffusion: step {} sparse, {} entries", t, u.rows.entries));
  }
}

template <typename T>
void diffuse_stored(Context& context, const GraphView& graph, std::span<const std::int32_t> labels,
                    std::uint32_t classes, MatrixView<const NodeId> queries, const Matrix<float>& scales,
                    const DiffusionOptions& options, const ScoreSink& sink) {
  const int threads = context.thread_count();
  const std::uint32_t last = options.iterations;
  const std::vector<Slice> slices = diffusion::make_slices<T>(classes, options.slice);
  const std::uint32_t widest = slices.front().width;

  std::optional<Reach> reach;
  if (options.pruning != Pruning::off) reach.emplace(threads, graph, labels, queries, last);
  const Reach* pruned = reach ? &*reach : nullptr;

  // Sparse steps, all classes at once.
  SparseStart<T> start{0, diffusion::one_hot<T>(threads, labels), {}};
  const auto emit_sparse = [&](std::uint32_t t) {
    if (t < options.read_from) return;
    // Room of a dense slice, which is not there yet.
    diffusion::read_out<T>(threads, start.rows, slices, queries, scales.row(t),
                           graph.nodes() * widest * sizeof(T) / sizeof(float),
                           [&](const Slice& slice, MatrixView<const float> v) { sink(t, slice.first, v); });
  };
  emit_sparse(0);
  if (reach) sparse_steps(context, graph, labels, classes, widest, *reach, options, start, emit_sparse);
  if (start.t == last) return;

  // Dense steps, slice by slice. A single one makes the rows that are read, and no others.
  const std::uint64_t slice_bytes = graph.nodes() * widest * sizeof(T);
  std::optional<NamedRows> named;
  if (reach && start.t + 1 == last)
    named = diffusion::named_rows(threads, graph, queries, widest * sizeof(T), slice_bytes);
  if (named)
    context.detail(fmt::format("diffusion: step {} dense, the {} rows that are read", last, named->places.size()));
  Matrix<T> from(graph.nodes(), widest), to(named ? named->places.size() : graph.nodes(), widest);
  Matrix<float> scores(queries.rows(), slices.front().count);
  const Array<std::uint32_t> order = diffusion::near_queries(graph.nodes(), queries);
  const auto emit_dense = [&](std::uint32_t t, const Slice& slice, const Matrix<T>& u, MatrixView<const NodeId> names) {
    if (t < options.read_from) return;
    const MatrixView<float> v(scores.data(), queries.rows(), slice.count);
    diffusion::read_out(threads, u.data(), slice, names, order, scales.row(t), v);
    sink(t, slice.first, v);
  };
  std::uint64_t done = 0;
  for (const Slice& slice : slices) {
    const MatrixView<T> dense(from.data(), graph.nodes(), slice.width);
    if (start.blocks) {
      diffusion::expand(threads, *start.blocks, slice, dense, *reach, start.t);
      emit_dense(start.t, slice, from, queries);
    } else {
      diffusion::expand(threads, start.rows, slice, dense, pruned, start.t);
    }
    for (std::uint32_t t = start.t + 1; t <= last; ++t) {
      if (named) {
        dense_step(context, named->view(), from, to, slice.width, nullptr, t);
        emit_dense(t, slice, to, named->queries);
      } else {
        dense_step(context, graph, from, to, slice.width, pruned, t);
        std::swap(from, to);
        emit_dense(t, slice, from, queries);
      }
      context.report("diffusion", ++done, slices.size() * (last - start.t), "steps");
    }
  }
}

template <typename T>
std::uint64_t stored_memory(std::uint64_t nodes, std::uint64_t queries, std::uint32_t classes,
                            const DiffusionOptions& options) {
  const Slice widest = diffusion::make_slices<T>(classes, options.slice).front();
  const std::uint64_t dense = 2 * nodes * widest.width * sizeof(T);
  const std::uint64_t scores = queries * widest.count * sizeof(float) + (2 * queries + nodes) * sizeof(NodeId);
  if (options.pruning == Pruning::off) return dense + scores;
  const std::uint64_t entries = std::min<std::uint64_t>(sparse_rows_of_slices * widest.width, 2 * classes);
  const std::uint64_t rows = 2 * (sizeof(typename SparseScores<T>::Row) + 1) + 2 * sizeof(std::uint16_t);
  return dense + scores + nodes * (rows + entries * sizeof(diffusion::ClassScore<T>));
}

}  // namespace

std::uint64_t diffuse_memory(std::uint64_t nodes, std::uint64_t queries, std::uint32_t classes,
                             const DiffusionOptions& options) {
  const std::uint64_t labels = nodes * sizeof(std::int32_t), sums = 2 * nodes * sizeof(double);
  const bool half = stores_half(nodes, classes, options.storage);
  return labels + std::max(sums, half ? stored_memory<Half>(nodes, queries, classes, options)
                                      : stored_memory<float>(nodes, queries, classes, options));
}

void diffuse(Context& context, const GraphView& graph, std::span<const std::int32_t> labels, std::uint32_t classes,
             MatrixView<const NodeId> queries, const DiffusionOptions& options, const ScoreSink& sink) {
  const int threads = context.thread_count();
  require_arguments(threads, graph, labels, classes, queries, options);
  const bool half = stores_half(graph.nodes(), classes, options.storage);
  const Matrix<float> scales = readout_scales(context, graph, labels, classes, options,
                                              half ? diffusion::stored_one<Half> : diffusion::stored_one<float>);
  const Array<std::int32_t> placed_labels = diffusion::labels_of_places(threads, graph, labels);
  const Matrix<NodeId> placed_queries = diffusion::queries_of_places(threads, graph, queries);
  const auto stored = half ? diffuse_stored<Half> : diffuse_stored<float>;
  stored(context, graph, placed_labels, classes, placed_queries, scales, options, sink);
}

void diffuse_all_nodes(Context& context, const GraphView& graph, std::span<const std::int32_t> labels,
                       std::uint32_t classes, const DiffusionOptions& options, const ScoreSink& sink) {
  const int threads = context.thread_count();
  require_arguments(threads, graph, labels, classes, {}, options);
  const std::vector<Slice> slices = diffusion::make_slices<float>(classes, options.slice);
  const Matrix<float> scales = readout_scales(context, graph, labels, classes, options, 1);
  SparseScores<float> start = diffusion::one_hot<float>(threads, diffusion::labels_of_places(threads, graph, labels));
  const std::uint32_t widest = slices.front().width;
  Matrix<float> from(graph.nodes(), widest), to(graph.nodes(), widest), scaled(graph.nodes(), slices.front().count);
  for (const Slice& slice : slices) {
    diffusion::expand<float>(threads, start, slice, {from.data(), graph.nodes(), slice.width}, nullptr, 0);
    for (std::uint32_t t = 0; t <= options.iterations; ++t) {
      if (t != 0) {
        dense_step(context, graph, from, to, slice.width, nullptr, t);
        std::swap(from, to);
      }
      if (t < options.read_from) continue;
      // L_t = U_t diag(1' U_t)^-1, back in the order of nodes
      const MatrixView<float> view(scaled.data(), graph.nodes(), slice.count);
#pragma omp parallel for num_threads(threads) schedule(static)
      for (std::size_t i = 0; i < graph.nodes(); ++i) {
        float* to_row = view.row(graph.order.empty() ? i : graph.order[i]);
        for (std::uint32_t c = 0; c < slice.count; ++c)
          to_row[c] = from.data()[i * slice.width + c] * scales(t, slice.first + c);
      }
      sink(t, slice.first, view);
    }
  }
}

}  // namespace lowshot
