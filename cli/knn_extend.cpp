// lowshot knn extend|search: new rows for a stored table, and the nearest stored rows of new ones.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "knn/spot_check.h"
#include "knn/table_search.h"
#include "knn_inputs.h"
#include "lowshot/error.h"
#include "lowshot/memory.h"

namespace lowshot::cli {
namespace {

struct Options {
  CommonOptions common;
  RowInput stored, added;  // `added` is read with the dimension of `stored`
  MetricChoice metric;
  KnnOptions knn;
  std::string table, prefix, format = "raw";
};

struct Sources {
  std::unique_ptr<RowSource> stored, added;

  std::uint64_t rows() const { return stored->rows() + added->rows(); }
};

Sources open_both(const Options& o) {
  RowInput added = o.added;
  added.dim = o.stored.dim;
  Sources sources{o.stored.open(), added.open()};
  if (sources.stored->dim() != sources.added->dim())
    throw Error(
        ErrorKind::input,
        fmt::format("rows of {} and of {} dimensions cannot be compared", sources.stored->dim(), sources.added->dim()),
        fmt::format("{} and {}", sources.stored->name(), sources.added->name()), "use descriptors of the same network");
  return sources;
}

TableFormat format_of(const Options& o) {
  return o.format == "npy" ? TableFormat::npy : TableFormat::raw;
}

Matrix<float> load(Context& context, const Options& o, RowSource& source) {
  Phase phase(context, "descriptors");
  Matrix<float> rows(source.rows(), source.dim());
  load_descriptors(context, source, o.metric, rows);
  return rows;
}

std::uint64_t bytes_of(RowSource& source) {
  return source.rows() * source.dim() * sizeof(float);
}

std::uint64_t table_bytes(std::uint64_t rows, std::uint32_t k) {
  return rows * k * (sizeof(NodeId) + sizeof(float));
}

constexpr std::uint64_t program_bytes = std::uint64_t{64} << 20;

Origin origin_of(const RowInput& input, const Options& o, const KnnOptions& knn, const TableSearch& search) {
  Origin origin = input.origin();
  origin.options.insert(origin.options.end(), {{"k", std::to_string(knn.k)}, {"metric", o.metric.name}});
  record_search(origin, search);
  return origin;
}

void add_options(CLI::App& command, Options& o) {
  command.add_option("-o,--output", o.prefix, "Prefix of the two files, replaced if they exist")->required();
  add_metric(command, o.metric);
  add_row_options(command, o.stored, "--dim");
  command.add_option("--format", o.format, "raw, or npy: PREFIX_k<K>_I_11.npy and _D_11.npy")
      ->check(CLI::IsMember({"raw", "npy"}))
      ->capture_default_str();
  add_search_and_effort(command, o.knn);
  add_common(command, o.common);
}

// --- extend ----------------------------------------------------------------------------------------------------------

// How the stored table was searched: nothing where it is published (no side-car), so nobody knows.
TableSearch stored_search(const KnnFiles& files, const Options& o) {
  const std::optional<Origin> origin = read_origin(files.ids);
  if (!origin) return {KnnMethod::join, 0};
  for (const auto& [name, hash] : origin->inputs)
    if (name == "skipped rows")
      throw Error(ErrorKind::input, "rows were left out of the table (--skip-rows), so it cannot be extended",
                  files.ids.string(), "build it anew from all descriptors");
  const TableSearch search = search_of(*origin).value_or(TableSearch{KnnMethod::join, 0});
  if (search.recall != 0 && !serves(search, o.knn))
    throw Error(
        ErrorKind::usage,
        o.knn.method == KnnMethod::exact
            ? fmt::format("the stored table ({}) cannot become an exact one", describe(search))
            : fmt::format("the stored table ({}) cannot become one of recall {}", describe(search), o.knn.recall),
        files.ids.string(),
        fmt::format("extend it with --method auto --recall {}, or build all rows anew", search.recall));
  return search;
}

void require_rows(const KnnFiles& files, RowSource& source) {
  const std::uint64_t rows = StoredKnn(files).rows();
  if (rows != source.rows())
    throw Error(ErrorKind::input,
                fmt::format("the table has {} rows and {} descriptors are named", rows, source.rows()),
                fmt::format("{} and {}", files.ids.string(), source.name()), "name those that the table was made from");
}

// Tables that are ours or published hold the similarities of their rows.
void require_belongs(Context& context, const KnnTable& table, const KnnFiles& files, const Options& o,
                     const Matrix<float>& rows, const RowSource& source) {
  const SpotCheck check = compare_similarities(context, table, rows, o.metric.metric());
  if (!check.passed())
    throw Error(ErrorKind::input,
                fmt::format("{} of {} similarities of the table are not those of the descriptors ({})", check.different,
                            check.compared, o.metric.name),
                fmt::format("{} and {}", files.ids.string(), source.name()),
                "name the descriptors that it was made from, in their order, and its --metric");
}

void extend(const Options& o) {
  require_used(o.knn);
  const KnnFiles stored = find_table(o.table, o.knn.k);
  const Sources sources = open_both(o);
  require_rows(stored, *sources.stored);
  const TableSearch before = stored_search(stored, o);
  KnnOptions knn = o.knn;
  knn.metric = o.metric.metric();
  knn.k = knn.k == 0 ? stored.stored_k : std::min(stored_k(knn.k), stored.stored_k);
  const KnnFiles files = knn_file_names(o.prefix, stored_k(knn.k), format_of(o));
  MemoryPlan memory;
  memory.add("descriptors", bytes_of(*sources.stored) + bytes_of(*sources.added));
  memory.add("stored table", table_bytes(sources.stored->rows(), knn.k));
  memory.add("k-NN search and its table", build_knn_memory(sources.rows(), sources.stored->dim(), knn));
  memory.add("program and buffers", program_bytes);
  if (o.common.dry_run) {
    PlanText text{
        {fmt::format("{} neighbours of {} rows are read from {}", knn.k, sources.stored->rows(), stored.ids.string()),
         fmt::format("{} rows of {} join them ({})", sources.added->rows(), sources.added->name(), o.metric.name),
         fmt::format("{} are written, {}", names_of(files), format_bytes(table_bytes(sources.rows(), files.stored_k)))},
        {}};
    text.memory = memory.items;
    return print_plan(text, o.common);
  }
  require_writable(files.ids);
  require_writable(files.similarities);
  Context context = make_context(o.common);
  memory.require(context.memory_limit, "use fewer neighbours (-k), or raise --memory");
  const KnnTable old_table = [&] {
    Phase phase(context, "stored table");
    return read_knn(stored, sources.stored->rows(), knn.k, context.thread_count());
  }();
  const Matrix<float> old_rows = load(context, o, *sources.stored);
  require_belongs(context, old_table, stored, o, old_rows, *sources.stored);
  const Matrix<float> new_rows = load(context, o, *sources.added);
  KnnReport report;
  const KnnTable table = [&] {
    Phase phase(context, "k-NN graph");
    return extend_knn(context, old_table, old_rows, new_rows, knn, &report);
  }();
  RowInput all = o.stored;
  all.files.insert(all.files.end(), o.added.files.begin(), o.added.files.end());
  const TableSearch search = weaker(before, search_of(knn, report));
  Origin origin = origin_of(all, o, knn, search);
  if (search.recall == 0) origin.inputs.emplace_back("stored table", hash_file(stored.ids));
  write_knn(files, table);
  write_origin(files.ids, origin);

  fmt::print("{}: the {} nearest of {} rows, {} of them new\n", names_of(files), knn.k, table.rows(), new_rows.rows());
  print_search(report);
  if (before.method == KnnMethod::join) fmt::print("the stored table is {}\n", describe(before));
  Json result = {{"ids", files.ids.string()},
                 {"rows", table.rows()},
                 {"new_rows", new_rows.rows()},
                 {"k", knn.k},
                 {"table", search_json(search)}};
  result.update(search_json(report));
  add_run_facts(result, context);
  write_json(o.common, result);
}

// --- search ----------------------------------------------------------------------------------------------------------

void search(const Options& o) {
  require_used(o.knn);
  const Sources sources = open_both(o);
  const KnnOptions knn = search_options(o.knn, o.metric);
  const KnnFiles files = knn_file_names(o.prefix, knn.k, format_of(o));
  const std::uint64_t queries = sources.added->rows();
  MemoryPlan memory;
  memory.add("descriptors", bytes_of(*sources.stored) + bytes_of(*sources.added));
  memory.add("k-NN search and its table", build_knn_memory(queries, sources.stored->dim(), knn));
  memory.add("codes", sources.stored->rows() * (2 * std::uint64_t{sources.stored->dim()} + 12));
  memory.add("program and buffers", program_bytes);
  if (o.common.dry_run) {
    PlanText text{{fmt::format("{} rows of {} are searched for the {} nearest of each of {} rows of {} ({})",
                               sources.stored->rows(), sources.stored->name(), knn.k, queries, sources.added->name(),
                               o.metric.name),
                   fmt::format("{} are written, {}", names_of(files), format_bytes(table_bytes(queries, knn.k)))},
                  {}};
    text.memory = memory.items;
    return print_plan(text, o.common);
  }
  require_writable(files.ids);
  require_writable(files.similarities);
  Context context = make_context(o.common);
  memory.require(context.memory_limit, "search fewer rows at a time, or raise --memory");
  const Matrix<float> stored_rows = load(context, o, *sources.stored);
  const Matrix<float> asked = load(context, o, *sources.added);
  KnnReport report;
  const KnnTable table = [&] {
    Phase phase(context, "k-NN search");
    return search_knn(context, asked, stored_rows, knn, &report);
  }();
  Origin origin = origin_of(o.stored, o, knn, search_of(knn, report));
  for (const auto& [name, hash] : o.added.origin().inputs) origin.inputs.emplace_back("queries: " + name, hash);
  write_knn(files, table);
  write_origin(files.ids, origin);

  fmt::print("{}: the {} nearest of {} rows for each of {}\n", names_of(files), knn.k, stored_rows.rows(), queries);
  print_search(report);
  Json result = {{"ids", files.ids.string()}, {"rows", stored_rows.rows()}, {"queries", queries}, {"k", knn.k}};
  result.update(search_json(report));
  add_run_facts(result, context);
  write_json(o.common, result);
}

}  // namespace

void add_extend(CLI::App& knn) {
  auto o = std::make_shared<Options>();
  o->knn.k = 0;
  CLI::App* command = knn.add_subcommand("extend", "A stored table with more rows: what build makes of all of them");
  command->footer(
      "FEATURES are the descriptors that the table was made from; the rows of --add get the numbers behind theirs. "
      "Old\n"
      "rows are compared with new ones alone, so it takes a build's time only for the new rows. A table that was made\n"
      "for a lower recall than --recall is refused.\n"
      "Example:\n"
      "  lowshot knn build embeddings.npy -o graph\n"
      "  lowshot knn extend embeddings.npy --table graph --add new.npy -o larger");
  command
      ->add_option("FEATURES", o->stored.files,
                   "Descriptors that the table was made from: .npy, .hdf5, .index, or raw float32 (with --dim)")
      ->required();
  command->add_option("--table", o->table, "The stored table's name up to _k<K>_")->required();
  command->add_option("--add", o->added.files, "Descriptors of the new rows")->required()->expected(1, -1);
  command->add_option("-k,--k", o->knn.k, "Neighbours, at most as many as are stored; default: all that are")
      ->check(CLI::Range(1, 1024));
  add_options(*command, *o);
  command->callback([o] { extend(*o); });
}

void add_search(CLI::App& knn) {
  auto o = std::make_shared<Options>();
  CLI::App* command = knn.add_subcommand("search", "The k nearest stored rows of new rows");
  command->footer(
      "Writes PREFIX_k<K>_I_11.int<K> and PREFIX_k<K>_D_11.float<K>, a row for each row of --queries: numbers of rows "
      "of\n"
      "FEATURES, and similarities. K is the smallest power of two that is at least -k.\n"
      "Example:\n"
      "  lowshot knn search embeddings.npy --queries new.npy -k 10 -o found");
  command
      ->add_option("FEATURES", o->stored.files,
                   "Descriptors that are searched: .npy, .hdf5, .index, or raw float32 (with --dim)")
      ->required();
  command->add_option("--queries", o->added.files, "Descriptors whose neighbours are wanted")
      ->required()
      ->expected(1, -1);
  command->add_option("-k,--k", o->knn.k, "Neighbours, 1 to 1024")->check(CLI::Range(1, 1024))->capture_default_str();
  add_options(*command, *o);
  command->callback([o] { search(*o); });
}

}  // namespace lowshot::cli
