#pragma once
// Every file format of the data directory (docs/files.md), read and written, each checked before use.
// Reading: Error (input) names file and byte or row. Writing: whole or not at all (temporary name, fsync, rename);
// Error (resources) when the disk is full or the place cannot be written.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lowshot/knn_table.h"
#include "lowshot/linear_map.h"
#include "lowshot/matrix.h"
#include "lowshot/row_source.h"
#include "lowshot/split.h"

namespace lowshot {

namespace fs = std::filesystem;

// --- descriptors -----------------------------------------------------------------------------------------------------

/// npy, versions 1 to 3, C order, two dimensions, float16/32/64. Read on demand.
std::unique_ptr<RowSource> open_npy_rows(const fs::path& path);
/// Headerless row-major float32, little-endian; the file's size must be a multiple of a row. Read on demand.
std::unique_ptr<RowSource> open_raw_rows(const fs::path& path, std::uint32_t dim);
/// Dataset `all_feats`, its first `count[0]` rows (all rows where `count` is absent); float16 or float32, any chunking
/// and the filters gzip and shuffle. Streamed.
std::unique_ptr<RowSource> open_hdf5_rows(const fs::path& path);
/// Rows of a Faiss IndexIVFFlat in the order of their ids, which must be 0 .. n-1. Read on demand; holds 8 bytes a
/// row in memory.
std::unique_ptr<RowSource> open_index_rows(const fs::path& path);
/// One of the above by the file's ending: .npy, .hdf5/.h5, .index, anything else raw (needs `dim`).
std::unique_ptr<RowSource> open_rows(const fs::path& path, std::optional<std::uint32_t> dim = {});
/// Rows begin .. end-1 of another source, and several sources of one dimension as one.
std::unique_ptr<RowSource> slice_rows(std::unique_ptr<RowSource> source, std::uint64_t begin, std::uint64_t end);
std::unique_ptr<RowSource> concatenate_rows(std::vector<std::unique_ptr<RowSource>> sources);
/// The rows of a source without those that `skipped` names (rising). The source must outlive the view.
std::unique_ptr<RowSource> skip_rows(RowSource& source, const std::vector<std::uint64_t>& skipped);

/// The labels of an HDF5 descriptor file: dataset `all_labels`, first `count[0]` entries.
std::vector<std::int32_t> read_hdf5_labels(const fs::path& path);

// --- small files -----------------------------------------------------------------------------------------------------

/// Row numbers from 0, the first column of a CSV (OUT.bad.csv), sorted, each once. Error (input) where one is not below
/// `rows`.
std::vector<std::uint64_t> read_row_list(const fs::path& path, std::uint64_t rows);
ClassSets read_class_sets(const fs::path& path);  ///< label_idx.json
LinearMap read_vt(const fs::path& path);          ///< Faiss VectorTransform, PCAMatrix or LinearTransform
void write_vt(const fs::path& path, const LinearMap& map);

// --- Faiss IndexIVFFlat (inner product, L2 quantizer)
// ------------------------------------------------------------------

struct IvfIndex {
  Matrix<float> centroids;                     ///< lists x d
  std::vector<std::vector<std::int64_t>> ids;  ///< per list
  std::vector<Matrix<float>> vectors;          ///< per list, rows x d
  std::uint32_t nprobe = 1;
};
IvfIndex read_index(const fs::path& path);
void write_index(const fs::path& path, const IvfIndex& index);
/// The k most similar rows among the `nprobe` lists nearest (L2) to each query, by falling inner product, ties by id.
/// `similarities` and the returned ids are m x k, -1 and -infinity where the probed lists hold fewer than k rows.
Matrix<std::int64_t> search_index(const IvfIndex& index, MatrixView<const float> queries, std::uint32_t k,
                                  std::uint32_t nprobe, Matrix<float>* similarities = nullptr);

// --- arrays ----------------------------------------------------------------------------------------------------------

/// An npy or raw file written row by row, under its final name only once `commit` has been called with every row there.
class RowWriter {
 public:
  enum class Format { raw, npy };
  /// rows x cols of float32 (or int32 through the same bits). The file's size is known before the first row.
  RowWriter(const fs::path& path, Format format, std::uint64_t rows, std::uint32_t cols);
  ~RowWriter();
  RowWriter(RowWriter&&) noexcept;
  void write(std::uint64_t first_row, MatrixView<const float> rows);
  void commit();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// A float32 npy (or float16, converted on the way) of any shape, written as a matrix of product(shape[..-1]) rows by
/// blocks of columns: what slices of classes arrive as. Under its final name once `commit` has been called.
class NpyTileWriter {
 public:
  NpyTileWriter(const fs::path& path, const std::vector<std::uint64_t>& shape, bool half = false);
  ~NpyTileWriter();
  NpyTileWriter(NpyTileWriter&&) noexcept;
  /// What is never written is 0. Rows first_row .. first_row + values.rows() - 1, columns first_col .. first_col +
  /// values.cols() - 1.
  void write(std::uint64_t first_row, std::uint64_t first_col, MatrixView<const float> values);
  void commit();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The original's HDF5 file of descriptors, written row by row: all_feats (float32, or float16 converted on the way),
/// all_labels and count. The same rows give the same bytes. Under its final name once `commit` has been called with
/// every row there.
class Hdf5RowWriter {
 public:
  Hdf5RowWriter(const fs::path& path, std::uint64_t rows, std::uint32_t cols, bool half);
  ~Hdf5RowWriter();
  Hdf5RowWriter(Hdf5RowWriter&&) noexcept;
  void write(std::uint64_t first_row, MatrixView<const float> values);
  /// `labels`: one a row.
  void commit(std::span<const std::int32_t> labels);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

void write_npy(const fs::path& path, MatrixView<const float> values);
void write_npy(const fs::path& path, MatrixView<const std::int32_t> values);
/// A one-dimensional or two-dimensional int32/int64 npy as int32 values (Error where one does not fit).
std::vector<std::int32_t> read_npy_int32(const fs::path& path);
/// Numbers of rows, below 2^31, as npy int32 [count, 1].
void write_row_numbers(const fs::path& path, std::span<const std::uint32_t> numbers);
std::vector<std::uint32_t> read_row_numbers(const fs::path& path);

// --- k-NN tables -----------------------------------------------------------------------------------------------------

/// The two files of a table: ids (int32) and similarities (float32), headerless, or their npy twins.
struct KnnFiles {
  fs::path ids, similarities;
  std::uint32_t stored_k = 0;
};
enum class TableFormat { raw, npy };

/// PREFIX_k<K>_I_11.int<K> / ..._D_11.float<K> or .npy.
KnnFiles knn_file_names(const fs::path& prefix, std::uint32_t stored_k, TableFormat format);
/// The smallest power of two >= k.
std::uint32_t stored_k(std::uint32_t k);
/// The stored table of `prefix` with the smallest K >= k, if there is one.
std::optional<KnnFiles> find_knn_files(const fs::path& prefix, std::uint32_t k);
/// First k columns of a stored table, tidied (KnnTable's order). Ids of -1 are empty places; ids below -1 or not below
/// `ids` are refused with their row. `rows`: how many rows the table must have; `ids`: how many its neighbours are
/// among, where those are other rows.
KnnTable read_knn(const KnnFiles& files, std::uint64_t rows, std::uint32_t k, int threads = 1,
                  std::optional<std::uint64_t> ids = {});
/// Writes both files; missing columns up to stored_k are filled with -1 / -infinity.
void write_knn(const KnnFiles& files, const KnnTable& table);

/// The same two files written block by block of rows, in order; under their names once `commit` has been called with
/// every row there.
class KnnWriter {
 public:
  KnnWriter(const KnnFiles& files, std::uint64_t rows);
  ~KnnWriter();
  KnnWriter(KnnWriter&&) noexcept;
  /// The rows behind those written so far. table.k() <= stored_k.
  void append(const KnnTable& table);
  /// `count` rows without neighbours.
  void append_empty(std::uint64_t count);
  void commit();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// A stored table as it lies in its files: nothing is sorted, dropped or refused but a file that is no table at all.
/// Reads on demand.
class StoredKnn {
 public:
  explicit StoredKnn(const KnnFiles& files);
  ~StoredKnn();
  StoredKnn(StoredKnn&&) noexcept;
  std::uint64_t rows() const;  ///< from the files' sizes, which agree
  std::uint32_t k() const;     ///< columns stored
  /// Rows begin .. begin + ids.rows() - 1, all columns.
  void read(std::uint64_t begin, MatrixView<std::int32_t> ids, MatrixView<float> similarities) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// --- origin ----------------------------------------------------------------------------------------------------------

/// The side-car NAME.meta.json of a derived file: format version, xxh3 of the inputs, options, program version.
struct Origin {
  std::vector<std::pair<std::string, std::string>> inputs;   ///< name -> xxh3 (hex)
  std::vector<std::pair<std::string, std::string>> options;  ///< name -> value
  std::string content = {};  ///< hash of what is stored, for files that are compared with it when read; else empty
};
std::string hash_file(const fs::path& path);   ///< xxh3-64 of the content, hex
std::string hash_text(std::string_view text);  ///< the same of a text
void write_origin(const fs::path& derived, const Origin& origin);
/// What the side-car says; nothing where there is none, or one that is damaged or of another format.
std::optional<Origin> read_origin(const fs::path& derived);
enum class OriginState { absent, equal, different };
/// Of inputs and options, whose order means nothing.
OriginState check_origin(const fs::path& derived, const Origin& origin);

/// Writes `bytes` under `path`, whole or not at all.
void write_file(const fs::path& path, std::string_view bytes);

}  // namespace lowshot
