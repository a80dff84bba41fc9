#pragma once
// The practitioner's job: descriptors of everything, labels of a few rows -> a label and a confidence for every row,
// and how far they can be trusted. No base classes, no test set: the labelled rows are held out in turn on the one
// graph.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lowshot/class_priors.h"
#include "lowshot/context.h"
#include "lowshot/diffusion.h"
#include "lowshot/edge_weights.h"
#include "lowshot/graph.h"
#include "lowshot/propagation.h"
#include "lowshot/row_source.h"

namespace lowshot {

// --- inputs ----------------------------------------------------------------------------------------------------------

/// Files of descriptors in the order of their rows: files as given, the descriptor files of a folder and the matches of
/// a glob in natural order (_2 before _10). Throws Error (input) when there are none, and for .parquet with the line of
/// pandas that converts it.
std::vector<std::filesystem::path> find_shards(const std::vector<std::string>& arguments);

/// Names of rows, one after the other in one buffer: 2 million names cost their letters and 8 bytes each.
class Names {
 public:
  void add(std::string_view name);
  std::size_t size() const { return ends_.size(); }
  std::string_view operator[](std::size_t row) const;

 private:
  std::string text_;
  std::vector<std::uint64_t> ends_;
};

/// A name a row from text or CSV (column `id` where there is a header, else the first). One file for all rows, or one
/// file a shard: then `shard_rows` says how many rows each must have. Throws Error (input) naming file and both counts.
Names read_ids(const std::vector<std::filesystem::path>& files, std::span<const std::uint64_t> shard_rows);

enum class MatchBy {
  name,      ///< the whole name
  basename,  ///< what follows the last / or backslash
  stem,      ///< the basename without its last extension
};

/// Class of every row, -1 where there is no label.
struct RowLabels {
  std::vector<std::string> classes;  ///< by number where all are integers, else alphabetically
  std::vector<std::int32_t> of_row;
};

/// CSV with a header holding `id,label` or `row,label` (any order, other columns ignored, rows from 0), or one label a
/// row (npy integers, or text; empty or -1: none). BOM, CRLF, quotes, commas, semicolons and tabs are read.
/// Where a file has both columns, `id` counts if the rows have names. Throws Error (input) listing (first 10 and the
/// count) names that are not found, stand for several rows, or have two different labels, rows that do not exist and
/// integers below -1, all in one message, with the MatchBy that would find missing names; and where no row has a
/// label. `ids` may be null when the file speaks of rows.
RowLabels read_labels(const std::filesystem::path& file, std::uint64_t rows, const Names* ids, MatchBy match);

/// Shares of all rows that the classes have: a CSV with a header holding `label,share`, a line for each of `classes` in
/// any order; shares at least 0, of any sum above 0. In the order of `classes`. Throws Error (input) listing labels
/// that are no class or stand there twice, shares that are no such numbers, and classes without one, all in one
/// message.
std::vector<double> read_class_shares(const std::filesystem::path& file, std::span<const std::string> classes);

// --- the job ---------------------------------------------------------------------------------------------------------

/// Who answers.
enum class LabelRecipe {
  automatic,  ///< `own`, unless the graph alone is right more often when labels are held out, by a standard error
  graph,      ///< the diffusion alone
  own,        ///< diffusion and a classifier of the descriptors that learns from what it labelled (lowshot/own_data.h)
};
/// "auto", "graph", "own".
std::string_view name(LabelRecipe recipe);

struct LabelOptions {
  LabelRecipe recipe = LabelRecipe::automatic;
  PriorRule prior = PriorRule::automatic;  ///< of `own`: how frequent the classes are taken to be
  std::vector<double> shares = {};         ///< of PriorRule::given: one a class, at least 0, of a sum above 0
  std::uint32_t k = 30;
  std::optional<std::uint32_t> iterations = {};  ///< nothing: chosen by what is held out among 1 .. most_iterations
  std::uint32_t most_iterations = 5;             ///< more mixes classes
  std::uint32_t folds = 5, repeats = 5;          ///< of the hold-out
  std::uint32_t seed = 0;                        ///< of the folds
  std::uint32_t slice = 0;                       ///< classes diffused at a time (memory only); 0 = 64
  std::uint32_t parts = 1;                       ///< of the rows, each diffused anew for its answers (memory only)
  std::uint64_t sample_rows = 16384;             ///< unlabelled rows that the classifier learns from; memory is linear
  std::uint32_t top = 3;                         ///< classes reported a row
  std::optional<double> unknown = {};    ///< rows less typical than this belong to no class (RowStatus::unknown)
  std::optional<double> precision = {};  ///< pick the confidence threshold that reaches it on held-out rows
  /// On a graph with weights (iterations, read_from and slice come from above); nothing: the paper's on ids alone.
  std::optional<PropagationOptions> propagation = {};
};

/// One line of the threshold table.
struct ThresholdRow {
  double threshold = 0;        ///< of the confidence
  double kept = 0;             ///< share of the unlabelled rows at or above it
  double accuracy = 0;         ///< of the held-out labelled rows at or above it
  std::uint64_t held_out = 0;  ///< how many those are
};

/// What holding labelled rows out says.
struct HoldOut {
  std::uint64_t checked_rows = 0;               ///< labelled rows that were held out
  std::vector<std::int32_t> unchecked_classes;  ///< classes with a single label
  LabelRecipe recipe = LabelRecipe::graph;      ///< who answers: graph or own
  std::vector<double> accuracy_by_iteration;    ///< of the graph, 1 .. most_iterations at index 0 ..
  std::vector<double> own_accuracy;             ///< of graph and classifier, likewise (first repeat), or none
  std::vector<double> own_loss;                 ///< mean over classes of -log P; infinite where not tried
  double temperature =
      1;               ///< T that divides their logarithms; where few are held out, by labels redrawn from the answers
  ClassPriors priors;  ///< of `own`, else without shares
  std::uint32_t iterations = 0;            ///< the chosen (or given) number; 0: their limit, solved
  double accuracy = 0, low = 0, high = 0;  ///< at `iterations`, with its 95 % interval (Wilson)
  std::vector<ThresholdRow> thresholds;    ///< falling share
  std::optional<ThresholdRow> picked;      ///< for --precision; nothing when no threshold reaches it
};

/// `unreached`: no label reached the row and it has no class; `classified`: the classifier alone gave it one;
/// `unknown`: it is less typical of the classes than LabelOptions::unknown asks (its classes are named nevertheless).
enum class RowStatus : std::uint8_t { given, predicted, unreached, bad, classified, unknown };
inline constexpr RowStatus all_row_statuses[] = {RowStatus::given,   RowStatus::predicted, RowStatus::classified,
                                                 RowStatus::unknown, RowStatus::unreached, RowStatus::bad};
std::string_view name(RowStatus status);

/// A labelled row whose label is not the program's first choice when it is held out.
struct Suspect {
  std::uint64_t row = 0;
  std::int32_t given = -1, predicted = -1;
  float given_confidence = 0, predicted_confidence = 0;  ///< means over the repeats
};

/// nodes x top classes and confidences, best first. The confidences of all classes add up to 1: with `own`, a class's
/// probability, calibrated on held-out rows, under hold_out.priors; with `graph`, its share of the node's scores. A
/// labelled node shows the first choice when its own label is held out (by most repeats), or with its label where its
/// class has no other.
///
/// How typical a node is of the classes: the rank, 0 .. 1, of its evidence among that of the held-out labelled nodes
/// (lowshot/typicality.h). Evidence is the mass of labels that reached it, 1' of its row of L_t: on the CIFAR set, half
/// of the classes unlabelled, it told known rows from unknown ones with an AUROC of .75, .86 and .90 at 1, 5 and 20
/// labels; the best share of a class .61, .67 and .69, the cosine to the nearest label .64, .70 and .72. Where none can
/// be held out, the rank among all nodes; of labelled nodes that of the evidence when their own label is held out.
struct LabelResult {
  Matrix<std::int32_t> classes;
  Matrix<float> confidences;
  std::vector<float> typicality;
  std::vector<RowStatus> status;
  std::vector<Suspect> suspects;  ///< worst first; `row` is a node
  HoldOut hold_out;
  PropagationReport propagation;  ///< on a graph with weights
};

/// Receives the confidences of nodes first_node .., classes first_class ..
using ShareSink =
    std::function<void(std::uint64_t first_node, std::uint32_t first_class, MatrixView<const float> shares)>;

/// Labels every node of a graph from the labels of a few (class, or -1). `rows`: the nodes' descriptors, read in
/// blocks, twice; without them (null) the graph answers alone. With `share_sink` the confidences of all classes are
/// handed over as well, in pieces of rows or of classes. Deterministic. Memory: label_nodes_memory.
LabelResult label_nodes(Context& context, const GraphView& graph, std::span<const std::int32_t> labels,
                        std::uint32_t classes, const LabelOptions& options, RowSource* rows = nullptr,
                        const ShareSink& share_sink = {});
/// The same on a graph with weights, by options.propagation; the graph answers alone (options.recipe is not looked at).
/// Each fold of one repeat is propagated anew: clamping and class masses are not linear in the labels. Of a solution
/// accuracy_by_iteration has its one value.
LabelResult label_nodes(Context& context, const WeightedGraphView& graph, std::span<const std::int32_t> labels,
                        std::uint32_t classes, const LabelOptions& options, const ShareSink& share_sink = {});
/// `labelled`: labelled nodes; `dim`: of the descriptors, 0 without.
std::uint64_t label_nodes_memory(std::uint64_t nodes, std::uint64_t labelled, std::uint32_t dim, std::uint32_t classes,
                                 const LabelOptions& options);

}  // namespace lowshot
