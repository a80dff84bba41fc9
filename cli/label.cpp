// lowshot label: one's own embeddings and a handful of labels, one command.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "common.h"
#include "inputs.h"
#include "label/kept_graph.h"
#include "label/label_graph.h"
#include "label/label_time.h"
#include "label/output.h"
#include "lowshot/error.h"
#include "lowshot/io.h"
#include "lowshot/label.h"
#include "lowshot/memory.h"
#include "report/label_page.h"
#include "variant.h"

namespace lowshot::cli {
namespace {

struct Options {
  CommonOptions common;
  LabelOptions label;
  VariantOptions variant_texts;
  Variant variant;
  KnnOptions knn;  // k is label.k
  std::vector<std::string> descriptors, add, ids;
  std::string labels, labelled, out, work, report, images, match = "name", on_bad = "stop", format = "csv", scores,
                                                           recipe = "auto";
  std::uint32_t dim = 0;
  std::uint32_t iterations = 0;
  double precision = 0, unknown = 0;
  bool relabel = false;
};

constexpr std::size_t most_named = 10;

// The rows that the answer is about, and those that only bring labels.
struct Job {
  Collection collection;   // all of them, rows of --labelled last
  std::uint64_t rows = 0;  // without those
  std::optional<Names> ids;
  RowLabels labels;  // of every row of the collection
};

Job open_job(const Options& o) {
  Job job;
  std::vector<std::string> arguments = o.descriptors;
  arguments.insert(arguments.end(), o.add.begin(), o.add.end());
  std::vector<fs::path> shards = find_shards(arguments);
  const std::optional<std::uint32_t> dim = o.dim != 0 ? std::optional(o.dim) : std::nullopt;
  const std::size_t own_shards = shards.size();
  if (!o.labelled.empty()) shards.push_back(find_shards({o.labelled}).front());
  job.collection = open_collection(shards, dim);
  const std::span<const std::uint64_t> shard_rows(job.collection.shard_rows.data(), own_shards);
  for (const std::uint64_t rows : shard_rows) job.rows += rows;
  if (!o.ids.empty()) job.ids = read_ids({o.ids.begin(), o.ids.end()}, shard_rows);

  const MatchBy match = o.match == "name" ? MatchBy::name : o.match == "basename" ? MatchBy::basename : MatchBy::stem;
  const std::uint64_t labelled_rows = job.collection.rows - job.rows;
  if (o.labelled.empty()) {
    job.labels = read_labels(o.labels, job.rows, job.ids ? &*job.ids : nullptr, match);
  } else {
    job.labels = read_labels(o.labels, labelled_rows, nullptr, match);
    job.labels.of_row.insert(job.labels.of_row.begin(), job.rows, -1);
  }
  return job;
}

KeepOptions keep_options(const Options& o) {
  KeepOptions keep;
  keep.knn = o.knn;
  keep.knn.k = o.label.k;
  if (o.dim != 0) keep.raw_dim = o.dim;
  keep.work = o.work.empty() ? fs::path(o.out + ".work") : fs::path(o.work);
  return keep;
}

// Which shard a row lies in, for messages.
std::string where(const Job& job, std::uint64_t row) {
  std::uint64_t first = 0;
  for (std::size_t s = 0; s < job.collection.shards.size(); ++s) {
    if (row < first + job.collection.shard_rows[s]) {
      const std::string id = job.ids && row < job.rows ? fmt::format(", {}", (*job.ids)[row]) : "";
      return fmt::format("row {} ({} row {}{})", row, job.collection.shards[s].string(), row - first, id);
    }
    first += job.collection.shard_rows[s];
  }
  return fmt::format("row {}", row);
}

void require_good(const Job& job, const std::vector<std::uint32_t>& bad, const std::string& on_bad) {
  if (bad.empty() || on_bad == "skip") return;
  std::string named;
  for (std::size_t i = 0; i < std::min(most_named, bad.size()); ++i) named += (i != 0 ? "; " : "") + where(job, bad[i]);
  if (bad.size() > most_named) named += fmt::format("; and {} more", bad.size() - most_named);
  throw Error(ErrorKind::input,
              fmt::format("{} of {} rows are NaN, infinite or all zero", bad.size(), job.collection.rows), named,
              "mend them, or go on without them with --on-bad skip");
}

// Rows of the nodes first_node, first_node + 1, ... to their places in a file of rows: pieces between bad rows, which
// stay 0.
void write_good_rows(NpyTileWriter& file, std::uint64_t first_node, std::uint32_t first_class,
                     MatrixView<const float> nodes, const std::vector<std::uint32_t>& bad, std::uint64_t rows) {
  std::uint64_t row = 0, node = 0;
  const std::uint64_t last_node = first_node + nodes.rows();
  for (std::size_t b = 0; row < rows && node < last_node; ++b) {
    const std::uint64_t end = b < bad.size() ? std::min<std::uint64_t>(bad[b], rows) : rows;
    const std::uint64_t begin = std::max(node, first_node), behind = std::min(node + (end - row), last_node);
    if (behind > begin)
      file.write(row + (begin - node), first_class, nodes.rows(begin - first_node, behind - first_node));
    node += end - row;
    row = end + 1;
  }
}

std::string percent(double share) {
  return fmt::format("{:.1f} %", 100 * share);
}

std::string recipe_reason(const HoldOut& h, const Options& o) {
  const std::string what = h.recipe == LabelRecipe::own ? "graph and classifier together" : "the graph alone";
  if (o.recipe != "auto") return what + ", as given";
  if (h.checked_rows == 0) return what + ", the default where nothing can be held out";
  return what + (h.recipe == LabelRecipe::own ? "; the graph alone is not clearly better on held-out labels"
                                              : ": clearly better on held-out labels");
}

void print_hold_out(const HoldOut& h, const Options& o, const std::vector<std::string>& classes) {
  const bool own = h.recipe == LabelRecipe::own;
  fmt::print("recipe: {} ({})\n", name(h.recipe), recipe_reason(h, o));
  if (h.checked_rows == 0) {
    fmt::print("No label could be held out: every class has a single one, so nothing is known about accuracy.\n");
    if (h.iterations != 0)
      fmt::print("iterations: {} ({})\n", h.iterations,
                 o.iterations != 0 ? "as given" : "the default where nothing can be held out");
    return;
  }
  fmt::print("held-out accuracy: {} ({} to {} with 95 % confidence; {} labelled rows, {} folds)\n", percent(h.accuracy),
             percent(h.low), percent(h.high), h.checked_rows, o.label.folds);
  fmt::print("  It holds for labels drawn at random; labels picked by hand make it optimistic.\n");
  const bool solved = h.iterations == 0;
  if (!solved) {
    fmt::print("iterations: {} ({})\n", h.iterations,
               o.iterations != 0 ? "as given"
               : own             ? "the least log-loss when held out"
                                 : "the best when held out");
    fmt::print("  iterations   graph alone{}\n", h.own_accuracy.empty() ? "" : "   own recipe   its log-loss");
  }
  for (std::size_t t = 0; t < h.accuracy_by_iteration.size() && !solved; ++t) {
    fmt::print("  {:>10}  {:>12}", t + 1, percent(h.accuracy_by_iteration[t]));
    if (t < h.own_accuracy.size() && std::isfinite(h.own_loss[t]))
      fmt::print("  {:>11}  {:>13.3f}", percent(h.own_accuracy[t]), h.own_loss[t]);
    fmt::print("\n");
  }
  if (!h.unchecked_classes.empty()) {
    std::string names;
    for (std::size_t i = 0; i < std::min(most_named, h.unchecked_classes.size()); ++i)
      names += (i != 0 ? ", " : "") + classes[static_cast<std::size_t>(h.unchecked_classes[i])];
    fmt::print("unchecked: {} classes have a single label ({}{})\n", h.unchecked_classes.size(), names,
               h.unchecked_classes.size() > most_named ? ", ..." : "");
  }
  fmt::print("  confidence >=   rows kept   held-out accuracy\n");
  for (const ThresholdRow& row : h.thresholds)
    fmt::print("  {:>13.3f}  {:>10}  {:>10} ({} rows)\n", row.threshold, percent(row.kept), percent(row.accuracy),
               row.held_out);
  if (o.label.precision) {
    if (h.picked)
      fmt::print("precision {}: confidence >= {:.4f} keeps {} of the unlabelled rows\n", percent(*o.label.precision),
                 h.picked->threshold, percent(h.picked->kept));
    else
      fmt::print("precision {}: no threshold reaches it on the held-out rows\n", percent(*o.label.precision));
  }
}

Json threshold_json(const ThresholdRow& r) {
  return {{"threshold", r.threshold}, {"kept", r.kept}, {"accuracy", r.accuracy}, {"held_out_rows", r.held_out}};
}

// null where the own recipe was not tried.
Json with_gaps(const std::vector<double>& values, const HoldOut& h) {
  Json json = Json::array();
  for (std::size_t t = 0; t < values.size(); ++t)
    json.push_back(std::isfinite(h.own_loss[t]) ? Json(values[t]) : Json(nullptr));
  return json;
}

Json hold_out_json(const HoldOut& h, const std::vector<std::string>& classes) {
  Json unchecked = Json::array(), thresholds = Json::array();
  for (const std::int32_t c : h.unchecked_classes) unchecked.push_back(classes[static_cast<std::size_t>(c)]);
  for (const ThresholdRow& r : h.thresholds) thresholds.push_back(threshold_json(r));
  Json json = {{"checked_rows", h.checked_rows},
               {"accuracy", h.accuracy},
               {"low", h.low},
               {"high", h.high},
               {"accuracy_by_iteration", h.accuracy_by_iteration},
               {"own_accuracy_by_iteration", with_gaps(h.own_accuracy, h)},
               {"own_log_loss_by_iteration", with_gaps(h.own_loss, h)},
               {"unchecked_classes", unchecked},
               {"thresholds", thresholds}};
  json["picked"] = h.picked ? threshold_json(*h.picked) : Json(nullptr);
  return json;
}

std::uint64_t labelled_rows(const Job& job) {
  return static_cast<std::uint64_t>(
      std::count_if(job.labels.of_row.begin(), job.labels.of_row.end(), [](std::int32_t c) { return c >= 0; }));
}

// The larger of two moments: the graph is made from the table of neighbours, which then goes; labels diffuse over it.
MemoryPlan labelling_memory(const Job& job, const LabelOptions& options, const Variant& variant) {
  const std::uint64_t rows = job.collection.rows, k = stored_k(options.k);
  MemoryPlan making, labelling;
  if (variant.given_graph()) {
    labelling.add("given graph", given_label_graph_memory(variant.graph, rows));
  } else {
    const std::uint64_t graph = symmetrise_memory(rows, options.k);
    making.add("neighbours", rows * k * (sizeof(NodeId) + sizeof(float)));
    for (MemoryPlan* moment : {&making, &labelling}) {
      moment->add("symmetric graph", graph);
      if (!variant.standard()) moment->add("edge weights", weighted_label_graph_memory(rows, options.k));
    }
  }
  labelling.add(variant.standard() ? "diffusion and classifier" : "propagation",
                label_nodes_memory(rows, labelled_rows(job), job.collection.dim,
                                   static_cast<std::uint32_t>(job.labels.classes.size()), options));
  return making.total() > labelling.total() ? making : labelling;
}

// Classes diffused at a time, as many as fit: 16 of them fill a cache line of each row, fewer save nothing. Then rows
// in parts, each of which is a diffusion more; and where only that helps, a smaller sample for the classifier.
LabelOptions fitting_options(const Job& job, const LabelOptions& options, const Variant& variant, std::uint64_t limit) {
  constexpr std::uint32_t most_parts = 64;
  constexpr std::uint64_t least_sample = 1024;
  LabelOptions tried = options;
  for (; tried.sample_rows >= least_sample; tried.sample_rows /= 2)
    for (tried.parts = 1; tried.parts <= most_parts; tried.parts *= 2)
      for (tried.slice = 64; tried.slice >= 16; tried.slice -= 16)
        if (labelling_memory(job, tried, variant).total() <= limit) return tried;
  tried.sample_rows = least_sample;
  tried.parts = most_parts;
  tried.slice = 16;
  return tried;
}

// The larger of the two stages: building the graph (streamed where the descriptors do not fit), and labelling with it.
MemoryPlan memory_plan(const Job& job, const Options& o, const std::optional<StreamedKnnPlan>& streamed) {
  const MemoryPlan build = o.variant.given_graph() ? MemoryPlan{}
                           : streamed              ? streamed->memory
                                                   : keep_graph_memory(job.collection, keep_options(o));
  const MemoryPlan label = labelling_memory(job, o.label, o.variant);
  MemoryPlan plan = build.total() > label.total() ? build : label;
  plan.add("program, names and labels", resident_bytes());
  return plan;
}

std::vector<std::string> plan_steps(const Job& job, const Options& o, std::uint64_t labels) {
  const std::string classes = fmt::format("{} labels of {} classes", labels, job.labels.classes.size());
  if (o.variant.given_graph())
    return {fmt::format("the graph of {} rows is read from {}", job.collection.rows, o.variant.graph.string()),
            fmt::format("{} propagate by {}", classes, describe(o.variant))};
  return {fmt::format("{} rows of {} dimensions in {} files are read", job.collection.rows, job.collection.dim,
                      job.collection.shards.size()),
          fmt::format("the {} is built, or taken from {}",
                      describe_build(job.collection.rows, stored_options(keep_options(o).knn)),
                      keep_options(o).work.string()),
          o.variant.standard() ? fmt::format("{} diffuse over it", classes)
                               : fmt::format("{} propagate by {}", classes, describe(o.variant))};
}

// The kept graph; where a graph is given its origin is that file, nothing is searched and no row is bad.
KeptGraph graph_of(Context& context, const Job& job, const Options& o) {
  KeptGraph kept;
  if (o.variant.given_graph()) {
    kept.origin = o.variant.graph.string();
    return kept;
  }
  kept = keep_graph(context, job.collection, keep_options(o));
  require_good(job, kept.bad_rows, o.on_bad);
  context.info(fmt::format("graph: {} ({}), {}", kept.folder.string(), kept.origin, describe(kept.search)));
  return kept;
}

// Labels of all nodes. Takes the kept table, which is not needed behind the graph.
LabelResult label_graph(Context& context, const Job& job, const Options& o, KeptGraph& kept,
                        const std::vector<std::int32_t>& labels, const ShareSink& share_sink) {
  const auto classes = static_cast<std::uint32_t>(job.labels.classes.size());
  std::optional<Phase> phase(std::in_place, context, "graph");
  if (o.variant.standard()) {
    const Graph graph = symmetrise(context, kept.table, {.columns = o.label.k, .order = kept.order});
    kept.table = {};
    phase.reset();
    NodeRows rows(job.collection, keep_options(o), kept.bad_rows);
    return label_nodes(context, graph.view(), labels, classes, o.label, &*rows, share_sink);
  }
  const WeightedGraph graph =
      o.variant.given_graph() ? given_label_graph(context, o.variant.graph, job.collection.rows)
                              : weighted_label_graph(context, kept.table, o.label.k, kept.order, o.variant.weighting);
  kept.table = {};
  phase.reset();
  return label_nodes(context, graph.view(), labels, classes, o.label, share_sink);
}

void execute(const Options& given) {
  Options o = given;
  if (o.iterations != 0) o.label.iterations = o.iterations;
  if (o.precision != 0) o.label.precision = o.precision;
  if (o.unknown != 0) o.label.unknown = o.unknown;
  Context context = make_context(o.common);
  const Job job = open_job(o);
  const std::uint64_t labels = labelled_rows(job);
  const std::vector<std::string>& classes_there = job.labels.classes;
  if (o.label.unknown &&
      std::find(classes_there.begin(), classes_there.end(), name(RowStatus::unknown)) != classes_there.end())
    throw Error(ErrorKind::usage, "a class is called unknown, and so would be the rows of --unknown", o.labels,
                "rename the class");
  const std::uint64_t limit = context.memory_limit != 0 ? context.memory_limit : available_bytes();
  o.label.recipe = o.recipe == "graph" ? LabelRecipe::graph
                   : o.recipe == "own" ? LabelRecipe::own
                                       : LabelRecipe::automatic;
  if (!o.variant.standard()) o.label.propagation = o.variant.propagation;
  if (o.variant.weighting.kind == Weighting::Kind::listed) open_npy_rows(o.variant.weighting.file);  // is it there?
  o.label = fitting_options(job, o.label, o.variant, limit - std::min(limit, resident_bytes()));
  std::optional<StreamedKnnPlan> streamed;
  if (!o.variant.given_graph()) streamed = plan_streamed_graph(job.collection, keep_options(o), limit);
  const MemoryPlan memory = memory_plan(job, o, streamed);
  if (o.common.dry_run) {
    PlanText text;
    text.steps = plan_steps(job, o, labels);
    if (streamed)
      text.steps.push_back(
          fmt::format("the descriptors do not fit memory: they are read {} times and go to about {} "
                      "overlapping cells, searched one by one; scratch files take about {}",
                      streamed->passes + 1, streamed->parts, format_bytes(streamed->scratch_bytes)));
    text.memory = memory.items;
    if (o.variant.given_graph()) return print_plan(text, o.common);
    text.time = label_seconds(context, job.collection, keep_options(o), labels,
                              static_cast<std::uint32_t>(job.labels.classes.size()), o.label)
                    .items;
    for (const auto& [name, seconds] : text.time)
      if (name == "graph" && seconds > 600)
        text.steps.push_back(
            "fewer dimensions shorten the graph in proportion: lowshot pca train --dim 128, then lowshot pca apply");
    return print_plan(text, o.common);
  }
  memory.require(context.memory_limit, "raise --memory, or reduce the descriptors with `lowshot pca apply`");

  KeptGraph kept = graph_of(context, job, o);

  // Rows -> nodes.
  std::vector<std::int32_t> node_labels;
  node_labels.reserve(job.collection.rows);
  for (const std::uint64_t row : rows_of_nodes(job.collection.rows, kept.bad_rows))
    node_labels.push_back(job.labels.of_row[row]);
  const auto classes = static_cast<std::uint32_t>(job.labels.classes.size());
  std::optional<NpyTileWriter> scores;
  if (!o.scores.empty()) scores.emplace(o.scores, std::vector<std::uint64_t>{job.rows, classes}, true);
  const ShareSink write_shares = [&](std::uint64_t node, std::uint32_t first, MatrixView<const float> shares) {
    write_good_rows(*scores, node, first, shares, kept.bad_rows, job.rows);
  };
  const LabelResult result = label_graph(context, job, o, kept, node_labels, scores ? write_shares : ShareSink{});
  if (scores) scores->commit();

  const LabelledRows rows{job.rows, kept.bad_rows, job.labels.of_row, job.labels.classes, job.ids ? &*job.ids : nullptr,
                          &result,  o.relabel};
  const fs::path suspects_file = fs::path(o.out).replace_extension(".suspects.csv");
  {
    Phase phase(context, "writing");
    const LabelFormat format = o.format == "csv"     ? LabelFormat::csv
                               : o.format == "jsonl" ? LabelFormat::jsonl
                                                     : LabelFormat::npy;
    write_suspects(suspects_file, rows);
    if (!kept.bad_rows.empty()) write_bad_rows(fs::path(o.out).replace_extension(".bad.csv"), rows);
    write_labels(o.out, format, rows, o.label.top);
  }

  if (!o.report.empty()) write_file(o.report, label_page(rows, {fs::path(o.out).filename().string(), o.images}));
  if (!o.variant.standard())
    fmt::print("propagation: {}{}\n", describe(o.variant),
               o.variant.solved() ? ", " + solution_text(result.propagation) : "");
  print_hold_out(result.hold_out, o, job.labels.classes);
  std::map<RowStatus, std::uint64_t> by_status;
  std::vector<std::uint64_t> by_class(job.labels.classes.size());
  for_each_row(rows, [&](const LabelledRow& row) {
    ++by_status[row.status];
    if (row.classes[0] >= 0) ++by_class[static_cast<std::size_t>(row.classes[0])];
  });
  std::string counts;
  for (const auto& [status, count] : by_status)
    counts += fmt::format("{}{} {}", counts.empty() ? "" : ", ", count, name(status));
  fmt::print("rows: {}; {} of {} labels look wrong ({})\n", counts, result.suspects.size(), labels,
             suspects_file.string());

  Json json;
  for (const auto status : all_row_statuses) json["rows"][std::string(name(status))] = by_status[status];
  for (std::size_t c = 0; c < by_class.size(); ++c) json["classes"][job.labels.classes[c]] = by_class[c];
  json["labels"] = labels;
  json["suspects"] = result.suspects.size();
  json["choices"] = variant_json(o.variant);
  json["choices"].update(
      {{"recipe", name(result.hold_out.recipe)},
       {"recipe_reason", recipe_reason(result.hold_out, o)},
       {"iterations", result.hold_out.iterations == 0 ? Json(nullptr) : Json(result.hold_out.iterations)},
       {"temperature", result.hold_out.temperature},
       {"k", o.label.k},
       {"graph", kept.origin}});
  if (!o.variant.standard()) json["propagation"] = propagation_json(result.propagation, o.variant.solved());
  json["graph"] = o.variant.given_graph() ? Json{{"file", o.variant.graph.string()}} : search_json(kept.search);
  json["hold_out"] = hold_out_json(result.hold_out, job.labels.classes);
  add_run_facts(json, context);
  write_json(o.common, json);
}

// The classifier takes part beside the paper's diffusion alone.
void require_graph_alone(const CLI::App& command, Options& o) {
  if (o.variant.standard()) return;
  if (command.count("--recipe") != 0 && o.recipe != "graph")
    throw Error(ErrorKind::usage,
                fmt::format("with {} the graph answers alone, and the recipe {} has a classifier beside it",
                            describe(o.variant), o.recipe),
                "--recipe", "leave it out, or use --recipe graph");
  o.recipe = "graph";
}

}  // namespace

void add_label(CLI::App& app) {
  auto o = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("label", "Descriptors and a few labels: labels and confidences for every row");
  command->footer(
      "Example: shards in a folder, file names as ids, labels in a CSV with the columns id,label:\n"
      "  lowshot label embeddings/ --ids names.txt --labels labels.csv -o labelled.csv --precision 0.95");
  command->add_option("descriptors", o->descriptors, "Files (.npy, .hdf5, raw with --dim), folders or quoted globs")
      ->required();
  command->add_option("--labels", o->labels, "CSV with id,label or row,label, or one label a row (npy, text)")
      ->required();
  command->add_option("-o,--out", o->out, "Where the labels go")->required();
  command->add_option("--ids", o->ids, "Names of the rows: text or CSV, one file or one a shard")->expected(1, -1);
  command->add_option("--match", o->match, "How labels find ids")
      ->check(CLI::IsMember({"name", "basename", "stem"}))
      ->capture_default_str();
  command->add_option("--labelled", o->labelled,
                      "Descriptors that --labels belongs to, if they are not among the others");
  command->add_option("--add", o->add, "More descriptors behind the others: a kept graph is extended by them")
      ->expected(1, -1);
  command->add_option("--dim", o->dim, "Dimension of headerless files");
  command->add_option("--on-bad", o->on_bad, "NaN, infinite or all-zero rows: stop, or skip (no edges, status bad)")
      ->check(CLI::IsMember({"stop", "skip"}))
      ->capture_default_str();
  command->add_option("--work", o->work, "Where the graph is kept; default: OUT.work");
  command->add_option("--k", o->label.k, "Neighbours in the graph")->check(CLI::Range(1, 1024))->capture_default_str();
  add_search_options(*command, o->knn);
  command
      ->add_option("--recipe", o->recipe,
                   "Who answers: graph (diffusion alone), own (diffusion, and a classifier of the descriptors that "
                   "learns from it), or auto: own unless the graph is clearly better on held-out labels")
      ->check(CLI::IsMember({"auto", "graph", "own"}))
      ->capture_default_str();
  command->add_option("--iterations", o->iterations, "Diffusion iterations; default: the best on held-out labels")
      ->check(CLI::Range(1, 1000));
  command->add_option("--folds", o->label.folds, "Folds of the hold-out")
      ->check(CLI::Range(2, 100))
      ->capture_default_str();
  command->add_option("--seed", o->label.seed, "Seed of the folds")->capture_default_str();
  command->add_option("--precision", o->precision, "Find the confidence above which this share is right, e.g. 0.95")
      ->check(CLI::Range(0.01, 1.0));
  command
      ->add_option(
          "--unknown", o->unknown,
          "Label rows `unknown` that are less typical of the classes than this share of held-out rows, e.g. 0.05")
      ->check(CLI::Range(0.0, 1.0));
  command->add_flag("--relabel", o->relabel, "Show the program's opinion of hand-labelled rows, too");
  command->add_option("--top", o->label.top, "Classes shown a row")->check(CLI::Range(1, 1000))->capture_default_str();
  command->add_option("--format", o->format, "Format of the labels")
      ->check(CLI::IsMember({"csv", "jsonl", "npy"}))
      ->capture_default_str();
  command->add_option("--scores", o->scores,
                      "Write the confidence of every class for every row: npy float16 [rows, classes]");
  command->add_option("--report", o->report,
                      "Write a page (HTML, one file) that shows counts, trust, and rows to look at");
  command->add_option("--images", o->images, "Folder in which the ids are image files, for the thumbnails of --report");
  add_variant_options(*command, o->variant_texts, true,
                      "a row and a column for each descriptor, in their order; their values are not looked at then");
  add_common(*command, o->common);
  command->callback([o, command] {
    o->variant = variant_of(*command, o->variant_texts);
    require_graph_alone(*command, *o);
    execute(*o);
  });
}

}  // namespace lowshot::cli
