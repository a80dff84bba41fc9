#pragma once
// What labels go along in an experiment with a variant of the method (lowshot/variant.h), and how test rows are read
// out: the k-NN graph with weights, or a part of a matrix that is given.
//
// Such a matrix has a row and a column for every image: the background's (nbg of them), then all of the train file,
// then all of the val file. Nodes take their submatrix; a test row reads its own row of it and is no node.

#include <cstdint>
#include <span>
#include <string>

#include "lowshot/experiment.h"

namespace lowshot {

struct VariantGraph {
  Graph own;        ///< of a given matrix
  GraphView graph;  ///< that, or the caller's
  EdgeWeights weights;
  SparseMatrix queries;  ///< a row a test row, a column a node

  WeightedGraphView view() const { return {graph, weights}; }
};

/// `table` is what the graph was made of, `queries` holds the test rows' neighbours.
VariantGraph weigh(Context& context, const Variant& variant, const GraphView& graph, const KnnTable& table,
                   const KnnTable& queries);

/// `novel_rows`: rows of the train file that are nodes behind the static ones.
VariantGraph take_from_given(Context& context, const StaticPart& part, const std::string& name,
                             std::span<const std::uint32_t> novel_rows);

/// Throws Error (usage) for a variant that contradicts itself or that an experiment cannot have, (input) for a given
/// graph of another size than `images`.
void require_variant(const ExperimentOptions& options, std::uint64_t images);

/// As `diffuse`: hands over the read-outs of the test rows, iteration by iteration; of a solution the one t = 0.
PropagationReport propagate_to_tests(Context& context, const VariantGraph& graph, std::span<const std::int32_t> labels,
                                     std::uint32_t classes, const ExperimentOptions& options, const ScoreSink& sink);

PropagationOptions propagation_of(const ExperimentOptions& options);
/// The number of the last iteration.
std::uint32_t last_iteration(const ExperimentOptions& options);

/// Bytes of what a run holds beside its tables and the graph: weights, propagation, read-outs.
std::uint64_t variant_memory(std::uint64_t nodes, std::uint64_t test_rows, std::uint32_t classes,
                             const ExperimentOptions& options);

}  // namespace lowshot
