// k-NN tables under the original's names: PREFIX_k<K>_I_11.int<K> (ids, always int32) and PREFIX_k<K>_D_11.float<K>
// (similarities, always float32), rows x K without header; the number behind the type is K, not a width. Or npy twins.
//
// Published tables come from an approximate index over images with exact duplicates: the row itself may be absent, ids
// may be -1 or repeated, similarities equal, unsorted or slightly above 1. They are read as edges.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <span>
#include <stdexcept>

#include "io/input_file.h"
#include "io/npy.h"
#include "io/output_file.h"
#include "lowshot/error.h"
#include "lowshot/io.h"

namespace lowshot {
namespace {

constexpr std::uint64_t block_bytes = 1 << 24;
constexpr std::uint64_t page_bytes = 4096;
constexpr std::uint32_t largest_stored_k = 1 << 20;  // with max_nodes rows, sizes stay far below 64 bits
constexpr std::string_view ids_infix = "_I_11.";

/// K of a file name PREFIX_k<K>_I_11.int<K> or .npy; nothing for other names.
std::optional<std::uint32_t> stored_k_of(std::string_view name, std::string_view prefix, TableFormat format) {
  if (name.substr(0, prefix.size()) != prefix || name.substr(prefix.size(), 2) != "_k") return {};
  const char* begin = name.data() + prefix.size() + 2;
  std::uint32_t k = 0;
  const auto [end, error] = std::from_chars(begin, name.data() + name.size(), k);
  if (error != std::errc() || k == 0 || k > largest_stored_k) return {};
  const std::string_view rest = name.substr(static_cast<std::size_t>(end - name.data()));
  const std::string ending = format == TableFormat::npy ? "npy" : fmt::format("int{}", k);
  if (rest != std::string(ids_infix) + ending) return {};
  return k;
}

/// A stored array of rows x K values of 4 bytes.
struct StoredArray {
  io::InputFile file;
  std::uint64_t offset;
};

StoredArray open_array(const fs::path& path, io::Scalar type, std::uint64_t rows, std::uint32_t stored_k) {
  io::InputFile file(path);
  constexpr const char* advice = "use the table that was made from these rows, or delete it to have it made again";
  if (path.extension() == ".npy") {
    const io::NpyHeader header = io::read_npy_header(file);
    if (header.type != type || header.shape.size() != 2) {
      file.fail(fmt::format("expected a two-dimensional array of {} and found {} of {} dimension(s)", io::name(type),
                            io::name(header.type), header.shape.size()));
    }
    if (header.shape[0] != rows || header.shape[1] != stored_k) {
      file.fail(fmt::format("a k-NN table of {} x {} is expected and the file holds {} x {}", rows, stored_k,
                            header.shape[0], header.shape[1]),
                advice);
    }
    return {std::move(file), header.data_offset};
  }
  const std::uint64_t row_bytes = std::uint64_t{stored_k} * 4;
  if (file.size() % row_bytes != 0 || file.size() / row_bytes != rows) {
    file.fail(fmt::format("a k-NN table of {} x {} has {} bytes and the file has {}", rows, stored_k, rows * row_bytes,
                          file.size()),
              advice);
  }
  return {std::move(file), 0};
}

/// The first k columns of the stored array; `use(row, values)` gets each row's. Whole rows are read, many at a time,
/// but where the columns not wanted fill several pages: there each row is read for itself.
template <typename T, typename Use>
void for_each_row(const StoredArray& array, std::uint64_t rows, std::uint32_t stored_k, std::uint32_t k, Use use) {
  const std::uint64_t row_bytes = std::uint64_t{stored_k} * sizeof(T);
  const bool single = row_bytes - k * sizeof(T) >= 4 * page_bytes;
  const std::uint64_t step = single ? 1 : std::max<std::uint64_t>(1, block_bytes / row_bytes);
  const std::uint64_t read_bytes = single ? k * sizeof(T) : row_bytes;
  std::vector<T> block(single ? k : std::min(step, rows) * stored_k);
  for (std::uint64_t begin = 0; begin < rows; begin += step) {
    const std::uint64_t count = std::min(step, rows - begin);
    array.file.read_at(array.offset + begin * row_bytes, block.data(), count * read_bytes);
    for (std::uint64_t i = 0; i < count; ++i) use(begin + i, block.data() + i * stored_k);
  }
}

/// One file of a table, row by row: what is behind the real columns is `filler`.
template <typename T>
class ArrayWriter {
 public:
  ArrayWriter(const fs::path& path, io::Scalar type, std::uint64_t rows, std::uint32_t stored_k, T filler)
      : file_(path), writer_(file_), row_(stored_k, filler), filler_(filler) {
    const std::string header = path.extension() == ".npy" ? io::npy_header(type, {rows, stored_k}) : std::string();
    file_.reserve(header.size() + rows * stored_k * sizeof(T));
    writer_.bytes(header.data(), header.size());
  }

  template <typename Value>
  void append(std::span<const Value> values) {
    std::size_t j = 0;
    for (; j < values.size(); ++j) row_[j] = static_cast<T>(values[j]);  // no_node becomes -1
    std::fill(row_.begin() + static_cast<std::ptrdiff_t>(j), row_.end(), filler_);
    writer_.bytes(row_.data(), row_.size() * sizeof(T));
  }
  std::size_t columns() const { return row_.size(); }
  void commit() {
    writer_.flush();
    file_.commit();
  }

 private:
  io::OutputFile file_;
  io::SequentialWriter writer_;
  std::vector<T> row_;
  T filler_;
};

}  // namespace

std::uint32_t stored_k(std::uint32_t k) {
  std::uint32_t result = 1;
  while (result < k && result < (1u << 31)) result *= 2;
  return result;
}

KnnFiles knn_file_names(const fs::path& prefix, std::uint32_t stored_k, TableFormat format) {
  const std::string stem = fmt::format("{}_k{}", prefix.string(), stored_k);
  if (format == TableFormat::npy) return {stem + "_I_11.npy", stem + "_D_11.npy", stored_k};
  return {fmt::format("{}_I_11.int{}", stem, stored_k), fmt::format("{}_D_11.float{}", stem, stored_k), stored_k};
}

std::optional<KnnFiles> find_knn_files(const fs::path& prefix, std::uint32_t k) {
  const fs::path directory = prefix.has_parent_path() ? prefix.parent_path() : fs::path(".");
  const std::string start = prefix.filename().string();
  std::error_code error;
  std::optional<KnnFiles> best;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) {
    for (const TableFormat format : {TableFormat::raw, TableFormat::npy}) {
      const auto found = stored_k_of(entry->path().filename().string(), start, format);
      if (!found || *found < k) continue;
      if (best && (best->stored_k < *found || (best->stored_k == *found && format == TableFormat::npy))) continue;
      const KnnFiles files = knn_file_names(prefix, *found, format);
      std::error_code ignored;
      if (fs::exists(files.similarities, ignored)) best = files;  // ids alone are half a table
    }
  }
  if (error && error != std::errc::no_such_file_or_directory && error != std::errc::not_a_directory) {
    throw Error(ErrorKind::input, fmt::format("cannot look for k-NN tables: {}", error.message()), directory.string());
  }
  return best;
}

KnnTable read_knn(const KnnFiles& files, std::uint64_t rows, std::uint32_t k, int threads,
                  std::optional<std::uint64_t> among) {
  const auto last_id = static_cast<std::int64_t>(among.value_or(rows)) - 1;
  if (k > files.stored_k || files.stored_k == 0) {
    throw Error(ErrorKind::input, fmt::format("{} neighbours are wanted and {} are stored", k, files.stored_k),
                files.ids.string(), "build a table with more neighbours");
  }
  if (rows > max_nodes || files.stored_k > largest_stored_k) {
    throw Error(ErrorKind::input,
                fmt::format("a table of {} x {}: at most {} x {} are supported", rows, files.stored_k, max_nodes,
                            largest_stored_k),
                files.ids.string());
  }
  const StoredArray ids = open_array(files.ids, io::Scalar::int32, rows, files.stored_k);
  const StoredArray similarities = open_array(files.similarities, io::Scalar::float32, rows, files.stored_k);
  KnnTable table = KnnTable::sized(rows, k);
  for_each_row<std::int32_t>(ids, rows, files.stored_k, k, [&](std::uint64_t row, const std::int32_t* values) {
    for (std::uint32_t j = 0; j < k; ++j) {
      if (values[j] < -1 || values[j] > last_id) {
        ids.file.fail(fmt::format("row {} holds the neighbour id {}, expected -1 to {}", row, values[j], last_id),
                      "the table belongs to other rows or is damaged");
      }
      table.ids(row, j) = values[j] < 0 ? no_node : static_cast<NodeId>(values[j]);
    }
  });
  for_each_row<float>(similarities, rows, files.stored_k, k, [&](std::uint64_t row, const float* values) {
    std::copy_n(values, k, table.similarities.row(row));
  });
  tidy(table, threads);
  return table;
}

struct KnnWriter::State {
  ArrayWriter<std::int32_t> ids;
  ArrayWriter<float> similarities;
  std::uint64_t rows, written = 0;
};

KnnWriter::KnnWriter(const KnnFiles& files, std::uint64_t rows) {
  constexpr float none = -std::numeric_limits<float>::infinity();
  state_.reset(new State{{files.ids, io::Scalar::int32, rows, files.stored_k, -1},
                         {files.similarities, io::Scalar::float32, rows, files.stored_k, none},
                         rows});
}

KnnWriter::~KnnWriter() = default;
KnnWriter::KnnWriter(KnnWriter&&) noexcept = default;

void KnnWriter::append(const KnnTable& table) {
  if (table.k() > state_->ids.columns())
    throw std::logic_error(fmt::format("{} neighbours do not fit {} columns", table.k(), state_->ids.columns()));
  for (std::size_t i = 0; i < table.rows(); ++i) {
    state_->ids.append(table.ids.view().row_span(i));
    state_->similarities.append(table.similarities.view().row_span(i));
  }
  state_->written += table.rows();
}

void KnnWriter::append_empty(std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) {
    state_->ids.append(std::span<const NodeId>());
    state_->similarities.append(std::span<const float>());
  }
  state_->written += count;
}

void KnnWriter::commit() {
  if (state_->written != state_->rows)
    throw std::logic_error(fmt::format("a table of {} rows is finished after {}", state_->rows, state_->written));
  // `find_knn_files` looks for the ids: they come last, when their similarities are there.
  state_->similarities.commit();
  state_->ids.commit();
}

void write_knn(const KnnFiles& files, const KnnTable& table) {
  if (table.k() > files.stored_k) {
    throw Error(ErrorKind::usage, fmt::format("{} neighbours do not fit {} columns", table.k(), files.stored_k),
                files.ids.string());
  }
  KnnWriter writer(files, table.rows());
  writer.append(table);
  writer.commit();
}

}  // namespace lowshot
