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

// One line a file: there or not, what it holds, or what is wrong with it.
Json file_json(const fs::path& path, const std::string& shown, const std::function<void(Json&)>& look) {
  Json file = {{"file", shown}, {"present", fs::exists(path)}};
  if (!file["present"].get<bool>()) return file;
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

Json directory_json(const DataDirectory& directory) {
  Json files = Json::array();
  const auto add_rows = [&](const fs::path& path) {
    files.push_back(file_json(path, path.string(), [&](Json& file) { put_shape(file, *open_hdf5_rows(path)); }));
  };
  add_rows(directory.train());
  add_rows(directory.val());
  files.push_back(file_json(directory.label_idx(), directory.label_idx().string(), [&](Json& file) {
    const ClassSets sets = read_class_sets(directory.label_idx());
    file["classes"] = sets.names.size();
    for (const int set : {0, 1})
      file[fmt::format("set_{}", set + 1)] = {{"base", sets.base[set].size()}, {"novel", sets.novel[set].size()}};
  }));
  const auto blocks = directory.blocks();
  if (blocks.empty()) add_rows(directory.root / "features/f100m/block0.hdf5");
  for (const fs::path& block : blocks) add_rows(block);
  std::vector<fs::path> folders = {directory.root};
  if (directory.work != directory.root) folders.push_back(directory.work);
  for (const fs::path& folder : folders) {
    std::uint64_t pca_dim = 0;
    const fs::path pca = folder / DataDirectory::pca_name(), raw = folder / DataDirectory::raw_name();
    files.push_back(file_json(pca, pca.string(), [&](Json& file) {
      const LinearMap map = read_vt(pca);
      pca_dim = map.out();
      file["from"] = map.in();
      file["dim"] = map.out();
    }));
    if (pca_dim == 0 && directory.find(DataDirectory::pca_name())) {
      try {
        pca_dim = read_vt(*directory.find(DataDirectory::pca_name())).out();
      } catch (const Error&) {  // said where the PCA itself is shown
      }
    }
    files.push_back(file_json(raw, raw.string(), [&](Json& file) {
      const auto dim = static_cast<std::uint32_t>(pca_dim == 0 ? 256 : pca_dim);
      put_shape(file, *open_raw_rows(raw, dim));
    }));
    add_tables(files, folder);
  }
  return {{"root", directory.root.string()}, {"work", directory.work.string()}, {"files", files}};
}

void print_directory(const Json& d) {
  fmt::print("Data directory {}\n", d["root"].get<std::string>());
  for (const Json& file : d["files"]) {
    std::string what = "absent";
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
    fmt::print("  {}: {}\n", file["file"].get<std::string>(), what);
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
