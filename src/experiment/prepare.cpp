// Everything that does not change between the experiments of a table (design fact 7):
//   class set -> PCA -> descriptors of background, base, novel and test rows
//   -> background k-NN table, extended by the base rows (in-domain: by all training rows) -> test rows' neighbours,
// of which the second line is read where an earlier call has kept it.
#include <fmt/format.h>

#include <algorithm>

#include "experiment/background.h"
#include "experiment/descriptors.h"
#include "experiment/full_recipe.h"
#include "experiment/pca_choice.h"
#include "experiment/recipe_part.h"
#include "experiment/static_tables.h"
#include "experiment/variant_graph.h"
#include "lowshot/error.h"
#include "lowshot/experiment.h"
#include "lowshot/io.h"
#include "lowshot/knn.h"
#include "lowshot/node_order.h"

namespace lowshot {
namespace {

constexpr std::uint64_t program_bytes = std::uint64_t{64} << 20;

struct Inputs {
  DataDirectory directory;
  ClassSet classes;
  std::unique_ptr<RowSource> train, val;
};

Inputs open_inputs(const ExperimentOptions& options) {
  DataDirectory directory(options.data, options.work);
  const ClassSets sets = read_class_sets(options.label_idx.value_or(directory.label_idx()));
  auto train = open_hdf5_rows(directory.train());
  auto val = open_hdf5_rows(directory.val());
  if (train->dim() != val->dim())
    throw Error(ErrorKind::input, fmt::format("train has {} dimensions and val {}", train->dim(), val->dim()),
                directory.val().string(), "use descriptors of the same network");
  ClassSet classes =
      make_class_set(sets, options.class_set, read_hdf5_labels(directory.train()), read_hdf5_labels(directory.val()));
  return {std::move(directory), std::move(classes), std::move(train), std::move(val)};
}

// Where each train row of the class set goes, base classes first, and how many there are.
void place_train_rows(StaticPart& part, std::uint64_t train_rows) {
  part.row_of_train.assign(train_rows, nowhere);
  std::uint64_t next = part.background;
  for (const bool novel : {false, true}) {
    const std::uint64_t first = next;
    for (std::size_t c = 0; c < part.classes.classes(); ++c)
      if (part.classes.is_novel[c] == novel)
        for (const std::uint32_t row : part.classes.train_rows[c]) part.row_of_train[row] = next++;
    (novel ? part.novel : part.base) = next - first;
  }
}

std::vector<std::int32_t> label_static_rows(const StaticPart& part) {
  std::vector<std::int32_t> labels(part.static_rows, -1);
  for (std::size_t c = 0; c < part.classes.classes(); ++c)
    if (!part.classes.is_novel[c])
      for (const std::uint32_t row : part.classes.train_rows[c])
        labels[part.row_of_train[row]] = static_cast<std::int32_t>(c);
  return labels;
}

// What a static part's tables are made of.
struct StaticRows {
  MatrixView<const float> background, joined, all;  // all: background, then those that join them
  MatrixView<const float> tests;
};

BackgroundTable start_table(Context& context, const DataDirectory& directory, const ExperimentOptions& options,
                            const Background& background, const ChosenPca& pca, bool own_map,
                            MatrixView<const float> rows) {
  Phase phase(context, "background graph");
  if (rows.rows() == 0) return {KnnTable::sized(0, options.knn.k), {}};
  if (!own_map) return background_table(context, directory, options, background, pca, rows);
  KnnReport report;
  KnnTable table = build_knn(context, rows, options.knn, &report);
  return {std::move(table), search_of(options.knn, report)};
}

// `search`: of the background's table; becomes that of the weakest of all.
StaticTables build_static_tables(Context& context, const StaticRows& rows, KnnTable background, const KnnOptions& knn,
                                 TableSearch& search) {
  StaticTables tables;
  {
    Phase phase(context, "static graph");
    KnnReport report;
    tables.rows = extend_knn(context, background, rows.background, rows.joined, knn, &report);
    background = {};
    if (report.method == KnnMethod::join) context.info(fmt::format("static graph: {}", describe(report)));
    search = weaker(search, search_of(knn, report));
    tables.order = std::move(report.order);
    tables.tests = search_knn(context, rows.tests, rows.all, knn, &report);
    if (report.method == KnnMethod::join) context.info(fmt::format("test rows: {}", describe(report)));
    search = weaker(search, search_of(knn, report));
  }
  if (tables.order.empty()) {
    Phase phase(context, "node order");
    tables.order = graph_order(context, rows.all);
  }
  return tables;
}

// A stored table, as far as a plan looks: published, or of a search that serves.
std::optional<KnnFiles> find_good_enough(const fs::path& prefix, const KnnOptions& knn) {
  const auto files = find_knn_files(prefix, knn.k);
  if (!files) return {};
  const auto origin = read_origin(files->ids);
  if (!origin) return files;
  const auto search = search_of(*origin);
  return search && serves(*search, knn) ? files : std::nullopt;
}

std::string iterations_text(const ExperimentOptions& options) {
  const Variant& variant = options.variant;
  if (variant.standard()) return fmt::format("{} iterations", options.diffusion.iterations);
  if (variant.solved()) return fmt::format("conjugate gradients of {}", describe(variant));
  return fmt::format("{} iterations of {}", options.diffusion.iterations, describe(variant));
}

}  // namespace

StaticPart prepare(Context& context, const ExperimentOptions& options, std::uint32_t most_labelled) {
  const auto require_memory = [&](const ExperimentPlan& plan) {
    plan.memory.require(context.memory_limit, "use a smaller --nbg, or a smaller --lslice, or raise --memory");
  };
  const ExperimentPlan planned = plan(options, most_labelled);
  require_memory(planned);
  StaticPart part;
  Inputs in = [&] {
    Phase phase(context, "labels");
    return open_inputs(options);
  }();
  if (options.variant.given_graph()) {
    Phase phase(context, "given graph");
    part.classes = std::move(in.classes);
    part.background = options.background_rows;
    place_train_rows(part, in.train->rows());
    part.static_rows = part.background + part.base + (options.in_domain ? part.novel : 0);
    part.static_labels = label_static_rows(part);
    part.given = read_sparse_npz(options.variant.graph);
    return part;
  }
  const std::uint32_t dim = in.train->dim();
  const ChosenPca pca = [&] {
    Phase phase(context, "pca");
    return choose_pca(context, in.directory, options.pca, dim);
  }();
  if (options.recipe != Recipe::paper)
    part.recipe = prepare_recipe(context, options.recipe, in.directory, in.classes, *in.train, *in.val);
  const bool own_map = part.recipe && part.recipe->map.out() != 0;  // no file holds it, nor a graph of its rows
  const LinearMap* map = own_map ? &part.recipe->map : pca.map ? &*pca.map : nullptr;
  const std::uint32_t row_dim = map != nullptr ? static_cast<std::uint32_t>(map->out()) : dim;
  Background background = open_background(in.directory, options, dim, row_dim, &pca);

  {
    Phase phase(context, "descriptors");
    part.classes = std::move(in.classes);
    part.background = background.source ? background.source->rows() : 0;
    place_train_rows(part, in.train->rows());
    part.rows = Matrix<float>(part.background + part.base + part.novel, row_dim);
    part.test = Matrix<float>(part.classes.test_rows.size(), row_dim);
    if (background.source) {
      context.info(fmt::format("background: {} rows of {}", part.background, background.name));
      load_rows(context, *background.source, background.mapped ? nullptr : map, part.rows,
                [](std::uint64_t i) { return i; });
    }
    load_rows(context, *in.train, map, part.rows, [&](std::uint64_t i) { return part.row_of_train[i]; });
    std::vector<std::uint64_t> test_row(in.val->rows(), nowhere);
    for (std::size_t i = 0; i < part.classes.test_rows.size(); ++i) test_row[part.classes.test_rows[i]] = i;
    load_rows(context, *in.val, map, part.test, [&](std::uint64_t i) { return test_row[i]; });
  }

  part.static_rows = part.background + part.base + (options.in_domain ? part.novel : 0);
  part.static_labels = label_static_rows(part);
  const MatrixView<const float> all = part.rows.view().rows(0, part.static_rows);
  const StaticRows rows{all.rows(0, part.background), all.rows(part.background, part.static_rows), all, part.test};
  const fs::path name = static_name(options, part.recipe ? part.recipe->recipe : Recipe::paper, part.background);
  const Origin origin = [&] {
    Phase phase(context, "hashing");
    const auto published = own_map ? std::nullopt : published_table(in.directory, options, part.background);
    return origin_of_static(rows.all, rows.tests, options.knn, published);
  }();
  std::optional<StaticTables> tables = [&] {
    Phase phase(context, "kept graph");
    return read_static_tables(context, in.directory, name, origin, options.knn, part.static_rows, part.test.rows());
  }();
  if (!tables) {
    if (planned.static_tables_kept) require_memory(plan(options, most_labelled, KeptTables::ignored));
    auto [table, search] = start_table(context, in.directory, options, background, pca, own_map, rows.background);
    tables = build_static_tables(context, rows, std::move(table), options.knn, search);
    Phase phase(context, "keeping the graph");
    keep_static_tables(context, in.directory, name, origin, search, *tables);
  }
  part.table = std::move(tables->rows);
  part.test_table = std::move(tables->tests);
  part.order = std::move(tables->order);
  if (options.in_domain) {
    Phase phase(context, "static graph");
    drop_negative(part.table);
    part.graph = symmetrise(context, part.table, {.order = part.order});
  }
  return part;
}

ExperimentOptions with_fitting_slice(const ExperimentOptions& options, std::uint32_t most_labelled,
                                     std::uint64_t limit) {
  ExperimentOptions fitting = options;
  if (options.diffusion.slice != 0) return fitting;
  for (fitting.diffusion.slice = 64; fitting.diffusion.slice > 16; fitting.diffusion.slice -= 16)
    if (plan(fitting, most_labelled).memory.total() <= limit) break;
  return fitting;
}

ExperimentPlan plan(const ExperimentOptions& options, std::uint32_t most_labelled, KeptTables kept) {
  Inputs in = open_inputs(options);
  const bool given = options.variant.given_graph();
  require_variant(options, options.background_rows + in.train->rows() + in.val->rows());
  const std::uint32_t dim = in.train->dim();
  const PcaSource pca = given ? PcaSource{} : find_pca(in.directory, options.pca);
  const bool no_pca = options.pca.kind == PcaChoice::Kind::none;
  const Recipe recipe = settled(options.recipe, base_path(in.classes));
  const std::uint32_t pca_dim = recipe == Recipe::small ? std::min(dim, small_recipe::graph_dim)
                                : no_pca                ? dim
                                : options.pca.kind == PcaChoice::Kind::file
                                    ? static_cast<std::uint32_t>(read_vt(options.pca.file).out())
                                    : std::min(pca.dim, dim);
  const Background background = given ? Background{} : open_background(in.directory, options, dim, pca_dim);

  StaticPart sizes;
  sizes.background = given ? options.background_rows : background.source ? background.source->rows() : 0;
  sizes.classes = std::move(in.classes);
  make_split(sizes.classes, most_labelled, 0);  // refuses more labels than a class has images, before any work
  place_train_rows(sizes, in.train->rows());
  const std::uint64_t novel_classes =
      static_cast<std::uint64_t>(std::count(sizes.classes.is_novel.begin(), sizes.classes.is_novel.end(), true));
  const std::uint64_t labelled = std::min<std::uint64_t>(sizes.novel, most_labelled * novel_classes);
  const std::uint64_t all = sizes.background + sizes.base + sizes.novel;
  const std::uint64_t static_rows = sizes.background + sizes.base + (options.in_domain ? sizes.novel : 0);

  ExperimentPlan result;
  result.nodes = options.in_domain ? static_rows : static_rows + labelled;
  result.test_rows = sizes.classes.test_rows.size();
  result.dim = pca_dim;
  result.classes = static_cast<std::uint32_t>(sizes.classes.classes());
  result.background = sizes.background;
  result.base = sizes.base;
  result.labelled_novel = labelled;
  const std::string last_step =
      fmt::format("{} over {} nodes and {} classes", iterations_text(options), result.nodes, result.classes);
  if (given) {
    const SparseSize size = sparse_npz_size(options.variant.graph);
    result.memory.add("given graph", read_sparse_npz_memory(size));
    result.memory.add("its nodes, and propagation",
                      variant_memory(result.nodes, result.test_rows, result.classes, options));
    result.memory.add("program and buffers", program_bytes);
    result.steps = {fmt::format("the graph is read from {}", options.variant.graph.string()), last_step};
    return result;
  }

  const std::uint64_t place = sizeof(NodeId) + sizeof(float);
  const auto kept_tables =
      kept == KeptTables::ignored
          ? std::nullopt
          : find_static_tables(in.directory, static_name(options, recipe, sizes.background), options.knn);
  result.static_tables_kept = kept_tables.has_value();
  const std::uint64_t build = kept_tables ? 0 : build_knn_memory(result.nodes, pca_dim, stored_options(options.knn));
  const std::uint64_t join = options.in_domain ? 0 : extend_knn_memory(static_rows, labelled, pca_dim, options.knn);
  const std::uint64_t search = std::max(build, join);
  const std::uint64_t run_tables = (result.nodes + result.test_rows) * options.knn.k * place;
  const std::uint64_t order = result.nodes >= ordered_from_rows ? result.nodes * sizeof(NodeId) : 0;
  const std::uint64_t unlabelled = result.nodes - sizes.base - (options.in_domain ? 0 : labelled);
  const std::uint64_t steps =
      recipe == Recipe::full
          ? full_recipe_memory(result.nodes, options.smoothing == Smoothing::off ? 0 : unlabelled, result.test_rows,
                               result.classes, options.knn.k, options.diffusion.slice)
      : options.variant.standard() ? diffuse_memory(result.nodes, result.test_rows, result.classes, options.diffusion)
                                   : variant_memory(result.nodes, result.test_rows, result.classes, options);
  const std::uint64_t votes = recipe == Recipe::small ? result.test_rows * result.classes * sizeof(float) : 0;
  const std::uint64_t diffusion = run_tables + symmetrise_memory(result.nodes, options.knn.k) + steps + votes;
  result.memory.add("descriptors", (all + result.test_rows) * pca_dim * sizeof(float));
  result.memory.add("static neighbour tables", (static_rows + result.test_rows) * options.knn.k * place + order);
  result.memory.add("largest stage: k-NN search or diffusion", std::max(search, diffusion));
  if (options.recipe != Recipe::paper)
    result.memory.add("the recipe's classifier", recipe_part_memory(recipe, *in.train, *in.val, sizes.base, sizes.novel,
                                                                    result.test_rows, result.classes));
  result.memory.add("program and buffers", program_bytes);

  if (recipe == Recipe::small && pca_dim < dim)
    result.steps.push_back(fmt::format("descriptors are projected to {} directions of the base rows", pca_dim));
  else if (no_pca)
    result.steps.push_back("descriptors are used without PCA");
  else if (pca.stored)
    result.steps.push_back(fmt::format("PCA is read from {}", pca.stored->string()));
  else
    result.steps.push_back(fmt::format("PCA to {} dimensions is trained on {}", pca_dim, pca.train_from.string()));
  if (background.source) {
    result.steps.push_back(fmt::format("{} background rows are read from {}", sizes.background, background.name));
    if (!kept_tables) {
      const fs::path prefix = background_prefix(options, pca_name(options.pca), sizes.background);
      auto stored = find_good_enough(in.directory.root / prefix, options.knn);
      if (!stored) stored = find_good_enough(in.directory.work / prefix, options.knn);
      result.background_graph_stored = stored.has_value();
      result.steps.push_back(
          stored ? fmt::format("their graph is read from {}", stored->ids.string())
                 : fmt::format("their {} is built", describe_build(sizes.background, stored_options(options.knn))));
    }
  }
  const std::string joined =
      fmt::format("{} base rows{}", sizes.base,
                  options.in_domain ? fmt::format(" and all {} novel training rows", sizes.novel) : "");
  result.steps.push_back(
      kept_tables
          ? fmt::format("the graph of {} background rows and {} is read from {}, with the neighbours of {} test rows",
                        sizes.background, joined, kept_tables->string(), result.test_rows)
          : fmt::format("{} join them; {} test rows are searched", joined, result.test_rows));
  result.steps.push_back(last_step);
  result.recipe = recipe;
  if (recipe == Recipe::small)
    result.steps.push_back("a linear discriminant analysis of the base classes joins their answer");
  if (recipe == Recipe::full) result.steps.push_back("edges are weighted, and three classifiers join their answer");
  return result;
}

}  // namespace lowshot
