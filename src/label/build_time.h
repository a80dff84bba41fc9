#pragma once
// How long an exact graph will take, from small builds on the first rows of the collection.

#include "label/kept_graph.h"
#include "lowshot/context.h"

namespace lowshot {

/// Seconds of build_knn for all rows. A build of the first rows and one of half of them are timed and a n^2 + b n
/// fitted: a is the filter's products, b the rescoring of what passes it. Takes a few seconds.
double estimate_build_seconds(Context& context, const Collection& collection, const KeepOptions& options);

}  // namespace lowshot
