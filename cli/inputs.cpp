#include "inputs.h"

#include <fmt/format.h>
#include <charconv>
#include <cstdlib>
#include <map>
#include <optional>

#include "common.h"
#include "lowshot/error.h"

namespace lowshot::cli {
namespace {

// "A:B" with A and B optional.
std::pair<std::uint64_t, std::uint64_t> parse_rows(const std::string& text, std::uint64_t rows) {
  const std::size_t colon = text.find(':');
  const auto number = [&](std::string_view part, std::uint64_t otherwise) {
    std::uint64_t value = otherwise;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value);
    if (part.empty() || (error == std::errc() && end == part.data() + part.size())) return value;
    throw Error(ErrorKind::usage, fmt::format("'{}' is not a range of rows", text), "--rows", "write it like 0:1000");
  };
  if (colon == std::string::npos)
    throw Error(ErrorKind::usage, fmt::format("'{}' is not a range of rows", text), "--rows", "write it like 0:1000");
  const std::string_view view = text;
  return {number(view.substr(0, colon), 0), number(view.substr(colon + 1), rows)};
}

}  // namespace

std::unique_ptr<RowSource> RowInput::open() const {
  std::vector<std::unique_ptr<RowSource>> sources;
  for (const std::string& file : files)
    sources.push_back(open_rows(file, dim == 0 ? std::nullopt : std::optional(dim)));
  auto source = concatenate_rows(std::move(sources));
  if (dim != 0 && source->dim() != dim)
    throw Error(ErrorKind::input, fmt::format("the descriptors have {} dimensions and {} are said", source->dim(), dim),
                source->name(), "leave the dimension out: the file says it");
  if (!rows.empty()) {
    const auto [begin, end] = parse_rows(rows, source->rows());
    source = slice_rows(std::move(source), begin, end);
  }
  if (source->rows() == 0) throw Error(ErrorKind::input, "there is no row", source->name());
  return source;
}

Origin RowInput::origin() const {
  Origin origin;
  std::map<std::string, int> seen;
  for (const std::string& file : files) {
    const std::string name = fs::path(file).filename().string();
    const int count = ++seen[name];
    origin.inputs.emplace_back(count == 1 ? name : fmt::format("{} ({})", name, count), hash_file(file));
  }
  if (!rows.empty()) origin.options.emplace_back("rows", rows);
  return origin;
}

void add_row_options(CLI::App& command, RowInput& input, const std::string& dim_option) {
  command.add_option("--rows", input.rows, "Rows A:B of the input: A to B-1, counted from 0 through all files");
  command.add_option(dim_option, input.dim, "Columns of files without header (.raw and other endings)")
      ->check(CLI::Range(1, 1 << 24));
}

bool is_npy(const std::filesystem::path& path) {
  return path.extension() == ".npy";
}

PcaChoice parse_pca(const std::string& text) {
  if (text.empty()) return {};
  if (text == "none") return {.kind = PcaChoice::Kind::none};
  if (text.find_first_not_of("0123456789") != std::string::npos) return {.kind = PcaChoice::Kind::file, .file = text};
  const std::uint32_t dim = parse_list(text, "--pca").front();
  if (dim == 0) throw Error(ErrorKind::usage, "a PCA needs at least one dimension", "--pca");
  return {.kind = PcaChoice::Kind::dim, .dim = dim};
}

std::filesystem::path data_directory(const std::string& option) {
  if (!option.empty()) return option;
  const char* variable = std::getenv("DDIR");
  return variable != nullptr ? variable : "";
}

}  // namespace lowshot::cli
