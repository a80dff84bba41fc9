#pragma once
// The files that `lowshot label` writes (docs/files.md, "Labels").

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "lowshot/label.h"

namespace lowshot {

enum class LabelFormat { csv, jsonl, npy };

/// What the files are made of: rows of the collection, of which some are nodes of the result.
struct LabelledRows {
  std::uint64_t rows = 0;                   ///< rows written; nodes beyond them (--labelled) are not
  std::span<const std::uint32_t> bad_rows;  ///< rising; the other rows are the nodes 0, 1, ... in order
  std::span<const std::int32_t> given;      ///< class of every row, or -1
  std::span<const std::string> classes;
  const Names* ids = nullptr;  ///< nothing: the row's number stands for it
  const LabelResult* result = nullptr;
  bool relabel = false;  ///< the program's opinion, also of hand-labelled rows
};

/// One row of the answer, ready to be written.
struct LabelledRow {
  std::uint64_t row = 0;
  std::string id;
  RowStatus status = RowStatus::predicted;
  std::vector<std::int32_t> classes;  ///< best first, -1: none; of an unknown row the first is -1, then the best
  std::vector<float> confidences;
  float typicality = 0;  ///< 0 of a bad row
};

/// Calls visit(LabelledRow) for every row in order.
void for_each_row(const LabelledRows& rows, const std::function<void(const LabelledRow&)>& visit);

std::string row_name(const LabelledRows& rows, std::uint64_t row);  ///< its id, or its number
/// The rows 0 .. rows-1 that are not bad: the row of node 0, 1, ...
std::vector<std::uint64_t> rows_of_nodes(std::uint64_t rows, std::span<const std::uint32_t> bad_rows);

/// csv: row,id,label,confidence,label2,confidence2,...,status,typicality. jsonl: one object a row. npy: `path` holds
/// int32 [rows, top] class numbers (-1: none), and beside it stand STEM.confidence.npy, STEM.typicality.npy,
/// STEM.status.npy (0 given, 1 predicted, 2 unreached, 3 bad, 4 classified, 5 unknown) and STEM.classes.json.
void write_labels(const std::filesystem::path& path, LabelFormat format, const LabelledRows& rows, std::uint32_t top);

/// row,id,label,confidence,suggested,suggested_confidence, worst first.
void write_suspects(const std::filesystem::path& path, const LabelledRows& rows);
/// row,id,reason.
void write_bad_rows(const std::filesystem::path& path, const LabelledRows& rows);

/// OUT.csv -> OUT.suspects.csv
std::filesystem::path beside(const std::filesystem::path& path, const std::string& what);

}  // namespace lowshot
