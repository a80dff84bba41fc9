#pragma once
// V_t = W2 L_t = W2 U_t diag(scale): the scores of the query rows, slice by slice. Queries speak of places.

#include "diffusion/slices.h"
#include "diffusion/sparse_scores.h"

namespace lowshot::diffusion {

/// From a dense slice (places x slice.width). `scale`: one a class of all classes. `scores`: queries x slice.count.
template <typename T>
void read_out(int threads, const T* u, const Slice& slice, MatrixView<const NodeId> queries, const float* scale,
              MatrixView<float> scores);

/// From a sparse U_t, whose slices are read in order: what a query has read of each neighbour's row is remembered. To
/// look it up every time took 15 times as long at 1024 classes.
template <typename T>
class SparseReadOut {
 public:
  SparseReadOut(const SparseScores<T>& u, MatrixView<const NodeId> queries)
      : u_(u), queries_(queries), read_(queries.size(), 0) {}
  void next(int threads, const Slice& slice, const float* scale, MatrixView<float> scores);

 private:
  const SparseScores<T>& u_;
  MatrixView<const NodeId> queries_;
  Array<std::uint32_t> read_;
};

}  // namespace lowshot::diffusion
