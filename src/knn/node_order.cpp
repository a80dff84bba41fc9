#include "lowshot/node_order.h"

#include "knn/approximate.h"

namespace lowshot {

std::vector<NodeId> cluster_order(Context& context, const DescriptorView& x) {
  return knn::order_by_list(context, x);
}

std::vector<NodeId> graph_order(Context& context, const DescriptorView& x) {
  if (x.rows() < ordered_from_rows) return {};
  return cluster_order(context, x);
}

}  // namespace lowshot
