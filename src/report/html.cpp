#include "report/html.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

namespace lowshot::html {
namespace {

constexpr std::string_view style = R"(
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #ffffff; --quiet: #5d6673; --line: #d5dae1; --bar: #2f6db3; --second: #b3542f; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ee; --paper: #14171b; --quiet: #9aa4b1; --line: #353b44; --bar: #6aa6e8; --second: #e8966a; }
}
:root { --s0: #2f6db3; --s1: #b3542f; --s2: #1d7f5b; --s3: #8b3fa8; --s4: #8a6100; --s5: #c2185b; --s6: #00768a; --s7: #55606e; }
@media (prefers-color-scheme: dark) {
  :root { --s0: #6aa6e8; --s1: #e8966a; --s2: #5fc79b; --s3: #c993e6; --s4: #e0b84c; --s5: #f27ba6; --s6: #4fc3d9; --s7: #b4bdc9; }
}
.series { fill: none; stroke-width: 1.8; } .error { stroke-width: 1.2; } .dot { stroke: none; } .wide { overflow-x: auto; } .wide td { white-space: nowrap; }
.inside { color: var(--s2); } .outside { color: var(--s5); font-weight: 600; } .plots { display: flex; flex-wrap: wrap; gap: .5rem; }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; } h3 { font-size: 1rem; margin: 1.2rem 0 .3rem; }
p, td, th { color: var(--ink); } .quiet { color: var(--quiet); }
table { border-collapse: collapse; } th, td { text-align: right; padding: .15rem .8rem; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; }
svg { max-width: 100%; height: auto; } svg text { fill: var(--quiet); font: 12px system-ui, sans-serif; }
.bar { fill: var(--bar); } .axis { stroke: var(--line); } .curve { fill: none; stroke: var(--bar); stroke-width: 2; }
.curve.second { stroke: var(--second); stroke-dasharray: 5 3; } .name { fill: var(--ink); }
.rows { display: flex; flex-wrap: wrap; gap: .6rem; } figure { margin: 0; width: 8.5rem; font-size: 12px; overflow-wrap: anywhere; }
figure img { width: 100%; height: 6.5rem; object-fit: contain; background: var(--line); } figcaption { color: var(--quiet); }
)";

// Eight looks of series: colour (at least 4.5 to 1 against the page in both schemes) and dashes.
std::string series_style() {
  static constexpr const char* dashes[] = {"none", "7 3", "2 3", "9 3 2 3", "none", "7 3", "2 3", "9 3 2 3"};
  std::string text;
  for (int i = 0; i < 8; ++i)
    text += fmt::format(
        ".s{0}.series {{ stroke: var(--s{0}); stroke-dasharray: {1}; }} .s{0}.error {{ stroke: var(--s{0}); }} "
        ".s{0}.dot {{ fill: var(--s{0}); }}\n",
        i, dashes[i]);
  return text;
}

std::string svg(double width, double height, const std::string& body) {
  return fmt::format("<svg viewBox=\"0 0 {0:g} {1:g}\" width=\"{0:g}\" height=\"{1:g}\" role=\"img\">{2}</svg>\n",
                     width, height, body);
}

std::string base64(const std::string& bytes) {
  static constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t word = 0;
    for (std::size_t j = 0; j < 3; ++j)
      word = word << 8 | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0u);
    for (std::size_t j = 0; j < 4; ++j) text += i + j > bytes.size() ? '=' : digits[word >> (18 - 6 * j) & 63];
  }
  return text;
}

}  // namespace

std::string escape(std::string_view text) {
  // nlohmann's serialiser replaces what is not UTF-8; its quotes and escapes are undone by parsing.
  const nlohmann::json value = std::string(text);
  const std::string valid =
      nlohmann::json::parse(value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)).get<std::string>();
  std::string out;
  for (const char c : valid) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string page(const std::string& title, const std::string& body) {
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width\">"
      "<title>{0}</title><style>{1}{3}</style></head>\n<body><h1>{0}</h1>\n{2}</body></html>\n",
      escape(title), style, body, series_style());
}

std::string bar_chart(const std::vector<std::pair<std::string, double>>& bars) {
  constexpr double row = 20, names = 190, room = 560;
  double most = 1;
  for (const auto& [name, value] : bars) most = std::max(most, value);
  std::string body;
  for (std::size_t i = 0; i < bars.size(); ++i) {
    const double y = row * static_cast<double>(i), width = room * bars[i].second / most;
    body += fmt::format("<text class=\"name\" x=\"{:g}\" y=\"{:g}\" text-anchor=\"end\">{}</text>", names - 8, y + 14,
                        escape(bars[i].first));
    body +=
        fmt::format("<rect class=\"bar\" x=\"{:g}\" y=\"{:g}\" width=\"{:.1f}\" height=\"14\"/>", names, y + 3, width);
    body += fmt::format("<text x=\"{:.1f}\" y=\"{:g}\">{:g}</text>", names + width + 6, y + 14, bars[i].second);
  }
  return svg(names + room + 80, row * static_cast<double>(bars.size()) + 4, body);
}

std::string histogram(const std::vector<double>& counts, double low, double high, const std::string& x_name) {
  constexpr double width = 640, height = 180, left = 60, bottom = 34;
  const double most = std::max(1.0, counts.empty() ? 1.0 : *std::max_element(counts.begin(), counts.end()));
  const double bin = width / static_cast<double>(std::max<std::size_t>(counts.size(), 1));
  std::string body;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const double h = height * counts[i] / most;
    body += fmt::format("<rect class=\"bar\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\"/>",
                        left + bin * static_cast<double>(i), 8 + height - h, bin - 2, h);
  }
  body += fmt::format("<line class=\"axis\" x1=\"{0:g}\" x2=\"{1:g}\" y1=\"{2:g}\" y2=\"{2:g}\"/>", left, left + width,
                      8 + height);
  body += fmt::format("<text x=\"{:g}\" y=\"20\" text-anchor=\"end\">{:g}</text>", left - 6, most);
  for (const double share : {0.0, 0.5, 1.0})
    body += fmt::format("<text x=\"{:g}\" y=\"{:g}\" text-anchor=\"middle\">{:g}</text>", left + width * share,
                        height + 24, low + (high - low) * share);
  body += fmt::format("<text x=\"{:g}\" y=\"{:g}\" text-anchor=\"middle\">{}</text>", left + width * .75, height + 24,
                      escape(x_name));
  return svg(left + width + 20, height + bottom, body);
}

std::string curves(const std::vector<Curve>& lines, const std::string& x_name, const std::string& y_name) {
  constexpr double width = 560, height = 300, left = 60, top = 12;
  const auto x = [](double v) { return left + width * v; };
  const auto y = [](double v) { return top + height * (1 - v); };
  std::string body;
  for (const double share : {0.0, .25, .5, .75, 1.0}) {
    body += fmt::format("<line class=\"axis\" x1=\"{:g}\" x2=\"{:g}\" y1=\"{:g}\" y2=\"{:g}\"/>", x(0), x(1), y(share),
                        y(share));
    body += fmt::format("<text x=\"{:g}\" y=\"{:g}\" text-anchor=\"end\">{:g} %</text>", left - 6, y(share) + 4,
                        100 * share);
    body += fmt::format("<text x=\"{:g}\" y=\"{:g}\" text-anchor=\"middle\">{:g} %</text>", x(share), top + height + 18,
                        100 * share);
  }
  body += fmt::format("<text x=\"{:g}\" y=\"{:g}\" text-anchor=\"middle\">{}</text>", x(.5), top + height + 36,
                      escape(x_name));
  body += fmt::format("<text transform=\"translate(14 {:g}) rotate(-90)\" text-anchor=\"middle\">{}</text>", y(.5),
                      escape(y_name));
  for (std::size_t l = 0; l < lines.size(); ++l) {
    std::string points;
    for (const auto& [px, py] : lines[l].points) points += fmt::format("{:.1f},{:.1f} ", x(px), y(py));
    body += fmt::format("<polyline class=\"curve{}\" points=\"{}\"/>", l == 0 ? "" : " second", points);
    if (!lines[l].points.empty() && lines.size() > 1)
      body += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\">{}</text>", x(lines[l].points.back().first) + 4,
                          y(lines[l].points.back().second), escape(lines[l].name));
  }
  return svg(left + width + 60, top + height + 46, body);
}

std::string image_uri(const std::filesystem::path& file, std::uintmax_t most_bytes) {
  static const std::vector<std::pair<std::string, std::string>> types = {
      {".jpg", "jpeg"}, {".jpeg", "jpeg"}, {".png", "png"}, {".gif", "gif"}, {".webp", "webp"}, {".bmp", "bmp"}};
  std::string ending = file.extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const auto type = std::find_if(types.begin(), types.end(), [&](const auto& t) { return t.first == ending; });
  std::error_code error;
  if (type == types.end() || !std::filesystem::is_regular_file(file, error) ||
      std::filesystem::file_size(file, error) > most_bytes)
    return {};
  std::ifstream stream(file, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
  return bytes.empty() ? "" : fmt::format("data:image/{};base64,{}", type->second, base64(bytes));
}

}  // namespace lowshot::html
