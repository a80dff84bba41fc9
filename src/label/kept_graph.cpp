#include "label/kept_graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/half.h"
#include "lowshot/descriptors.h"
#include "lowshot/error.h"
#include "lowshot/io.h"
#include "lowshot/knn.h"
#include "lowshot/node_order.h"

namespace lowshot {
namespace {

constexpr std::uint64_t block_rows = 4096;
constexpr std::uint64_t program_bytes = std::uint64_t{64} << 20;  // the program, the names and labels of the rows

// The good rows of all shards in memory, with the norm's inverse a row.
struct Rows {
  Matrix<float> single;
  Matrix<Half> half;
  std::vector<float> factor;
  std::vector<std::uint32_t> bad;
  std::uint64_t good = 0;

  DescriptorView view() const {
    if (half.rows() != 0) return {half.view().rows(0, good), std::span(factor).first(good)};
    return single.view().rows(0, good);
  }
};

bool usable(std::span<const float> row, double& square) {
  square = 0;
  for (const float v : row) square += static_cast<double>(v) * v;
  return std::isfinite(square) && square > 0;
}

// Reads every shard once. Rows are normalised: float32 ones in place, float16 ones by their factor.
Rows load(Context& context, const Collection& collection, std::optional<std::uint32_t> raw_dim) {
  Rows rows;
  if (collection.half) {
    rows.half = Matrix<Half>(collection.rows, collection.dim);
    rows.factor.resize(collection.rows);
  } else {
    rows.single = Matrix<float>(collection.rows, collection.dim);
  }
  Matrix<float> block(block_rows, collection.dim);
  std::uint64_t row = 0;
  for (const fs::path& shard : collection.shards) {
    const auto source = open_rows(shard, raw_dim);
    for (std::uint64_t first = 0; first < source->rows(); first += block_rows) {
      const std::uint64_t count = std::min(block_rows, source->rows() - first);
      const MatrixView<float> part(block.data(), count, collection.dim);
      source->read(first, part);
      for (std::uint64_t i = 0; i < count; ++i, ++row) {
        double square = 0;
        if (!usable(part.row_span(i), square)) {
          rows.bad.push_back(static_cast<std::uint32_t>(row));
          continue;
        }
        const float factor = static_cast<float>(1 / std::sqrt(square));
        if (collection.half) {
          convert(part.row(i), rows.half.row(rows.good), collection.dim);
          rows.factor[rows.good] = factor;
        } else {
          float* to = rows.single.row(rows.good);
          for (std::uint32_t j = 0; j < collection.dim; ++j) to[j] = part(i, j) * factor;
        }
        ++rows.good;
      }
      context.report("reading", row, collection.rows, "rows");
    }
  }
  return rows;
}

// Where the graph of the first `shards` shards is kept: named by everything it depends on.
struct Place {
  fs::path folder;
  Origin origin;
  std::uint64_t rows = 0;

  fs::path prefix() const { return folder / "neighbours"; }
  fs::path bad_rows() const { return folder / "bad_rows.npy"; }
  fs::path order() const { return folder / "order.npy"; }
};

Place place_of(const Collection& collection, const KeepOptions& options, const std::vector<std::string>& hashes,
               std::size_t shards) {
  Place place;
  std::string text = fmt::format("cosine k={} dim={}", stored_k(options.knn.k), collection.dim);
  place.origin.options = {
      {"k", std::to_string(stored_k(options.knn.k))}, {"metric", "cosine"}, {"dim", std::to_string(collection.dim)}};
  for (std::size_t s = 0; s < shards; ++s) {
    text += " " + hashes[s];
    place.origin.inputs.emplace_back(fmt::format("{:05}", s), hashes[s]);
    place.rows += collection.shard_rows[s];
  }
  place.folder = options.work / ("graph-" + hash_text(text));
  return place;
}

std::optional<KeptGraph> read_kept(Context& context, const Place& place, const KeepOptions& options) {
  const auto files = find_knn_files(place.prefix(), options.knn.k);
  // The side-car is written last: with it everything is there.
  if (!files) return {};
  const auto search = search_of_table(files->ids, place.origin);
  if (!search || !serves(*search, options.knn)) return {};
  KeptGraph kept;
  kept.search = *search;
  kept.folder = place.folder;
  kept.bad_rows = read_row_numbers(place.bad_rows());
  if (fs::exists(place.order())) kept.order = read_row_numbers(place.order());  // earlier versions had none
  kept.table = read_knn(*files, place.rows - kept.bad_rows.size(), stored_k(options.knn.k), context.thread_count());
  return kept;
}

void make_folder(const Place& place) {
  std::error_code error;
  fs::create_directories(place.folder, error);
  if (error)
    throw Error(ErrorKind::resources, "the folder for the graph cannot be made: " + error.message(),
                place.folder.string(), "name another with --work");
}

void write_kept(const Place& place, const KeptGraph& graph) {
  make_folder(place);
  write_row_numbers(place.bad_rows(), graph.bad_rows);
  write_row_numbers(place.order(), graph.order);
  const KnnFiles files = knn_file_names(place.prefix(), static_cast<std::uint32_t>(graph.table.k()), TableFormat::raw);
  write_knn(files, graph.table);
  Origin origin = place.origin;
  record_search(origin, graph.search);
  write_origin(files.ids, origin);
}

std::unique_ptr<RowSource> open_all(const Collection& collection, const KeepOptions& options) {
  std::vector<std::unique_ptr<RowSource>> shards;
  for (const fs::path& shard : collection.shards) shards.push_back(open_rows(shard, options.raw_dim));
  return concatenate_rows(std::move(shards));
}

StreamedKnnOptions streamed_options(const KeepOptions& options, std::uint64_t memory) {
  StreamedKnnOptions streamed;
  streamed.knn = stored_options(options.knn);
  streamed.memory = memory - std::min(memory, program_bytes);
  return streamed;
}

// Rows that are no nodes, in one pass.
std::vector<std::uint64_t> find_bad_rows(Context& context, RowSource& source) {
  std::vector<std::uint64_t> bad;
  Matrix<float> block(std::min(block_rows, source.rows()), source.dim());
  for (std::uint64_t first = 0; first < source.rows(); first += block_rows) {
    const MatrixView<float> part = block.view().rows(0, std::min(block_rows, source.rows() - first));
    source.read(first, part);
    double square = 0;
    for (std::uint64_t i = 0; i < part.rows(); ++i)
      if (!usable(part.row_span(i), square)) bad.push_back(first + i);
    context.report("reading", first + part.rows(), source.rows(), "rows");
  }
  return bad;
}

void require_two(std::uint64_t good, const Collection& collection) {
  if (good < 2)
    throw Error(ErrorKind::input, fmt::format("{} of {} rows are usable, a graph needs two", good, collection.rows),
                collection.shards.front().string());
}

// Straight into the files where it is kept.
void stream_graph(Context& context, const Collection& collection, const KeepOptions& options, const Place& place,
                  std::uint64_t memory) {
  const auto source = open_all(collection, options);
  const std::vector<std::uint64_t> bad = [&] {
    Phase phase(context, "descriptors");
    return find_bad_rows(context, *source);
  }();
  require_two(collection.rows - bad.size(), collection);
  make_folder(place);
  write_row_numbers(place.bad_rows(), std::vector<std::uint32_t>(bad.begin(), bad.end()));
  StreamedKnnOptions streamed = streamed_options(options, memory);
  streamed.scratch = place.folder / "scratch";
  streamed.origin = place.origin;
  const KnnFiles files = knn_file_names(place.prefix(), streamed.knn.k, TableFormat::raw);
  Phase phase(context, "k-NN graph");
  const auto good = skip_rows(*source, bad);
  const StreamedKnnReport report = build_knn_streamed(context, *good, files, streamed);
  context.info(fmt::format("graph: recall {:.4f} on a sample, {} cells, {:.2f} copies of a row", report.recall,
                           report.parts, report.copies));
  Origin origin = place.origin;
  record_search(origin, search_of(streamed.knn, facts_of(report, streamed.knn)));
  write_origin(files.ids, origin);
}

}  // namespace

Collection open_collection(const std::vector<fs::path>& shards, std::optional<std::uint32_t> raw_dim) {
  Collection collection;
  collection.shards = shards;
  collection.half = true;
  for (const fs::path& shard : shards) {
    const auto source = open_rows(shard, raw_dim);
    if (collection.dim != 0 && source->dim() != collection.dim)
      throw Error(
          ErrorKind::input,
          fmt::format("descriptors of {} and of {} dimensions do not belong together", collection.dim, source->dim()),
          fmt::format("{} and {}", shards.front().string(), shard.string()), "use shards of one network");
    collection.dim = source->dim();
    collection.half = collection.half && source->is_half();
    collection.shard_rows.push_back(source->rows());
    collection.rows += source->rows();
  }
  if (collection.rows > max_nodes)
    throw Error(ErrorKind::input,
                fmt::format("{} rows are more than the {} a graph can hold", collection.rows, max_nodes));
  return collection;
}

NodeRows::NodeRows(const Collection& collection, const KeepOptions& options, const std::vector<std::uint32_t>& bad_rows)
    : all_(open_all(collection, options)),
      good_(skip_rows(*all_, std::vector<std::uint64_t>(bad_rows.begin(), bad_rows.end()))) {}

MemoryPlan keep_graph_memory(const Collection& collection, const KeepOptions& options) {
  MemoryPlan plan;
  plan.add("descriptors", collection.rows * (collection.half ? std::uint64_t{2} * collection.dim + 4
                                                             : std::uint64_t{4} * collection.dim));
  plan.add("k-NN search", build_knn_memory(collection.rows, collection.dim, stored_options(options.knn)));
  return plan;
}

std::optional<StreamedKnnPlan> plan_streamed_graph(const Collection& collection, const KeepOptions& options,
                                                   std::uint64_t memory) {
  // The program, the names and the labels are there already; a limit is one for all of it.
  if (keep_graph_memory(collection, options).total() + program_bytes <= memory) return {};
  return plan_streamed_knn(collection.rows, collection.dim, collection.half, streamed_options(options, memory));
}

KeptGraph keep_graph(Context& context, const Collection& collection, const KeepOptions& options) {
  std::vector<std::string> hashes;
  {
    Phase phase(context, "hashing");
    for (const fs::path& shard : collection.shards) hashes.push_back(hash_file(shard));
  }
  const std::size_t all = collection.shards.size();
  const Place place = place_of(collection, options, hashes, all);
  {
    Phase phase(context, "kept graph");
    if (auto kept = read_kept(context, place, options)) {
      kept->origin = "kept";
      return std::move(*kept);
    }
  }

  const std::uint64_t memory = context.memory_limit != 0 ? context.memory_limit : available_bytes();
  if (plan_streamed_graph(collection, options, memory)) {
    stream_graph(context, collection, options, place, memory);
    auto kept = read_kept(context, place, options);
    kept->origin = "built";
    return std::move(*kept);
  }

  const Rows rows = [&] {
    Phase phase(context, "descriptors");
    return load(context, collection, options.raw_dim);
  }();
  require_two(rows.good, collection);

  // The longest beginning of the shards whose graph is kept.
  std::optional<KeptGraph> beginning;
  for (std::size_t s = all; s-- > 1 && !beginning;)
    beginning = read_kept(context, place_of(collection, options, hashes, s), options);
  const std::uint64_t old_rows = beginning ? beginning->table.rows() : 0;
  KeptGraph graph;
  {
    Phase phase(context, "k-NN graph");
    const DescriptorView view = rows.view();
    const KnnOptions knn = stored_options(options.knn);
    KnnReport report;
    graph.table = beginning ? extend_knn(context, beginning->table, view.rows(0, old_rows),
                                         view.rows(old_rows, rows.good), knn, &report)
                            : build_knn(context, view, knn, &report);
    graph.search = search_of(knn, report);
    if (beginning) graph.search = weaker(beginning->search, graph.search);
    if (report.method == KnnMethod::join) context.info(fmt::format("graph: {}", describe(report)));
    const bool ordered = report.order.size() == rows.good && rows.good >= ordered_from_rows;
    graph.order = ordered ? std::move(report.order) : graph_order(context, view);
  }
  graph.bad_rows = rows.bad;
  graph.folder = place.folder;
  graph.origin = beginning ? "extended" : "built";
  Phase phase(context, "keeping the graph");
  write_kept(place, graph);
  return graph;
}

}  // namespace lowshot
