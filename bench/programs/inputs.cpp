#include "inputs.h"

#include <algorithm>
#include <fstream>
#include <random>

#include "lowshot/error.h"
#include "lowshot/io.h"
#include "lowshot/row_source.h"

namespace lowshot::bench {

Matrix<float> load_rows(const std::string& path) {
  const auto file = open_npy_rows(path);
  return read_rows(*file, 0, file->rows());
}

Matrix<float> made_up_rows(std::size_t rows, std::size_t dim) {
  constexpr std::size_t clusters = 100;
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  Matrix<float> centres(clusters, dim), x(rows, dim);
  for (std::size_t e = 0; e < centres.size(); ++e) centres.data()[e] = normal(random);
  for (std::size_t i = 0; i < rows; ++i) {
    const float* centre = centres.row(random() % clusters);
    for (std::size_t j = 0; j < dim; ++j) x(i, j) = centre[j] + normal(random);
  }
  normalise_rows(x);
  return x;
}

KnnTable load_table(const std::string& prefix, std::uint32_t k) {
  const auto files = find_knn_files(prefix, k);
  if (!files) throw Error(ErrorKind::input, "there is no stored k-NN table of enough columns", prefix);
  return read_knn(*files, StoredKnn(*files).rows(), k);
}

std::vector<std::int32_t> random_labels(std::size_t nodes, std::size_t labelled, std::uint32_t classes) {
  std::mt19937_64 random(2);
  std::vector<std::int32_t> labels(nodes, -1);
  for (std::size_t left = labelled == 0 || labelled > nodes ? nodes : labelled; left > 0;) {
    const std::size_t i = labelled == 0 || labelled > nodes ? left - 1 : random() % nodes;
    if (labels[i] >= 0) continue;
    labels[i] = static_cast<std::int32_t>(random() % classes);
    --left;
  }
  return labels;
}

Matrix<NodeId> random_queries(const KnnTable& table, std::size_t count) {
  std::mt19937_64 random(3);
  Matrix<NodeId> queries(count, table.k());
  for (std::size_t q = 0; q < count; ++q)
    std::copy_n(table.ids.row(random() % table.rows()), table.k(), queries.row(q));
  return queries;
}

void reset_peak_memory() {
  std::ofstream("/proc/self/clear_refs") << 5;
}

std::uint64_t peak_memory() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return std::stoull(line.substr(6)) * 1024;
  return 0;
}

}  // namespace lowshot::bench
