#include "experiment/static_tables.h"

#include <fmt/format.h>

#include "experiment/background.h"
#include "experiment/pca_choice.h"
#include "io/content_hash.h"
#include "lowshot/error.h"

namespace lowshot {
namespace {

struct Files {
  KnnFiles rows, tests;
  fs::path order;
};

// Tables are exactly k wide: rounded up as the background's are, they would be joined for another k's recall.
Files files_of(const fs::path& folder, const fs::path& name, std::uint32_t k) {
  const auto named = [&](const char* part) {
    return folder / name.parent_path() / fmt::format("{}_{}", part, name.filename().string());
  };
  return {knn_file_names(named("static"), k, TableFormat::raw), knn_file_names(named("tests"), k, TableFormat::raw),
          named("order").string() + fmt::format("_k{}.npy", k)};
}

void add(io::ContentHash& hash, const KnnTable& table) {
  hash.add(table.ids.data(), table.ids.size() * sizeof(NodeId));
  hash.add(table.similarities.data(), table.similarities.size() * sizeof(float));
}

std::string content_of(const StaticTables& tables) {
  io::ContentHash hash;
  add(hash, tables.rows);
  add(hash, tables.tests);
  hash.add(tables.order.data(), tables.order.size() * sizeof(NodeId));
  return hash.hex();
}

std::string hash_rows(MatrixView<const float> rows) {
  io::ContentHash hash;
  hash.add(rows.data(), rows.rows() * rows.cols() * sizeof(float));
  return hash.hex();
}

// The tables, if they hold what was written: damaged files, and files of two writers, do not.
std::optional<StaticTables> read_whole(const Files& files, std::uint32_t k, std::uint64_t rows, std::uint64_t tests,
                                       int threads) {
  try {
    StaticTables tables{read_knn(files.rows, rows, k, threads), {}, read_row_numbers(files.order)};
    // Test rows have static rows as neighbours, of which there may be more than of them.
    tables.tests = read_knn(files.tests, tests, k, threads, rows);
    if (content_of(tables) == read_origin(files.rows.ids).value_or(Origin{}).content) return tables;
  } catch (const Error&) {  // too short, ids that no row has: whatever it is, they are made anew
  }
  return {};
}

}  // namespace

fs::path static_name(const ExperimentOptions& options, Recipe recipe, std::uint64_t background_rows) {
  const fs::path background = background_prefix(options, pca_name(options.pca), background_rows);
  std::string name = fmt::format("set{}", options.class_set);
  if (options.label_idx) name += fmt::format("_{}", options.label_idx->stem().string());
  if (options.in_domain) name += "_in-domain";
  if (recipe != Recipe::paper) name += fmt::format("_{}", lowshot::name(recipe));
  return background.parent_path() / fmt::format("{}_{}", name, background.filename().string());
}

std::optional<fs::path> find_static_tables(const DataDirectory& directory, const fs::path& name,
                                           const KnnOptions& knn) {
  for (const fs::path& folder : {directory.root, directory.work}) {
    const fs::path ids = files_of(folder, name, knn.k).rows.ids;
    const auto origin = fs::exists(ids) ? read_origin(ids) : std::nullopt;
    const auto search = origin ? search_of(*origin) : std::nullopt;
    if (search && serves(*search, knn)) return ids;
  }
  return {};
}

Origin origin_of_static(MatrixView<const float> rows, MatrixView<const float> tests, const KnnOptions& knn,
                        const std::optional<KnnFiles>& published) {
  Origin origin;
  origin.inputs = {{"rows", hash_rows(rows)}, {"test rows", hash_rows(tests)}};
  if (published)
    for (const fs::path& file : {published->ids, published->similarities})
      origin.inputs.emplace_back(file.filename().string(), hash_file(file));
  origin.options = {{"k", std::to_string(knn.k)}, {"metric", "cosine"}};
  return origin;
}

std::optional<StaticTables> read_static_tables(Context& context, const DataDirectory& directory, const fs::path& name,
                                               const Origin& origin, const KnnOptions& knn, std::uint64_t rows,
                                               std::uint64_t tests) {
  for (const fs::path& folder : {directory.root, directory.work}) {
    const Files files = files_of(folder, name, knn.k);
    const fs::path& ids = files.rows.ids;
    if (!fs::exists(ids) || check_origin(ids, origin) == OriginState::absent) continue;  // not finished
    const auto search = search_of_table(ids, origin);
    std::string why = "was made from other data or options";
    if (search && !serves(*search, knn)) {
      why = fmt::format("({}) is not good enough", describe(*search));
    } else if (search) {
      if (auto tables = read_whole(files, knn.k, rows, tests, context.thread_count())) {
        context.info(fmt::format("static graph: {} ({})", ids.string(), describe(*search)));
        return tables;
      }
      why = "or a file beside it is damaged";
    }
    context.info(fmt::format("static graph: {} {}; built anew", ids.string(), why));
    if (directory.root == directory.work) break;
  }
  return {};
}

void keep_static_tables(Context& context, const DataDirectory& directory, const fs::path& name, Origin origin,
                        const TableSearch& search, const StaticTables& tables) {
  const auto k = static_cast<std::uint32_t>(tables.rows.k());
  const Files files = files_of(directory.work, name, k);
  const auto not_kept = [&](const std::string& why) {
    context.info(fmt::format("static graph: not kept, {}; name a place with --work", why));
  };
  if (!directory.place(name)) return not_kept(fmt::format("{} cannot be written", directory.work.string()));
  try {
    write_knn(files.rows, tables.rows);
    write_knn(files.tests, tables.tests);
    write_row_numbers(files.order, tables.order);
    record_search(origin, search);
    origin.content = content_of(tables);
    write_origin(files.rows.ids, origin);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::resources) throw;
    not_kept(error.what());
  }
}

}  // namespace lowshot
