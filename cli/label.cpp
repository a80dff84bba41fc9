// lowshot label: one's own embeddings and a handful of labels, one command.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "common.h"
#include "inputs.h"
#include "label/kept_graph.h"
#include "label/label_graph.h"
#include "label/output.h"
#include "label_job.h"
#include "label_plan.h"
#include "label_results.h"
#include "lowshot/error.h"
#include "lowshot/io.h"
#include "lowshot/label.h"
#include "lowshot/memory.h"
#include "report/label_page.h"
#include "variant.h"

namespace lowshot::cli {
namespace {

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

// The kept graph; where a graph is given its origin is that file, nothing is searched and no row is bad.
KeptGraph graph_of(Context& context, const LabelJob& job, const LabelCommand& o) {
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
LabelResult label_graph(Context& context, const LabelJob& job, const LabelCommand& o, KeptGraph& kept,
                        const std::vector<std::int32_t>& labels, const ShareSink& share_sink) {
  const std::uint32_t classes = job.classes();
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

// --prior: a word, else a file.
void set_priors(LabelCommand& o, const std::vector<std::string>& classes) {
  o.label.prior = PriorRule::given;
  for (const PriorRule rule : {PriorRule::automatic, PriorRule::uniform, PriorRule::labels, PriorRule::estimated})
    if (o.prior == name(rule)) o.label.prior = rule;
  if (o.label.prior == PriorRule::given) o.label.shares = read_class_shares(o.prior, classes);
}

void execute(const LabelCommand& given) {
  LabelCommand o = given;
  if (o.iterations != 0) o.label.iterations = o.iterations;
  if (o.precision != 0) o.label.precision = o.precision;
  if (o.unknown != 0) o.label.unknown = o.unknown;
  Context context = make_context(o.common);
  const LabelJob job = open_label_job(o);
  const std::vector<std::string>& classes_there = job.labels.classes;
  if (o.label.unknown &&
      std::find(classes_there.begin(), classes_there.end(), name(RowStatus::unknown)) != classes_there.end())
    throw Error(ErrorKind::usage, "a class is called unknown, and so would be the rows of --unknown", o.labels,
                "rename the class");
  const std::uint64_t limit = context.memory_limit != 0 ? context.memory_limit : available_bytes();
  o.label.recipe = o.recipe == "graph" ? LabelRecipe::graph
                   : o.recipe == "own" ? LabelRecipe::own
                                       : LabelRecipe::automatic;
  set_priors(o, classes_there);
  if (!o.variant.standard()) o.label.propagation = o.variant.propagation;
  if (o.variant.weighting.kind == Weighting::Kind::listed) open_npy_rows(o.variant.weighting.file);  // is it there?
  o.label = fitting_options(job, o.label, o.variant, limit - std::min(limit, resident_bytes()));
  std::optional<StreamedKnnPlan> streamed;
  if (!o.variant.given_graph()) streamed = plan_streamed_graph(job.collection, keep_options(o), limit);
  const MemoryPlan memory = label_memory(job, o, streamed);
  if (o.common.dry_run) return print_label_plan(context, job, o, memory, streamed);
  memory.require(context.memory_limit, "raise --memory, or reduce the descriptors with `lowshot pca apply`");

  KeptGraph kept = graph_of(context, job, o);

  // Rows -> nodes.
  std::vector<std::int32_t> node_labels;
  node_labels.reserve(job.collection.rows);
  for (const std::uint64_t row : rows_of_nodes(job.collection.rows, kept.bad_rows))
    node_labels.push_back(job.labels.of_row[row]);
  std::optional<NpyTileWriter> scores;
  if (!o.scores.empty()) scores.emplace(o.scores, std::vector<std::uint64_t>{job.rows, job.classes()}, true);
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
  print_label_results(job, o, rows, suspects_file);
  Json json = label_results_json(job, o, rows, kept);
  add_run_facts(json, context);
  write_json(o.common, json);
}

// The classifier takes part beside the paper's diffusion alone, and class priors with it.
void require_graph_alone(const CLI::App& command, LabelCommand& o) {
  if (command.count("--prior") != 0 && (!o.variant.standard() || o.recipe == "graph"))
    throw Error(ErrorKind::usage, "where the graph answers alone every class weighs the same, and no priors apply",
                "--prior", "leave it out, or use --recipe own");
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
  auto o = std::make_shared<LabelCommand>();
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
  command
      ->add_option("--prior", o->prior,
                   "How frequent the classes are: uniform, labels (as among the labels), estimate (from the "
                   "unlabelled rows), a CSV with label,share, or auto: uniform or labels, whichever makes the "
                   "unlabelled rows likelier")
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
