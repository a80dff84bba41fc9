#pragma once
// The graph with weights that labels go along where they do not go along the ids of the k-NN graph alone.

#include <cstdint>
#include <filesystem>
#include <span>

#include "lowshot/context.h"
#include "lowshot/edge_weights.h"
#include "lowshot/knn_table.h"
#include "lowshot/memory.h"
#include "lowshot/sparse_matrix.h"
#include "lowshot/variant.h"

namespace lowshot {

/// Of the first k columns of a kept table; `order` as `symmetrise` takes it.
WeightedGraph weighted_label_graph(Context& context, const KnnTable& table, std::uint32_t k,
                                   std::span<const NodeId> order, const Weighting& weighting);
/// Beside the kept table, and symmetrise_memory.
std::uint64_t weighted_label_graph_memory(std::uint64_t rows, std::uint32_t k);

/// A .npz with a row and a column for each of `rows` rows. Throws Error (input) for other sizes.
WeightedGraph given_label_graph(Context& context, const std::filesystem::path& file, std::uint64_t rows);
/// The same Error, before any work.
std::uint64_t given_label_graph_memory(const std::filesystem::path& file, std::uint64_t rows);

}  // namespace lowshot
