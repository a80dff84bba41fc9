#include "knn/streamed_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "knn/reservoirs.h"
#include "knn/streamed_cells.h"
#include "knn/streamed_files.h"
#include "lowshot/error.h"

namespace lowshot {
namespace knn {
namespace {

constexpr double usual_copies = 2;         // 1.3 to 2.5 were met at recall .95 with 4 to 60 cells
constexpr std::uint64_t least_rows = 256;  // of a cell: below, borders are everywhere
constexpr std::uint64_t most_parts = 2048;
constexpr std::uint64_t most_sample = 65536, most_queries = 500;
constexpr std::uint64_t largest_block_bytes = std::uint64_t{64} << 20;
constexpr std::uint64_t place = sizeof(NodeId) + sizeof(float);

// The most rows whose `bytes(rows)` are within `memory`; bytes grows with rows.
template <typename Bytes>
std::uint64_t most_rows(std::uint64_t memory, std::uint64_t most, const Bytes& bytes) {
  std::uint64_t fits = 0, fails = most + 1;
  while (fits + 1 < fails) {
    const std::uint64_t middle = fits + (fails - fits) / 2;
    (bytes(middle) <= memory ? fits : fails) = middle;
  }
  return fits;
}

std::uint64_t cell_bytes(std::uint64_t rows, std::uint32_t dim, bool half, const KnnOptions& inner) {
  const std::uint64_t row = std::uint64_t{dim} * (half ? sizeof(Half) : sizeof(float)) + sizeof(float) + sizeof(NodeId);
  return rows * row + build_knn_memory(rows, dim, inner);
}

// extend_search_knn with `rows` queries: the rows, their codes, lists, and the table before and after.
std::uint64_t outer_bytes(std::uint64_t rows, std::uint32_t dim, const KnnOptions& options) {
  const std::uint64_t search = rows * (dim + 12 + 2 * options.k * place) + Reservoirs::memory(rows, options.k);
  return rows * dim * sizeof(float) + std::max(search, build_knn_memory(rows, dim, options));
}

KnnOptions exact(const KnnOptions& options) {
  KnnOptions result = options;
  result.method = KnnMethod::exact;
  return result;
}

[[noreturn]] void refuse(std::uint64_t needed, std::uint64_t memory) {
  throw Error(ErrorKind::resources,
              fmt::format("even piece by piece this search needs {} beside the program, and {} is left for it",
                          format_bytes(needed), format_bytes(memory)),
              "", "raise --memory");
}

}  // namespace

CellLayout cell_layout(std::uint64_t rows, std::uint32_t dim, bool half, const StreamedKnnOptions& options) {
  const std::uint64_t memory = options.memory, k = options.knn.k, values = std::uint64_t{dim} * sizeof(float);
  CellLayout out;
  out.inner = options.knn;
  // Half of the recall that may be lost is lost between cells, half within them.
  out.coverage = (1 + options.knn.recall) / 2;
  out.inner.recall = out.coverage;
  out.record_bytes = sizeof(NodeId) + sizeof(float) + dim * (half ? sizeof(Half) : sizeof(float));
  out.run_bytes = sizeof(NodeId) + k * place;
  out.buffers = memory / 8;
  out.capacity =
      most_rows(memory - out.buffers, rows, [&](std::uint64_t m) { return cell_bytes(m, dim, half, out.inner); });
  const std::uint64_t needed_rows = std::max<std::uint64_t>(
      {least_rows, 4 * k, static_cast<std::uint64_t>(usual_copies * static_cast<double>(rows) / most_parts)});
  if (out.capacity < std::min(rows, needed_rows))
    refuse(cell_bytes(std::min(rows, needed_rows), dim, half, out.inner) * 8 / 7, memory);
  const std::uint64_t cells = std::min(most_parts, most_cells(rows, out.capacity));
  const auto within = [](std::uint64_t bytes, std::uint64_t one, std::uint64_t least, std::uint64_t most) {
    return std::clamp<std::uint64_t>(bytes / one, least, std::max(least, most));
  };
  // The sample is scored against the cells twice.
  out.sample_rows = std::min(rows, within(memory / 2, values + 2 * cells * sizeof(float), 1024, most_sample));
  // A query's neighbours stand in a map and in a matrix; its own search takes codes and lists.
  out.queries = std::min(
      rows, within(memory / 8, 2 * (k + 1) * values + Reservoirs::memory(1, options.knn.k) + values, 16, most_queries));
  out.truth_block = std::min(rows, within(std::min(memory / 4, largest_block_bytes), values + dim + 16, 64, rows));
  out.fill_block = std::min(rows, within(std::min(memory / 4, largest_block_bytes),
                                         values + out.record_bytes + cells * sizeof(float), 16, rows));
  out.merge_block = std::min(rows, within(memory / 2, k * place, 64, rows));
  return out;
}

BlockLayout block_layout(std::uint64_t rows, std::uint32_t dim, const StreamedKnnOptions& options) {
  const KnnOptions knn = exact(options.knn);
  const std::uint64_t memory = options.memory, row = std::uint64_t{dim} * (sizeof(float) + 1) + 16;
  BlockLayout out;
  out.inner = std::clamp<std::uint64_t>(std::min(memory / 4, largest_block_bytes) / row, 1, rows);
  out.outer = most_rows(memory - memory / 4, rows, [&](std::uint64_t m) { return outer_bytes(m, dim, knn); });
  const std::uint64_t needed = std::min(rows, std::max(least_rows, rows / most_parts));
  if (out.outer < needed) refuse(outer_bytes(needed, dim, knn) * 4 / 3, memory);
  return out;
}

void read_compared(RowSource& source, std::uint64_t begin, MatrixView<float> out, bool normalise) {
  source.read(begin, out);
  if (!normalise) return require_finite(out, source.name(), begin);
  require_usable(out, source.name(), begin);
  normalise_rows(out);
}

PlacedWriter::PlacedWriter(const KnnFiles& files, std::uint64_t rows, const StreamedKnnOptions& options)
    : places_(options.places),
      table_rows_(options.places.empty() ? rows : options.table_rows),
      writer_(files, table_rows_) {}

void PlacedWriter::append(const KnnTable& table) {
  if (places_.empty()) return writer_.append(table);
  KnnTable row{Matrix<NodeId>(1, static_cast<std::size_t>(table.k())), Matrix<float>(1, table.k())};
  for (std::size_t i = 0; i < table.rows(); ++i) {
    const std::uint64_t to = places_[placed_++];
    writer_.append_empty(to - next_);
    for (std::size_t j = 0; j < table.k(); ++j) {
      row.ids(0, j) = table.ids(i, j) == no_node ? no_node : places_[table.ids(i, j)];
      row.similarities(0, j) = table.similarities(i, j);
    }
    writer_.append(row);
    next_ = to + 1;
  }
}

void PlacedWriter::commit() {
  if (!places_.empty()) writer_.append_empty(table_rows_ - next_);
  writer_.commit();
}

}  // namespace knn

StreamedKnnPlan plan_streamed_knn(std::uint64_t rows, std::uint32_t dim, bool half, const StreamedKnnOptions& options) {
  StreamedKnnPlan plan;
  const double n = static_cast<double>(rows);
  if (options.knn.method == KnnMethod::exact) {
    const knn::BlockLayout blocks = knn::block_layout(rows, dim, options);
    plan.rows_at_once = blocks.outer;
    plan.parts = (rows + blocks.outer - 1) / blocks.outer;
    plan.passes = static_cast<double>(plan.parts);
    plan.memory.add("a block of rows and its search", knn::outer_bytes(blocks.outer, dim, knn::exact(options.knn)));
    plan.memory.add("the rows that pass by", blocks.inner * (std::uint64_t{dim} * 5 + 16));
    return plan;
  }
  const knn::CellLayout cells = knn::cell_layout(rows, dim, half, options);
  plan.copies = knn::usual_copies;
  plan.rows_at_once = cells.capacity;
  plan.parts = static_cast<std::uint64_t>(
      std::max(2.0, std::ceil(plan.copies * n / (0.9 * static_cast<double>(cells.capacity)))));
  plan.passes = 2;  // the sample's true neighbours; filling the cells
  plan.scratch_bytes =
      static_cast<std::uint64_t>(plan.copies * n * static_cast<double>(cells.record_bytes + cells.run_bytes));
  plan.memory.add("a cell and its search", knn::cell_bytes(cells.capacity, dim, half, cells.inner));
  plan.memory.add("buffers of scratch files", cells.buffers);
  return plan;
}

double search_streamed_seconds(const KnnRates& rates, const StreamedKnnPlan& plan, std::uint64_t rows) {
  const double n = static_cast<double>(rows);
  if (plan.scratch_bytes == 0)  // by blocks: every pair is looked at from both its rows
    return rates.pair * n * n + rates.row * n * static_cast<double>(plan.parts);
  const double mean_rows = plan.copies * n / static_cast<double>(plan.parts);
  return static_cast<double>(plan.parts) * build_knn_seconds(rates, static_cast<std::uint64_t>(mean_rows));
}

double scratch_seconds(const StreamedKnnPlan& plan, const StreamedKnnOptions& options) {
  if (plan.scratch_bytes == 0) return 0;
  // Written once and read once; what is read is often still in memory.
  return 1.5 * static_cast<double>(plan.scratch_bytes) * knn::seconds_a_written_byte(options.scratch);
}

}  // namespace lowshot
