#include "label_results.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "inputs.h"
#include "lowshot/label.h"

namespace lowshot::cli {
namespace {

std::string percent(double share) {
  return fmt::format("{:.1f} %", 100 * share);
}

std::string recipe_reason(const HoldOut& h, const LabelCommand& o) {
  const std::string what = h.recipe == LabelRecipe::own ? "graph and classifier together" : "the graph alone";
  if (o.recipe != "auto") return what + ", as given";
  if (h.checked_rows == 0) return what + ", the default where nothing can be held out";
  return what + (h.recipe == LabelRecipe::own ? "; the graph alone is not clearly better on held-out labels"
                                              : ": clearly better on held-out labels");
}

std::size_t place_of(const std::vector<double>& values, std::vector<double>::const_iterator place) {
  return static_cast<std::size_t>(place - values.begin());
}

std::string prior_reason(const ClassPriors& priors, const LabelCommand& o) {
  if (priors.rule == PriorRule::given) return "as in " + o.prior;
  if (o.prior != "auto") return "as given";
  const bool labels = priors.rule == PriorRule::labels;
  if (!labels && std::abs(priors.labels_gain) < 1e-9) return "every class has as many labels";
  if (!labels && priors.labels_gain > 0)
    return fmt::format(
        "the labels' shares make the unlabelled rows likelier by {:.3f} a row, less than half of {:.3f} "
        "by the likeliest shares",
        priors.labels_gain, priors.most_gain);
  return fmt::format("the unlabelled rows are {} likely under the labels' shares: {:+.3f} a row in log-likelihood",
                     labels ? "more" : "less", priors.labels_gain);
}

void print_priors(const ClassPriors& priors, const LabelCommand& o, const std::vector<std::string>& classes) {
  if (priors.shares.empty()) {
    if (o.prior != "auto") fmt::print("class priors: not applied, the graph answers alone\n");
    return;
  }
  fmt::print("class priors: {} ({})\n", name(priors.rule), prior_reason(priors, o));
  if (priors.rule == PriorRule::uniform) return;
  const auto [least, most] = std::minmax_element(priors.shares.begin(), priors.shares.end());
  fmt::print("  from {} ({}) to {} ({})\n", percent(*least), classes[place_of(priors.shares, least)], percent(*most),
             classes[place_of(priors.shares, most)]);
}

void print_hold_out(const HoldOut& h, const LabelCommand& o, const std::vector<std::string>& classes) {
  const bool own = h.recipe == LabelRecipe::own;
  fmt::print("recipe: {} ({})\n", name(h.recipe), recipe_reason(h, o));
  print_priors(h.priors, o, classes);
  if (h.checked_rows == 0) {
    fmt::print("No label could be held out: every class has a single one, so nothing is known about accuracy.\n");
    if (h.iterations != 0)
      fmt::print("iterations: {} ({})\n", h.iterations,
                 o.iterations != 0 ? "as given" : "the default where nothing can be held out");
    return;
  }
  fmt::print("held-out accuracy: {} ({} to {} with 95 % confidence; {} labelled rows, {} folds)\n", percent(h.accuracy),
             percent(h.low), percent(h.high), h.checked_rows, o.label.folds);
  fmt::print("  It holds for labels drawn at random; labels picked by hand make it optimistic.\n");
  const bool solved = h.iterations == 0;
  if (!solved) {
    fmt::print("iterations: {} ({})\n", h.iterations,
               o.iterations != 0
                   ? "as given"
                   : fmt::format("{} when held out{}", own ? "the least log-loss" : "the best",
                                 h.unchecked_classes.empty() ? "" : ", more by the share of unchecked classes"));
    fmt::print("  iterations   graph alone{}\n", h.own_accuracy.empty() ? ""
                                                 : h.priors.rule == PriorRule::uniform
                                                     ? "   own recipe   its log-loss"
                                                     : "   own recipe   its log-loss (under equal priors)");
  }
  for (std::size_t t = 0; t < h.accuracy_by_iteration.size() && !solved; ++t) {
    fmt::print("  {:>10}  {:>12}", t + 1, percent(h.accuracy_by_iteration[t]));
    if (t < h.own_accuracy.size() && std::isfinite(h.own_loss[t]))
      fmt::print("  {:>11}  {:>13.3f}", percent(h.own_accuracy[t]), h.own_loss[t]);
    fmt::print("\n");
  }
  if (!h.unchecked_classes.empty()) {
    std::string names;
    for (std::size_t i = 0; i < std::min(most_named, h.unchecked_classes.size()); ++i)
      names += (i != 0 ? ", " : "") + classes[static_cast<std::size_t>(h.unchecked_classes[i])];
    fmt::print("unchecked: {} classes have a single label ({}{})\n", h.unchecked_classes.size(), names,
               h.unchecked_classes.size() > most_named ? ", ..." : "");
  }
  fmt::print("  confidence >=   rows kept   held-out accuracy\n");
  for (const ThresholdRow& row : h.thresholds)
    fmt::print("  {:>13.3f}  {:>10}  {:>10} ({} rows)\n", row.threshold, percent(row.kept), percent(row.accuracy),
               row.held_out);
  if (o.label.precision) {
    if (h.picked)
      fmt::print("precision {}: confidence >= {:.4f} keeps {} of the unlabelled rows\n", percent(*o.label.precision),
                 h.picked->threshold, percent(h.picked->kept));
    else
      fmt::print("precision {}: no threshold reaches it on the held-out rows\n", percent(*o.label.precision));
  }
}

Json threshold_json(const ThresholdRow& r) {
  return {{"threshold", r.threshold}, {"kept", r.kept}, {"accuracy", r.accuracy}, {"held_out_rows", r.held_out}};
}

// null where the own recipe was not tried.
Json with_gaps(const std::vector<double>& values, const HoldOut& h) {
  Json json = Json::array();
  for (std::size_t t = 0; t < values.size(); ++t)
    json.push_back(std::isfinite(h.own_loss[t]) ? Json(values[t]) : Json(nullptr));
  return json;
}

Json priors_json(const ClassPriors& priors, const LabelCommand& o, const std::vector<std::string>& classes) {
  if (priors.shares.empty()) return nullptr;
  Json shares;
  for (std::size_t c = 0; c < classes.size(); ++c) shares[classes[c]] = priors.shares[c];
  return {{"rule", name(priors.rule)},
          {"reason", prior_reason(priors, o)},
          {"log_likelihood_gain", priors.gain},
          {"labels_log_likelihood_gain", priors.labels_gain},
          {"shares", shares}};
}

Json hold_out_json(const HoldOut& h, const std::vector<std::string>& classes) {
  Json unchecked = Json::array(), thresholds = Json::array();
  for (const std::int32_t c : h.unchecked_classes) unchecked.push_back(classes[static_cast<std::size_t>(c)]);
  for (const ThresholdRow& r : h.thresholds) thresholds.push_back(threshold_json(r));
  Json json = {{"checked_rows", h.checked_rows},
               {"accuracy", h.accuracy},
               {"low", h.low},
               {"high", h.high},
               {"accuracy_by_iteration", h.accuracy_by_iteration},
               {"own_accuracy_by_iteration", with_gaps(h.own_accuracy, h)},
               {"own_log_loss_by_iteration", with_gaps(h.own_loss, h)},
               {"unchecked_classes", unchecked},
               {"thresholds", thresholds}};
  json["picked"] = h.picked ? threshold_json(*h.picked) : Json(nullptr);
  return json;
}

struct Counts {
  std::map<RowStatus, std::uint64_t> by_status;
  std::vector<std::uint64_t> by_class;  // first choices
};

Counts counts_of(const LabelledRows& rows) {
  Counts counts{{}, std::vector<std::uint64_t>(rows.classes.size())};
  for_each_row(rows, [&](const LabelledRow& row) {
    ++counts.by_status[row.status];
    if (row.classes[0] >= 0) ++counts.by_class[static_cast<std::size_t>(row.classes[0])];
  });
  return counts;
}

}  // namespace

void print_label_results(const LabelJob& job, const LabelCommand& o, const LabelledRows& rows,
                         const std::filesystem::path& suspects_file) {
  const LabelResult& result = *rows.result;
  if (!o.variant.standard())
    fmt::print("propagation: {}{}\n", describe(o.variant),
               o.variant.solved() ? ", " + solution_text(result.propagation) : "");
  print_hold_out(result.hold_out, o, job.labels.classes);
  std::string counts;
  for (const auto& [status, count] : counts_of(rows).by_status)
    counts += fmt::format("{}{} {}", counts.empty() ? "" : ", ", count, name(status));
  fmt::print("rows: {}; {} of {} labels look wrong ({})\n", counts, result.suspects.size(), job.labelled_rows(),
             suspects_file.string());
}

Json label_results_json(const LabelJob& job, const LabelCommand& o, const LabelledRows& rows, const KeptGraph& kept) {
  const LabelResult& result = *rows.result;
  Counts counts = counts_of(rows);
  Json json;
  for (const auto status : all_row_statuses) json["rows"][std::string(name(status))] = counts.by_status[status];
  for (std::size_t c = 0; c < counts.by_class.size(); ++c) json["classes"][job.labels.classes[c]] = counts.by_class[c];
  json["labels"] = job.labelled_rows();
  json["suspects"] = result.suspects.size();
  json["choices"] = variant_json(o.variant);
  json["choices"].update(
      {{"recipe", name(result.hold_out.recipe)},
       {"recipe_reason", recipe_reason(result.hold_out, o)},
       {"iterations", result.hold_out.iterations == 0 ? Json(nullptr) : Json(result.hold_out.iterations)},
       {"temperature", result.hold_out.temperature},
       {"prior", priors_json(result.hold_out.priors, o, job.labels.classes)},
       {"k", o.label.k},
       {"graph", kept.origin}});
  if (!o.variant.standard()) json["propagation"] = propagation_json(result.propagation, o.variant.solved());
  json["graph"] = o.variant.given_graph() ? Json{{"file", o.variant.graph.string()}} : search_json(kept.search);
  json["hold_out"] = hold_out_json(result.hold_out, job.labels.classes);
  return json;
}

}  // namespace lowshot::cli
