#pragma once
// The nodes of one experiment: the static rows, then (unless in-domain, where they are static) the labelled novel rows.

#include <cstdint>
#include <vector>

#include "lowshot/experiment.h"

namespace lowshot {

struct ExperimentNodes {
  std::vector<std::int32_t> labels;           ///< one a node
  std::vector<std::uint32_t> labelled_novel;  ///< the labelled novel rows
  std::vector<std::uint32_t> protocol_order;  ///< node of each row of a stored L_t
  KnnTable queries;                           ///< test rows' neighbours
  Graph own_graph;                            ///< empty in the in-domain setting
  KnnTable table;                             ///< where edges have weights: what own_graph was made of
};

/// Joins the labelled novel rows to the static part. With a given graph (StaticPart::given) there are labels alone.
ExperimentNodes make_nodes(Context& context, const StaticPart& part, const ExperimentOptions& options,
                           const Split& split);

/// The k-NN graph of the nodes, and the table that it was made of.
GraphView graph_of(const StaticPart& part, const ExperimentNodes& nodes);
const KnnTable& table_of(const StaticPart& part, const ExperimentNodes& nodes);

}  // namespace lowshot
