#include "knn_inputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "knn/table_search.h"
#include "lowshot/error.h"

namespace lowshot::cli {

void add_metric(CLI::App& command, MetricChoice& choice) {
  command
      .add_option("--metric", choice.name,
                  "cosine (rows are normalised), ip (inner product) or l2 (minus the squared distance)")
      ->check(CLI::IsMember({"cosine", "ip", "l2"}))
      ->capture_default_str();
}

void add_search_and_effort(CLI::App& command, KnnOptions& options) {
  add_search_options(command, options, "--method,--knn");
  add_effort_options(command, options.effort);
}

KnnOptions search_options(KnnOptions options, const MetricChoice& choice) {
  options.metric = choice.metric();
  return stored_options(options);
}

std::string names_of(const KnnFiles& files) {
  return fmt::format("{} and {}", files.ids.string(), files.similarities.filename().string());
}

KnnFiles find_table(const std::string& prefix, std::uint32_t k) {
  const auto files = find_knn_files(prefix, std::max(k, 1u));
  if (!files)
    throw Error(
        ErrorKind::input,
        fmt::format("there is no table {}_k<K>_I_11.int<K> (or .npy) with K at least {}", prefix, std::max(k, 1u)), "",
        "PREFIX is the name up to _k<K>_, and both files of the table must be there");
  return *files;
}

void load_descriptors(Context& context, RowSource& source, const MetricChoice& choice, std::span<const NodeId> taken,
                      MatrixView<float> into) {
  constexpr std::uint64_t block = 8192;
  Matrix<float> read(std::min(block, source.rows()), source.dim());
  std::size_t filled = 0;
  for (std::uint64_t first = 0; first < source.rows(); first += block) {
    const MatrixView<float> part = read.view().rows(0, std::min(source.rows() - first, block));
    source.read(first, part);
    for (; filled < taken.size() && taken[filled] < first + part.rows(); ++filled) {
      const std::uint64_t row = taken[filled];
      const MatrixView<float> one = into.rows(filled, filled + 1);
      std::copy_n(part.row(row - first), source.dim(), one.data());
      if (choice.normalise())
        require_usable(one, source.name(), row);
      else
        require_finite(one, source.name(), row);
    }
    context.report("reading", first + part.rows(), source.rows(), "rows");
  }
  if (choice.normalise()) normalise_rows(into);
}

void load_descriptors(Context& context, RowSource& source, const MetricChoice& choice, MatrixView<float> into) {
  std::vector<NodeId> all(source.rows());
  std::iota(all.begin(), all.end(), NodeId{0});
  load_descriptors(context, source, choice, all, into);
}

void print_search(const KnnReport& report) {
  fmt::print("method {}\n", describe(report));
}

}  // namespace lowshot::cli
