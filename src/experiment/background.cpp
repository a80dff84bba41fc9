#include "experiment/background.h"

#include <fmt/format.h>

#include <algorithm>

#include "knn/table_search.h"
#include "lowshot/error.h"
#include "lowshot/knn.h"

namespace lowshot {
namespace {

bool own_pca(const ExperimentOptions& options) {
  return options.pca.kind == PcaChoice::Kind::directory;
}

// What was made here has one.
bool has_side_car(const KnnFiles& table) {
  return fs::exists(table.ids.string() + ".meta.json");
}

// Several files as one source; each must hold raw descriptors (dim) or rows that are already mapped (pca_dim).
Background open_files(const std::vector<fs::path>& files, std::uint32_t dim, std::uint32_t pca_dim) {
  std::vector<std::unique_ptr<RowSource>> sources;
  for (const fs::path& file : files) sources.push_back(open_rows(file, pca_dim));
  Background background;
  background.files = files;
  background.name =
      files.size() == 1 ? files[0].string() : fmt::format("{} and {} more", files[0].string(), files.size() - 1);
  const std::uint32_t found = sources.front()->dim();
  const bool headerless = files.front().extension() == ".raw";
  if (found != dim && found != pca_dim)
    throw Error(
        ErrorKind::input,
        fmt::format("the background has {} dimensions, the descriptors {} (and {} after PCA)", found, dim, pca_dim),
        files.front().string(), "use descriptors of the same network");
  background.mapped = found != dim || headerless;
  background.source = concatenate_rows(std::move(sources));
  return background;
}

// The PCA'd background that may be used: the data directory's, or that of --work if it comes from these blocks and this
// PCA. Without blocks (their work is done) there is nothing to compare it with, or to make it of.
std::optional<fs::path> find_raw(const DataDirectory& directory, const ChosenPca* pca) {
  const auto raw = directory.find(DataDirectory::raw_name());
  if (!raw || pca == nullptr || directory.blocks().empty() || !fs::exists(raw->string() + ".meta.json")) return raw;
  return check_origin(*raw, origin_of_rows(directory, *pca)) == OriginState::equal ? raw : std::nullopt;
}

Background find_in_directory(const DataDirectory& directory, const ExperimentOptions& options, std::uint32_t dim,
                             std::uint32_t pca_dim, const ChosenPca* pca) {
  const std::uint64_t rows = options.background_rows;
  if (own_pca(options)) {
    if (const auto raw = find_raw(directory, pca)) {
      Background background = open_files({*raw}, dim, pca_dim);
      if (background.source->rows() >= rows) return background;
    }
    if (fs::exists(directory.index(rows))) return open_files({directory.index(rows)}, dim, pca_dim);
  }
  const std::vector<fs::path> blocks = directory.blocks();
  if (blocks.empty())
    throw Error(ErrorKind::input,
                fmt::format("there is no background: neither {} nor {} nor features/f100m/block0.hdf5",
                            DataDirectory::raw_name().string(), directory.index(rows).filename().string()),
                directory.root.string(), "extract it, name files with --background, or use --nbg 0");
  return open_files(blocks, dim, pca_dim);
}

Origin origin_of_table(const ExperimentOptions& options, const Background& background, const ChosenPca& pca,
                       std::uint64_t rows) {
  Origin origin;
  for (const fs::path& file : background.files) origin.inputs.emplace_back(file.filename().string(), hash_file(file));
  origin.inputs.emplace_back("pca", background.mapped || !pca.file ? "none" : hash_file(*pca.file));
  origin.options = {
      {"rows", std::to_string(rows)}, {"k", std::to_string(stored_k(options.knn.k))}, {"metric", "cosine"}};
  return origin;
}

}  // namespace

Origin origin_of_rows(const DataDirectory& directory, const ChosenPca& pca) {
  Origin origin;
  for (const fs::path& block : directory.blocks())
    origin.inputs.emplace_back(block.filename().string(), hash_file(block));
  origin.inputs.emplace_back("pca", pca.file ? hash_file(*pca.file) : "none");
  return origin;
}

fs::path background_prefix(const ExperimentOptions& options, const std::string& pca_name, std::uint64_t rows) {
  fs::path prefix = DataDirectory::knn_prefix(rows);
  if (!own_pca(options)) prefix += fmt::format("_{}", pca_name);
  if (!options.background.empty()) prefix += fmt::format("_{}", options.background.front().stem().string());
  return prefix;
}

Background open_background(const DataDirectory& directory, const ExperimentOptions& options, std::uint32_t dim,
                           std::uint32_t pca_dim, const ChosenPca* pca) {
  if (options.background_rows == 0 && options.background.empty()) return {};
  Background background = options.background.empty() ? find_in_directory(directory, options, dim, pca_dim, pca)
                                                     : open_files(options.background, dim, pca_dim);
  const std::uint64_t there = background.source->rows();
  const std::uint64_t wanted = options.background_rows == 0 ? there : options.background_rows;
  if (there < wanted)
    throw Error(ErrorKind::input, fmt::format("{} background rows are wanted and there are {}", wanted, there),
                background.name, fmt::format("use --nbg {} or fewer", there));
  background.source = slice_rows(std::move(background.source), 0, wanted);
  return background;
}

std::optional<KnnFiles> published_table(const DataDirectory& directory, const ExperimentOptions& options,
                                        std::uint64_t rows) {
  if (!own_pca(options) || !options.background.empty() || rows == 0) return {};
  for (const fs::path& folder : {directory.root, directory.work}) {
    const auto files = find_knn_files(folder / DataDirectory::knn_prefix(rows), options.knn.k);
    if (files && !has_side_car(*files)) return files;
  }
  return {};
}

BackgroundTable background_table(Context& context, const DataDirectory& directory, const ExperimentOptions& options,
                                 const Background& background, const ChosenPca& pca, MatrixView<const float> rows) {
  const fs::path prefix = background_prefix(options, pca.name, rows.rows());
  // A table beside its side-car is ours and must have this origin; one without is published and used as it is.
  const bool published_fits = own_pca(options) && options.background.empty();
  for (const fs::path& folder : {directory.root, directory.work}) {
    const auto files = find_knn_files(folder / prefix, options.knn.k);
    if (!files) continue;
    const bool ours = has_side_car(*files);
    if (!ours && !published_fits) continue;
    const auto search = search_of_kept(files->ids, options, background, pca, rows.rows());
    if (ours && !search) {
      context.info(
          fmt::format("background graph: {} was made from other data or options; built anew", files->ids.string()));
      continue;
    }
    if (ours && !serves(*search, options.knn)) {
      context.info(fmt::format("background graph: {} ({}) is not good enough; built anew", files->ids.string(),
                               describe(*search)));
      continue;
    }
    context.info(fmt::format("background graph: {}{}", files->ids.string(),
                             ours ? fmt::format(" ({})", describe(*search)) : ""));
    return {read_knn(*files, rows.rows(), options.knn.k, context.thread_count()), search.value_or(TableSearch{})};
  }
  const auto place = directory.place(prefix);
  KnnReport report;
  KnnTable table = build_and_keep(context, place, options, background, pca, rows, &report);
  if (!place)
    context.info(fmt::format("background graph: not kept, {} cannot be written; name a place with --work",
                             directory.work.string()));
  return {std::move(table), search_of(stored_options(options.knn), report)};
}

std::optional<TableSearch> search_of_kept(const fs::path& ids, const ExperimentOptions& options,
                                          const Background& background, const ChosenPca& pca, std::uint64_t rows) {
  return search_of_table(ids, origin_of_table(options, background, pca, rows));
}

KnnTable build_and_keep(Context& context, const std::optional<fs::path>& place, const ExperimentOptions& options,
                        const Background& background, const ChosenPca& pca, MatrixView<const float> rows,
                        KnnReport* report) {
  const KnnOptions knn = stored_options(options.knn);
  context.info(fmt::format("background graph: the {} of {} rows", describe_build(rows.rows(), knn), rows.rows()));
  KnnReport own;
  KnnReport& facts = report != nullptr ? *report : own;
  KnnTable table = build_knn(context, rows, knn, &facts);
  if (facts.method == KnnMethod::join) context.info(fmt::format("background graph: {}", describe(facts)));
  if (place) {
    const KnnFiles files = knn_file_names(*place, knn.k, TableFormat::raw);
    write_knn(files, table);
    Origin origin = origin_of_table(options, background, pca, rows.rows());
    record_search(origin, search_of(knn, facts));
    write_origin(files.ids, origin);
  }
  return table;
}

}  // namespace lowshot
