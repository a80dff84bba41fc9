#pragma once
// k-nearest neighbours of all rows, of new rows, and of queries: exact, or approximate to a recall that is measured.
//
// Exact: every pair of rows passes an 8-bit filter whose error bound is rigorous, survivors are scored in float32. The
// result is therefore the exact float32 one; only the time depends on how well 8 bits describe the rows.
// Join: rows meet in lists (docs/knn.md), candidates are found by 8-bit scores and scored in float32.
// Paper: section 3.2 (Douze et al., CVPR 2018) uses IVF-Flat on GPUs; here each product of two blocks serves the rows
// of both.

#include <cstdint>
#include <vector>

#include "lowshot/context.h"
#include "lowshot/descriptors.h"
#include "lowshot/knn_table.h"

namespace lowshot {

enum class Metric {
  inner_product,  ///< of rows as they are; normalise them first (normalise_rows) for the cosine
  l2,             ///< similarity is minus the squared Euclidean distance
};

enum class KnnMethod {
  automatic,  ///< exact below the size at which the join is quicker, else join
  exact,
  join,  ///< approximate, to a recall that is measured
};

/// For experts; every 0 is chosen by the program.
struct JoinEffort {
  std::uint32_t probes = 0;     ///< lists a row is compared with; given, it is kept to, whatever the recall
  std::uint32_t list_rows = 0;  ///< rows a list on average
  std::uint32_t sample = 0;     ///< rows that recall is measured on
};

struct KnnOptions {
  std::uint32_t k = 30;  ///< 1 .. 1024. More neighbours join more classes; the paper's 30 is right for most sets
  Metric metric = Metric::inner_product;
  KnnMethod method = KnnMethod::automatic;
  double recall = 0.95;  ///< what `join` goes on for, above 0, below 1; time doubles from .95 to .99
  JoinEffort effort = {};
};

/// What a call did, for the log and for what comes after it.
struct KnnReport {
  KnnMethod method = KnnMethod::exact;  ///< exact or join
  double recall = 1;                    ///< measured on a sample as check_knn does; 1 for exact
  std::uint32_t sampled = 0;            ///< rows that it was measured on
  std::uint32_t lists = 0, probes = 0;  ///< of join
  std::vector<NodeId> order;            ///< build_knn by join: the rows in cluster order (lowshot/node_order.h)
};

/// Host memory in bytes that build_knn allocates beside its input and including its result.
std::uint64_t build_knn_memory(std::uint64_t rows, std::uint32_t dim, const KnnOptions& options);
/// The same of extend_knn, whose input is a table of `old_rows` rows, too.
std::uint64_t extend_knn_memory(std::uint64_t old_rows, std::uint64_t new_rows, std::uint32_t dim,
                                const KnnOptions& options);

/// What build_knn does for that many rows: exact or join.
KnnMethod build_knn_method(std::uint64_t rows, const KnnOptions& options);

/// The k most similar rows of each row, itself included. x: n x d, float32 or float16 (a call does not mix them),
/// values finite, norms at most 1e18 (checked). Result: n x k, rows filled up with no_node where n < k. Ties (equal
/// float32 similarity) go to the lower id. The same table to the last bit whatever the number of threads and the
/// instruction set. Time of an exact search O(n^2 d / 2) 8-bit products. Throws Error (input, usage).
KnnTable build_knn(Context& context, const DescriptorView& x, const KnnOptions& options, KnnReport* report = nullptr);

/// The k most similar rows of `x` for each query. queries: m x d; x: n x d. Result m x k.
KnnTable search_knn(Context& context, const DescriptorView& queries, const DescriptorView& x, const KnnOptions& options,
                    KnnReport* report = nullptr);

/// Adds rows to a table: `table` holds the k nearest among `x_old` (n x d) of each of its rows; the result (n + m rows)
/// is what build_knn gives for x_old followed by x_new, but for rows that `table` lacked. One product serves the old
/// and the new rows. options.k <= table.k().
KnnTable extend_knn(Context& context, const KnnTable& table, const DescriptorView& x_old, const DescriptorView& x_new,
                    const KnnOptions& options, KnnReport* report = nullptr);

/// A table of queries against x_old (one row a query, options.k <= table.k()), continued with rows x_new that have the
/// ids first_new_id, first_new_id + 1, ...
KnnTable extend_search_knn(Context& context, const KnnTable& table, const DescriptorView& queries,
                           const DescriptorView& x_new, std::uint64_t first_new_id, const KnnOptions& options,
                           KnnReport* report = nullptr);

}  // namespace lowshot
