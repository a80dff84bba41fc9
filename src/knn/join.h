#pragma once
// Blocks of rows compared with blocks of rows; every product serves both sides that want neighbours.

#include "knn/filter.h"
#include "knn/reservoirs.h"
#include "lowshot/context.h"
#include "lowshot/knn.h"

namespace lowshot::knn {

/// One set of rows: its floats, its codes, the id of its row 0, and the lists to fill (null: it only offers).
struct Side {
  DescriptorView x;
  const FilterRows* codes;
  NodeId first_id;
  Reservoirs* lists;
};

/// All pairs within one set, each row with itself too. Blocks meet as teams of a round-robin tournament: in a round no
/// block plays twice, so threads share no list and need no locks.
void join_within(Context& context, const Side& set, Metric metric);

/// All pairs of a row of `a` and a row of `b` (different sets). `a` needs codes as rows, `b` as panels.
void join_between(Context& context, const Side& a, const Side& b, Metric metric);

}  // namespace lowshot::knn
