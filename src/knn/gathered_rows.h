#pragma once
// Rows of codes from all over a set, brought together as the rows of a tile.

#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <vector>

#include "knn/filter.h"
#include "lowshot/matrix.h"

namespace lowshot::knn {

/// Room for `most` rows and for the hits of a tile of them against `most_columns` columns. One a thread.
class GatheredRows {
 public:
  GatheredRows(std::uint32_t most, std::uint32_t code_bytes, std::uint32_t most_columns)
      : codes_(most, code_bytes),
        start_(most),
        scale_(most),
        bound_(most),
        threshold_(most, -std::numeric_limits<float>::infinity()),
        pairs_(std::size_t{most} * (most_columns + panel_width) + panel_width),
        scores_(pairs_.size()) {}

  std::uint32_t count() const { return count_; }

  /// Rows `rows` of `from`. with_bound: scores are similarities; else their rows' own terms are left out, which changes
  /// no order within a row.
  void load(const FilterRows& from, std::span<const std::uint32_t> rows, bool with_bound) {
    constexpr std::size_t ahead = 8;  // rows fetched while one is copied
    count_ = static_cast<std::uint32_t>(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (i + ahead < rows.size())
        for (std::uint32_t byte = 0; byte < from.code_bytes; byte += 64)
          __builtin_prefetch(from.rows.row(rows[i + ahead]) + byte);
      std::memcpy(codes_.row(i), from.rows.row(rows[i]), from.code_bytes);
      start_[i] = from.start[rows[i]];
      scale_[i] = from.scale[rows[i]];
      bound_[i] = with_bound ? from.bound[rows[i]] : 0;
    }
  }
  float& threshold(std::size_t i) { return threshold_[i]; }

  FilterTile tile() const {
    FilterTile tile{};
    tile.rows = codes_.data();
    tile.row_start = start_.data();
    tile.row_scale = scale_.data();
    tile.row_bound = bound_.data();
    tile.row_threshold = threshold_.data();
    tile.row_count = count_;
    tile.code_bytes = static_cast<std::uint32_t>(codes_.cols());
    return tile;
  }
  FilterHits hits() { return {pairs_.data(), scores_.data()}; }

 private:
  Matrix<std::int8_t> codes_;
  std::vector<std::int32_t> start_;
  std::vector<float> scale_, bound_, threshold_;
  std::vector<std::uint32_t> pairs_;
  std::vector<float> scores_;
  std::uint32_t count_ = 0;
};

}  // namespace lowshot::knn
