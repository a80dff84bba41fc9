#include "knn/streamed_cell_files.h"

#include <fmt/format.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "lowshot/error.h"

namespace lowshot::knn {

namespace fs = std::filesystem;
using Json = nlohmann::json;

CellFiles::CellFiles(const fs::path& folder, const Origin& origin) : folder_(folder), origin_(origin), lock_(folder) {
  if (check_origin(folder_ / "job", origin_) != OriginState::equal) clear();
}

fs::path CellFiles::rows_file(std::uint64_t cell) const {
  return folder_ / fmt::format("cell{:05}.rows", cell);
}

fs::path CellFiles::run_file(std::uint64_t cell) const {
  return folder_ / fmt::format("cell{:05}.lists", cell);
}

fs::path CellFiles::note(std::uint64_t cell) const {
  return folder_ / fmt::format("cell{:05}.json", cell);
}

std::optional<FilledCells> CellFiles::filled() const {
  std::ifstream file(folder_ / "cells.json");
  if (!file) return {};
  try {
    const Json json = Json::parse(file);
    FilledCells cells;
    json.at("rows").get_to(cells.rows);
    json.at("xxh3").get_to(cells.hashes);
    json.at("copies").get_to(cells.copies);
    json.at("coverage").get_to(cells.coverage);
    json.at("sample").get_to(cells.truth.rows);
    json.at("thresholds").get_to(cells.truth.thresholds);
    json.at("others").get_to(cells.truth.others);
    if (cells.rows.size() != cells.hashes.size() || cells.truth.rows.size() != cells.truth.thresholds.size()) return {};
    return cells;
  } catch (const Json::exception&) {
    return {};
  }
}

void CellFiles::write_filled(const FilledCells& cells) const {
  const Json json = {{"rows", cells.rows},          {"xxh3", cells.hashes},
                     {"copies", cells.copies},      {"coverage", cells.coverage},
                     {"sample", cells.truth.rows},  {"thresholds", cells.truth.thresholds},
                     {"others", cells.truth.others}};
  write_file(folder_ / "cells.json", json.dump() + "\n");
  write_origin(folder_ / "job", origin_);
}

bool CellFiles::has_run(std::uint64_t cell) const {
  std::ifstream file(note(cell));
  if (!file) return false;
  try {
    return Json::parse(file).at("xxh3") == hash_file(run_file(cell));
  } catch (const Json::exception&) {
    return false;
  } catch (const Error&) {
    return false;
  }
}

void CellFiles::write_run_note(std::uint64_t cell, const std::string& hash) const {
  write_file(note(cell), Json{{"xxh3", hash}}.dump() + "\n");
}

void CellFiles::clear() const {
  // Only what this program names so: the folder may be somebody's.
  std::error_code ignored;
  for (const char* name : {"job.meta.json", "cells.json"}) fs::remove(folder_ / name, ignored);
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder_, ignored)) files.push_back(entry.path());
  for (const fs::path& file : files) {
    const std::string name = file.filename().string(), ending = file.extension().string();
    const bool of_cell = name.rfind("cell", 0) == 0 && (ending == ".rows" || ending == ".lists" || ending == ".json");
    if (of_cell || (name.rfind(".lowshot-", 0) == 0 && ending == ".tmp"))  // what a killed call had begun to write
      fs::remove(file, ignored);
  }
}

void CellFiles::remove() const {
  clear();
  std::error_code ignored;
  fs::remove(folder_, ignored);  // if nothing else is in it
}

}  // namespace lowshot::knn
