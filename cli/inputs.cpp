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

CLI::Option* add_search_options(CLI::App& command, KnnOptions& options, const std::string& names) {
  CLI::Option* method = command
                            .add_option_function<std::string>(
                                names,
                                [&options](const std::string& text) {
                                  for (const KnnMethod m : {KnnMethod::automatic, KnnMethod::exact, KnnMethod::join})
                                    if (text == name(m)) options.method = m;
                                },
                                "How neighbours are searched: exact, join (approximate, to --recall), or auto, which\n"
                                "is exact where that takes no longer (docs/knn.md)")
                            ->check(CLI::IsMember({"auto", "exact", "join"}))
                            ->default_str("auto");
  command
      .add_option("--recall", options.recall,
                  "The share of the true neighbours that a join goes on for; measured on a sample")
      ->check(
          [](const std::string& text) -> std::string {
            char* end = nullptr;
            const double value = std::strtod(text.c_str(), &end);
            if (!text.empty() && *end == '\0' && value > 0 && value < 1) return {};
            return fmt::format(
                "recall must lie between 0 and 1 and is '{}'; all neighbours are found by an exact search", text);
          },
          "above 0, below 1")
      ->capture_default_str();
  return method;
}

void add_effort_options(CLI::App& command, JoinEffort& effort) {
  command
      .add_option("--probes", effort.probes,
                  "Lists that a row is compared with, whatever the recall; default: as many as --recall needs")
      ->check(CLI::Range(1u, 1u << 24))
      ->group("Experts");
  command.add_option("--list-rows", effort.list_rows, "Rows of a list on average; default: chosen by the program")
      ->check(CLI::Range(16u, 1u << 16))
      ->group("Experts");
  command.add_option("--sample", effort.sample, "Rows that recall is measured on; default: 1000")
      ->check(CLI::Range(10u, 1u << 20))
      ->group("Experts");
}

void require_used(const KnnOptions& options) {
  const JoinEffort& effort = options.effort;
  if (options.method != KnnMethod::join && (effort.probes != 0 || effort.list_rows != 0 || effort.sample != 0))
    throw Error(ErrorKind::usage, "--probes, --list-rows and --sample say how to join lists", "", "add --method join");
}

Json search_json(const TableSearch& search) {
  return {{"method", name(search.method)}, {"recall", search.recall}};
}

Json search_json(const KnnReport& report) {
  Json json = {{"method", name(report.method)}, {"recall", report.recall}};
  if (report.method == KnnMethod::join)
    json.update({{"recall_sample", report.sampled}, {"lists", report.lists}, {"probes", report.probes}});
  return json;
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
