// Result files of experiments (lowshot/results.h).
#include "lowshot/results.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "experiment/plan_options.h"
#include "lowshot/error.h"
#include "lowshot/io.h"

namespace lowshot {
namespace {

using Json = nlohmann::ordered_json;

constexpr int format_version = 1;

std::string setting(const ExperimentResult& e, const char* name) {
  const auto found = e.settings.find(name);
  return found == e.settings.end() ? std::string() : found->second;
}

double fraction(const Json& json, const char* key) {
  const double value = json.at(key).get<double>();
  if (!(value >= 0 && value <= 1)) throw Error(ErrorKind::input, fmt::format("{} is {}, expected 0 to 1", key, value));
  return value;
}

Json iteration_json(const ScoredIteration& i) {
  return {
      {"iteration", i.iteration},        {"top5_all", i.accuracy.top5_all},     {"top5_novel", i.accuracy.top5_novel},
      {"top1_all", i.accuracy.top1_all}, {"top1_novel", i.accuracy.top1_novel}, {"seconds", i.seconds}};
}

ScoredIteration iteration_of(const Json& json) {
  ScoredIteration i;
  i.iteration = json.at("iteration").get<std::uint32_t>();
  i.accuracy = {fraction(json, "top5_all"), fraction(json, "top5_novel"), fraction(json, "top1_all"),
                fraction(json, "top1_novel")};
  i.seconds = json.at("seconds").get<double>();
  return i;
}

ExperimentResult result_of(const Json& json) {
  if (json.at("format").get<int>() != format_version)
    throw Error(ErrorKind::input,
                fmt::format("format {} is expected and {} found", format_version, json.at("format").get<int>()));
  ExperimentResult r;
  r.group = json.at("group").get<std::string>();
  r.method = json.at("method").get<std::string>();
  r.settings = json.at("settings").get<Settings>();
  // Written before the option was there: it had no other value then.
  for (const PlanOption& option : plan_options(r.method))
    if (!option.standard.empty()) r.settings.try_emplace(option.name, option.standard);
  r.nlabeled = json.at("nlabeled").get<std::uint32_t>();
  r.seed = json.at("seed").get<std::uint32_t>();
  for (const Json& i : json.at("iterations")) r.iterations.push_back(iteration_of(i));
  if (r.iterations.empty()) throw Error(ErrorKind::input, "no iteration was scored");
  r.weight = json.value("weight", -1.0);
  r.nodes = json.at("nodes").get<std::uint64_t>();
  r.edges = json.at("edges").get<std::uint64_t>();
  r.test_rows = json.at("test_rows").get<std::uint64_t>();
  r.unreached_test_rows = json.at("unreached_test_rows").get<std::uint64_t>();
  r.classes = json.at("classes").get<std::uint32_t>();
  r.run_seconds = json.at("run_seconds").get<double>();
  r.seconds = json.at("seconds").get<std::map<std::string, double>>();
  r.peak_rss_bytes = json.at("peak_rss_bytes").get<std::uint64_t>();
  r.device = json.at("device").get<std::string>();
  r.version = json.at("version").get<std::string>();
  return r;
}

}  // namespace

fs::path result_path(const fs::path& folder, const ExperimentResult& e) {
  std::string text = e.method;
  for (const auto& [name, value] : e.settings)
    if (!is_standard(e.method, name, value)) text += fmt::format("\n{}={}", name, value);
  return folder / "results" / e.group /
         fmt::format("{}-{}-nl{}-s{}-{}.json", e.method, setting(e, "mode"), setting(e, "nlabeled"), setting(e, "seed"),
                     hash_text(text));
}

void write_result(const fs::path& path, const ExperimentResult& r) {
  Json iterations = Json::array();
  for (const ScoredIteration& i : r.iterations) iterations.push_back(iteration_json(i));
  Json json = {
      {"format", format_version},     {"group", r.group},         {"method", r.method},
      {"settings", r.settings},       {"nlabeled", r.nlabeled},   {"seed", r.seed},
      {"iterations", iterations},     {"nodes", r.nodes},         {"edges", r.edges},
      {"classes", r.classes},         {"test_rows", r.test_rows}, {"unreached_test_rows", r.unreached_test_rows},
      {"run_seconds", r.run_seconds}, {"seconds", r.seconds},     {"peak_rss_bytes", r.peak_rss_bytes},
      {"device", r.device},           {"version", r.version}};
  if (r.weight >= 0) json["weight"] = r.weight;
  fs::create_directories(path.parent_path());
  write_file(path, json.dump(1) + "\n");
}

ExperimentResult read_result(const fs::path& path) {
  std::ifstream file(path);
  if (!file) throw Error(ErrorKind::input, "the result file cannot be read", path.string());
  const char* advice = "delete the file, and `lowshot sweep` runs the experiment again";
  try {
    return result_of(Json::parse(file));
  } catch (const Json::exception& e) {
    throw Error(ErrorKind::input, fmt::format("this is no result of an experiment: {}", e.what()), path.string(),
                advice);
  } catch (const Error& e) {
    throw Error(ErrorKind::input, fmt::format("this is no result of an experiment: {}", e.what()), path.string(),
                advice);
  }
}

std::vector<ExperimentResult> read_results(const fs::path& folder) {
  const fs::path root = folder / "results";
  if (!fs::is_directory(root))
    throw Error(ErrorKind::input, "there are no results", root.string(), "make some with `lowshot sweep PLAN -o DIR`");
  std::vector<fs::path> paths;
  for (const auto& entry : fs::recursive_directory_iterator(root))
    if (entry.is_regular_file() && entry.path().extension() == ".json") paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  std::vector<ExperimentResult> results;
  for (const fs::path& path : paths) results.push_back(read_result(path));
  return results;
}

}  // namespace lowshot
