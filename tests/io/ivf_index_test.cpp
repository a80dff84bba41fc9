#include "io/ivf_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <set>
#include <vector>

#include "lowshot/io.h"
#include "oracle/files.h"
#include "oracle/views.h"

namespace lowshot {
namespace {

using fixtures::bytes_of;
using fixtures::put;
using fixtures::raw;
using fixtures::TemporaryDirectory;
using oracle::error_of;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

/// An index of 3 lists in 2 dimensions, as Faiss lays it out; every field can be changed.
struct Parts {
  std::int32_t dim = 2, metric = 0, quantizer_metric = 1, quantizer_dim = 2;
  std::int64_t rows = 4, quantizer_rows = 3;
  std::uint8_t trained = 1;
  std::uint64_t lists = 3, nprobe = 2, inverted_lists = 3, vector_bytes = 8;
  std::vector<float> centroids = {0, 0, 10, 0, 0, 10};
  std::string direct_map = raw(std::uint8_t{0}) + raw(std::uint64_t{0});
  std::string quantizer = "IxF2", arrays = "ilar";
  std::vector<std::vector<std::int64_t>> ids = {{2, 0}, {}, {1, 3}};
  bool sparse = false;

  std::string head(std::int32_t d, std::int64_t n, std::int32_t m) const {
    return raw(d) + raw(n) + raw(std::int64_t{1 << 20}) + raw(std::int64_t{1 << 20}) + raw(trained) + raw(m);
  }
  std::string bytes() const {
    std::string result = "IwFl" + head(dim, rows, metric) + raw(lists) + raw(nprobe) + quantizer +
                         head(quantizer_dim, quantizer_rows, quantizer_metric) +
                         raw(static_cast<std::uint64_t>(centroids.size())) + raw(centroids.data(), centroids.size()) +
                         direct_map + arrays + raw(inverted_lists) + raw(vector_bytes);
    std::vector<std::uint64_t> sizes;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (sparse && ids[i].empty()) continue;
      if (sparse) sizes.push_back(i);
      sizes.push_back(ids[i].size());
    }
    result += sparse ? "sprs" : "full";
    result += raw(static_cast<std::uint64_t>(sizes.size())) + raw(sizes.data(), sizes.size());
    for (const auto& list : ids) {
      for (const std::int64_t id : list) result += raw(static_cast<float>(id)) + raw(10.0f * static_cast<float>(id));
      for (const std::int64_t id : list) result += raw(id);
    }
    return result;
  }
};

TEST(IvfIndex, ReadsBothEncodingsOfTheListsAndEveryDirectMap) {
  const TemporaryDirectory directory;
  const fs::path path = directory / "a.index";
  const std::string entries = raw(std::uint64_t{2}) + std::string(16, '\x01');
  const std::string maps[] = {
      raw(std::uint8_t{0}) + raw(std::uint64_t{0}), raw(std::uint8_t{1}) + entries,
      raw(std::uint8_t{2}) + raw(std::uint64_t{0}) + raw(std::uint64_t{1}) + std::string(16, '\x01')};
  for (const std::string& map : maps) {
    for (const bool sparse : {false, true}) {
      Parts parts;
      parts.direct_map = map;
      parts.sparse = sparse;
      put(path, parts.bytes());
      const IvfIndex index = read_index(path);
      EXPECT_EQ(index.nprobe, 2u);
      EXPECT_EQ(index.centroids(1, 0), 10.0f);
      ASSERT_EQ(index.ids.size(), 3u);
      EXPECT_THAT(index.ids[0], ElementsAre(2, 0));
      EXPECT_TRUE(index.ids[1].empty());
      EXPECT_THAT(index.ids[2], ElementsAre(1, 3));
      EXPECT_EQ(index.vectors[2](1, 1), 30.0f);
    }
  }
}

TEST(IvfIndex, StandsInForItsRows) {
  const TemporaryDirectory directory;
  put(directory / "a.index", Parts().bytes());
  const auto rows = open_index_rows(directory / "a.index");
  ASSERT_EQ(rows->rows(), 4u);
  ASSERT_EQ(rows->dim(), 2u);
  Matrix<float> values(3, 2);
  rows->read(1, values);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(values(i, 0), static_cast<float>(i + 1));
    EXPECT_EQ(values(i, 1), static_cast<float>(10 * (i + 1)));
  }
}

TEST(IvfIndex, RowsNeedTheIdsZeroToNEachOnce) {
  const TemporaryDirectory directory;
  const fs::path path = directory / "a.index";
  for (const std::int64_t wrong : {std::int64_t{2}, std::int64_t{4}, std::int64_t{-1}, INT64_MAX, INT64_MIN}) {
    Parts parts;
    parts.ids[2][1] = wrong;
    put(path, parts.bytes());
    EXPECT_THAT(error_of([&] { open_index_rows(path); }),
                AllOf(StartsWith("input: "), HasSubstr("the id " + std::to_string(wrong))));
    if (wrong < 0) {
      EXPECT_THAT(error_of([&] { read_index(path); }), HasSubstr("the id " + std::to_string(wrong)));
    }
  }
}

TEST(IvfIndex, AnEmptyIndexHasNoRows) {
  const TemporaryDirectory directory;
  Parts parts;
  parts.rows = 0;
  parts.ids = {{}, {}, {}};
  for (const bool sparse : {false, true}) {
    parts.sparse = sparse;
    put(directory / "a.index", parts.bytes());
    EXPECT_EQ(open_index_rows(directory / "a.index")->rows(), 0u);
    const std::vector<float> query = {1, 1};
    const auto ids = search_index(read_index(directory / "a.index"), {query.data(), 1, 2}, 2, 3);
    EXPECT_EQ(ids(0, 0), -1);
    EXPECT_EQ(ids(0, 1), -1);
  }
}

TEST(IvfIndex, WhatIsWrittenHasTheLayoutOfFaiss) {
  const TemporaryDirectory directory;
  const std::string bytes = Parts().bytes();
  put(directory / "a.index", bytes);
  write_index(directory / "b.index", read_index(directory / "a.index"));
  EXPECT_EQ(bytes_of(directory / "b.index"), bytes);
  EXPECT_EQ(directory.files(), 2u);
}

TEST(IvfIndex, RefusesOtherIndexesAndFieldsThatDisagree) {
  const TemporaryDirectory directory;
  const fs::path path = directory / "a.index";
  const auto changed = [&](auto change, const char* expected) {
    Parts parts;
    change(parts);
    put(path, parts.bytes());
    const auto message = AllOf(StartsWith("input: "), HasSubstr(expected), HasSubstr(path.string()));
    EXPECT_THAT(error_of([&] { read_index(path); }), message);
    EXPECT_THAT(error_of([&] { open_index_rows(path); }), message);
  };
  changed([](Parts& p) { p.metric = 1; }, "metric 1");
  changed([](Parts& p) { p.metric = 4; }, "metric 4");
  changed([](Parts& p) { p.quantizer = "IxFI"; }, "IxF2");
  changed([](Parts& p) { p.arrays = "ilod"; }, "ilar");
  changed([](Parts& p) { p.quantizer_metric = 0; }, "does not fit");
  changed([](Parts& p) { p.quantizer_dim = 3; }, "does not fit");
  changed([](Parts& p) { p.quantizer_rows = 2; }, "does not fit");
  changed([](Parts& p) { p.lists = 0; }, "does not fit");
  changed([](Parts& p) { p.lists = UINT64_MAX / 2 + 4; }, "does not fit");  // times 2 wraps round to 6
  changed([](Parts& p) { p.centroids.pop_back(); }, "does not fit");
  changed([](Parts& p) { p.dim = 0; }, "dimension 0");
  changed([](Parts& p) { p.rows = -1; }, "-1 rows");
  changed([](Parts& p) { p.rows = 5; }, "claims 5");
  changed([](Parts& p) { p.trained = 0; }, "not trained");
  changed([](Parts& p) { p.inverted_lists = 4; }, "4 inverted lists");
  changed([](Parts& p) { p.vector_bytes = 4; }, "vectors of 4 bytes");
  changed([](Parts& p) { p.ids.pop_back(); }, "2 list sizes");
  changed([](Parts& p) { p.direct_map = raw(std::uint8_t{3}) + raw(std::uint64_t{0}); }, "unknown kind 3");
  changed([](Parts& p) { p.direct_map = raw(std::uint8_t{0}) + raw(UINT64_MAX); }, "the direct map");
  put(path, Parts().bytes() + "x");
  EXPECT_THAT(error_of([&] { read_index(path); }), HasSubstr("1 bytes more"));
  put(path, "IxFI" + Parts().bytes().substr(4));
  EXPECT_THAT(error_of([&] { read_index(path); }), HasSubstr("IwFl"));
}

TEST(IvfIndex, CutAnywhereOrDamagedAnywhereItGivesASentence) {
  const TemporaryDirectory directory;
  const fs::path path = directory / "a.index";
  for (const bool sparse : {false, true}) {
    Parts parts;
    parts.sparse = sparse;
    const std::string whole = parts.bytes();
    for (std::size_t size = 0; size < whole.size(); ++size) {
      put(path, whole.substr(0, size));
      EXPECT_THAT(error_of([&] { read_index(path); }), StartsWith("input: ")) << size;
    }
    for (std::size_t at = 0; at < whole.size(); ++at) {
      for (const int change : {1, 128, 255}) {
        std::string damaged = whole;
        damaged[at] = static_cast<char>(damaged[at] ^ change);
        put(path, damaged);
        try {
          const IvfIndex index = read_index(path);
          EXPECT_EQ(index.ids.size(), 3u);
          open_index_rows(path);
        } catch (const Error& error) {
          EXPECT_EQ(error.kind(), ErrorKind::input);
        }
      }
    }
  }
}

TEST(IvfIndex, SparseListNumbersMustRiseAndExist) {
  const TemporaryDirectory directory;
  Parts parts;
  parts.sparse = true;
  const std::string bytes = parts.bytes();
  const std::size_t pairs = bytes.find("sprs") + 12;
  for (const auto& [first, second] : {std::pair<std::uint64_t, std::uint64_t>{0, 3}, {0, 0}, {2, 0}}) {
    std::string changed = bytes;
    changed.replace(pairs, 8, raw(first));
    changed.replace(pairs + 16, 8, raw(second));
    put(directory / "a.index", changed);
    EXPECT_THAT(error_of([&] { read_index(directory / "a.index"); }), HasSubstr("must rise and stay below 3"));
  }
}

/// The promise of search_index, the long way and in double.
std::vector<std::int64_t> slow_search(const IvfIndex& index, const float* query, std::size_t k, std::size_t nprobe) {
  const std::size_t dim = index.centroids.cols();
  std::set<std::pair<double, std::size_t>> lists;
  for (std::size_t l = 0; l < index.ids.size(); ++l) {
    double distance = 0;
    for (std::size_t j = 0; j < dim; ++j) {
      const double difference = static_cast<double>(query[j]) - index.centroids(l, j);
      distance += difference * difference;
    }
    lists.insert({distance, l});
  }
  std::set<std::pair<double, std::int64_t>> found;
  std::size_t probed = 0;
  for (const auto& [distance, l] : lists) {
    if (probed++ == nprobe) break;
    for (std::size_t i = 0; i < index.ids[l].size(); ++i) {
      double product = 0;
      for (std::size_t j = 0; j < dim; ++j) product += static_cast<double>(query[j]) * index.vectors[l](i, j);
      found.insert({-product, index.ids[l][i]});
    }
  }
  std::vector<std::int64_t> ids;
  for (const auto& entry : found) ids.push_back(entry.second);
  ids.resize(k, -1);
  return ids;
}

TEST(SearchIndex, EqualsTheLongWay) {
  std::mt19937 random(3);
  // Small whole numbers: every product is exact, and ties are everywhere.
  const auto whole = [&] { return static_cast<float>(random() % 5) - 2; };
  for (const std::size_t dim : {1, 2, 15, 16, 17, 40}) {
    IvfIndex index;
    index.centroids = Matrix<float>(7, dim);
    for (std::size_t i = 0; i < index.centroids.size(); ++i) index.centroids.data()[i] = whole();
    std::int64_t id = 0;
    for (std::size_t l = 0; l < 7; ++l) {
      index.vectors.emplace_back(l * 3, dim);
      index.ids.emplace_back();
      for (std::size_t i = 0; i < l * 3; ++i) index.ids[l].push_back((id++ * 37) % 63);
      for (std::size_t i = 0; i < l * 3 * dim; ++i) index.vectors[l].data()[i] = whole();
    }
    Matrix<float> queries(20, dim);
    for (std::size_t i = 0; i < queries.size(); ++i) queries.data()[i] = whole();
    for (const std::uint32_t k : {0u, 1u, 5u, 63u, 70u}) {
      for (const std::uint32_t nprobe : {0u, 1u, 3u, 7u, 100u}) {
        Matrix<float> similarities;
        const auto ids = search_index(index, queries, k, nprobe, &similarities);
        for (std::size_t q = 0; q < 20; ++q) {
          const auto expected = slow_search(index, queries.row(q), k, nprobe);
          for (std::size_t j = 0; j < k; ++j) {
            ASSERT_EQ(ids(q, j), expected[j]) << "dim " << dim << ", k " << k << ", nprobe " << nprobe;
            if (expected[j] < 0) {
              EXPECT_EQ(similarities(q, j), -std::numeric_limits<float>::infinity());
            } else if (j > 0) {
              EXPECT_LE(similarities(q, j), similarities(q, j - 1));
            }
          }
        }
      }
    }
  }
}

TEST(SearchIndex, RefusesQueriesOfAnotherDimension) {
  const TemporaryDirectory directory;
  put(directory / "a.index", Parts().bytes());
  const IvfIndex index = read_index(directory / "a.index");
  const Matrix<float> queries = Matrix<float>::zeroed(1, 3);
  EXPECT_THAT(error_of([&] { search_index(index, queries, 1, 1); }), AllOf(StartsWith("input: "), HasSubstr("3")));
}

TEST(SearchIndex, TheStoredIndexReturnsTheStoredIds) {
  LOWSHOT_FULL_DATA_OR_SKIP(data);
  const fs::path path = data / "expected/ndis4000.index";
  const IvfIndex index = read_index(path);
  ASSERT_EQ(index.centroids.rows(), 40u);
  const auto rows = open_index_rows(path);
  ASSERT_EQ(rows->rows(), 4000u);
  const Matrix<float> queries = read_rows(*rows, 0, 50);
  const auto ids = search_index(index, queries, 5, 30);
  // The stored ids are an int64 npy of 50 x 5; the narrow reader takes it.
  const auto expected = read_npy_int32(data / "expected/ndis4000_search_first50_nprobe30_k5_ids.npy");
  std::vector<std::int64_t> found;
  for (std::size_t i = 0; i < 250; ++i) found.push_back(ids.data()[i]);
  EXPECT_THAT(found, testing::ElementsAreArray(expected));
}

TEST(IvfIndex, TheStoredIndexHoldsTheProjectedRows) {
  LOWSHOT_FULL_DATA_OR_SKIP(data);
  Matrix<float> expected = read_rows(*open_npy_rows(data / "expected/background_first_100_pca256.npy"), 0, 100);
  normalise_rows(expected);
  const auto rows = read_rows(*open_index_rows(data / "expected/ndis4000.index"), 0, 100);
  for (std::size_t i = 0; i < expected.size(); ++i) ASSERT_NEAR(rows.data()[i], expected.data()[i], 1e-5);
}

TEST(IvfIndex, TheStoredIndexIsWrittenBackByteForByte) {
  LOWSHOT_FULL_DATA_OR_SKIP(data);
  const TemporaryDirectory directory;
  write_index(directory / "a.index", read_index(data / "expected/ndis4000.index"));
  EXPECT_TRUE(bytes_of(directory / "a.index") == bytes_of(data / "expected/ndis4000.index"));
}

}  // namespace
}  // namespace lowshot
