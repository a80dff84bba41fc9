// Faiss IndexIVFFlat files (.index). The layout, found by looking at files that Faiss wrote (little-endian, no padding,
// "[]" = 64-bit count first):
//
//   "IwFl", head of an index, u64 lists, u64 nprobe,
//   the quantizer: "IxF2", head of an index, f32[] centroids (lists x d),
//   the direct map: u8 kind, i64[] entries, and for kind 2 (hash table) i64 pair[],
//   the inverted lists: "ilar", u64 lists, u64 bytes a vector, "full" u64[] sizes (one a list) or
//                       "sprs" u64[] of pairs (list, size) for the lists that are not empty,
//                       then for every list that is not empty its vectors (f32 size x d) and its ids (i64 size)
//   head of an index: i32 d, i64 rows, i64 and i64 without meaning (2^20), u8 is_trained, i32 metric
//                     (0 inner product, 1 L2; from 2 on an f32 argument follows)
#include "io/ivf_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <string_view>
#include <utility>

#include "io/flat_rows.h"
#include "io/output_file.h"
#include "lowshot/io.h"

namespace lowshot::io {
namespace {

constexpr std::int32_t inner_product = 0;
constexpr std::int32_t l2 = 1;
constexpr std::int64_t without_meaning = std::int64_t{1} << 20;
constexpr const char* other_index = "only IndexIVFFlat (inner product, flat L2 quantizer) can be read";

struct Head {
  std::int32_t dim = 0;
  std::int64_t rows = 0;
  std::int32_t metric = 0;
};

void expect_letters(SequentialReader& reader, std::string_view expected, const char* what) {
  const std::string found = reader.text(4, what);
  if (found != expected) reader.fail(fmt::format("expected {} ({}) and found another", what, expected), other_index);
}

Head read_head(SequentialReader& reader, const char* what) {
  Head head;
  head.dim = reader.value<std::int32_t>(what);
  head.rows = reader.value<std::int64_t>(what);
  reader.skip(2, sizeof(std::int64_t), what);
  const auto trained = reader.value<std::uint8_t>(what);
  head.metric = reader.value<std::int32_t>(what);
  if (head.dim < 1 || head.rows < 0) {
    reader.fail(fmt::format("{} claims {} rows of dimension {}", what, head.rows, head.dim));
  }
  if (trained != 1) reader.fail(fmt::format("{} is not trained", what));
  return head;
}

void skip_direct_map(SequentialReader& reader) {
  const auto kind = reader.value<std::uint8_t>("the direct map");
  reader.skip(reader.value<std::uint64_t>("the direct map"), sizeof(std::int64_t), "the direct map");
  if (kind == 2) {
    reader.skip(reader.value<std::uint64_t>("the direct map"), 2 * sizeof(std::int64_t), "the direct map");
  } else if (kind > 2) {
    reader.fail(fmt::format("a direct map of the unknown kind {}", kind), other_index);
  }
}

/// The sizes of all lists, from either encoding.
void read_list_sizes(SequentialReader& reader, std::vector<IvfLayout::List>& lists) {
  const std::string encoding = reader.text(4, "the encoding of the list sizes");
  if (encoding != "full" && encoding != "sprs") {
    reader.fail("expected list sizes in the encoding full or sprs and found another", other_index);
  }
  const auto sizes = reader.counted<std::uint64_t>("list sizes");
  if (encoding == "full") {
    if (sizes.size() != lists.size()) {
      reader.fail(fmt::format("{} list sizes are stored, expected {}", sizes.size(), lists.size()));
    }
    for (std::size_t i = 0; i < lists.size(); ++i) lists[i].rows = sizes[i];
    return;
  }
  if (sizes.size() % 2 != 0) reader.fail(fmt::format("{} values are no pairs of list and size", sizes.size()));
  for (std::size_t i = 0; i < sizes.size(); i += 2) {
    if (sizes[i] >= lists.size() || (i > 0 && sizes[i] <= sizes[i - 2])) {
      reader.fail(fmt::format("the list numbers must rise and stay below {}; found {}", lists.size(), sizes[i]));
    }
    lists[sizes[i]].rows = sizes[i + 1];
  }
}

}  // namespace

IvfLayout read_ivf_layout(const InputFile& file) {
  SequentialReader reader(file);
  IvfLayout layout;
  expect_letters(reader, "IwFl", "a Faiss IndexIVFFlat");
  const Head head = read_head(reader, "the index");
  if (head.metric != inner_product) {
    reader.fail(fmt::format("the index has metric {}, expected 0 (inner product)", head.metric), other_index);
  }
  const auto lists = reader.value<std::uint64_t>("the number of lists");
  const auto nprobe = reader.value<std::uint64_t>("nprobe");
  expect_letters(reader, "IxF2", "a flat L2 quantizer");
  const Head quantizer = read_head(reader, "the quantizer");
  const auto centroids = reader.value<std::uint64_t>("the centroids");
  layout.centroids_offset = reader.skip(centroids, sizeof(float), "the centroids");
  layout.dim = static_cast<std::uint32_t>(head.dim);
  layout.rows = static_cast<std::uint64_t>(head.rows);
  // The centroids are in the file, so lists x dim has no more values than it has bytes: no overflow from here on.
  if (quantizer.metric != l2 || quantizer.dim != head.dim || lists == 0 || lists > centroids ||
      static_cast<std::uint64_t>(quantizer.rows) != lists || centroids != lists * layout.dim) {
    reader.fail(
        fmt::format("the quantizer does not fit: {} lists of dimension {}, but {} centroids of dimension {}, "
                    "metric {}, {} values",
                    lists, head.dim, quantizer.rows, quantizer.dim, quantizer.metric, centroids));
  }
  layout.nprobe = static_cast<std::uint32_t>(std::min<std::uint64_t>(std::max<std::uint64_t>(nprobe, 1), lists));
  skip_direct_map(reader);
  expect_letters(reader, "ilar", "inverted lists in arrays");
  const auto list_count = reader.value<std::uint64_t>("inverted lists");
  const auto vector_bytes = reader.value<std::uint64_t>("the size of a vector");
  if (list_count != lists || vector_bytes != std::uint64_t{layout.dim} * sizeof(float)) {
    reader.fail(fmt::format("{} inverted lists with vectors of {} bytes, expected {} and {}", list_count, vector_bytes,
                            lists, std::uint64_t{layout.dim} * sizeof(float)));
  }
  layout.lists.resize(lists);
  read_list_sizes(reader, layout.lists);
  std::uint64_t rows = 0;
  for (IvfLayout::List& list : layout.lists) {
    list.vectors_offset = reader.skip(list.rows, vector_bytes, "the vectors of a list");
    list.ids_offset = reader.skip(list.rows, sizeof(std::int64_t), "the ids of a list");
    rows += list.rows;
  }
  reader.require_end();
  if (rows != layout.rows) {
    file.fail(fmt::format("the lists hold {} rows and the head of the index claims {}", rows, layout.rows));
  }
  return layout;
}

namespace {

void write_head(SequentialWriter& writer, std::uint64_t dim, std::uint64_t rows, std::int32_t metric) {
  writer.value(static_cast<std::int32_t>(dim));
  writer.value(static_cast<std::int64_t>(rows));
  writer.value(without_meaning);
  writer.value(without_meaning);
  writer.value(std::uint8_t{1});  // is_trained
  writer.value(metric);
}

}  // namespace
}  // namespace lowshot::io

namespace lowshot {

IvfIndex read_index(const fs::path& path) {
  const io::InputFile file(path);
  const io::IvfLayout layout = io::read_ivf_layout(file);
  IvfIndex index;
  index.nprobe = layout.nprobe;
  index.centroids = Matrix<float>(layout.lists.size(), layout.dim);
  file.read_at(layout.centroids_offset, index.centroids.data(), index.centroids.size() * sizeof(float));
  for (const io::IvfLayout::List& list : layout.lists) {
    auto& ids = index.ids.emplace_back(list.rows);
    file.read_at(list.ids_offset, ids.data(), ids.size() * sizeof(std::int64_t));
    for (const std::int64_t id : ids) {
      if (id < 0) file.fail(fmt::format("an inverted list holds the id {}", id));
    }
    auto& vectors = index.vectors.emplace_back(list.rows, layout.dim);
    file.read_at(list.vectors_offset, vectors.data(), vectors.size() * sizeof(float));
  }
  return index;
}

void write_index(const fs::path& path, const IvfIndex& index) {
  const std::uint64_t lists = index.centroids.rows();
  const std::uint64_t dim = index.centroids.cols();
  std::uint64_t rows = 0;
  std::vector<std::uint64_t> sizes;
  for (const auto& ids : index.ids) {
    sizes.push_back(ids.size());
    rows += ids.size();
  }
  io::OutputFile file(path);
  io::SequentialWriter writer(file);
  writer.bytes("IwFl", 4);
  io::write_head(writer, dim, rows, io::inner_product);
  writer.value(lists);
  writer.value(std::uint64_t{index.nprobe});
  writer.bytes("IxF2", 4);
  io::write_head(writer, dim, lists, io::l2);
  writer.counted(index.centroids.data(), index.centroids.size());
  writer.value(std::uint8_t{0});   // no direct map
  writer.value(std::uint64_t{0});  // its entries
  writer.bytes("ilar", 4);
  writer.value(lists);
  writer.value(dim * sizeof(float));
  writer.bytes("full", 4);
  writer.counted(sizes.data(), sizes.size());
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    writer.bytes(index.vectors[i].data(), index.vectors[i].size() * sizeof(float));
    writer.bytes(index.ids[i].data(), index.ids[i].size() * sizeof(std::int64_t));
  }
  writer.flush();
  file.commit();
}

namespace {

/// Rows of an index in the order of their ids.
class IndexRows : public RowSource {
 public:
  IndexRows(io::InputFile file, std::uint32_t dim, std::vector<std::uint64_t> offsets)
      : file_(std::move(file)), dim_(dim), offsets_(std::move(offsets)) {}

  std::uint64_t rows() const override { return offsets_.size(); }
  std::uint32_t dim() const override { return dim_; }
  void read(std::uint64_t begin, MatrixView<float> out) override {
    io::require_block(*this, begin, out);
    for (std::size_t i = 0; i < out.rows(); ++i) {
      file_.read_at(offsets_[begin + i], out.row(i), dim_ * sizeof(float));
    }
  }
  std::string name() const override { return file_.name(); }

 private:
  io::InputFile file_;
  std::uint32_t dim_;
  std::vector<std::uint64_t> offsets_;  ///< of each row's vector in the file
};

}  // namespace

std::unique_ptr<RowSource> open_index_rows(const fs::path& path) {
  io::InputFile file(path);
  const io::IvfLayout layout = io::read_ivf_layout(file);
  constexpr std::uint64_t unset = std::numeric_limits<std::uint64_t>::max();
  std::vector<std::uint64_t> offsets(layout.rows, unset);
  for (const io::IvfLayout::List& list : layout.lists) {
    std::vector<std::int64_t> ids(list.rows);
    file.read_at(list.ids_offset, ids.data(), ids.size() * sizeof(std::int64_t));
    for (std::size_t i = 0; i < ids.size(); ++i) {
      // As many ids as rows, all below their number and none twice: they are 0 .. rows - 1.
      if (ids[i] < 0 || static_cast<std::uint64_t>(ids[i]) >= layout.rows ||
          offsets[static_cast<std::size_t>(ids[i])] != unset) {
        file.fail(fmt::format("the ids of an index that stands for its rows must be 0 to {}, each once; the id {} is "
                              "out of range or there twice",
                              layout.rows - 1, ids[i]),
                  "use the raw file of the rows instead");
      }
      offsets[static_cast<std::size_t>(ids[i])] = list.vectors_offset + i * layout.dim * sizeof(float);
    }
  }
  return std::make_unique<IndexRows>(std::move(file), layout.dim, std::move(offsets));
}

}  // namespace lowshot
