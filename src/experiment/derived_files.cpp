// PCA, PCA'd background and background graph of a data directory, each made by itself (lowshot/derived_files.h).
#include "lowshot/derived_files.h"

#include <fmt/format.h>

#include <algorithm>

#include "experiment/background.h"
#include "experiment/descriptors.h"
#include "experiment/pca_choice.h"
#include "lowshot/error.h"
#include "lowshot/io.h"
#include "lowshot/knn.h"
#include "lowshot/pca.h"

namespace lowshot {
namespace {

fs::path require_place(const DataDirectory& directory, const fs::path& name) {
  const auto place = directory.place(name);
  if (!place)
    throw Error(ErrorKind::resources, "the place for the result cannot be written", (directory.work / name).string(),
                "name a directory that can be written with --work");
  return *place;
}

void require_own(const fs::path& path) {
  if (fs::exists(path) && !fs::exists(path.string() + ".meta.json"))
    throw Error(ErrorKind::usage, "the file is there and was not made by this program, so it is not replaced",
                path.string(), "name another directory with --work, or move the file away");
}

// A file of the data directory itself comes before what is written to --work.
void warn_of_namesake(const Context& context, const DataDirectory& directory, const fs::path& name) {
  if (directory.work != directory.root && fs::exists(directory.root / name))
    context.info(
        fmt::format("note: {} is there, too, and comes first when it is used", (directory.root / name).string()));
}

// Dimension of the raw descriptors, as far as files say it: blocks, else train.hdf5, else what the stored PCA takes.
std::uint32_t descriptor_dim(const DataDirectory& directory, const PcaChoice& choice) {
  const std::vector<fs::path> blocks = directory.blocks();
  if (!blocks.empty()) return open_hdf5_rows(blocks.front())->dim();
  const PcaSource source = find_pca(directory, choice);
  if (!fs::exists(directory.train()) && source.stored) return static_cast<std::uint32_t>(read_vt(*source.stored).in());
  return open_hdf5_rows(directory.train())->dim();
}

std::uint32_t mapped_dim(const DataDirectory& directory, const PcaChoice& choice, std::uint32_t dim) {
  if (choice.kind == PcaChoice::Kind::none) return dim;
  const PcaSource source = find_pca(directory, choice);
  return source.stored ? static_cast<std::uint32_t>(read_vt(*source.stored).out()) : std::min(source.dim, dim);
}

void add_memory(MemoryPlan& memory, std::uint64_t rows, std::uint32_t dim, const KnnOptions& knn) {
  memory.add("descriptors", rows * dim * sizeof(float));
  memory.add("k-NN search and its table", build_knn_memory(rows, dim, stored_options(knn)));
  memory.add("program and buffers", std::uint64_t{64} << 20);
}

}  // namespace

DerivedFile make_directory_pca(Context& context, const DataDirectory& directory, std::uint32_t dim) {
  const PcaSource source = find_pca(directory, {.kind = PcaChoice::Kind::dim, .dim = dim});
  const fs::path path = require_place(directory, source.keep_as);
  require_own(path);
  const auto rows = open_hdf5_rows(source.train_from);
  DerivedFile file{path, rows->rows(), std::min(dim, rows->dim()), false};
  warn_of_namesake(context, directory, source.keep_as);
  if (fs::exists(path) && check_origin(path, source.origin()) == OriginState::equal) return file;
  context.info(fmt::format("PCA: trained on {}{}", source.train_from.string(),
                           source.train_from == directory.train() ? " (there is no background block 0)" : ""));
  Phase phase(context, "pca");
  train_and_keep(context, source, path);
  file.made = true;
  return file;
}

DerivedFile make_background_rows(Context& context, const DataDirectory& directory) {
  const std::vector<fs::path> blocks = directory.blocks();
  if (blocks.empty())
    throw Error(ErrorKind::input, "there is no background: features/f100m/block0.hdf5 is absent",
                directory.root.string(),
                "name the descriptors and the PCA: lowshot pca apply FILES --pca FILE.vt -o OUT.raw");
  const fs::path path = require_place(directory, DataDirectory::raw_name());
  require_own(path);
  std::vector<std::unique_ptr<RowSource>> sources;
  for (const fs::path& block : blocks) sources.push_back(open_hdf5_rows(block));
  const auto source = concatenate_rows(std::move(sources));
  const ChosenPca pca = [&] {
    Phase phase(context, "pca");
    return choose_pca(context, directory, {}, source->dim());
  }();
  DerivedFile file{path, source->rows(), static_cast<std::uint32_t>(pca.map->out()), false};
  warn_of_namesake(context, directory, DataDirectory::raw_name());
  const Origin origin = origin_of_rows(directory, pca);
  if (fs::exists(path) && check_origin(path, origin) == OriginState::equal) return file;
  Phase phase(context, "descriptors");
  RowWriter writer(path, RowWriter::Format::raw, file.rows, file.dim);
  apply_map(context, *pca.map, *source, [&](std::uint64_t first, MatrixView<const float> rows) {
    writer.write(first, rows);
    context.report("pca", first + rows.rows(), file.rows, "rows");
  });
  writer.commit();
  write_origin(path, origin);
  file.made = true;
  return file;
}

DerivedFile build_background_graph(Context& context, const ExperimentOptions& options) {
  const ExperimentPlan plan = plan_background_graph(options);
  plan.memory.require(context.memory_limit, "use a smaller --nbg, or raise --memory");
  const DataDirectory directory(options.data, options.work);
  const std::uint64_t count = plan.nodes;
  const fs::path name = background_prefix(options, pca_name(options.pca), count);
  const fs::path place = require_place(directory, name);
  const KnnFiles files = knn_file_names(place, stored_k(options.knn.k), TableFormat::raw);
  require_own(files.ids);
  warn_of_namesake(context, directory, knn_file_names(name, files.stored_k, TableFormat::raw).ids);

  const std::uint32_t dim = descriptor_dim(directory, options.pca);
  const ChosenPca pca = [&] {
    Phase phase(context, "pca");
    return choose_pca(context, directory, options.pca, dim);
  }();
  const LinearMap* map = pca.map ? &*pca.map : nullptr;
  const std::uint32_t row_dim = map != nullptr ? static_cast<std::uint32_t>(map->out()) : dim;
  const Background background = open_background(directory, options, dim, row_dim, &pca);
  DerivedFile file{files.ids, count, files.stored_k, false};
  if (fs::exists(files.similarities))
    if (const auto kept = search_of_kept(files.ids, options, background, pca, count);
        kept && serves(*kept, options.knn)) {
      file.search.method = kept->method;
      file.search.recall = kept->recall;
      return file;
    }

  Matrix<float> rows(count, row_dim);
  {
    Phase phase(context, "descriptors");
    context.info(fmt::format("background: {} rows of {}", count, background.name));
    load_rows(context, *background.source, background.mapped ? nullptr : map, rows, [](std::uint64_t i) { return i; });
  }
  Phase phase(context, "background graph");
  build_and_keep(context, place, options, background, pca, rows, &file.search);
  file.made = true;
  return file;
}

ExperimentPlan plan_background_graph(const ExperimentOptions& options) {
  if (options.background_rows == 0 && options.background.empty())
    throw Error(ErrorKind::usage, "a background graph needs at least one background row", "--nbg",
                "say how many with --nbg N");
  if (options.knn.k == 0) throw Error(ErrorKind::usage, "k must be at least 1 and is 0", "-k");
  const DataDirectory directory(options.data, options.work);
  const std::uint32_t dim = descriptor_dim(directory, options.pca);
  ExperimentPlan plan;
  plan.dim = mapped_dim(directory, options.pca, dim);
  const Background background = open_background(directory, options, dim, plan.dim);
  plan.nodes = background.source->rows();
  add_memory(plan.memory, plan.nodes, plan.dim, options.knn);
  plan.steps.push_back(
      fmt::format("{} background rows are read from {}{}", plan.nodes, background.name,
                  background.mapped || options.pca.kind == PcaChoice::Kind::none ? "" : ", through the PCA"));
  plan.steps.push_back(fmt::format("their {} is built", describe_build(plan.nodes, stored_options(options.knn))));
  return plan;
}

}  // namespace lowshot
