#include "label/own_answers.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/half.h"
#include "diffusion/step.h"
#include "lowshot/calibration.h"
#include "lowshot/diffusion.h"
#include "lowshot/own_data.h"
#include "lowshot/raw_rows.h"
#include "lowshot/recipe.h"

namespace lowshot {
namespace {

constexpr std::uint64_t block_rows = 4096;
constexpr float stored_scale = diffusion::stored_one<Half>;  // of U_t, at most 1: as in the diffusion itself

double log_sum_exp(std::span<const float> values, double temperature) {
  const float most = *std::max_element(values.begin(), values.end());
  double sum = 0;
  for (const float v : values) sum += std::exp((v - most) / temperature);
  return most / temperature + std::log(sum);
}

// Mean over classes of the mean of -log P(given): no class is chosen for because it has many labels.
double loss_of_classes(MatrixView<const float> logs, double temperature, std::span<const std::int32_t> given) {
  std::vector<double> sum(logs.cols()), rows(logs.cols());
  for (std::size_t i = 0; i < given.size(); ++i) {
    const auto own = static_cast<std::size_t>(given[i]);
    sum[own] += log_sum_exp(logs.row_span(i), temperature) - logs(i, own) / temperature;
    rows[own] += 1;
  }
  double total = 0, classes = 0;
  for (std::size_t c = 0; c < sum.size(); ++c)
    if (rows[c] > 0) total += sum[c] / rows[c], classes += 1;
  return total / std::max(classes, 1.0);
}

void divide(MatrixView<float> scores, double temperature) {
  const auto inverse = static_cast<float>(1 / temperature);
  for (float& value : std::span(scores.data(), scores.size())) value *= inverse;
}

void add_to_rows(MatrixView<float> scores, std::span<const float> offset) {
  for (std::size_t i = 0; i < scores.rows(); ++i)
    for (std::size_t c = 0; c < offset.size(); ++c) scores(i, c) += offset[c];
}

std::vector<std::uint32_t> some_unlabelled(std::span<const std::int32_t> labels, std::uint64_t most) {
  const auto unlabelled = static_cast<std::uint64_t>(std::count(labels.begin(), labels.end(), -1));
  const std::uint64_t wanted = std::min(most, unlabelled);
  std::vector<std::uint32_t> some;
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < labels.size() && some.size() < wanted; ++i)
    if (labels[i] < 0 && seen++ == unlabelled * some.size() / wanted) some.push_back(static_cast<std::uint32_t>(i));
  return some;
}

// Votes of OwnRows::nodes: those of the sample, and zeros where a label is given.
Matrix<float> spread_votes(const OwnRows& rows, MatrixView<const float> sample, std::uint32_t classes) {
  Matrix<float> votes = Matrix<float>::zeroed(rows.nodes.size(), classes);
  for (std::size_t s = 0; s < rows.sample.size(); ++s)
    std::copy_n(sample.row(s), classes, votes.row(rows.place_of_sample[s]));
  return votes;
}

}  // namespace

std::uint32_t first_own_iteration(std::uint64_t nodes, std::uint64_t labelled, const LabelOptions& options) {
  if (options.iterations) return *options.iterations;
  return labelled * options.k >= nodes ? 1 : std::min(2u, options.most_iterations);
}

std::uint32_t own_iterations_tried(std::uint64_t nodes, std::uint64_t labelled, const LabelOptions& options) {
  return options.iterations.value_or(options.most_iterations) + 1 - first_own_iteration(nodes, labelled, options);
}

OwnRows gather_own_rows(Context& context, RowSource& source, std::span<const std::int32_t> labels,
                        std::uint64_t sample_rows) {
  const Phase phase(context, "sample of rows");
  OwnRows rows;
  rows.sample = some_unlabelled(labels, sample_rows);
  for (std::size_t i = 0, s = 0; i < labels.size(); ++i) {
    const bool sampled = s < rows.sample.size() && rows.sample[s] == i;
    if (!sampled && labels[i] < 0) continue;
    if (sampled) rows.place_of_sample.push_back(rows.nodes.size()), ++s;
    rows.nodes.push_back(static_cast<std::uint32_t>(i));
    rows.labels.push_back(labels[i]);
  }
  rows.z = single_rows(gather_rows(context, source, rows.nodes));
  const auto in_memory = rows_in_memory(DescriptorView(rows.z), "rows in memory");
  rows.transform = centred_power(context, *in_memory, own_data::exponent);
  transform_rows(context, rows.transform, rows.z);
  rows.products = own_data_products(context, rows.z);
  return rows;
}

OwnHoldOut own_hold_out(Context& context, const OwnRows& rows, const FoldVotes& votes, const HeldOutScores& held,
                        std::uint32_t classes) {
  OwnHoldOut result;
  const std::size_t checked = held.nodes.size();
  result.accuracy.resize(votes.iterations);
  result.log_loss.resize(votes.iterations, std::numeric_limits<double>::infinity());
  result.temperature.resize(votes.iterations, 1);
  result.iteration = votes.iterations;
  if (checked == 0) return result;

  std::vector<std::size_t> place(checked);  // of a held-out node among rows.nodes
  for (std::size_t i = 0; i < checked; ++i)
    place[i] = static_cast<std::size_t>(std::lower_bound(rows.nodes.begin(), rows.nodes.end(), held.nodes[i]) -
                                        rows.nodes.begin());
  for (std::uint32_t t = votes.first_iteration; t <= votes.iterations; ++t) {
    Matrix<float> logs(checked, classes);
    for (std::uint32_t fold = 0; fold < votes.folds; ++fold) {
      std::vector<std::size_t> own;  // held out in this fold
      for (std::size_t i = 0; i < checked; ++i)
        if (votes.fold_of_node[i] == fold) own.push_back(i);
      if (own.empty()) continue;
      Matrix<float> at = spread_votes(rows, votes.sample_at(t, fold), classes);
      std::vector<std::int32_t> labels = rows.labels;
      Matrix<float> z(own.size(), rows.z.cols()), own_votes(own.size(), classes), scores(own.size(), classes);
      for (std::size_t j = 0; j < own.size(); ++j) {
        const std::size_t p = place[own[j]];
        labels[p] = -1;
        std::copy_n(votes.held_at(t).row(own[j]), classes, at.row(p));
        std::copy_n(votes.held_at(t).row(own[j]), classes, own_votes.row(j));
        std::copy_n(rows.z.row(p), z.cols(), z.row(j));
      }
      const SoftmaxModel model = own_data_model(context, rows.z, rows.products, labels, at).classifier;
      log_softmax(context, model, DescriptorView(z), scores);
      fuse(context, own_votes, {}, own_data::classifier_share, scores);
      for (std::size_t j = 0; j < own.size(); ++j) std::copy_n(scores.row(j), classes, logs.row(own[j]));
    }
    const double temperature = result.temperature[t - 1] = fit_temperature(logs, held.given);
    result.log_loss[t - 1] = loss_of_classes(logs, temperature, held.given);
    std::uint64_t right = 0;
    for (std::size_t i = 0; i < checked; ++i) {
      const auto row = logs.view().row_span(i);
      right += std::max_element(row.begin(), row.end()) - row.begin() == held.given[i] ? 1 : 0;
    }
    result.accuracy[t - 1] = static_cast<double>(right) / static_cast<double>(checked);
    result.logs.push_back(std::move(logs));
  }
  const auto least = std::min_element(result.log_loss.begin(), result.log_loss.end()) - result.log_loss.begin() + 1;
  result.iteration = moved_for_unchecked(held, static_cast<std::uint32_t>(least), votes.iterations);
  return result;
}

OwnDataModel own_model(Context& context, const OwnRows& rows, const FoldVotes& votes, std::uint32_t iteration,
                       std::uint32_t classes) {
  const Matrix<float> at = spread_votes(rows, votes.sample_at(iteration, votes.folds), classes);
  return own_data_model(context, rows.z, rows.products, rows.labels, at);
}

Matrix<float> own_sample_scores(Context& context, const OwnRows& rows, const FoldVotes& votes,
                                const SoftmaxModel& model, std::uint32_t iteration) {
  const std::size_t classes = model.classes();
  Matrix<float> logs(rows.nodes.size(), classes);
  log_softmax(context, model, DescriptorView(rows.z), logs);
  fuse(context, spread_votes(rows, votes.sample_at(iteration, votes.folds), static_cast<std::uint32_t>(classes)), {},
       own_data::classifier_share, logs);
  for (std::size_t s = 0; s < rows.sample.size(); ++s)
    if (rows.place_of_sample[s] != s) std::copy_n(logs.row(rows.place_of_sample[s]), classes, logs.row(s));
  return logs;
}

ClassPriors own_priors(const OwnRows& rows, Matrix<float> scores, double temperature, const LabelOptions& options) {
  std::vector<std::uint64_t> labels_of_class(scores.cols());
  for (const std::int32_t c : rows.labels)
    if (c >= 0) ++labels_of_class[static_cast<std::size_t>(c)];
  divide(scores, temperature);
  return class_priors(options.prior, options.shares, labels_of_class, scores.view().rows(0, rows.sample.size()));
}

HeldOutScores own_held_out_answers(Context& context, const HeldOutScores& held, Matrix<float> logs, double temperature,
                                   std::span<const float> offset, std::uint32_t iteration) {
  HeldOutScores result;
  result.nodes = held.nodes;
  result.given = held.given;
  result.unchecked_classes = held.unchecked_classes;
  result.iterations = iteration;
  result.repeats = 1;
  const std::size_t checked = held.nodes.size();
  result.answers.resize(iteration * checked);
  if (checked == 0) return result;
  divide(logs, temperature);
  add_to_rows(logs, offset);
  softmax_rows(context, logs);
  for (std::size_t i = 0; i < checked; ++i) {
    const auto row = logs.view().row_span(i);
    const auto best = std::max_element(row.begin(), row.end());
    result.answers[(iteration - 1) * checked + i] = {static_cast<std::int32_t>(best - row.begin()), *best,
                                                     row[static_cast<std::size_t>(held.given[i])],
                                                     held.at(iteration, 0)[i].mass};
  }
  return result;
}

void own_answers(Context& context, const GraphView& graph, RowSource& source, const RowTransform& transform,
                 const SoftmaxModel& model, std::span<const std::int32_t> labels, std::uint32_t iterations,
                 double temperature, std::span<const float> offset, const LabelOptions& options,
                 const ProbabilitySink& sink) {
  const std::size_t n = graph.nodes();
  const auto classes = static_cast<std::uint32_t>(model.classes());
  const int threads = context.thread_count();
  // V = U_t diag(1' U_t)^-1: the diffusion hands over U_t, whose entries float16 holds
  const Matrix<double> masses = column_sums(context, graph, labels, classes, iterations);
  std::vector<float> factor(classes);
  for (std::uint32_t c = 0; c < classes; ++c)
    factor[c] = masses(iterations, c) > 0 ? static_cast<float>(1 / (masses(iterations, c) * stored_scale)) : 0;

  const std::size_t part_rows = (n + options.parts - 1) / options.parts;
  Matrix<Half> stored(std::min(n, part_rows), classes);
  Matrix<float> z(std::min<std::uint64_t>(block_rows, n), source.dim()), votes(z.rows(), classes),
      scores(z.rows(), classes);
  std::vector<float> mass(z.rows());
  for (std::size_t begin = 0; begin < n; begin += part_rows) {
    const std::size_t end = std::min(n, begin + part_rows);
    Matrix<NodeId> queries(end - begin, 1);
    std::iota(queries.data(), queries.data() + queries.size(), static_cast<NodeId>(begin));
    DiffusionOptions diffusion{.iterations = iterations, .slice = options.slice};
    diffusion.read_from = iterations;
    diffusion.normalise_columns = false;
    diffuse(context, graph, labels, classes, queries, diffusion,
            [&](std::uint32_t, std::uint32_t first, MatrixView<const float> u) {
#pragma omp parallel for num_threads(threads) schedule(static)
              for (std::size_t i = 0; i < u.rows(); ++i)
                for (std::size_t c = 0; c < u.cols(); ++c) stored(i, first + c) = to_half(u(i, c) * stored_scale);
            });
    for (std::size_t at = begin; at < end; at += block_rows) {
      const std::size_t count = std::min<std::size_t>(block_rows, end - at);
      const MatrixView<float> block = z.view().rows(0, count), v = votes.view().rows(0, count),
                              s = scores.view().rows(0, count);
      source.read(at, block);
      transform_rows(context, transform, block);
      log_softmax(context, model, DescriptorView(block), s);
#pragma omp parallel for num_threads(threads) schedule(static)
      for (std::size_t i = 0; i < count; ++i) {
        convert(stored.row(at - begin + i), v.row(i), classes);
        double sum = 0;
        for (std::size_t c = 0; c < classes; ++c) sum += v(i, c) *= factor[c];
        mass[i] = static_cast<float>(sum);
      }
      fuse(context, v, {}, own_data::classifier_share, s);
      divide(s, temperature);
      add_to_rows(s, offset);
      softmax_rows(context, s);
      sink(at, s, std::span<const float>(mass).first(count));
      context.report("answers", at + count, n, "rows");
    }
  }
}

std::uint64_t own_hold_out_memory(std::uint64_t nodes, std::uint64_t labelled, std::uint32_t dim, std::uint32_t classes,
                                  const LabelOptions& options) {
  const std::uint64_t rows = std::min(nodes, labelled + options.sample_rows);
  const std::uint64_t squares = std::uint64_t{dim} * dim * sizeof(double),
                      iterations = own_iterations_tried(nodes, labelled, options);
  const std::uint64_t votes = rows * classes * sizeof(float);
  const std::uint64_t kept =
      rows * (std::uint64_t{dim} * sizeof(float) + 16) + squares + votes * iterations * (options.folds + 1);
  // Votes and scores of all rows, of the sample by all labels and as it is fitted again; log scores of held-out rows;
  // four squares of a fit, and means and sums of the classes.
  const std::uint64_t held_out = iterations * std::min(labelled, most_held_out) * classes * sizeof(float);
  return kept + 4 * votes + held_out + 4 * squares + 6 * std::uint64_t{classes} * dim * sizeof(double);
}

std::uint64_t own_answers_memory(std::uint64_t nodes, std::uint32_t dim, std::uint32_t classes,
                                 const LabelOptions& options) {
  const std::uint64_t part_rows = (nodes + options.parts - 1) / options.parts;
  return part_rows * (std::uint64_t{classes} * sizeof(Half) + sizeof(NodeId)) +
         std::min(block_rows, nodes) * (dim + 2 * std::uint64_t{classes}) * sizeof(float);
}

}  // namespace lowshot
