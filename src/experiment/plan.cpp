// Reading plans: the grammar of docs/plans.md, strictly.
#include "lowshot/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "experiment/plan_options.h"
#include "io/text_table.h"
#include "io/yaml_file.h"
#include "lowshot/error.h"

namespace lowshot {
namespace {

namespace fs = std::filesystem;
using io::YamlFile;

const PlanOption* find_option(std::string_view method, const std::string& name) {
  const std::vector<PlanOption>& options = plan_options(method);
  const auto found = std::find_if(options.begin(), options.end(), [&](const PlanOption& o) { return o.name == name; });
  return found == options.end() ? nullptr : &*found;
}

/// Of the method named, or of any.
const PlanOption* find_any_option(const std::string& name) {
  for (const std::string_view method : methods)
    if (const PlanOption* option = find_option(method, name)) return option;
  return nullptr;
}

std::string names_of_options(std::string_view method) {
  std::string names;
  for (const PlanOption& option : plan_options(method)) names += ", " + option.name;
  return names;
}

std::vector<std::string> read_scalar(const YamlFile& file, const YAML::Node& node, const PlanOption& option) {
  const std::string text = file.text(node, option.name);
  try {
    return option.values(text);
  } catch (const Error& error) {
    file.fail(node.Mark(), error.what());
  }
}

/// A value, or a list of them: the axis.
std::vector<std::string> read_axis(const YamlFile& file, const YAML::Node& node, const PlanOption& option) {
  std::vector<std::string> values;
  std::set<std::string> seen;
  const auto add = [&](const YAML::Node& scalar) {
    for (std::string& value : read_scalar(file, scalar, option)) {
      if (!seen.insert(value).second)
        file.fail(scalar.Mark(), fmt::format("{} holds {} twice", option.name, value), "remove one");
      values.push_back(std::move(value));
    }
  };
  if (!node.IsSequence()) {
    add(node);
    return values;
  }
  for (const YAML::Node& entry : node) add(entry);
  if (values.empty())
    file.fail(node.Mark(), fmt::format("{} is an empty list: the group would have no experiment", option.name),
              "give it values, or leave it out for the default");
  return values;
}

std::vector<Settings> read_cases(const YamlFile& file, const YAML::Node& node, const PlanGroup& group) {
  if (!node.IsSequence() || node.size() == 0)
    file.fail(node.Mark(), fmt::format("cases of {} must be a list of settings that go together", group.name),
              "write it like cases: [{nlabeled: 1, lr: 0.001}]");
  std::vector<Settings> cases;
  for (const YAML::Node& entry : node) {
    Settings settings;
    file.each(entry, fmt::format("a case of {}", group.name), names_of_options(group.method).substr(2),
              [&](const std::string& key, const YAML::Node& value) {
                const PlanOption* option = find_option(group.method, key);
                if (option == nullptr) return false;
                if (group.axes.count(key) != 0)
                  file.fail(value.Mark(),
                            fmt::format("{} is a key of {} and of its cases, so it has two values", key, group.name),
                            "remove one");
                const auto values = read_scalar(file, value, *option);
                if (values.size() != 1)
                  file.fail(value.Mark(), fmt::format("{} of a case must be one value", key),
                            "write a list as a key of the group, or a case for each value");
                settings[key] = values.front();
                return true;
              });
    cases.push_back(std::move(settings));
  }
  return cases;
}

std::vector<std::string> read_parts(const YamlFile& file, const YAML::Node& node, const std::string& name) {
  std::vector<std::string> parts;
  if (node.IsSequence())
    for (const YAML::Node& entry : node) parts.push_back(file.text(entry, "of"));
  if (parts.size() != 2 || parts[0] == parts[1])
    file.fail(node.Mark(), fmt::format("`of` of {} must name two groups", name),
              "write it like of: [diffusion-test, logreg-test]");
  return parts;
}

PlanGroup read_group(const YamlFile& file, const std::string& name, const YAML::Node& node) {
  PlanGroup group;
  group.name = name;
  group.line = static_cast<std::uint64_t>(node.Mark().line) + 1;
  const bool good =
      !name.empty() && name.size() <= 100 && name[0] != '.' &&
      name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == std::string::npos;
  if (!good)
    file.fail(node.Mark(), fmt::format("{} cannot name a group: it becomes a folder of results", io::shown(name)),
              "use letters, digits, '-', '_' and '.'");
  if (!node.IsMap()) file.fail(node.Mark(), fmt::format("the group {} must hold keys with values", name));
  if (!node["method"])
    file.fail(node.Mark(), fmt::format("the group {} has no method", name), "it is diffusion, logreg or combine");
  group.method = file.text(node["method"], "method");
  if (!is_method(group.method))
    file.fail(node["method"].Mark(), fmt::format("the method {} is not known", io::shown(group.method)),
              "it is diffusion, logreg or combine");

  const bool combine = group.method == "combine";
  const std::string known = combine ? "method, of" : "method, cases" + names_of_options(group.method);
  YAML::Node cases;
  file.each(node, name, known, [&](const std::string& key, const YAML::Node& value) {
    if (key == "method") return true;
    if (combine && key == "of") {
      group.parts = read_parts(file, value, name);
      return true;
    }
    if (!combine && key == "cases") {
      cases.reset(value);
      return true;
    }
    if (const PlanOption* option = find_option(group.method, key)) {
      group.axes[key] = read_axis(file, value, *option);
      return true;
    }
    if (find_any_option(key) != nullptr)
      file.fail(value.Mark(), fmt::format("{} is no option of {} (group {})", key, group.method, name),
                fmt::format("its keys are {}", known));
    return false;
  });
  if (combine && group.parts.empty())
    file.fail(node.Mark(), fmt::format("the group {} combines nothing", name),
              "name two groups, like of: [diffusion-test, logreg-test]");
  if (cases.IsDefined() && !cases.IsNull()) group.cases = read_cases(file, cases, group);
  return group;
}

void check_parts(const YamlFile& file, const YAML::Node& groups, const Plan& plan) {
  for (const PlanGroup& group : plan.groups)
    for (const std::string& part : group.parts) {
      const auto found = std::find_if(plan.groups.begin(), plan.groups.end(),
                                      [&](const PlanGroup& other) { return other.name == part; });
      if (found == plan.groups.end()) {
        std::string names;
        for (const PlanGroup& other : plan.groups)
          if (other.method != "combine") names += (names.empty() ? "" : ", ") + other.name;
        const std::string nearest = io::nearest_word(part, names);
        file.fail(groups[group.name]["of"].Mark(),
                  fmt::format("{} combines {}, and there is no such group", group.name, io::shown(part)),
                  nearest.empty() ? "groups are " + names : fmt::format("did you mean {}?", nearest));
      }
      if (found->method == "combine")
        file.fail(groups[group.name]["of"].Mark(), fmt::format("{} combines a combination, {}", group.name, part),
                  "name groups of diffusion and logreg");
    }
}

}  // namespace

Plan read_plan(const fs::path& path) {
  const YamlFile file(path, "plan", "name a YAML file like those in plans/");
  Plan plan;
  plan.path = path;
  plan.name = path.stem().string();
  std::string known = "name, groups, work" + names_of_options("diffusion");
  for (const PlanOption& option : plan_options("logreg"))
    if (find_option("diffusion", option.name) == nullptr) known += ", " + option.name;
  YAML::Node groups;
  std::vector<std::pair<std::string, YAML::Mark>> places;
  file.each(file.root(), "the plan", known, [&](const std::string& key, const YAML::Node& value) {
    if (key == "name") {
      plan.name = file.text(value, key);
    } else if (key == "work") {
      plan.work = file.text(value, key);
    } else if (key == "groups") {
      groups.reset(value);
    } else if (const PlanOption* option = find_any_option(key)) {
      plan.settings[key] = read_axis(file, value, *option);
      places.emplace_back(key, value.Mark());
    } else {
      return false;
    }
    return true;
  });
  if (!groups.IsDefined() || !groups.IsMap() || groups.size() == 0)
    file.fail(groups.IsDefined() && !groups.IsNull() ? groups.Mark() : file.root().Mark(), "the plan has no groups",
              "write groups: with a name and a method each, as in docs/plans.md");
  std::vector<std::string> seen;
  for (const auto& entry : groups) {
    const std::string name = entry.first.IsScalar() ? entry.first.Scalar() : "";
    if (std::find(seen.begin(), seen.end(), name) != seen.end())
      file.fail(entry.first.Mark(), fmt::format("the group {} is there twice", io::shown(name)), "rename one");
    seen.push_back(name);
    plan.groups.push_back(read_group(file, name, entry.second));
  }
  check_parts(file, groups, plan);
  for (const auto& [key, mark] : places) {
    const bool used = std::any_of(plan.groups.begin(), plan.groups.end(), [&, name = key](const PlanGroup& group) {
      return find_option(group.method, name) != nullptr;
    });
    if (!used)
      file.fail(mark, fmt::format("{} is set for all groups, and no group's method has it", key),
                "remove it, or name it in the group that it is for");
  }
  return plan;
}

void set_data(Plan& plan, const fs::path& data) {
  plan.settings["data"] = find_any_option("data")->values(data.string());
}

}  // namespace lowshot
