// lowshot pca train|apply: principal components of descriptors, streamed.
#include <fmt/format.h>

#include <memory>

#include "common.h"
#include "inputs.h"
#include "lowshot/derived_files.h"
#include "lowshot/error.h"
#include "lowshot/memory.h"
#include "lowshot/pca.h"

namespace lowshot::cli {
namespace {

struct Options {
  CommonOptions common;
  RowInput input;
  std::string data, work, output, pca;
  PcaOptions train;
  bool no_rotation = false;
};

// Either files and -o, or a data directory.
bool of_directory(const Options& o) {
  const std::string data = data_directory(o.data).string();
  if (!o.input.files.empty()) {
    if (!o.data.empty() || !o.work.empty())
      throw Error(ErrorKind::usage, "FILES and --data (or --work) are given; they exclude each other");
    if (o.output.empty()) throw Error(ErrorKind::usage, "the name of the result is missing", "-o");
    return false;
  }
  if (data.empty())
    throw Error(ErrorKind::usage, "no descriptors are named", "", "name files, or a data directory with --data DIR");
  if (!o.output.empty() || !o.input.rows.empty() || o.input.dim != 0)
    throw Error(ErrorKind::usage, "-o, --rows and --raw-dim belong to FILES; with --data the names and rows are given",
                "", "name the files");
  return true;
}

Json file_json(const std::string& path, std::uint64_t rows, std::uint64_t dim, bool made) {
  return {{"file", path}, {"rows", rows}, {"dim", dim}, {"made", made}};
}

void finish(const Options& o, const Context& context, Json result) {
  add_run_facts(result, context);
  write_json(o.common, result);
}

void report_directory_file(const Options& o, const Context& context, const DerivedFile& file, const std::string& what) {
  if (file.made)
    fmt::print("{}: {}\n", file.path.string(), what);
  else
    fmt::print("{} is up to date (same input, same options): nothing was done\n", file.path.string());
  finish(o, context, file_json(file.path.string(), file.rows, file.dim, file.made));
}

void train_directory(const Options& o) {
  const DataDirectory directory(data_directory(o.data), o.work);
  if (o.train.seed != 0 || o.no_rotation)
    throw Error(ErrorKind::usage, "a data directory's PCA has seed 0 and a rotation", "--seed, --no-rotation",
                "name the block and the result: lowshot pca train FILES -o OUT.vt");
  Context context = make_context(o.common);
  if (o.common.dry_run) {
    const auto blocks = directory.blocks();
    const auto source = open_hdf5_rows(blocks.empty() ? directory.train() : blocks.front());
    return print_plan(
        {{fmt::format("PCA to {} dimensions is trained on {}", std::min(o.train.dim, source->dim()), source->name())},
         {{"training", train_pca_memory(source->rows(), source->dim(), o.train)}}},
        o.common);
  }
  const DerivedFile file = make_directory_pca(context, directory, o.train.dim);
  report_directory_file(o, context, file, fmt::format("PCA to {} dimensions, trained on {} rows", file.dim, file.rows));
}

void train_files(const Options& o) {
  PcaOptions options = o.train;
  options.random_rotation = !o.no_rotation;
  const auto source = o.input.open();
  MemoryPlan memory;
  memory.add("training", train_pca_memory(source->rows(), source->dim(), options));
  if (o.common.dry_run)
    return print_plan({{fmt::format("PCA of {} rows x {} to {} dimensions", source->rows(), source->dim(),
                                    std::min(options.dim, source->dim())),
                        fmt::format("written to {}", o.output)},
                       {{"training", memory.total()}}},
                      o.common);
  require_writable(o.output);
  Context context = make_context(o.common);
  memory.require(context.memory_limit, "raise --memory");
  LinearMap map;
  {
    Phase phase(context, "pca");
    map = train_pca(context, *source, options);
  }
  write_vt(o.output, map);
  Origin origin = o.input.origin();
  origin.options.insert(origin.options.end(), {{"dim", std::to_string(options.dim)},
                                               {"seed", std::to_string(options.seed)},
                                               {"rotation", options.random_rotation ? "random" : "none"}});
  write_origin(o.output, origin);

  double kept = 0, all = 0;
  for (std::size_t j = 0; j < map.eigenvalues.size(); ++j) {
    all += map.eigenvalues[j];
    if (j < map.out()) kept += map.eigenvalues[j];
  }
  const double share = all > 0 ? kept / all : 1;
  fmt::print("{}: PCA of {} rows, {} to {} dimensions, which keep {:.2f} % of the variance\n", o.output, source->rows(),
             map.in(), map.out(), 100 * share);
  Json result = file_json(o.output, source->rows(), map.out(), true);
  result["variance_kept"] = share;
  finish(o, context, result);
}

void apply_directory(const Options& o) {
  if (!o.pca.empty())
    throw Error(ErrorKind::usage, "with --data the PCA is the data directory's", "--pca",
                "for another one: lowshot pca apply FILES --pca FILE.vt -o OUT.raw");
  const DataDirectory directory(data_directory(o.data), o.work);
  Context context = make_context(o.common);
  if (o.common.dry_run) {
    PlanText text{{fmt::format("{} blocks go through the data directory's PCA to {}", directory.blocks().size(),
                               (directory.work / DataDirectory::raw_name()).string())},
                  {{"blocks on their way", std::uint64_t{64} << 20}}};
    if (!directory.find(DataDirectory::pca_name())) text.steps.insert(text.steps.begin(), "the PCA is trained first");
    return print_plan(text, o.common);
  }
  const DerivedFile file = make_background_rows(context, directory);
  report_directory_file(o, context, file, fmt::format("{} rows x {}", file.rows, file.dim));
}

void apply_files(const Options& o) {
  if (o.pca.empty()) throw Error(ErrorKind::usage, "the PCA is missing", "--pca", "name one with --pca FILE.vt");
  const LinearMap map = read_vt(o.pca);
  const auto source = o.input.open();
  if (source->dim() != map.in())
    throw Error(ErrorKind::input,
                fmt::format("the PCA takes {} dimensions and the descriptors have {}", map.in(), source->dim()),
                fmt::format("{} and {}", o.pca, source->name()), "use the PCA that belongs to these descriptors");
  const auto cols = static_cast<std::uint32_t>(map.out());
  if (o.common.dry_run)
    return print_plan(
        {{fmt::format("{} rows x {} become {} x {}", source->rows(), source->dim(), source->rows(), cols),
          fmt::format("written to {}, {}", o.output, format_bytes(source->rows() * cols * sizeof(float)))},
         {{"PCA", map.a.size() * sizeof(float)}, {"blocks on their way", std::uint64_t{64} << 20}}},
        o.common);
  require_writable(o.output);
  Context context = make_context(o.common);
  {
    Phase phase(context, "descriptors");
    RowWriter writer(o.output, is_npy(o.output) ? RowWriter::Format::npy : RowWriter::Format::raw, source->rows(),
                     cols);
    apply_map(context, map, *source, [&](std::uint64_t first, MatrixView<const float> rows) {
      writer.write(first, rows);
      context.report("pca", first + rows.rows(), source->rows(), "rows");
    });
    writer.commit();
  }
  Origin origin = o.input.origin();
  origin.inputs.emplace_back("pca", hash_file(o.pca));
  write_origin(o.output, origin);
  fmt::print("{}: {} rows x {}\n", o.output, source->rows(), cols);
  finish(o, context, file_json(o.output, source->rows(), cols, true));
}

void add_inputs(CLI::App& command, Options& o) {
  command.add_option("FILES", o.input.files, "Descriptors: .npy, .hdf5, .index, or raw float32 (with --raw-dim)");
  command.add_option("-o,--output", o.output, "The result, replaced if it exists");
  command.add_option("--data", o.data, "Data directory (docs/files.md) instead of FILES; default: the variable DDIR");
  command.add_option("--work", o.work, "With --data: directory for the result; default: the data directory");
  add_row_options(command, o.input, "--raw-dim");
}

void add_train(CLI::App& pca) {
  auto o = std::make_shared<Options>();
  CLI::App* command = pca.add_subcommand("train", "Train a PCA and write it as a Faiss .vt file");
  command->footer(
      "With --data, the PCA is trained on features/f100m/block0.hdf5 (without one, on features/train.hdf5) and written "
      "to\n"
      "features/PCAR256.vt below --work, or PCAR<d>.vt with --dim d. If that is there already, made from the same "
      "block\n"
      "with the same options, nothing is done; a file that this program did not make is never replaced.\n"
      "Examples:\n"
      "  lowshot pca train embeddings.npy -o pca.vt --dim 128\n"
      "  lowshot pca train --data data/cifar-lowshot --work build/work");
  add_inputs(*command, *o);
  command->add_option("--dim", o->train.dim, "Directions kept, at most the dimension of the descriptors")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  command->add_option("--seed", o->train.seed, "Seed of the random rotation")->capture_default_str();
  command->add_flag("--no-rotation", o->no_rotation, "Keep the principal axes: coordinates by falling variance");
  add_common(*command, o->common);
  command->callback([o] { of_directory(*o) ? train_directory(*o) : train_files(*o); });
}

void add_apply(CLI::App& pca) {
  auto o = std::make_shared<Options>();
  CLI::App* command = pca.add_subcommand("apply", "Send descriptors through a PCA");
  command->footer(
      "The result is npy where its name ends in .npy, else float32 without header. Rows are not normalised.\n"
      "With --data, all background blocks go through the data directory's PCA (trained first, if it is absent) to\n"
      "features/f100m/concatenated_PCAR256.raw below --work, unless that is up to date.\n"
      "Examples:\n"
      "  lowshot pca apply embeddings.npy --pca pca.vt -o small.npy\n"
      "  lowshot pca apply --data data/cifar-lowshot --work build/work");
  add_inputs(*command, *o);
  command->add_option("--pca", o->pca, "The .vt file");
  add_common(*command, o->common);
  command->callback([o] { of_directory(*o) ? apply_directory(*o) : apply_files(*o); });
}

}  // namespace

void add_pca(CLI::App& app) {
  CLI::App* pca = app.add_subcommand("pca", "Principal component analysis: train, apply");
  pca->require_subcommand(1);
  add_train(*pca);
  add_apply(*pca);
}

}  // namespace lowshot::cli
