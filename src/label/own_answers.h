#pragma once
// The answer of graph and classifier together (lowshot/own_data.h): of held-out nodes, and of all.

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "label/held_out_scores.h"
#include "lowshot/context.h"
#include "lowshot/graph.h"
#include "lowshot/label.h"
#include "lowshot/logreg.h"
#include "lowshot/own_data.h"
#include "lowshot/row_source.h"
#include "lowshot/row_transform.h"

namespace lowshot {

/// The rows that say where the classes lie: all labelled nodes, and a sample of the others.
struct OwnRows {
  std::vector<std::uint32_t> nodes;          ///< rising
  std::vector<std::int32_t> labels;          ///< or -1
  std::vector<std::uint32_t> sample;         ///< the nodes without a label
  std::vector<std::size_t> place_of_sample;  ///< in `nodes`
  RowTransform transform;
  Matrix<float> z;
  Matrix<double> products;
};

/// At most `sample_rows` unlabelled nodes, evenly spread. Reads the source once.
OwnRows gather_own_rows(Context& context, RowSource& rows, std::span<const std::int32_t> labels,
                        std::uint64_t sample_rows);

/// The first number of iterations that is tried, `options.iterations` where that is given: 1 where the labels'
/// neighbours are most of the nodes, else 2. One iteration reaches neighbours alone, and each costs a fit a fold.
std::uint32_t first_own_iteration(std::uint64_t nodes, std::uint64_t labelled, const LabelOptions& options);
std::uint32_t own_iterations_tried(std::uint64_t nodes, std::uint64_t labelled, const LabelOptions& options);

/// What is said of held-out nodes at the iterations of `votes` under equal priors. The loss is the mean over classes of
/// that of their rows, at the temperature that makes them most likely.
struct OwnHoldOut {
  std::vector<double> accuracy, log_loss,
      temperature;  ///< of iteration t at t - 1; accuracy 0, loss infinite: not there
  /// The one of least loss, which says more of few rows than the share of right ones; a share of classes that cannot be
  /// held out moves it by as much, rounded up, towards the last, which was the best for these wherever we measured.
  /// (With 1 or 2 of 12 synthetic classes of 60 labels and the others of one, the former alone chose 1, which reaches
  /// few rows: 61 and 58 % of the others' were right, not 86; with 10 of them 3, 74 %, where 4 had 82 at a loss 1 %
  /// higher.)
  std::uint32_t iteration = 0;
  std::vector<Matrix<float>> logs;  ///< of an iteration: held-out nodes x C, log scores; or none
};
OwnHoldOut own_hold_out(Context& context, const OwnRows& rows, const FoldVotes& votes, const HeldOutScores& held,
                        std::uint32_t classes);

/// The classifier from all labels.
OwnDataModel own_model(Context& context, const OwnRows& rows, const FoldVotes& votes, std::uint32_t iteration,
                       std::uint32_t classes);

/// Log scores of rows.sample, sample x C at least (rows behind it are of no meaning).
Matrix<float> own_sample_scores(Context& context, const OwnRows& rows, const FoldVotes& votes,
                                const SoftmaxModel& model, std::uint32_t iteration);

/// How frequent the classes are, by options.prior and what the sample's `scores` say.
ClassPriors own_priors(const OwnRows& rows, Matrix<float> scores, double temperature, const LabelOptions& options);

/// What is said of the held-out nodes, softmax of logs / temperature + offset (one a class), at the one iteration, one
/// repeat.
HeldOutScores own_held_out_answers(Context& context, const HeldOutScores& held, Matrix<float> logs, double temperature,
                                   std::span<const float> offset, std::uint32_t iteration);

/// Probabilities of nodes first, first + 1, ..., all classes: rows x C; `mass`: how much of the labels reached each (of
/// columns that add up to 1), 0 where none did.
using ProbabilitySink =
    std::function<void(std::uint64_t first, MatrixView<const float> probabilities, std::span<const float> mass)>;

/// Every node's answer, softmax of scores / temperature + offset, block after block of rows; `source` is read once. The
/// read-outs of nodes / blocks at a time are kept, as float16 of U_t.
void own_answers(Context& context, const GraphView& graph, RowSource& source, const RowTransform& transform,
                 const SoftmaxModel& model, std::span<const std::int32_t> labels, std::uint32_t iterations,
                 double temperature, std::span<const float> offset, const LabelOptions& options,
                 const ProbabilitySink& sink);

/// The most bytes that own_hold_out, own_model and own_priors hold with their rows and votes; `labelled`: labelled
/// nodes.
std::uint64_t own_hold_out_memory(std::uint64_t nodes, std::uint64_t labelled, std::uint32_t dim, std::uint32_t classes,
                                  const LabelOptions& options);
/// And own_answers, beside the diffusion of nodes / parts queries.
std::uint64_t own_answers_memory(std::uint64_t nodes, std::uint32_t dim, std::uint32_t classes,
                                 const LabelOptions& options);

}  // namespace lowshot
