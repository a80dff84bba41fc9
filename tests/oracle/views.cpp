#include "oracle/views.h"

namespace oracle {

using lowshot::Isa;
using lowshot::Matrix;
using lowshot::MatrixView;
using lowshot::NodeId;

std::vector<Isa> machine_isas() {
  std::vector<Isa> isas;
  for (const Isa isa : lowshot::all_isas)
    if (isa <= lowshot::best_isa()) isas.push_back(isa);
  return isas;
}

lowshot::Context context_of(Isa isa, int threads) {
  lowshot::Context context;
  context.isa = isa;
  context.threads = threads;
  return context;
}

MatrixView<const float> view(const MadeUpRows& rows) {
  return {rows.values.data(), rows.n, rows.d};
}

MatrixView<const float> view(const MadeUpRows& rows, std::size_t begin, std::size_t end) {
  return {rows.values.data() + begin * rows.d, end - begin, rows.d};
}

Matrix<NodeId> ids_of(const Lists& lists, std::size_t k) {
  Matrix<NodeId> ids(lists.size(), k);
  for (std::size_t i = 0; i < lists.size(); ++i)
    for (std::size_t j = 0; j < k; ++j)
      ids(i, j) = j < lists[i].size() && lists[i][j] >= 0 ? static_cast<NodeId>(lists[i][j]) : lowshot::no_node;
  return ids;
}

lowshot::KnnTable table_of(const Lists& lists, std::size_t k) {
  lowshot::KnnTable table{ids_of(lists, k), Matrix<float>(lists.size(), k)};
  for (std::size_t i = 0; i < lists.size(); ++i)
    for (std::size_t j = 0; j < k; ++j) table.similarities(i, j) = 1 - 0.001f * static_cast<float>(j);
  return table;
}

}  // namespace oracle
