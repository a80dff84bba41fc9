// The plan of the test runs (lowshot/select.h). Written as text: a reader of YAML is a dependency of the library that
// reads plans, a writer of a dozen lines need not be.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "experiment/columns.h"
#include "lowshot/select.h"

namespace lowshot {
namespace {

// Values come from files: what is not plainly a word or number is written as a JSON string, which is YAML, too.
std::string scalar(const std::string& text) {
  const bool plain = !text.empty() && (std::isalnum(static_cast<unsigned char>(text[0])) != 0 || text[0] == '.') &&
                     std::all_of(text.begin(), text.end(), [](unsigned char c) {
                       return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-' || c == '/' || c == '+';
                     });
  return plain ? text : nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// Empty values, flags that are off and defaults are what a group has without them; the data stand at the top.
bool is_said(const std::string& key, const std::string& value) {
  return key != "data" && !value.empty() && value != "false" && value != "default";
}

struct Group {
  std::string name;
  const Choice* first = nullptr;
  std::vector<const Choice*> choices;
};

std::vector<Group> groups_of(const Selection& selection) {
  std::vector<Group> groups;
  for (const Choice& c : selection.choices) {
    std::string name = c.background.empty() ? c.method : c.method + "-" + c.background;
    for (char& letter : name)
      if (std::isalnum(static_cast<unsigned char>(letter)) == 0 && letter != '-') letter = '-';
    if (groups.empty() || groups.back().first->method != c.method || groups.back().first->fixed != c.fixed) {
      // Two backgrounds of --background files may come to the same name.
      const auto same = std::count_if(groups.begin(), groups.end(), [&](const Group& g) { return g.name == name; });
      groups.push_back({same == 0 ? name : fmt::format("{}-{}", name, groups.size()), &c, {}});
    }
    groups.back().choices.push_back(&c);
  }
  return groups;
}

std::string list_of(const std::set<std::uint32_t>& numbers) {
  return fmt::format("[{}]", fmt::join(numbers, ", "));
}

std::string group_text(const Group& group, bool also_val) {
  // What all choices share stands in the group, what differs in its cases.
  Settings shared = group.first->chosen.settings;
  for (const Choice* c : group.choices)
    for (auto s = shared.begin(); s != shared.end();) {
      const auto found = c->chosen.settings.find(s->first);
      s = found == c->chosen.settings.end() || found->second != s->second ? shared.erase(s) : std::next(s);
    }
  std::set<std::uint32_t> seeds;
  for (const Choice* c : group.choices) seeds.insert(c->chosen.seeds.begin(), c->chosen.seeds.end());

  std::string text = fmt::format("  {}:\n    method: {}\n    mode: {}\n    seed: {}\n", group.name, group.first->method,
                                 also_val ? "[val, test]" : "test", list_of(seeds));
  for (const auto& settings : {group.first->fixed, shared})
    for (const auto& [key, value] : settings)
      if (is_said(key, value)) text += fmt::format("    {}: {}\n", scalar(key), scalar(value));
  text += "    cases:\n";
  for (const Choice* c : group.choices) {
    text += fmt::format("      - {{nlabeled: {}", c->nlabeled);
    for (const auto& [key, value] : c->chosen.settings)
      if (is_said(key, value) && shared.count(key) == 0) text += fmt::format(", {}: {}", scalar(key), scalar(value));
    text += fmt::format(", {}: {}}}\n", c->method == "logreg" ? "maxiter" : "niter", c->chosen.iteration);
  }
  return text;
}

}  // namespace

std::string plan_of(const Selection& selection, const std::string& plan_name) {
  const std::vector<Group> groups = groups_of(selection);
  const auto has = [&](const char* method) {
    return std::any_of(groups.begin(), groups.end(), [&](const Group& g) { return g.first->method == method; });
  };
  const bool combined = has("logreg") && has("diffusion");
  std::string text = fmt::format("name: {}\n", scalar(plan_name));
  if (const auto data = groups.front().first->chosen.settings.find("data");
      data != groups.front().first->chosen.settings.end() && !data->second.empty())
    text += fmt::format("data: {}\n", scalar(data->second));
  text += "groups:\n";
  for (const Group& group : groups) text += group_text(group, combined);
  if (!combined) return text;
  const Group& logreg =
      *std::find_if(groups.begin(), groups.end(), [](const Group& g) { return g.first->method == "logreg"; });
  for (const Group& group : groups) {
    if (group.first->method != "diffusion") continue;
    text += fmt::format("  {}:\n    method: combine\n    of: [{}, {}]\n", "combine" + group.name.substr(9), logreg.name,
                        group.name);
  }
  return text;
}

}  // namespace lowshot
