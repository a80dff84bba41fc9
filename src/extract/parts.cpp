#include "extract/parts.h"

#include <fmt/format.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "lowshot/error.h"

namespace lowshot::extract_detail {

using Json = nlohmann::json;

Parts::Parts(const std::filesystem::path& folder, const Origin& origin) : folder_(folder), lock_(folder) {
  switch (check_origin(folder_ / "job", origin)) {
    case OriginState::equal:
      return;
    case OriginState::absent:
      write_origin(folder_ / "job", origin);
      return;
    case OriginState::different:
      throw Error(ErrorKind::usage,
                  "the parts that an earlier run left here come from other images, another model or other options",
                  folder_.string(),
                  "repeat its command to finish it, delete the folder to begin anew, or name another result");
  }
}

std::filesystem::path Parts::rows_file(std::uint64_t i) const {
  return folder_ / fmt::format("part{:06}.npy", i);
}

std::filesystem::path Parts::note_file(std::uint64_t i) const {
  return folder_ / fmt::format("part{:06}.json", i);
}

bool Parts::finished(std::uint64_t i, std::uint64_t rows, std::uint32_t dim, std::vector<BadImage>& bad) const {
  std::ifstream file(note_file(i));
  if (!file) return false;
  // A note or rows that are damaged make the part unfinished: it is computed again.
  try {
    const Json note = Json::parse(file);
    if (note.at("xxh3") != hash_file(rows_file(i))) return false;
    const auto source = open_npy_rows(rows_file(i));
    if (source->rows() != rows || source->dim() != dim) return false;
    std::vector<BadImage> found;
    for (const Json& b : note.at("bad")) found.push_back({b.at("row"), "", b.at("reason")});
    bad.insert(bad.end(), found.begin(), found.end());
    return true;
  } catch (const Json::exception&) {
    return false;
  } catch (const Error&) {
    return false;
  }
}

void Parts::write(std::uint64_t i, MatrixView<const float> rows, bool half, const std::vector<BadImage>& bad) const {
  NpyTileWriter writer(rows_file(i), {rows.rows(), rows.cols()}, half);
  writer.write(0, 0, rows);
  writer.commit();
  Json list = Json::array();
  for (const BadImage& b : bad) list.push_back({{"row", b.row}, {"reason", b.reason}});
  const Json note = {{"xxh3", hash_file(rows_file(i))}, {"bad", list}};
  write_file(note_file(i), note.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
}

Matrix<float> Parts::read(std::uint64_t i) const {
  const auto source = open_npy_rows(rows_file(i));
  Matrix<float> rows(source->rows(), source->dim());
  source->read(0, rows);
  return rows;
}

void Parts::remove() const {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

}  // namespace lowshot::extract_detail
