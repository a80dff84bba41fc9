#pragma once
// V_t = W2 L_t = W2 U_t diag(scale): the scores of the query rows, slice by slice. Queries speak of places.

#include <functional>
#include <span>

#include "diffusion/slices.h"
#include "diffusion/sparse_scores.h"

namespace lowshot::diffusion {

/// Query rows by the lowest place that each names, equal ones as they come: near queries read near rows.
Array<std::uint32_t> near_queries(std::size_t places, MatrixView<const NodeId> queries);

/// From a dense slice (places x slice.width), queries in the order of near_queries. `scale`: one a class of all
/// classes. `scores`: queries x slice.count.
template <typename T>
void read_out(int threads, const T* u, const Slice& slice, MatrixView<const NodeId> queries,
              std::span<const std::uint32_t> order, const float* scale, MatrixView<float> scores);

/// From a sparse U_t: hands `emit` every slice and its scores (queries x slice.count), in order. As many slices are
/// summed at a time as `room` floats hold (one at least), each entry being looked at once then.
template <typename T>
void read_out(int threads, const SparseScores<T>& u, std::span<const Slice> slices, MatrixView<const NodeId> queries,
              const float* scale, std::uint64_t room,
              const std::function<void(const Slice&, MatrixView<const float>)>& emit);

}  // namespace lowshot::diffusion
