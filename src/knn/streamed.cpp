// The k-NN table of rows that do not fit memory (lowshot/knn_streamed.h), by cells:
//   1. a sample's true neighbours, in one pass over the rows
//   2. cells that fit memory, in which the wanted share of those pairs meets
//   3. every row into the files of its cells, in a second pass
//   4. build_knn cell by cell; its lists, with the rows' numbers, are a run: a file sorted by row
//   5. the runs merged, block of rows by block of rows, into the table
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "core/half.h"
#include "knn/streamed_cell_files.h"
#include "knn/streamed_files.h"
#include "knn/streamed_plan.h"
#include "knn/streamed_truth.h"
#include "lowshot/error.h"

namespace lowshot {
namespace knn {
namespace {

constexpr std::uint64_t largest_buffer = std::uint64_t{4} << 20;

// A share of the memory for buffers, for each of `files`.
std::uint64_t buffer_bytes(const CellLayout& layout, std::uint64_t files, std::uint64_t record) {
  return std::clamp(layout.buffers / std::max<std::uint64_t>(1, files), record, std::max(record, largest_buffer));
}

// Rows of a cell's file: id, factor, values.
struct Record {
  std::uint32_t id;
  float factor;
};

float norm_inverse(const float* row, std::uint32_t dim) {
  double square = 0;
  for (std::uint32_t j = 0; j < dim; ++j) square += static_cast<double>(row[j]) * row[j];
  return static_cast<float>(1 / std::sqrt(square));
}

// A block of rows on its way into the cells: records as they are stored, and for each row its cells.
class FillBlock {
 public:
  FillBlock(const CellLayout& layout, const Cells& cells, std::uint32_t dim, bool half, bool normalise)
      : cells_(cells),
        dim_(dim),
        half_(half),
        normalise_(normalise),
        values_(layout.fill_block, dim),
        records_(layout.fill_block, layout.record_bytes),
        scores_(layout.fill_block, cells.count()) {}

  void read(Context& context, RowSource& source, std::uint64_t begin, std::uint64_t count) {
    const MatrixView<float> rows = values_.view().rows(0, count);
    source.read(begin, rows);
    normalise_ ? require_usable(rows, source.name(), begin) : require_finite(rows, source.name(), begin);
#pragma omp parallel for num_threads(context.thread_count()) schedule(static)
    for (std::uint64_t i = 0; i < count; ++i) {
      Record head{static_cast<std::uint32_t>(begin + i), 1};
      char* record = records_.row(i);
      if (half_) {  // it was float16: nothing is lost
        if (normalise_) head.factor = norm_inverse(rows.row(i), dim_);
        convert(rows.row(i), reinterpret_cast<Half*>(record + sizeof(Record)), dim_);
      }
      if (normalise_) normalise_rows(rows.rows(i, i + 1));
      if (!half_) std::memcpy(record + sizeof(Record), rows.row(i), dim_ * sizeof(float));
      std::memcpy(record, &head, sizeof(Record));
      cells_.score(rows.row(i), scores_.row(i));
    }
  }
  const char* record(std::uint64_t i) const {
    return records_.row(i);
  }
  const float* scores(std::uint64_t i) const {
    return scores_.row(i);
  }

 private:
  const Cells& cells_;
  std::uint32_t dim_;
  bool half_, normalise_;
  Matrix<float> values_;
  Matrix<char> records_;
  Matrix<float> scores_;
};

// The best cell that has room.
std::uint32_t best_with_room(const float* scores, const std::vector<std::uint64_t>& rows, std::uint64_t capacity) {
  std::size_t best = rows.size();
  for (std::size_t c = 0; c < rows.size(); ++c)
    if (rows[c] < capacity && (best == rows.size() || scores[c] > scores[best])) best = c;
  return static_cast<std::uint32_t>(best);
}

// 3. Rows into cells, in order. A full cell takes no more: a copy is dropped, a row without a cell goes to the best one
// with room (there is some: the cells hold more than the rows).
FilledCells fill(Context& context, RowSource& source, const CellLayout& layout, const Cells& cells, bool normalise,
                 const CellFiles& files) {
  Phase phase(context, "k-NN cells: filling");
  const std::uint64_t n = source.rows(), count = cells.count();
  std::vector<RecordAppender> appenders;
  for (std::uint64_t c = 0; c < count; ++c)
    appenders.emplace_back(files.rows_file(c), buffer_bytes(layout, count, layout.record_bytes));
  FilledCells filled;
  filled.rows.assign(count, 0);
  FillBlock block(layout, cells, source.dim(), source.is_half(), normalise);
  std::uint32_t chosen[Cells::most_copies];
  std::uint64_t copies = 0;
  for (std::uint64_t begin = 0; begin < n; begin += layout.fill_block) {
    const std::uint64_t size = std::min(n - begin, layout.fill_block);
    block.read(context, source, begin, size);
    for (std::uint64_t i = 0; i < size; ++i) {
      const std::uint32_t wanted = cells.choose(block.scores(i), chosen);
      std::uint32_t placed = 0;
      const auto put = [&](std::uint32_t cell) {
        appenders[cell].append(block.record(i), layout.record_bytes);
        ++filled.rows[cell];
        ++placed;
      };
      for (std::uint32_t j = 0; j < wanted; ++j)
        if (filled.rows[chosen[j]] < layout.capacity) put(chosen[j]);
      if (placed == 0) put(best_with_room(block.scores(i), filled.rows, layout.capacity));
      copies += placed;
    }
    context.report("filling cells", begin + size, n, "rows");
  }
  for (RecordAppender& appender : appenders) {
    appender.finish();
    filled.hashes.push_back(appender.hash());
  }
  filled.copies = static_cast<double>(copies) / static_cast<double>(n);
  return filled;
}

struct CellRows {
  std::vector<NodeId> ids;
  std::vector<float> factors;  // of half rows that are normalised
  Matrix<float> single;
  Matrix<Half> half;

  DescriptorView view() const {
    return half.rows() != 0 ? DescriptorView(half.view(), factors) : DescriptorView(single);
  }
};

CellRows read_cell(const std::filesystem::path& path, const CellLayout& layout, std::uint64_t rows, std::uint32_t dim,
                   bool is_half, const std::string& expected_hash) {
  CellRows cell;
  cell.ids.reserve(rows);
  if (is_half)
    cell.half = Matrix<Half>(rows, dim), cell.factors.reserve(rows);
  else
    cell.single = Matrix<float>(rows, dim);
  io::ContentHash hash;
  RecordReader reader(path, layout.record_bytes, buffer_bytes(layout, 1, layout.record_bytes));
  for (std::uint64_t count = 0;;) {
    const char* records = reader.peek(count);
    if (count == 0 || cell.ids.size() + count > rows) break;
    hash.add(records, count * layout.record_bytes);
    for (std::uint64_t i = 0; i < count; ++i) {
      const char* record = records + i * layout.record_bytes;
      Record head;
      std::memcpy(&head, record, sizeof(Record));
      const std::size_t at = cell.ids.size();
      cell.ids.push_back(head.id);
      if (is_half) {
        cell.factors.push_back(head.factor);
        std::memcpy(cell.half.row(at), record + sizeof(Record), dim * sizeof(Half));
      } else {
        std::memcpy(cell.single.row(at), record + sizeof(Record), dim * sizeof(float));
      }
    }
    reader.take(count);
  }
  if (cell.ids.size() != rows || hash.hex() != expected_hash)
    throw Error(ErrorKind::input, "a scratch file is not what was written to it", path.string(),
                "delete its folder and begin anew; look after the disk");
  return cell;
}

// 4. The lists of a cell's rows, with the rows' own numbers.
std::string write_run(const std::filesystem::path& path, const CellLayout& layout, const std::vector<NodeId>& ids,
                      const KnnTable& table) {
  const std::size_t k = table.k();
  RecordAppender run(path, buffer_bytes(layout, 1, layout.run_bytes));
  std::vector<std::uint32_t> record(1 + 2 * k);
  for (std::size_t i = 0; i < table.rows(); ++i) {
    record[0] = ids[i];
    for (std::size_t j = 0; j < k; ++j) record[1 + j] = table.ids(i, j) == no_node ? no_node : ids[table.ids(i, j)];
    std::memcpy(record.data() + 1 + k, table.similarities.row(i), k * sizeof(float));
    run.append(record.data(), layout.run_bytes);
  }
  run.finish();
  return run.hash();
}

void search_cells(Context& context, const CellLayout& layout, const FilledCells& filled, std::uint32_t dim, bool half,
                  const CellFiles& files, StreamedKnnReport& report) {
  const std::uint64_t all = std::accumulate(filled.rows.begin(), filled.rows.end(), std::uint64_t{0});
  std::uint64_t done = 0;
  for (std::uint64_t c = 0; c < filled.rows.size(); ++c) {
    std::error_code ignored;
    done += filled.rows[c];
    if (files.has_run(c)) {
      ++report.resumed_parts;
    } else {
      Phase phase(context, "k-NN cells: search");
      Context quiet = context;  // its progress would begin anew for each cell
      quiet.progress = {};
      KnnTable table = KnnTable::sized(0, layout.inner.k);
      std::vector<NodeId> ids;
      if (filled.rows[c] != 0) {
        CellRows cell = read_cell(files.rows_file(c), layout, filled.rows[c], dim, half, filled.hashes[c]);
        table = build_knn(quiet, cell.view(), layout.inner);
        ids = std::move(cell.ids);
      }
      for (const auto& [name, seconds] : quiet.seconds)
        if (name.rfind("k-NN: ", 0) == 0) context.seconds[name] = seconds;
      files.write_run_note(c, write_run(files.run_file(c), layout, ids, table));
    }
    std::filesystem::remove(files.rows_file(c), ignored);
    context.report("k-NN graph by cells", done, all, "rows");
  }
}

// Puts one list among the k best so far of a row; both sorted, an id in both has the same similarity in both.
void merge_lists(NodeId* ids, float* similarities, const NodeId* more_ids, const float* more, std::size_t k,
                 std::vector<NodeId>& kept_ids, std::vector<float>& kept) {
  kept_ids.assign(ids, ids + k);
  kept.assign(similarities, similarities + k);
  std::size_t a = 0, b = 0;
  for (std::size_t filled = 0; filled < k; ++filled) {
    while (b < k && a < k && more_ids[b] != no_node && more_ids[b] == kept_ids[a]) ++b;
    const bool has_old = a < k && kept_ids[a] != no_node, has_new = b < k && more_ids[b] != no_node;
    const bool takes_new =
        has_new && (!has_old || more[b] > kept[a] || (more[b] == kept[a] && more_ids[b] < kept_ids[a]));
    if (!has_new && !has_old) break;
    ids[filled] = takes_new ? more_ids[b] : kept_ids[a];
    similarities[filled] = takes_new ? more[b] : kept[a];
    ++(takes_new ? b : a);
  }
}

// 5. The k best of each row from the runs of its cells.
double merge_runs(Context& context, std::uint64_t rows, const CellLayout& layout, const FilledCells& filled,
                  const CellFiles& files, PlacedWriter& writer) {
  Phase phase(context, "k-NN cells: merging");
  const std::size_t k = layout.inner.k, cells = filled.rows.size();
  std::vector<RecordReader> runs;
  for (std::uint64_t c = 0; c < cells; ++c)
    runs.emplace_back(files.run_file(c), layout.run_bytes, buffer_bytes(layout, cells, layout.run_bytes));
  RecallCount recall(filled.truth);
  for (std::uint64_t begin = 0; begin < rows; begin += layout.merge_block) {
    const std::uint64_t size = std::min(rows - begin, layout.merge_block);
    KnnTable table = KnnTable::sized(size, k);
    std::fill_n(table.ids.data(), table.ids.size(), no_node);
    std::fill_n(table.similarities.data(), table.ids.size(), -std::numeric_limits<float>::infinity());
    for (RecordReader& run : runs) {
      for (std::uint64_t held = 0, count = 0;; run.take(count)) {
        const char* records = run.peek(held);
        const auto row_of = [&](std::uint64_t i) {
          std::uint32_t row;
          std::memcpy(&row, records + i * layout.run_bytes, sizeof(row));
          return row;
        };
        for (count = 0; count < held && row_of(count) < begin + size;) ++count;
        if (count == 0) break;
#pragma omp parallel num_threads(context.thread_count())
        {
          std::vector<NodeId> ids, kept_ids;
          std::vector<float> similarities, kept;
          ids.resize(k), similarities.resize(k);
#pragma omp for schedule(static)
          for (std::uint64_t i = 0; i < count; ++i) {
            const char* record = records + i * layout.run_bytes + sizeof(std::uint32_t);
            std::memcpy(ids.data(), record, k * sizeof(NodeId));
            std::memcpy(similarities.data(), record + k * sizeof(NodeId), k * sizeof(float));
            const std::uint64_t row = row_of(i) - begin;
            merge_lists(table.ids.row(row), table.similarities.row(row), ids.data(), similarities.data(), k, kept_ids,
                        kept);
          }
        }
      }
    }
    recall.add(begin, table);
    writer.append(table);
    context.report("merging lists", begin + size, rows, "rows");
  }
  return recall.recall();
}

// 1 and 2, then 3.
FilledCells make_cells(Context& context, RowSource& source, const CellLayout& layout, const StreamedKnnOptions& options,
                       const CellFiles& files) {
  files.clear();
  const std::uint64_t n = source.rows();
  SampleTruth truth = [&] {
    Phase phase(context, "k-NN cells: sample");
    return search_sample(context, source, layout, options);
  }();
  CellChoice choice = [&] {
    Phase phase(context, "k-NN cells: choice");
    Matrix<float> sample = read_sample(source, layout.sample_rows, 512);
    if (options.normalise) normalise_rows(sample);
    return choose_cells(context, sample, truth.pairs, n, layout.capacity, layout.coverage);
  }();
  truth.pairs = {};
  context.info(fmt::format("{} cells of at most {} rows, {:.2f} copies of a row: {} of scratch files in {}",
                           choice.cells.count(), layout.capacity, choice.copies,
                           format_bytes(static_cast<std::uint64_t>(choice.copies * static_cast<double>(n)) *
                                        (layout.record_bytes + layout.run_bytes)),
                           options.scratch.string()));
  if (choice.coverage < layout.coverage)
    context.info(
        fmt::format("note: only {:.1f} % of a sample's neighbours meet in these cells, {:.1f} % are wanted; "
                    "more memory makes larger cells",
                    100 * choice.coverage, 100 * layout.coverage));
  require_space(options.scratch, static_cast<std::uint64_t>(choice.copies * static_cast<double>(n)) *
                                         (layout.record_bytes + layout.run_bytes) +
                                     n * layout.run_bytes);
  FilledCells filled = fill(context, source, layout, choice.cells, options.normalise, files);
  filled.coverage = choice.coverage;
  filled.truth = std::move(truth.thresholds);
  files.write_filled(filled);
  return filled;
}

StreamedKnnReport build_by_cells(Context& context, RowSource& source, const KnnFiles& table_files,
                                 const StreamedKnnOptions& options) {
  const CellLayout layout = cell_layout(source.rows(), source.dim(), source.is_half(), options);
  Origin origin = options.origin;
  const KnnOptions& knn = options.knn;
  for (const auto& [name, value] :
       {std::pair<std::string, std::string>{"k", std::to_string(knn.k)},
        {"metric", knn.metric == Metric::l2 ? "l2" : "inner product"},
        {"normalised", options.normalise ? "yes" : "no"},
        {"recall", fmt::format("{}", knn.recall)},
        {"method", knn.method == KnnMethod::join ? "join" : "automatic"},
        {"effort", fmt::format("{} {} {}", knn.effort.probes, knn.effort.list_rows, knn.effort.sample)},
        {"rows", fmt::format("{} x {}", source.rows(), source.dim())}})
    origin.options.emplace_back("cells: " + name, value);
  const CellFiles files(options.scratch, origin);
  std::optional<FilledCells> filled = files.filled();
  // Of another plan: cells that no longer fit are made anew.
  if (filled && *std::max_element(filled->rows.begin(), filled->rows.end()) > layout.capacity) filled.reset();
  StreamedKnnReport report;
  if (!filled) filled = make_cells(context, source, layout, options, files);
  report.parts = filled->rows.size();
  report.copies = filled->copies;
  search_cells(context, layout, *filled, source.dim(), source.is_half(), files, report);
  PlacedWriter writer(table_files, source.rows(), options);
  report.recall = merge_runs(context, source.rows(), layout, *filled, files, writer);
  writer.commit();
  files.remove();
  return report;
}

}  // namespace
}  // namespace knn

KnnReport facts_of(const StreamedKnnReport& report, const KnnOptions& knn) {
  KnnReport facts;
  facts.method = knn.method == KnnMethod::exact ? KnnMethod::exact : KnnMethod::join;
  facts.recall = report.recall;
  return facts;
}

StreamedKnnReport build_knn_streamed(Context& context, RowSource& source, const KnnFiles& files,
                                     const StreamedKnnOptions& options) {
  if (source.rows() == 0) throw Error(ErrorKind::input, "there are no rows", source.name());
  if (options.knn.k == 0 || options.knn.k > files.stored_k)
    throw Error(ErrorKind::usage, fmt::format("{} neighbours do not fit {} columns", options.knn.k, files.stored_k));
  if (source.rows() > max_nodes)
    throw Error(ErrorKind::input,
                fmt::format("{} rows are more than the {} a graph can hold", source.rows(), max_nodes), source.name());
  if (options.knn.method == KnnMethod::exact) return knn::build_by_blocks(context, source, files, options);
  return knn::build_by_cells(context, source, files, options);
}

}  // namespace lowshot
