// lowshot knn build|check|info: k-nearest-neighbour tables under the original's names (extend, search: knn_extend.cpp).
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "common.h"
#include "inputs.h"
#include "knn/table_search.h"
#include "knn_inputs.h"
#include "lowshot/derived_files.h"
#include "lowshot/error.h"
#include "lowshot/knn.h"
#include "lowshot/knn_check.h"
#include "lowshot/knn_streamed.h"
#include "lowshot/knn_time.h"
#include "lowshot/memory.h"

namespace lowshot::cli {
namespace {

// --- build -----------------------------------------------------------------------------------------------------------

struct BuildOptions {
  CommonOptions common;
  RowInput input;
  MetricChoice metric;
  std::string data, work, prefix, format = "raw", pca, skip_rows, scratch;
  std::uint64_t nbg = 0;
  KnnOptions knn;
};

// Rows that take part: all but those of --skip-rows.
std::vector<NodeId> taken_rows(std::uint64_t rows, const BuildOptions& o) {
  if (rows > max_nodes)
    throw Error(ErrorKind::input, fmt::format("{} rows exceed what a table can number, {}", rows, max_nodes), "",
                "use fewer with --rows A:B");
  const std::vector<std::uint64_t> skipped =
      o.skip_rows.empty() ? std::vector<std::uint64_t>() : read_row_list(o.skip_rows, rows);
  if (skipped.size() == rows) throw Error(ErrorKind::input, "no row is left", o.skip_rows, "list fewer rows");
  std::vector<NodeId> taken;
  taken.reserve(rows - skipped.size());
  auto next = skipped.begin();
  for (std::uint64_t row = 0; row < rows; ++row) {
    if (next != skipped.end() && *next == row)
      ++next;
    else
      taken.push_back(static_cast<NodeId>(row));
  }
  return taken;
}

KnnTable build(Context& context, RowSource& source, const BuildOptions& o, std::span<const NodeId> taken,
               KnnReport& report) {
  Matrix<float> rows(taken.size(), source.dim());
  {
    Phase phase(context, "descriptors");
    load_descriptors(context, source, o.metric, taken, rows);
  }
  Phase phase(context, "k-NN graph");
  KnnTable table = build_knn(context, rows, search_options(o.knn, o.metric), &report);
  return taken.size() == source.rows() ? std::move(table) : spread(table, taken, source.rows());
}

constexpr std::uint64_t program_bytes = std::uint64_t{64} << 20;

// The rows do not fit memory: what is streamed, and how.
StreamedKnnOptions streamed_options(const BuildOptions& o, const KnnOptions& knn, std::uint64_t limit) {
  StreamedKnnOptions options;
  options.knn = knn;
  options.normalise = o.metric.normalise();
  options.memory = limit - std::min(limit, program_bytes);
  options.scratch = o.scratch.empty() ? fs::path(o.prefix + ".scratch")
                                      : fs::path(o.scratch) / (fs::path(o.prefix).filename().string() + ".scratch");
  return options;
}

std::vector<std::string> steps_of(const StreamedKnnPlan& plan, const StreamedKnnOptions& options) {
  if (plan.scratch_bytes == 0)
    return {fmt::format("they do not fit memory: the rows are searched in {} blocks of {}, and read once for each",
                        plan.parts, plan.rows_at_once)};
  return {fmt::format("they do not fit memory: they go to about {} overlapping cells of at most {} rows, which are "
                      "searched one by one and merged",
                      plan.parts, plan.rows_at_once),
          fmt::format("the rows are read {} times; scratch files take about {} in {}", plan.passes,
                      format_bytes(plan.scratch_bytes), options.scratch.string())};
}

StreamedKnnReport build_streamed(Context& context, RowSource& source, const BuildOptions& o, const KnnFiles& files,
                                 StreamedKnnOptions options, const std::vector<NodeId>& taken, const Origin& origin) {
  const StreamedKnnPlan plan = plan_streamed_knn(source.rows(), source.dim(), source.is_half(), options);
  for (const std::string& step : steps_of(plan, options)) context.info(step);
  options.origin = origin;
  if (taken.size() == source.rows()) return build_knn_streamed(context, source, files, options);
  options.places = taken;
  options.table_rows = source.rows();
  const auto remaining = skip_rows(source, read_row_list(o.skip_rows, source.rows()));
  return build_knn_streamed(context, *remaining, files, options);
}

// From a sample of the rows: how long reading takes, and the search.
TimePlan build_seconds(Context& context, RowSource& source, const BuildOptions& o, const KnnOptions& knn,
                       const StreamedKnnPlan* plan, const StreamedKnnOptions& streamed) {
  TimePlan time;
  Matrix<float> rows;
  const double reading = seconds_of([&] {
    rows = read_sample(source, knn_sample_rows(context, source.rows(), source.dim()));
    if (o.metric.normalise()) normalise_rows(rows);
  });
  if (rows.rows() == 0) return time;
  const double passes = plan != nullptr ? plan->passes : 1;
  time.add("reading", passes * reading / static_cast<double>(rows.rows()) * static_cast<double>(source.rows()));
  const KnnRates rates = measure_knn(context, rows, knn, source.rows());
  time.add("graph", plan != nullptr ? search_streamed_seconds(rates, *plan, source.rows())
                                    : build_knn_seconds(rates, source.rows()));
  if (plan != nullptr && plan->scratch_bytes != 0) time.add("scratch files", scratch_seconds(*plan, streamed));
  return time;
}

void finish_build(const BuildOptions& o, const Context& context, const std::string& ids, std::uint64_t rows,
                  std::uint32_t k, bool made, const KnnReport& report,
                  const std::optional<StreamedKnnReport>& streamed = {}) {
  Json result = {{"ids", ids}, {"rows", rows}, {"k", k}, {"made", made}};
  result.update(search_json(report));
  if (streamed)
    result["streamed"] = {
        {"parts", streamed->parts}, {"resumed_parts", streamed->resumed_parts}, {"copies", streamed->copies}};
  add_run_facts(result, context);
  write_json(o.common, result);
}

void build_of_files(const BuildOptions& o) {
  if (!o.data.empty() || !o.work.empty() || o.nbg != 0 || !o.pca.empty())
    throw Error(ErrorKind::usage, "FEATURES and --data (or --work, --nbg, --pca) are given; they exclude each other");
  if (o.prefix.empty())
    throw Error(ErrorKind::usage, "the name of the result is missing", "-o", "name a prefix with -o PREFIX");
  const auto source = o.input.open();
  require_used(o.knn);
  const KnnOptions knn = search_options(o.knn, o.metric);
  const std::uint32_t k = knn.k;
  const KnnFiles files = knn_file_names(o.prefix, k, o.format == "npy" ? TableFormat::npy : TableFormat::raw);
  MemoryPlan memory;
  memory.add("descriptors", source->rows() * source->dim() * sizeof(float));
  memory.add("k-NN search and its table", build_knn_memory(source->rows(), source->dim(), knn));
  memory.add("program and buffers", program_bytes);
  Context context = make_context(o.common);
  const std::uint64_t limit = context.memory_limit != 0 ? context.memory_limit : available_bytes();
  const bool streams = memory.total() > limit;
  const StreamedKnnOptions streamed = streamed_options(o, knn, limit);
  if (o.common.dry_run) {
    PlanText text{{fmt::format("{} rows x {} are read from {}", source->rows(), source->dim(), source->name()),
                   fmt::format("their {} is built ({})", describe_build(source->rows(), knn), o.metric.name)},
                  memory.items};
    std::optional<StreamedKnnPlan> plan;
    if (streams) {
      plan = plan_streamed_knn(source->rows(), source->dim(), source->is_half(), streamed);
      for (const std::string& step : steps_of(*plan, streamed)) text.steps.push_back(step);
      text.memory = plan->memory.items;
      text.memory.push_back({"program and buffers", program_bytes});
    }
    text.steps.push_back(fmt::format("{} are written, {}", names_of(files), format_bytes(source->rows() * k * 8)));
    text.time = build_seconds(context, *source, o, knn, plan ? &*plan : nullptr, streamed).items;
    return print_plan(text, o.common);
  }
  require_writable(files.ids);
  require_writable(files.similarities);
  const std::vector<NodeId> taken = taken_rows(source->rows(), o);
  if (streams)
    plan_streamed_knn(source->rows(), source->dim(), source->is_half(), streamed);  // refuses before the work
  KnnReport report;
  std::optional<StreamedKnnReport> by_parts;
  if (!streams) write_knn(files, build(context, *source, o, taken, report));
  Origin origin = o.input.origin();
  origin.options.insert(origin.options.end(), {{"k", std::to_string(k)}, {"metric", o.metric.name}});
  if (!o.skip_rows.empty()) origin.inputs.emplace_back("skipped rows", hash_file(o.skip_rows));
  if (streams) {
    by_parts = build_streamed(context, *source, o, files, streamed, taken, origin);
    report = facts_of(*by_parts, knn);
  }
  record_search(origin, search_of(knn, report));
  write_origin(files.ids, origin);
  const std::size_t skipped = source->rows() - taken.size();
  fmt::print("{}: the {} nearest of {} rows{}\n", names_of(files), k, source->rows(),
             skipped == 0 ? "" : fmt::format(", {} of them left out", skipped));
  print_search(report);
  if (by_parts && by_parts->copies > 1)
    fmt::print("streamed in {} cells, {:.2f} copies of a row\n", by_parts->parts, by_parts->copies);
  finish_build(o, context, files.ids.string(), source->rows(), k, true, report, by_parts);
}

void build_of_directory(const BuildOptions& o) {
  if (!o.prefix.empty() || !o.input.rows.empty() || o.input.dim != 0 || o.metric.name != "cosine" ||
      o.format != "raw" || !o.skip_rows.empty() || !o.scratch.empty())
    throw Error(ErrorKind::usage, "-o, --rows, --dim, --metric, --format and --skip-rows belong to FEATURES", "",
                "name the descriptor files, or leave these options out");
  ExperimentOptions options;
  options.data = data_directory(o.data);
  if (options.data.empty())
    throw Error(ErrorKind::usage, "no descriptors are named", "", "name files, or a data directory with --data DIR");
  options.work = o.work;
  options.background_rows = o.nbg;
  require_used(o.knn);
  options.knn = o.knn;
  options.pca = parse_pca(o.pca);
  if (o.common.dry_run) {
    const ExperimentPlan plan = plan_background_graph(options);
    PlanText text{plan.steps, {}};
    text.memory = plan.memory.items;
    Context context = make_context(o.common);
    text.time = background_graph_seconds(context, options).items;
    return print_plan(text, o.common);
  }
  Context context = make_context(o.common);
  const DerivedFile file = build_background_graph(context, options);
  if (file.made) {
    fmt::print("{}: the {} nearest of {} background rows\n", file.path.string(), file.dim, file.rows);
    print_search(file.search);
  } else {
    fmt::print("{} is up to date (same input, same options; {}): nothing was done\n", file.path.string(),
               describe(TableSearch{file.search.method, file.search.recall}));
  }
  finish_build(o, context, file.path.string(), file.rows, file.dim, file.made, file.search);
}

void add_build(CLI::App& knn) {
  auto o = std::make_shared<BuildOptions>();
  CLI::App* command = knn.add_subcommand("build", "k nearest neighbours of all rows, themselves included");
  command->footer(
      "Writes PREFIX_k<K>_I_11.int<K> (ids, int32) and PREFIX_k<K>_D_11.float<K> (similarities, float32), rows x K "
      "without\n"
      "header; K is the smallest power of two that is at least -k, and all K columns are filled.\n"
      "What does not fit memory (--memory) is streamed through scratch files; --dry-run says what that costs.\n"
      "With --data and --nbg N, the table of the first N background rows, after the data directory's PCA, is written "
      "to\n"
      "knngraph/ndis<N>_k<K>_... below --work, unless it is there and up to date.\n"
      "Large inputs are searched approximately, to --recall, and the recall that was reached is printed; --method "
      "exact\n"
      "finds all neighbours at any size. What is up to date: a table that is exact, or of at least that recall.\n"
      "Examples:\n"
      "  lowshot knn build embeddings.npy -k 30 -o graph\n"
      "  lowshot knn build embeddings.npy -k 30 -o graph --method join --recall 0.99\n"
      "  lowshot knn build --data data/cifar-lowshot --work build/work --nbg 60000");
  command->add_option("FEATURES", o->input.files, "Descriptors: .npy, .hdf5, .index, or raw float32 (with --dim)");
  command->add_option("-k,--k", o->knn.k, "Neighbours, 1 to 1024")->check(CLI::Range(1, 1024))->capture_default_str();
  command->add_option("-o,--output", o->prefix, "Prefix of the two files, replaced if they exist");
  add_metric(*command, o->metric);
  add_row_options(*command, o->input, "--dim");
  command->add_option("--skip-rows", o->skip_rows,
                      "CSV with row numbers in its first column, e.g. the OUT.bad.csv of lowshot extract: these rows\n"
                      "get no neighbours and are in no list; numbers stay");
  command->add_option("--scratch", o->scratch,
                      "Folder for scratch files where the rows do not fit memory; default: beside the result");
  command->add_option("--format", o->format, "raw, or npy: PREFIX_k<K>_I_11.npy and _D_11.npy")
      ->check(CLI::IsMember({"raw", "npy"}))
      ->capture_default_str();
  command->add_option("--data", o->data,
                      "Data directory (docs/files.md) instead of FEATURES; default: the variable DDIR");
  command->add_option("--work", o->work, "With --data: directory for the result; default: the data directory");
  command->add_option("--nbg", o->nbg, "With --data: background images, the first N");
  command->add_option("--pca", o->pca,
                      "With --data: none, a .vt file, or a dimension; default: the data directory's PCAR256.vt");
  add_search_and_effort(*command, o->knn);
  add_common(*command, o->common);
  command->callback([o] { o->input.files.empty() ? build_of_directory(*o) : build_of_files(*o); });
}

// --- check -----------------------------------------------------------------------------------------------------------

struct CheckOptions {
  RowInput input;
  MetricChoice metric;
  CommonOptions common;
  std::string prefix;
  KnnCheckOptions check;
};

Json check_json(const KnnCheck& c, const KnnFiles& files) {
  return {{"ids", files.ids.string()},
          {"rows", c.rows},
          {"stored_k", c.stored_k},
          {"k", c.k},
          {"ids_out_of_range", c.ids_out_of_range},
          {"empty_places", c.empty_places},
          {"repeated_ids", c.repeated_ids},
          {"self_first", c.self_first},
          {"self_later", c.self_later},
          {"self_absent", c.self_absent},
          {"unsorted_rows", c.unsorted_rows},
          {"sampled_rows", c.sampled},
          {"recall", c.recall ? Json(*c.recall) : Json()},
          {"similarities_compared", c.similarities},
          {"similarities_wrong", c.wrong_similarities},
          {"largest_difference", c.largest_difference},
          {"usable", c.ids_out_of_range == 0}};
}

void print_check(const KnnCheck& c, const KnnFiles& files) {
  fmt::print("{}: {} rows, {} of {} columns\n", files.ids.string(), c.rows, c.k, c.stored_k);
  fmt::print("  ids out of range       {}\n", c.ids_out_of_range);
  fmt::print("  empty places (-1)      {}\n", c.empty_places);
  fmt::print("  repeated ids           {}\n", c.repeated_ids);
  fmt::print("  the row itself         first in {} rows, later in {}, absent in {}\n", c.self_first, c.self_later,
             c.self_absent);
  fmt::print("  unsorted rows          {}\n", c.unsorted_rows);
  if (c.recall) fmt::print("  recall                 {:.6f} (sample of {} rows)\n", *c.recall, c.sampled);
  fmt::print(
      "  similarities           {} of {} differ from the descriptors' by more than 1e-5; the largest difference is "
      "{:.2g}\n",
      c.wrong_similarities, c.similarities, c.largest_difference);
}

void check(const CheckOptions& o) {
  const KnnFiles files = find_table(o.prefix, o.check.k);
  const StoredKnn table(files);
  const auto source = o.input.open();
  const std::uint64_t sample = std::min(o.check.sample, table.rows());
  MemoryPlan memory;
  // Named neighbours and true ones beside each row of the sample; descriptors pass by in blocks of 64 MiB with codes.
  memory.add("sample", sample * (source->dim() * 7 + std::uint64_t{table.k()} * 64));
  memory.add("blocks", std::uint64_t{192} << 20);
  if (o.common.dry_run) {
    PlanText text{{fmt::format("{} rows of {} are read and compared with {}", source->rows(), source->name(),
                               files.ids.string())},
                  {}};
    text.memory = memory.items;
    return print_plan(text, o.common);
  }
  Context context = make_context(o.common);
  memory.require(context.memory_limit, "use a smaller --sample, or raise --memory");
  KnnCheckOptions options = o.check;
  options.metric = o.metric.metric();
  options.normalise = o.metric.normalise();
  const KnnCheck result = check_knn(context, table, *source, options);
  print_check(result, files);
  Json json = check_json(result, files);
  add_run_facts(json, context);
  write_json(o.common, json);
  if (result.ids_out_of_range != 0)
    throw Error(ErrorKind::input,
                fmt::format("row {} holds the neighbour id {}, expected -1 to {}", result.first_bad_row,
                            result.first_bad_id, static_cast<std::int64_t>(result.rows) - 1),
                files.ids.string(), "the table belongs to other rows or is damaged");
}

void add_check(CLI::App& knn) {
  auto o = std::make_shared<CheckOptions>();
  CLI::App* command =
      knn.add_subcommand("check", "Compare a stored table with its descriptors: recall on a sample, form of the rows");
  command->footer(
      "Recall: the mean, over the sample, of the share of the true neighbours (the row itself not counted) that the "
      "table\n"
      "returns. Exit code 0: the table can be used, whatever was found; 3: it holds ids out of range.\n"
      "Example:\n"
      "  lowshot knn check embeddings.npy graph");
  // One positional for both: CLI11 gives a list of files every word, also the one that a later positional needs.
  command
      ->add_option("FEATURES_AND_PREFIX", o->input.files,
                   "The descriptors that the table was made from, then the table's name up to _k<K>_")
      ->required()
      ->expected(2, 1 << 20);
  command->add_option("-k,--k", o->check.k, "Columns to check; default: all")->check(CLI::Range(1, 1024));
  command->add_option("--sample", o->check.sample, "Rows whose true neighbours are searched")->capture_default_str();
  command->add_option("--seed", o->check.seed, "Seed of the sample")->capture_default_str();
  add_metric(*command, o->metric);
  add_row_options(*command, o->input, "--dim");
  add_common(*command, o->common);
  command->callback([o] {
    o->prefix = o->input.files.back();
    o->input.files.pop_back();
    check(*o);
  });
}

// --- info ------------------------------------------------------------------------------------------------------------

struct InfoOptions {
  CommonOptions common;
  std::string prefix;
  std::uint32_t k = 0;
};

Json quantiles_json(const Quantiles& q) {
  if (q.count == 0) return nullptr;
  return {{"count", q.count},   {"min", q.min}, {"q05", q.q05}, {"q25", q.q25},
          {"median", q.median}, {"q75", q.q75}, {"q95", q.q95}, {"max", q.max}};
}

void print_quantiles(const char* name, const Quantiles& q) {
  if (q.count == 0) return fmt::print("  {}  none\n", name);
  fmt::print("  {}  {:9.6f} {:9.6f} {:9.6f} {:9.6f} {:9.6f}\n", name, q.min, q.q05, q.median, q.q95, q.max);
}

void info(const InfoOptions& o) {
  const KnnFiles files = find_table(o.prefix, o.k);
  const std::uint64_t rows = StoredKnn(files).rows();
  const std::uint32_t k = o.k == 0 ? files.stored_k : o.k;
  MemoryPlan memory;
  memory.add("table", rows * k * (sizeof(NodeId) + sizeof(float)));
  memory.add("counts", rows * (2 * sizeof(NodeId) + 3 * sizeof(float)));
  memory.add("program and buffers", std::uint64_t{64} << 20);
  if (o.common.dry_run) {
    PlanText text{{fmt::format("{} x {} neighbours are read from {}", rows, k, names_of(files))}, {}};
    text.memory = memory.items;
    return print_plan(text, o.common);
  }
  Context context = make_context(o.common);
  memory.require(context.memory_limit, "raise --memory, or use fewer columns with -k");
  const KnnSummary s = summarise_knn(context, read_knn(files, rows, k, context.thread_count()));
  fmt::print("{}: {} rows, {} of {} columns\n", files.ids.string(), s.rows, s.k, files.stored_k);
  fmt::print("  neighbours a row       {:.2f} on average, {} at least\n", s.mean_filled, s.least_filled);
  fmt::print("  similarity                 min        5 %    median      95 %       max\n");
  print_quantiles("  first column       ", s.first);
  print_quantiles("  nearest other row  ", s.other);
  print_quantiles("  last column        ", s.last);
  fmt::print("  named by other rows    {:.2f} on average, {} at most; {:.2f} % of the rows by none\n", s.mean_in_degree,
             s.largest_in_degree, 100 * s.never_named);
  fmt::print("  mutual neighbours      {:.2f} %\n", 100 * s.mutual);
  fmt::print("  connected components   {}; the largest has {} rows\n", s.components, s.largest_component);
  Json json = {
      {"ids", files.ids.string()},
      {"rows", s.rows},
      {"stored_k", files.stored_k},
      {"k", s.k},
      {"mean_filled", s.mean_filled},
      {"least_filled", s.least_filled},
      {"similarity",
       {{"first_column", quantiles_json(s.first)},
        {"nearest_other", quantiles_json(s.other)},
        {"last_column", quantiles_json(s.last)}}},
      {"in_degree", {{"mean", s.mean_in_degree}, {"max", s.largest_in_degree}, {"never_named", s.never_named}}},
      {"mutual", s.mutual},
      {"components", s.components},
      {"largest_component", s.largest_component}};
  add_run_facts(json, context);
  write_json(o.common, json);
}

void add_info_of_table(CLI::App& knn) {
  auto o = std::make_shared<InfoOptions>();
  CLI::App* command = knn.add_subcommand("info", "What a stored table looks like: similarities, hubs, components");
  command->footer("Example:\n  lowshot knn info graph");
  command->add_option("PREFIX", o->prefix, "The table's name up to _k<K>_")->required();
  command->add_option("-k,--k", o->k, "Columns to look at; default: all")->check(CLI::Range(1, 1024));
  add_common(*command, o->common);
  command->callback([o] { info(*o); });
}

}  // namespace

void add_knn(CLI::App& app) {
  CLI::App* knn = app.add_subcommand("knn", "k-nearest-neighbour graphs: build, extend, search, check, info");
  knn->require_subcommand(1);
  add_build(*knn);
  add_extend(*knn);
  add_search(*knn);
  add_check(*knn);
  add_info_of_table(*knn);
}

}  // namespace lowshot::cli
