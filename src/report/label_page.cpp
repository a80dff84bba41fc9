#include "report/label_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "report/html.h"

namespace lowshot {
namespace {

using html::escape;

constexpr std::size_t shown_rows = 6;  // most and least certain, a class
constexpr std::size_t shown_classes = 200;
constexpr std::size_t shown_suspects = 60;
constexpr std::size_t histogram_bins = 20;
constexpr std::uintmax_t most_image_bytes = 512 << 10, most_page_bytes = 40u << 20;

struct ShownRow {
  std::uint64_t row;
  std::string id;
  float confidence;
};

// Everything the page shows of the rows, gathered in one pass.
struct Gathered {
  std::array<std::uint64_t, std::size(all_row_statuses)> by_status{};
  std::vector<std::uint64_t> by_class;
  std::vector<double> histogram = std::vector<double>(histogram_bins, 0);
  std::vector<std::vector<ShownRow>> most, least;  // a class; predicted rows only
};

// Keeps the first `shown_rows` under `better`.
template <typename Better>
void keep(std::vector<ShownRow>& list, const ShownRow& row, const Better& better) {
  if (list.size() == shown_rows && !better(row, list.back())) return;
  list.insert(std::upper_bound(list.begin(), list.end(), row, better), row);
  if (list.size() > shown_rows) list.pop_back();
}

Gathered gather(const LabelledRows& rows) {
  Gathered g;
  g.by_class.resize(rows.classes.size());
  g.most.resize(rows.classes.size());
  g.least.resize(rows.classes.size());
  for_each_row(rows, [&](const LabelledRow& row) {
    ++g.by_status[static_cast<std::size_t>(row.status)];
    if (row.classes[0] < 0) return;
    const auto c = static_cast<std::size_t>(row.classes[0]);
    ++g.by_class[c];
    if (row.status != RowStatus::predicted && row.status != RowStatus::classified) return;
    const float confidence = row.confidences[0];
    ++g.histogram[std::min(histogram_bins - 1, static_cast<std::size_t>(confidence * histogram_bins))];
    const ShownRow shown{row.row, row.id, confidence};
    keep(g.most[c], shown, [](const ShownRow& a, const ShownRow& b) { return a.confidence > b.confidence; });
    keep(g.least[c], shown, [](const ShownRow& a, const ShownRow& b) { return a.confidence < b.confidence; });
  });
  return g;
}

std::string percent(double share) {
  return fmt::format("{:.1f} %", 100 * share);
}

// Thumbnails until the page has its fill.
class Gallery {
 public:
  explicit Gallery(const LabelPageOptions& options) : options_(options) {}

  std::string figure(const std::string& id, const std::string& caption) {
    const std::string uri = used_ < most_page_bytes ? html::image_uri(options_.images / id, most_image_bytes) : "";
    used_ += uri.size();
    const std::string image = uri.empty() ? "" : fmt::format("<img alt=\"{}\" src=\"{}\">", escape(id), uri);
    return fmt::format("<figure>{}<figcaption>{}<br>{}</figcaption></figure>", image, escape(id), caption);
  }
  std::string figures(const std::vector<ShownRow>& rows) {
    std::string text = "<div class=\"rows\">";
    for (const ShownRow& row : rows) text += figure(row.id, fmt::format("row {}, {:.3f}", row.row, row.confidence));
    return text + "</div>\n";
  }

 private:
  const LabelPageOptions& options_;
  std::size_t used_ = 0;
};

// Who answers, and what it was chosen from.
std::string choice(const HoldOut& h) {
  const bool solved = h.iterations == 0;
  std::string text = fmt::format("<p>Recipe <strong>{}</strong>, {}. ", name(h.recipe),
                                 solved ? "the limit of its iterations" : fmt::format("{} iterations", h.iterations));
  if (!h.priors.shares.empty()) text += fmt::format("Class priors <strong>{}</strong>. ", name(h.priors.rule));
  if (solved && h.checked_rows != 0) return text + "</p>\n";
  if (h.checked_rows == 0) return text + "No label could be held out: every class has a single one.</p>\n";
  text += "Right on held-out labels:</p>\n<table><tr><th>iterations</th><th>graph alone</th>";
  text += h.own_accuracy.empty() ? "</tr>" : "<th>own recipe</th><th>its log-loss</th></tr>";
  for (std::size_t t = 0; t < h.accuracy_by_iteration.size(); ++t) {
    text += fmt::format("<tr><td>{}</td><td>{}</td>", t + 1, percent(h.accuracy_by_iteration[t]));
    if (t < h.own_accuracy.size() && std::isfinite(h.own_loss[t]))
      text += fmt::format("<td>{}</td><td>{:.3f}</td>", percent(h.own_accuracy[t]), h.own_loss[t]);
    text += "</tr>";
  }
  return text + "</table>\n";
}

std::string trust(const HoldOut& h) {
  if (h.checked_rows == 0) return "";
  std::string text = fmt::format(
      "<p>Held-out accuracy <strong>{}</strong> (95 % interval {} to {}; {} labelled rows). It holds for labels drawn "
      "at "
      "random; labels picked by hand make it optimistic.</p>\n",
      percent(h.accuracy), percent(h.low), percent(h.high), h.checked_rows);
  html::Curve curve{"held-out accuracy", {}};
  std::string table =
      "<table><tr><th>confidence at least</th><th>rows kept</th><th>held-out accuracy</th><th>held-out rows</th></tr>";
  for (const ThresholdRow& row : h.thresholds) {
    curve.points.emplace_back(row.kept, row.accuracy);
    table += fmt::format("<tr><td>{:.3f}</td><td>{}</td><td>{}</td><td>{}</td></tr>", row.threshold, percent(row.kept),
                         percent(row.accuracy), row.held_out);
  }
  return text + html::curves({curve}, "share of unlabelled rows kept", "held-out accuracy") + table + "</table>\n";
}

}  // namespace

std::string label_page(const LabelledRows& rows, const LabelPageOptions& options) {
  const Gathered g = gather(rows);
  Gallery gallery(options);
  std::string body = "<p>";
  for (const auto status : all_row_statuses)
    body += fmt::format("{} {} &nbsp; ", g.by_status[static_cast<std::size_t>(status)], name(status));
  body += "</p>\n<h2>How far to trust it</h2>\n" + choice(rows.result->hold_out) + trust(rows.result->hold_out);
  body += "<h2>Confidence of the predicted rows</h2>\n" + html::histogram(g.histogram, 0, 1, "confidence");

  std::vector<std::size_t> order(rows.classes.size());
  for (std::size_t c = 0; c < order.size(); ++c) order[c] = c;
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return g.by_class[a] > g.by_class[b]; });
  const std::size_t left_out = order.size() > shown_classes ? order.size() - shown_classes : 0;
  order.resize(order.size() - left_out);
  std::vector<std::pair<std::string, double>> bars;
  for (const std::size_t c : order) bars.emplace_back(rows.classes[c], static_cast<double>(g.by_class[c]));
  body += "<h2>Rows a class</h2>\n" + html::bar_chart(bars);
  if (left_out != 0) body += fmt::format("<p class=\"quiet\">{} smaller classes are not shown.</p>\n", left_out);

  body += "<h2>Labels that look wrong</h2>\n";
  std::size_t suspects = 0;
  std::string figures;
  const std::vector<std::uint64_t> row_of_node = rows_of_nodes(rows.rows, rows.bad_rows);
  for (const Suspect& s : rows.result->suspects) {
    if (s.row >= row_of_node.size() || suspects == shown_suspects) continue;
    ++suspects;
    const std::uint64_t row = row_of_node[s.row];
    figures += gallery.figure(
        row_name(rows, row),
        fmt::format("row {}: labelled <b>{}</b> ({:.2f}), rather <b>{}</b> ({:.2f})", row,
                    escape(rows.classes[static_cast<std::size_t>(s.given)]), s.given_confidence,
                    escape(rows.classes[static_cast<std::size_t>(s.predicted)]), s.predicted_confidence));
  }
  body += suspects == 0 ? "<p>None.</p>\n" : "<div class=\"rows\">" + figures + "</div>\n";

  body += "<h2>Most and least certain rows</h2>\n";
  for (const std::size_t c : order) {
    if (g.most[c].empty()) continue;
    body += fmt::format("<h3>{}</h3>\n<p class=\"quiet\">most certain</p>{}<p class=\"quiet\">least certain</p>{}",
                        escape(rows.classes[c]), gallery.figures(g.most[c]), gallery.figures(g.least[c]));
  }
  return html::page(options.title, body);
}

}  // namespace lowshot
