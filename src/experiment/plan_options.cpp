#include "experiment/plan_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <map>

#include "core/number_list.h"
#include "io/text_table.h"
#include "lowshot/error.h"
#include "lowshot/variant.h"

namespace lowshot {
namespace {

namespace fs = std::filesystem;
using Values = std::vector<std::string>;

[[noreturn]] void refuse(const std::string& name, const std::string& text, const std::string& expected) {
  throw Error(ErrorKind::usage, fmt::format("{} must be {} and is {}", name, expected, io::shown(text)));
}

PlanOption choice(std::string name, Values words) {
  std::string standard = words.front();
  return {name, standard, [=](const std::string& text) -> Values {
            if (std::find(words.begin(), words.end(), text) == words.end())
              refuse(name, text, fmt::format("{}", fmt::join(words, ", ")));
            return {text};
          }};
}

PlanOption flag(std::string name) {
  return {name, "false", [=](const std::string& text) -> Values {
            for (const char* word : {"true", "True", "false", "False"})
              if (text == word) return {text[0] == 't' || text[0] == 'T' ? "true" : "false"};
            refuse(name, text, "true or false");
          }};
}

PlanOption whole(std::string name, std::uint64_t standard, std::uint32_t least, std::uint32_t most) {
  return {name, std::to_string(standard), [=](const std::string& text) {
            Values values;
            for (const std::uint32_t v : parse_number_list(text, name)) {
              if (v < least || v > most) refuse(name, text, fmt::format("from {} to {}", least, most));
              values.push_back(std::to_string(v));
            }
            return values;
          }};
}

// NaN for what is no number.
double parse_real(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? value : NAN;
}

PlanOption number(std::string name, double standard, bool (*fits)(double), std::string expected) {
  return {name, fmt::format("{}", standard), [=](const std::string& text) -> Values {
            const double value = parse_real(text);
            if (!fits(value)) refuse(name, text, expected);
            return {fmt::format("{}", value == 0 ? 0.0 : value)};  // -0 is 0
          }};
}

PlanOption real(std::string name, double standard) {
  return number(
      std::move(name), standard, [](double v) { return std::isfinite(v) && v >= 0; }, "a number of at least 0");
}

PlanOption recall(double standard) {
  return number(
      "recall", standard, [](double v) { return v > 0 && v < 1; }, "a number between 0 and 1 (knn: exact finds all)");
}

PlanOption alpha(double standard) {
  return number(
      "alpha", standard, [](double v) { return v >= 0 && v < 1; }, "at least 0 and below 1");
}

std::string tidy_path(const std::string& text) {
  std::string path = fs::path(text).lexically_normal().string();
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

PlanOption path(std::string name, std::string standard) {
  return {name, standard, [=](const std::string& text) -> Values {
            if (text.empty()) refuse(name, text, "a path");
            return {text == standard ? text : tidy_path(text)};
          }};
}

PlanOption files(std::string name) {
  return {name, "default", [=](const std::string& text) -> Values {
            if (text == "default") return {text};
            std::string all;
            for (std::size_t begin = 0; begin <= text.size();) {
              const std::size_t comma = std::min(text.find(',', begin), text.size());
              if (comma == begin) refuse(name, text, "files with commas between them");
              if (!all.empty()) all += ',';
              all += tidy_path(text.substr(begin, comma - begin));
              begin = comma + 1;
            }
            return {all};
          }};
}

PlanOption pca() {
  return {"pca", "default", [](const std::string& text) -> Values {
            if (text.find_first_not_of("0123456789") != std::string::npos)
              return {text == "default" || text == "none" ? text : tidy_path(text)};
            return whole("pca", 1, 1, UINT32_MAX).values(text);
          }};
}

PlanOption weights() {
  return {"weights", "unit", [](const std::string& text) -> Values {
            const Weighting weighting = weighting_of(text);
            if (weighting.kind == Weighting::Kind::listed) refuse("weights", text, "unit, cosine:G or selftuning");
            return {text_of(weighting)};
          }};
}

std::vector<PlanOption> options_of_diffusion() {
  const ExperimentOptions e;
  return {path("data", ""),
          path("label-idx", "default"),
          choice("mode", {"val", "test"}),
          whole("nbg", e.background_rows, 0, UINT32_MAX),
          files("background"),
          flag("in-domain"),
          whole("k", e.knn.k, 1, 1024),
          choice("knn", {"auto", "exact", "join"}),
          recall(e.knn.recall),
          pca(),
          whole("niter", e.diffusion.iterations, 0, 65000),
          whole("lslice", e.diffusion.slice, 0, UINT32_MAX),
          choice("prune", {"auto", "on", "off"}),
          choice("recipe", {"paper", "small", "full", "auto"}),
          choice("correct-and-smooth", {"auto", "on", "off"}),
          weights(),
          path("graph", "default"),
          choice("propagation", {"diffusion", "restart", "clamping"}),
          alpha(e.variant.propagation.alpha),
          choice("solver", {"iterations", "conjugate-gradients"}),
          flag("class-mass"),
          whole("nlabeled", 1, 0, UINT32_MAX),
          whole("seed", 1, 0, UINT32_MAX)};
}

std::vector<PlanOption> options_of_logreg() {
  const LogregOptions o;
  return {path("data", ""),
          path("label-idx", "default"),
          choice("mode", {"val", "test"}),
          real("lr", o.learning_rate),
          real("wd", o.weight_decay),
          whole("batchsize", o.batch, 1, 65536),
          real("mom", o.momentum),
          whole("maxiter", o.iterations, 1, 1000000000),
          whole("nlabeled", 1, 1, UINT32_MAX),
          whole("seed", 1, 0, UINT32_MAX)};
}

double real_of(const Settings& settings, const char* name) {
  return std::strtod(settings.at(name).c_str(), nullptr);
}

Variant variant_settings(const Settings& s) {
  Variant variant;
  variant.weighting = weighting_of(s.at("weights"));
  if (s.at("graph") != "default") variant.graph = s.at("graph");
  variant.propagation.method = propagation_of(s.at("propagation"));
  variant.propagation.solver = solver_of(s.at("solver"));
  variant.propagation.alpha = real_of(s, "alpha");
  variant.propagation.class_mass = s.at("class-mass") == "true";
  return variant;
}

}  // namespace

const std::vector<PlanOption>& plan_options(std::string_view method) {
  static const std::vector<PlanOption> diffusion = options_of_diffusion(), logreg = options_of_logreg(), none;
  return method == "diffusion" ? diffusion : method == "logreg" ? logreg : none;
}

bool is_standard(std::string_view method, const std::string& name, const std::string& value) {
  if (method == "combine") return is_standard("diffusion", name, value) || is_standard("logreg", name, value);
  const std::vector<PlanOption>& options = plan_options(method);
  return std::any_of(options.begin(), options.end(),
                     [&](const PlanOption& o) { return o.name == name && o.standard == value; });
}

std::vector<DecidedSetting> decided_settings(const Settings& settings) {
  std::vector<DecidedSetting> decided;
  const auto add = [&](const std::string& name, const std::string& value, const std::string& reason) {
    if (settings.count(name) != 0) decided.push_back({name, value, reason});
  };
  const auto recipe = settings.find("recipe");
  if (recipe == settings.end()) return decided;
  std::map<std::string, std::string> standard;
  for (const PlanOption& option : plan_options("diffusion")) standard[option.name] = option.standard;
  if (recipe->second != "full" && recipe->second != "auto")
    add("correct-and-smooth", standard["correct-and-smooth"],
        fmt::format("the recipe {} does not smooth", recipe->second));
  if (recipe->second != "paper") {
    standard["k"] = std::to_string(small_recipe::k);
    standard["niter"] = std::to_string(small_recipe::iterations);
    standard["pca"] = "none";
    for (const char* name : {"k", "niter", "pca", "weights", "graph", "propagation", "alpha", "solver", "class-mass"})
      add(name, standard[name], fmt::format("the recipe {} has its own {}", recipe->second, name));
    return decided;
  }
  standard["niter"] = "0";  // of a solution
  for (const UnusedOption& unused : unused_options(variant_settings(settings)))
    add(unused.name, standard[unused.name], unused.reason);
  return decided;
}

bool is_method(std::string_view name) {
  return std::find(std::begin(methods), std::end(methods), name) != std::end(methods);
}

std::uint32_t number_of(const Settings& settings, const char* name) {
  return parse_number_list(settings.at(name), name).front();
}

ExperimentOptions diffusion_settings(const Settings& s, const fs::path& work) {
  ExperimentOptions e;
  e.data = s.at("data");
  e.work = work;
  if (s.at("label-idx") != "default") e.label_idx = s.at("label-idx");
  e.class_set = s.at("mode") == "val" ? 1 : 2;
  e.background_rows = number_of(s, "nbg");
  const std::string& background = s.at("background");
  for (std::size_t begin = 0; background != "default" && begin <= background.size();) {
    const std::size_t comma = std::min(background.find(',', begin), background.size());
    e.background.emplace_back(background.substr(begin, comma - begin));
    begin = comma + 1;
  }
  e.in_domain = s.at("in-domain") == "true";
  e.knn.k = number_of(s, "k");
  const std::string& method = s.at("knn");
  e.knn.method = method == "exact" ? KnnMethod::exact : method == "join" ? KnnMethod::join : KnnMethod::automatic;
  e.knn.recall = real_of(s, "recall");
  const std::string& pca = s.at("pca");
  if (pca == "none")
    e.pca.kind = PcaChoice::Kind::none;
  else if (pca.find_first_not_of("0123456789") == std::string::npos)
    e.pca = {.kind = PcaChoice::Kind::dim, .dim = number_of(s, "pca")};
  else if (pca != "default")
    e.pca = {.kind = PcaChoice::Kind::file, .file = pca};
  e.diffusion.iterations = number_of(s, "niter");
  e.diffusion.slice = number_of(s, "lslice");
  const std::string& prune = s.at("prune");
  e.diffusion.pruning = prune == "on" ? Pruning::on : prune == "off" ? Pruning::off : Pruning::automatic;
  e.variant = variant_settings(s);
  e.smoothing = smoothing_of(s.at("correct-and-smooth"));
  use_recipe(e, recipe_of(s.at("recipe")));
  return e;
}

LogregExperimentOptions logreg_settings(const Settings& s) {
  LogregExperimentOptions o;
  o.data = s.at("data");
  if (s.at("label-idx") != "default") o.label_idx = s.at("label-idx");
  o.class_set = s.at("mode") == "val" ? 1 : 2;
  o.score_every = o.class_set == 1 ? 500 : 0;
  o.logreg.learning_rate = real_of(s, "lr");
  o.logreg.weight_decay = real_of(s, "wd");
  o.logreg.momentum = real_of(s, "mom");
  o.logreg.batch = number_of(s, "batchsize");
  o.logreg.iterations = number_of(s, "maxiter");
  return o;
}

}  // namespace lowshot
