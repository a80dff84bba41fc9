// Slices of classes, each through all its steps: columns do not know each other, so a slice's results do not depend on
// how wide it is. Rows are places of the graph until they are handed over.
#include <fmt/format.h>

#include <cmath>
#include <vector>

#include "diffusion/conjugate_gradients.h"
#include "diffusion/weighted_product.h"
#include "lowshot/error.h"
#include "lowshot/propagation.h"

namespace lowshot {
namespace {

using diffusion::multiply;

constexpr std::uint32_t most_solved = 16;  // classes of conjugate gradients at a time

std::uint32_t slice_of(const PropagationOptions& options, std::uint32_t classes) {
  std::uint32_t slice = options.slice != 0 ? options.slice : 64;
  if (options.solver == Solver::conjugate_gradients) slice = std::min(slice, most_solved);
  return std::min(slice, std::max(classes, 1u));
}

/// What all slices share: by places.
struct Places {
  WeightedGraphView graph;
  std::span<const NodeId> order;
  std::vector<std::int32_t> labels;
  std::vector<float> root;           // restart: D^-1/2
  std::vector<double> class_shares;  // of the labels

  std::size_t node(std::size_t place) const { return order.empty() ? place : order[place]; }
};

Places at_places(const WeightedGraphView& graph, std::span<const std::int32_t> labels, std::uint32_t classes) {
  Places p{graph, graph.graph.order, {}, {}, std::vector<double>(classes)};
  double labelled = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    p.labels.push_back(labels[p.node(i)]);
    p.root.push_back(std::sqrt(graph.inverse_degree[i]));
    if (labels[i] < 0) continue;
    p.class_shares[static_cast<std::size_t>(labels[i])] += 1;
    labelled += 1;
  }
  for (double& share : p.class_shares) share /= std::max(labelled, 1.0);
  return p;
}

/// A slice's rows, as they are handed over: nodes in their order, columns normalised.
class ReadOut {
 public:
  ReadOut(int threads, const Places& places, const PropagationOptions& options, std::uint32_t first,
          std::uint32_t width)
      : threads_(threads), places_(places), options_(options), first_(first), rows_(places.labels.size(), width) {}

  template <typename T>
  void hand_over(std::uint32_t t, MatrixView<const T> f, const ScoreSink& sink) {
#pragma omp parallel for num_threads(threads_) schedule(static)
    for (std::size_t i = 0; i < f.rows(); ++i) {
      float* row = rows_.row(places_.node(i));
      for (std::size_t c = 0; c < f.cols(); ++c) row[c] = static_cast<float>(f(i, c));
    }
    if (options_.method == Propagation::diffusion) diffusion::divide_columns(threads_, rows_);
    if (options_.class_mass) weigh_by_mass(f);
    sink(t, first_, rows_);
  }

 private:
  // u_c <- q_c u_c / sum u_c over the nodes without a label.
  template <typename T>
  void weigh_by_mass(MatrixView<const T> f) {
    std::vector<double> factor(f.cols());
    for (std::size_t i = 0; i < f.rows(); ++i)
      if (places_.labels[i] < 0)
        for (std::size_t c = 0; c < f.cols(); ++c) factor[c] += static_cast<double>(f(i, c));
    for (std::size_t c = 0; c < f.cols(); ++c)
      factor[c] = factor[c] > 0 ? places_.class_shares[first_ + c] / factor[c] : 0;
#pragma omp parallel for num_threads(threads_) schedule(static)
    for (std::size_t i = 0; i < f.rows(); ++i) {
      if (places_.labels[i] >= 0) continue;
      float* row = rows_.row(places_.node(i));
      for (std::size_t c = 0; c < f.cols(); ++c) row[c] = static_cast<float>(factor[c] * static_cast<double>(f(i, c)));
    }
  }

  int threads_;
  const Places& places_;
  const PropagationOptions& options_;
  std::uint32_t first_;
  Matrix<float> rows_;
};

/// Y of a slice.
template <typename T>
Matrix<T> one_hot(const Places& places, std::uint32_t first, std::uint32_t width, T one) {
  Matrix<T> y = Matrix<T>::zeroed(places.labels.size(), width);
  for (std::size_t i = 0; i < y.rows(); ++i) {
    const std::int64_t c = std::int64_t{places.labels[i]} - first;
    if (places.labels[i] >= 0 && c >= 0 && c < width) y(i, static_cast<std::size_t>(c)) = one;
  }
  return y;
}

void step(int threads, const Places& p, const PropagationOptions& options, std::uint32_t first,
          MatrixView<const float> from, MatrixView<float> to) {
  const std::size_t width = to.cols();
  const auto add_label = [&](std::size_t i, float* row, float one) {
    const std::int64_t c = std::int64_t{p.labels[i]} - first;
    if (p.labels[i] >= 0 && c >= 0 && c < static_cast<std::int64_t>(width)) row[c] += one;
  };
  switch (options.method) {
    case Propagation::diffusion:  // U <- D^-1 B U
      return multiply<float>(threads, p.graph, {}, from, to, [&](std::size_t i, float* row) {
        for (std::size_t c = 0; c < width; ++c) row[c] *= p.graph.inverse_degree[i];
      });
    case Propagation::restart: {  // F <- alpha D^-1/2 B D^-1/2 F + (1 - alpha) Y
      const auto alpha = static_cast<float>(options.alpha), rest = static_cast<float>(1 - options.alpha);
      return multiply<float>(threads, p.graph, p.root, from, to, [&](std::size_t i, float* row) {
        for (std::size_t c = 0; c < width; ++c) row[c] *= alpha * p.root[i];
        add_label(i, row, rest);
      });
    }
    case Propagation::clamping:  // F <- D^-1 B F; F_l <- Y_l
      return multiply<float>(threads, p.graph, {}, from, to, [&](std::size_t i, float* row) {
        const float scale = p.labels[i] >= 0 ? 0 : p.graph.inverse_degree[i];
        for (std::size_t c = 0; c < width; ++c) row[c] *= scale;
        add_label(i, row, 1);
      });
  }
}

}  // namespace

std::string_view name(Propagation propagation) {
  switch (propagation) {
    case Propagation::diffusion:
      return "diffusion";
    case Propagation::restart:
      return "restart";
    case Propagation::clamping:
      return "clamping";
  }
  return "";
}

std::string_view name(Solver solver) {
  return solver == Solver::iterate ? "iterations" : "conjugate-gradients";
}

Propagation propagation_of(const std::string& text) {
  for (const Propagation p : {Propagation::diffusion, Propagation::restart, Propagation::clamping})
    if (text == name(p)) return p;
  throw Error(ErrorKind::usage, "the propagation is none of diffusion, restart, clamping", text);
}

Solver solver_of(const std::string& text) {
  for (const Solver s : {Solver::iterate, Solver::conjugate_gradients})
    if (text == name(s)) return s;
  throw Error(ErrorKind::usage, "the solver is none of iterations, conjugate-gradients", text);
}

void require_consistent(const PropagationOptions& options) {
  const auto refuse = [](const std::string& what, const char* advice) {
    throw Error(ErrorKind::usage, what, "", advice);
  };
  if (!(options.alpha >= 0 && options.alpha < 1))
    refuse(fmt::format("alpha must be at least 0 and below 1 and is {}", options.alpha), "0.99 is usual");
  if (options.solver == Solver::conjugate_gradients && options.method != Propagation::restart)
    refuse(fmt::format("conjugate gradients solve the restart propagation and not {}", name(options.method)),
           "choose restart, or iterate");
  if (options.solver == Solver::conjugate_gradients && !(options.tolerance > 0))
    refuse(fmt::format("the tolerance must be above 0 and is {}", options.tolerance), "1e-6 is enough for labels");
  if (options.class_mass && options.method == Propagation::diffusion)
    refuse("the diffusion gives every class the same mass, so class masses cannot be set",
           "choose restart or clamping for them");
}

PropagationReport propagate(Context& context, const WeightedGraphView& graph, std::span<const std::int32_t> labels,
                            std::uint32_t classes, const PropagationOptions& options, const ScoreSink& sink) {
  require_consistent(options);
  const int threads = context.thread_count();
  const std::size_t n = graph.graph.nodes();
  const Places places = at_places(graph, labels, classes);
  PropagationReport report;
  report.steps = options.solver == Solver::iterate ? options.iterations : 0;
  const std::uint32_t slice = slice_of(options, classes);
  for (std::uint32_t first = 0; first < classes; first += slice) {
    const std::uint32_t width = std::min(slice, classes - first);
    ReadOut out(threads, places, options, first, width);
    if (options.solver == Solver::conjugate_gradients) {
      // b = (1 - alpha) Y
      const Matrix<double> b = one_hot<double>(places, first, width, 1 - options.alpha);
      Matrix<double> f = Matrix<double>::zeroed(n, width);
      const diffusion::Solution s = diffusion::conjugate_gradients(threads, {places.graph, places.root, options.alpha},
                                                                   b, options.tolerance, options.most_steps, f);
      report.steps = std::max(report.steps, s.steps);
      report.residual = std::max(report.residual, s.residual);
      report.converged = report.residual <= options.tolerance;
      out.hand_over<double>(0, f, sink);
    } else {
      Matrix<float> f = one_hot<float>(places, first, width, 1), next(n, width);
      for (std::uint32_t t = 0; t <= options.iterations; ++t) {
        if (t != 0) {
          step(threads, places, options, first, f, next);
          std::swap(f, next);
        }
        if (t >= options.read_from) out.hand_over<float>(t, f, sink);
      }
    }
    context.report("propagation", first + width, classes, "classes");
  }
  return report;
}

std::uint64_t propagation_memory(std::uint64_t nodes, std::uint32_t classes, const PropagationOptions& options) {
  const std::uint64_t width = slice_of(options, classes), shared = nodes * 8 + std::uint64_t{classes} * 8;
  const std::uint64_t row = options.solver == Solver::conjugate_gradients
                                ? width * (sizeof(float) + 5 * sizeof(double)) + diffusion::sums_memory_a_row(width)
                                : width * 3 * sizeof(float);
  return nodes * row + shared;
}

}  // namespace lowshot
