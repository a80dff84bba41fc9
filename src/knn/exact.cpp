#include "knn/exact.h"

#include "knn/join.h"

namespace lowshot::knn {

KnnTable extend_exactly(Context& context, const KnnTable& table, const DescriptorView& x_old,
                        const DescriptorView& x_new, const KnnOptions& options) {
  const int threads = context.thread_count();
  const FilterBackend backend = filter_backend(context.isa);
  Reservoirs old_lists(threads, table, options.k), new_lists(x_new.rows(), options.k);
  {
    const FilterSpace space = make_filter_space(threads, x_old, x_new);
    const FilterRows new_codes = make_filter_rows(threads, x_new, space, options.metric, backend, true, true);
    const FilterRows old_codes = make_filter_rows(threads, x_old, space, options.metric, backend, false, true);
    const Side new_side{x_new, &new_codes, static_cast<NodeId>(x_old.rows()), &new_lists};
    const Side old_side{x_old, &old_codes, 0, &old_lists};
    join_within(context, new_side, options.metric);
    join_between(context, new_side, old_side, options.metric);
  }
  const std::size_t rows = x_old.rows() + x_new.rows();
  KnnTable result = KnnTable::sized(rows, options.k);
  old_lists.finish(threads, result);
  new_lists.finish(threads, result, x_old.rows());
  return result;
}

KnnTable search_exactly(Context& context, const KnnTable* table, const DescriptorView& queries, const DescriptorView& x,
                        std::uint64_t first_id, const KnnOptions& options) {
  const int threads = context.thread_count();
  const FilterBackend backend = filter_backend(context.isa);
  Reservoirs lists = table != nullptr ? Reservoirs(threads, *table, options.k) : Reservoirs(queries.rows(), options.k);
  {
    const FilterSpace space = make_filter_space(threads, queries, x);
    const FilterRows query_codes = make_filter_rows(threads, queries, space, options.metric, backend, true, false);
    const FilterRows codes = make_filter_rows(threads, x, space, options.metric, backend, false, true);
    join_between(context, {queries, &query_codes, 0, &lists}, {x, &codes, static_cast<NodeId>(first_id), nullptr},
                 options.metric);
  }
  KnnTable result = KnnTable::sized(queries.rows(), options.k);
  lists.finish(threads, result);
  return result;
}

}  // namespace lowshot::knn
