// lowshot info: what is built in, what this machine has, what a data directory holds.
#include <fmt/format.h>

#include <memory>

#include "common.h"
#include "inputs.h"
#include "lowshot/data_directory.h"
#include "lowshot/device.h"
#include "lowshot/error.h"
#include "lowshot/io.h"
#include "lowshot/memory.h"
#ifdef LOWSHOT_WITH_EXTRACT
#include "lowshot/network.h"
#endif

namespace lowshot::cli {
namespace {

struct Options {
  std::string data, work, json;
};

std::string joined(const std::vector<std::string>& words) {
  return fmt::format("{}", fmt::join(words, " "));
}

// What runs ONNX models; empty where nothing does.
std::string onnx() {
#ifdef LOWSHOT_WITH_EXTRACT
  return onnx_library();
#else
  return {};
#endif
}

Json machine_json() {
  const BuildInfo build = build_info();
  const Processor cpu = processor();
  Json devices = Json::array();
  for (const Device& d : list_devices())
    devices.push_back({{"index", d.index},
                       {"name", d.name},
                       {"compute_capability", fmt::format("{}.{}", d.major, d.minor)},
                       {"memory_bytes", d.memory},
                       {"free_bytes", d.free}});
  return {{"version", build.version},
          {"compiler", build.compiler},
          {"hdf5", build.hdf5},
          {"eigen", build.eigen},
          {"cuda",
           {{"compiled_in", build.cuda}, {"version", build.cuda_version}, {"architectures", build.cuda_architectures}}},
          {"onnx", {{"compiled_in", !onnx().empty()}, {"library", onnx()}}},
          {"processor", cpu.model},
          {"cores", cpu.cores},
          {"instruction_sets", cpu.instruction_sets},
          {"instruction_set_used", name(best_isa())},
          {"available_memory_bytes", available_bytes()},
          {"cuda_devices", devices}};
}

void print_machine(const Json& m) {
  const auto text = [&](const char* key) { return m[key].get<std::string>(); };
  fmt::print("lowshot {}, compiled by {}\n", text("version"), text("compiler"));
  fmt::print("  HDF5           {}\n  Eigen          {}\n", text("hdf5"), text("eigen"));
  const Json& cuda = m["cuda"];
  if (cuda["compiled_in"].get<bool>())
    fmt::print("  CUDA           {}, for {}\n", cuda["version"].get<std::string>(),
               cuda["architectures"].get<std::string>());
  else
    fmt::print("  CUDA           not compiled in\n");
  const std::string library = m["onnx"]["library"].get<std::string>();
  fmt::print("  ONNX models    {}\n", library.empty() ? "not compiled in" : "through " + library);
  fmt::print("This machine\n");
  fmt::print("  processor      {}, {} cores\n", text("processor"), m["cores"].get<int>());
  fmt::print("  instructions   {}; kernels use {}\n", joined(m["instruction_sets"].get<std::vector<std::string>>()),
             text("instruction_set_used"));
  fmt::print("  memory         {} available\n", format_bytes(m["available_memory_bytes"].get<std::uint64_t>()));
  if (m["cuda_devices"].empty()) fmt::print("  CUDA devices   none\n");
  for (const Json& d : m["cuda_devices"])
    fmt::print("  CUDA device {}  {}, compute capability {}, {} of {} free\n", d["index"].get<int>(),
               d["name"].get<std::string>(), d["compute_capability"].get<std::string>(),
               format_bytes(d["free_bytes"].get<std::uint64_t>()),
               format_bytes(d["memory_bytes"].get<std::uint64_t>()));
}

// One line a file: there or not, what it holds, or what is wrong with it. `without`: what its absence costs.
Json file_json(const fs::path& path, const std::string& shown, const std::function<void(Json&)>& look,
               const std::string& without = {}) {
  Json file = {{"file", shown}, {"present", fs::exists(path)}};
  if (!file["present"].get<bool>()) {
    if (!without.empty()) file["without"] = without;
    return file;
  }
  file["bytes"] = fs::is_regular_file(path) ? fs::file_size(path) : 0;
  try {
    look(file);
  } catch (const Error& e) {
    file["error"] = e.what();
  }
  return file;
}

void put_shape(Json& file, const RowSource& source) {
  file["rows"] = source.rows();
  file["dim"] = source.dim();
}

// Tables of any N and K in a knngraph folder.
void add_tables(Json& files, const fs::path& folder) {
  std::vector<fs::path> paths;
  std::error_code error;
  for (fs::directory_iterator entry(folder / "knngraph", error), end; !error && entry != end; entry.increment(error))
    paths.push_back(entry->path());
  std::sort(paths.begin(), paths.end());
  for (const fs::path& path : paths) {
    const std::string name = path.filename().string();
    const std::size_t k_at = name.rfind("_k"), infix = name.rfind("_I_11.");
    if (path.extension() == ".index")
      files.push_back(file_json(path, path.string(), [&](Json& file) { put_shape(file, *open_index_rows(path)); }));
    if (k_at == std::string::npos || infix == std::string::npos || infix < k_at || name.size() > 10 + infix + 20)
      continue;
    const std::string digits = name.substr(k_at + 2, infix - k_at - 2);
    if (digits.empty() || digits.size() > 7 || digits.find_first_not_of("0123456789") != std::string::npos) continue;
    const fs::path prefix = path.parent_path() / name.substr(0, k_at);
    const auto k = static_cast<std::uint32_t>(std::stoul(digits));
    const TableFormat format = is_npy(path) ? TableFormat::npy : TableFormat::raw;
    if (knn_file_names(prefix, k, format).ids != path) continue;
    files.push_back(file_json(path, path.string(), [&](Json& file) {
      const StoredKnn table(knn_file_names(prefix, k, format));
      file["rows"] = table.rows();
      file["dim"] = table.k();
    }));
  }
}

// --- what the files are good for
// --------------------------------------------------------------------------------------

// The exact search of N rows at d = 256 is N^2 d / 2 multiply-adds, as each product serves both its rows; two million
// rows of 512 took 461 s on 16 cores of a Sapphire Rapids, 2.2e12 a second.
std::string build_time(std::uint64_t rows) {
  const double products = static_cast<double>(rows) * static_cast<double>(rows) * 128;
  return format_duration(std::max(1.0, products / 2.2e12));
}

constexpr std::uint64_t backgrounds[] = {100'000, 1'000'000, 10'000'000, 100'000'000};
constexpr std::uint64_t largest_exact = 2'000'000;  // beyond it an exact search is no longer minutes

std::string size_name(std::uint64_t rows) {
  return rows >= 1'000'000 ? fmt::format("{}M", rows / 1'000'000) : fmt::format("{}k", rows / 1000);
}

std::string without_graph(std::uint64_t rows) {
  const std::string time = build_time(rows);
  return rows <= largest_exact
             ? fmt::format("the graph of {} rows is built, about {} on 16 cores by exact search, less by a join",
                           size_name(rows), time)
             : fmt::format(
                   "the graph of {} rows takes about {} on 16 cores by exact search: use a published one, or "
                   "--knn join",
                   size_name(rows), time);
}

// The columns of the paper's table, and what stands in the way of each.
Json columns_json(const DataDirectory& directory, const Json& files) {
  const auto rows_of = [&](const fs::path& path) -> std::uint64_t {
    for (const Json& file : files)
      if (file["file"] == path.string() && file.contains("rows")) return file["rows"].get<std::uint64_t>();
    return 0;
  };
  bool labelled = rows_of(directory.train()) != 0 && rows_of(directory.val()) != 0, lists = false;
  std::uint64_t of_blocks = 0, of_raw = 0, of_index = 0;
  for (const fs::path& block : directory.blocks()) of_blocks += rows_of(block);
  for (const fs::path& folder : {directory.root, directory.work})
    of_raw = std::max(of_raw, rows_of(folder / DataDirectory::raw_name()));
  for (const Json& file : files) {
    const std::string name = fs::path(file["file"].get<std::string>()).filename().string();
    if (name == "label_idx.json") lists = file.contains("classes");
  }
  Json columns = Json::array();
  const auto add = [&](const std::string& name, bool possible, const std::string& why) {
    columns.push_back({{"column", name}, {"possible", possible}, {"why", why}});
  };
  labelled = labelled && lists;
  const std::string needs = "needs features/train.hdf5, features/val.hdf5 and label_idx.json";
  for (const char* name : {"none", "in-domain", "logreg"}) add(name, labelled, labelled ? "" : needs);
  for (const std::uint64_t rows : backgrounds) {
    of_index = rows_of(directory.index(rows));
    const std::uint64_t most = std::max({of_blocks, of_raw, of_index});
    const bool enough = most >= rows;
    bool table = false;
    for (const fs::path& folder : {directory.root, directory.work})
      table = table || find_knn_files(folder / DataDirectory::knn_prefix(rows), 30).has_value();
    std::string why;
    if (!labelled)
      why = needs;
    else if (!enough)
      why = fmt::format("needs {} background rows, {} are there", rows, most);
    else
      why = table ? "with a stored graph" : without_graph(rows);
    add(size_name(rows), labelled && enough, why);
  }
  return columns;
}

Json directory_json(const DataDirectory& directory) {
  Json files = Json::array();
  const auto add_rows = [&](const fs::path& path, const std::string& without) {
    files.push_back(file_json(
        path, path.string(), [&](Json& file) { put_shape(file, *open_hdf5_rows(path)); }, without));
  };
  add_rows(directory.train(), "no experiment is possible");
  add_rows(directory.val(), "no experiment is possible");
  files.push_back(file_json(
      directory.label_idx(), directory.label_idx().string(),
      [&](Json& file) {
        const ClassSets sets = read_class_sets(directory.label_idx());
        file["classes"] = sets.names.size();
        for (const int set : {0, 1})
          file[fmt::format("set_{}", set + 1)] = {{"base", sets.base[set].size()}, {"novel", sets.novel[set].size()}};
      },
      "--label-idx must name one"));
  const auto blocks = directory.blocks();
  if (blocks.empty())
    add_rows(directory.root / "features/f100m/block0.hdf5",
             "background comes from concatenated_PCAR256.raw or ndis<N>.index, if one is there; the PCA is trained on "
             "train.hdf5");
  for (const fs::path& block : blocks) add_rows(block, "");
  std::vector<fs::path> folders = {directory.root};
  if (directory.work != directory.root) folders.push_back(directory.work);
  for (const fs::path& folder : folders) {
    std::uint64_t pca_dim = 0;
    const fs::path pca = folder / DataDirectory::pca_name(), raw = folder / DataDirectory::raw_name();
    files.push_back(file_json(
        pca, pca.string(),
        [&](Json& file) {
          const LinearMap map = read_vt(pca);
          pca_dim = map.out();
          file["from"] = map.in();
          file["dim"] = map.out();
        },
        directory.find(DataDirectory::pca_name()) ? "" : "the PCA is trained, minutes at most"));
    if (pca_dim == 0 && directory.find(DataDirectory::pca_name())) {
      try {
        pca_dim = read_vt(*directory.find(DataDirectory::pca_name())).out();
      } catch (const Error&) {  // said where the PCA itself is shown
      }
    }
    files.push_back(file_json(
        raw, raw.string(),
        [&](Json& file) {
          const auto dim = static_cast<std::uint32_t>(pca_dim == 0 ? 256 : pca_dim);
          put_shape(file, *open_raw_rows(raw, dim));
        },
        directory.find(DataDirectory::raw_name())
            ? ""
            : "the background is read from the blocks and goes through the PCA in every run"));
    add_tables(files, folder);
  }
  for (const std::uint64_t rows : backgrounds) {
    // Only sizes that the background can have: a graph of 100M rows is not missed beside 60,000 images.
    const fs::path prefix = directory.root / DataDirectory::knn_prefix(rows);
    const KnnFiles names = knn_file_names(prefix, 32, TableFormat::raw);
    bool table = find_knn_files(prefix, 30).has_value();
    table = table || find_knn_files(directory.work / DataDirectory::knn_prefix(rows), 30).has_value();
    std::uint64_t most = 0;
    for (const Json& file : files)
      if (file.contains("rows") && file["file"].get<std::string>().find("f100m") != std::string::npos)
        most += file["rows"].get<std::uint64_t>();
    if (!table && most >= rows)
      files.push_back({{"file", names.ids.string()},
                       {"present", false},
                       {"expected_bytes", rows * 32 * 4},
                       {"without", without_graph(rows)}});
  }
  return {{"root", directory.root.string()},
          {"work", directory.work.string()},
          {"files", files},
          {"columns", columns_json(directory, files)}};
}

void print_directory(const Json& d) {
  fmt::print("Data directory {}\n", d["root"].get<std::string>());
  for (const Json& file : d["files"]) {
    std::string what = file.contains("without") ? "absent; without it " + file["without"].get<std::string>() : "absent";
    if (file.contains("error"))
      what = "cannot be used: " + file["error"].get<std::string>();
    else if (file.contains("rows"))
      what = fmt::format("{} x {}", file["rows"].get<std::uint64_t>(), file["dim"].get<std::uint64_t>());
    else if (file.contains("from"))
      what = fmt::format("{} to {} dimensions", file["from"].get<std::uint64_t>(), file["dim"].get<std::uint64_t>());
    else if (file.contains("classes"))
      what = fmt::format("{} classes; set 1: {} base, {} novel; set 2: {} base, {} novel",
                         file["classes"].get<std::size_t>(), file["set_1"]["base"].get<std::size_t>(),
                         file["set_1"]["novel"].get<std::size_t>(), file["set_2"]["base"].get<std::size_t>(),
                         file["set_2"]["novel"].get<std::size_t>());
    if (file.contains("bytes")) what += ", " + format_bytes(file["bytes"].get<std::uint64_t>());
    if (file.contains("expected_bytes"))
      what += " (the file has " + format_bytes(file["expected_bytes"].get<std::uint64_t>()) + ")";
    fmt::print("  {}: {}\n", file["file"].get<std::string>(), what);
  }
  fmt::print("Columns of the paper's table\n");
  for (const Json& column : d["columns"]) {
    const std::string why = column["why"].get<std::string>();
    fmt::print("  {:<10} {}{}\n", column["column"].get<std::string>(),
               column["possible"].get<bool>() ? "possible" : "not possible", why.empty() ? "" : ": " + why);
  }
}

void execute(const Options& o) {
  Json result = machine_json();
  if (!o.data.empty()) result["data"] = directory_json(DataDirectory(o.data, o.work));
  print_machine(result);
  if (result.contains("data")) print_directory(result["data"]);
  if (!o.json.empty()) write_file(o.json, result.dump(2) + "\n");
}

}  // namespace

void add_info(CLI::App& app) {
  auto o = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("info", "What is built in, what this machine has, what a data directory holds");
  command->footer("Example:\n  lowshot info --data data/cifar-lowshot");
  command->add_option("--data", o->data, "Also look at this data directory (docs/files.md)");
  command->add_option("--work", o->work, "And at the files derived from it");
  command->add_option("--json", o->json, "Write the same to this file as JSON");
  command->callback([o] { execute(*o); });
}

}  // namespace lowshot::cli
