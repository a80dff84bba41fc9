#include "label/output.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "io/csv_file.h"
#include "lowshot/io.h"

namespace lowshot {
namespace {

using io::csv_field;

std::string class_name(const LabelledRows& rows, std::int32_t c) {
  return c < 0 ? "" : rows.classes[static_cast<std::size_t>(c)];
}

void write_csv(const fs::path& path, const LabelledRows& rows, std::uint32_t top) {
  io::CsvFile file(path);
  std::string header = "row,id,label,confidence";
  for (std::uint32_t j = 2; j <= top; ++j) header += fmt::format(",label{0},confidence{0}", j);
  file.line(header + ",status,typicality\n");
  for_each_row(rows, [&](const LabelledRow& row) {
    std::string line = fmt::format("{},{}", row.row, csv_field(row.id));
    for (std::uint32_t j = 0; j < top; ++j) {
      if (row.classes[j] >= 0)
        line += fmt::format(",{},{:.4f}", csv_field(class_name(rows, row.classes[j])), row.confidences[j]);
      else
        line += j == 0 && row.status == RowStatus::unknown ? fmt::format(",{},", name(RowStatus::unknown)) : ",,";
    }
    line += fmt::format(",{},", name(row.status));
    file.line(row.status == RowStatus::bad ? line + "\n" : line + fmt::format("{:.4f}\n", row.typicality));
  });
  file.commit();
}

void write_jsonl(const fs::path& path, const LabelledRows& rows) {
  io::CsvFile file(path);
  for_each_row(rows, [&](const LabelledRow& row) {
    nlohmann::ordered_json json = {{"row", row.row}, {"id", row.id}};
    json["labels"] = nlohmann::ordered_json::array();
    if (row.status == RowStatus::unknown) json["labels"].push_back({{"label", name(RowStatus::unknown)}});
    for (std::size_t j = 0; j < row.classes.size(); ++j)
      if (row.classes[j] >= 0)
        json["labels"].push_back({{"label", class_name(rows, row.classes[j])}, {"confidence", row.confidences[j]}});
    json["status"] = name(row.status);
    if (row.status != RowStatus::bad) json["typicality"] = row.typicality;
    file.line(json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  });
  file.commit();
}

void write_arrays(const fs::path& path, const LabelledRows& rows, std::uint32_t top) {
  Matrix<std::int32_t> classes(rows.rows, top), status(rows.rows, 1);
  Matrix<float> confidences(rows.rows, top), typicality(rows.rows, 1);
  for_each_row(rows, [&](const LabelledRow& row) {
    std::copy(row.classes.begin(), row.classes.end(), classes.row(row.row));
    std::copy(row.confidences.begin(), row.confidences.end(), confidences.row(row.row));
    status(row.row, 0) = static_cast<std::int32_t>(row.status);
    typicality(row.row, 0) = row.typicality;
  });
  write_npy(beside(path, "confidence"), confidences.view());
  write_npy(beside(path, "status"), status.view());
  write_npy(beside(path, "typicality"), typicality.view());
  const nlohmann::json names(std::vector<std::string>(rows.classes.begin(), rows.classes.end()));
  write_file(fs::path(path).replace_extension(".classes.json"),
             names.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  write_npy(path, classes.view());
}

}  // namespace

std::string row_name(const LabelledRows& rows, std::uint64_t row) {
  return rows.ids != nullptr ? std::string((*rows.ids)[row]) : std::to_string(row);
}

std::vector<std::uint64_t> rows_of_nodes(std::uint64_t rows, std::span<const std::uint32_t> bad_rows) {
  std::vector<std::uint64_t> result;
  for (std::uint64_t row = 0, bad = 0; row < rows; ++row) {
    if (bad < bad_rows.size() && bad_rows[bad] == row)
      ++bad;
    else
      result.push_back(row);
  }
  return result;
}

fs::path beside(const fs::path& path, const std::string& what) {
  const fs::path ending = path.extension();
  return fs::path(path).replace_extension("." + what + ending.string());
}

void for_each_row(const LabelledRows& rows, const std::function<void(const LabelledRow&)>& visit) {
  const LabelResult& result = *rows.result;
  const std::size_t top = result.classes.cols();
  LabelledRow row;
  std::size_t bad = 0, node = 0;
  for (row.row = 0; row.row < rows.rows; ++row.row) {
    row.id = row_name(rows, row.row);
    row.classes.assign(top, -1);
    row.confidences.assign(top, 0);
    row.typicality = 0;
    if (bad < rows.bad_rows.size() && rows.bad_rows[bad] == row.row) {
      row.status = RowStatus::bad;
      ++bad;
    } else {
      row.status = result.status[node];
      row.typicality = result.typicality[node];
      const std::int32_t given = rows.given[row.row];
      if (given >= 0 && !rows.relabel) {
        row.classes[0] = given;
        row.confidences[0] = 1;
      } else {
        const std::size_t first = row.status == RowStatus::unknown ? 1 : 0;  // behind `unknown` itself
        std::copy_n(result.classes.row(node), top - first, row.classes.begin() + static_cast<std::ptrdiff_t>(first));
        std::copy_n(result.confidences.row(node), top - first,
                    row.confidences.begin() + static_cast<std::ptrdiff_t>(first));
      }
      ++node;
    }
    visit(row);
  }
}

void write_labels(const fs::path& path, LabelFormat format, const LabelledRows& rows, std::uint32_t top) {
  switch (format) {
    case LabelFormat::csv:
      return write_csv(path, rows, top);
    case LabelFormat::jsonl:
      return write_jsonl(path, rows);
    case LabelFormat::npy:
      return write_arrays(path, rows, top);
  }
}

void write_suspects(const fs::path& path, const LabelledRows& rows) {
  io::CsvFile file(path);
  file.line("row,id,label,confidence,suggested,suggested_confidence\n");
  const std::vector<std::uint64_t> row_of_node = rows_of_nodes(rows.rows, rows.bad_rows);
  for (const Suspect& s : rows.result->suspects) {
    if (s.row >= row_of_node.size()) continue;  // a row of --labelled
    const std::uint64_t row = row_of_node[s.row];
    file.line(fmt::format("{},{},{},{:.4f},{},{:.4f}\n", row, csv_field(row_name(rows, row)),
                          csv_field(class_name(rows, s.given)), s.given_confidence,
                          csv_field(class_name(rows, s.predicted)), s.predicted_confidence));
  }
  file.commit();
}

void write_bad_rows(const fs::path& path, const LabelledRows& rows) {
  io::CsvFile file(path);
  file.line("row,id,reason\n");
  for (const std::uint32_t row : rows.bad_rows)
    if (row < rows.rows)
      file.line(fmt::format("{},{},{}\n", row, csv_field(row_name(rows, row)), "NaN, infinite or all zero"));
  file.commit();
}

}  // namespace lowshot
