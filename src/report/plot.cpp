#include "report/plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>

#include "report/html.h"

namespace lowshot::html {
namespace {

constexpr double width = 420, height = 260, left = 52, top = 26, right = 14;

struct Range {
  double low = std::numeric_limits<double>::max(), high = std::numeric_limits<double>::lowest();

  void add(double v) {
    low = std::min(low, v);
    high = std::max(high, v);
  }
};

// A step of 1, 2 or 5 times a power of ten that cuts `length` into at most `parts`.
double round_step(double length, int parts) {
  const double rough = std::max(length, 1e-9) / parts;
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0})
    if (factor * power >= rough * (1 - 1e-9)) return factor * power;
  return 10 * power;
}

std::vector<std::pair<double, std::string>> round_ticks(const Range& range, double step) {
  std::vector<std::pair<double, std::string>> ticks;
  const double first = std::ceil(range.low / step - 1e-9);
  for (int i = 0; i < 20 && (first + i) * step <= range.high + step * 1e-9; ++i)
    ticks.emplace_back((first + i) * step, fmt::format("{:g}", (first + i) * step));
  return ticks;
}

class Scale {
 public:
  Scale(const std::vector<Series>& series, const PlotAxis& axis) : logarithmic_(axis.logarithmic) {
    double smallest = std::numeric_limits<double>::max();
    for (const Series& s : series)
      for (const PlotPoint& p : s.points)
        if (p.x > 0) smallest = std::min(smallest, p.x);
    if (smallest == std::numeric_limits<double>::max()) smallest = 1;
    zero_ = std::log10(smallest) - .5;
    for (const Series& s : series)
      for (const PlotPoint& p : s.points) {
        values_.add(p.x);
        range_.add(place(p.x));
      }
  }
  double operator()(double x) const {
    const double length = range_.high - range_.low;
    return left + width * (length > 0 ? .02 + .96 * (place(x) - range_.low) / length : .5);
  }
  const Range& values() const { return values_; }

 private:
  double place(double x) const { return !logarithmic_ ? x : x > 0 ? std::log10(x) : zero_; }

  bool logarithmic_;
  double zero_ = 0;
  Range values_, range_;
};

// Told apart without colour, too: by dashes and by the form of the marker.
std::string marker(std::size_t look, double x, double y) {
  const std::string cls = fmt::format("class=\"dot s{}\"", look % plot_looks);
  switch (look % 4) {
    case 0:
      return fmt::format("<circle {} cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\"/>", cls, x, y);
    case 1:
      return fmt::format("<rect {} x=\"{:.1f}\" y=\"{:.1f}\" width=\"6\" height=\"6\"/>", cls, x - 3, y - 3);
    case 2:
      return fmt::format("<path {} d=\"M{:.1f} {:.1f}l3.6 6.4h-7.2z\"/>", cls, x, y - 4);
    default:
      return fmt::format("<path {} d=\"M{:.1f} {:.1f}l4 4l-4 4l-4 -4z\"/>", cls, x, y - 4);
  }
}

std::string line_of(const Series& s, const Scale& x, const std::function<double(double)>& y) {
  const std::string look = fmt::format("s{}", s.look % plot_looks);
  std::string points, body;
  for (const PlotPoint& p : s.points) points += fmt::format("{:.1f},{:.1f} ", x(p.x), y(p.y));
  body += fmt::format("<polyline class=\"series {}\" points=\"{}\"/>", look, points);
  // Markers on hundreds of points would be a band: at most a dozen a line.
  const std::size_t every = std::max<std::size_t>(1, s.points.size() / 12);
  for (std::size_t i = 0; i < s.points.size(); ++i) {
    const PlotPoint& p = s.points[i];
    if (p.error > 0)
      body += fmt::format("<path class=\"error {}\" d=\"M{:.1f} {:.1f}V{:.1f}\"/>", look, x(p.x), y(p.y - p.error),
                          y(p.y + p.error));
    if (i % every == 0) body += marker(s.look, x(p.x), y(p.y));
  }
  return fmt::format("<g><title>{}</title>{}</g>", escape(s.name), body);
}

std::string figure(double w, double h, const std::string& label, const std::string& body) {
  return fmt::format(
      "<svg viewBox=\"0 0 {0:g} {1:g}\" width=\"{0:g}\" height=\"{1:g}\" role=\"img\" aria-label=\"{2}\">{3}</svg>\n",
      w, h, escape(label), body);
}

}  // namespace

std::string line_plot(const std::string& title, const std::vector<Series>& series, const PlotAxis& x_axis,
                      const std::string& y_name) {
  Range y_range;
  for (const Series& s : series)
    for (const PlotPoint& p : s.points) {
      y_range.add(p.y - p.error);
      y_range.add(p.y + p.error);
    }
  if (y_range.low > y_range.high) return {};
  const double step = round_step(std::max(y_range.high - y_range.low, .1), 5);
  y_range.low = std::floor(y_range.low / step + 1e-9) * step;
  y_range.high = std::max(std::ceil(y_range.high / step - 1e-9) * step, y_range.low + step);
  const Scale x(series, x_axis);
  const auto y = [&](double v) { return top + height * (y_range.high - v) / (y_range.high - y_range.low); };

  std::string body = fmt::format("<text class=\"name\" x=\"{:g}\" y=\"14\">{}</text>", left, escape(title));
  for (const auto& [value, text] : round_ticks(y_range, step)) {
    body += fmt::format("<path class=\"axis\" d=\"M{:g} {:.1f}h{:g}\"/>", left, y(value), width);
    body += fmt::format("<text x=\"{:g}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>", left - 6, y(value) + 4, text);
  }
  const double span = x.values().high - x.values().low;
  for (const auto& [value, text] :
       x_axis.ticks.empty() ? round_ticks(x.values(), std::max(1.0, round_step(span, 6))) : x_axis.ticks)
    body += fmt::format("<text x=\"{:.1f}\" y=\"{:g}\" text-anchor=\"middle\">{}</text>", x(value), top + height + 18,
                        escape(text));
  body += fmt::format("<text x=\"{:g}\" y=\"{:g}\" text-anchor=\"middle\">{}</text>", left + width / 2,
                      top + height + 36, escape(x_axis.name));
  body += fmt::format("<text transform=\"translate(13 {:g}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
                      top + height / 2, escape(y_name));
  double legend_x = left, legend_y = top + height + 60;
  for (const Series& s : series) {
    if (s.points.empty()) continue;
    body += line_of(s, x, y);
    // Long names take a line of their own: 7 units a letter is the widest of the font.
    const double room = 40 + 7 * static_cast<double>(s.name.size());
    if (legend_x > left && legend_x + room > left + width) legend_x = left, legend_y += 18;
    body +=
        fmt::format("<path class=\"series s{}\" d=\"M{:g} {:g}h24\"/>", s.look % plot_looks, legend_x, legend_y - 4);
    body += marker(s.look, legend_x + 12, legend_y - 4);
    body +=
        fmt::format("<text class=\"name\" x=\"{:g}\" y=\"{:g}\">{}</text>", legend_x + 30, legend_y, escape(s.name));
    legend_x += room;
  }
  return figure(left + width + right, legend_y + 10, title, body);
}

std::string bars(const std::vector<Bar>& bars) {
  constexpr double row = 20, names = 230, room = 480;
  double most = 0;
  for (const Bar& bar : bars) most = std::max(most, bar.value);
  std::string body;
  for (std::size_t i = 0; i < bars.size(); ++i) {
    const double y = row * static_cast<double>(i);
    const double length = most > 0 ? std::max(1.0, room * bars[i].value / most) : 1;
    body += fmt::format("<text class=\"name\" x=\"{:g}\" y=\"{:g}\" text-anchor=\"end\">{}</text>", names - 8, y + 14,
                        escape(bars[i].name));
    body +=
        fmt::format("<rect class=\"bar\" x=\"{:g}\" y=\"{:g}\" width=\"{:.1f}\" height=\"14\"/>", names, y + 3, length);
    body +=
        fmt::format("<text x=\"{:.1f}\" y=\"{:g}\">{}</text>", names + length + 6, y + 14, escape(bars[i].value_text));
  }
  return bars.empty() ? "" : figure(names + room + 90, row * static_cast<double>(bars.size()) + 4, "bars", body);
}

}  // namespace lowshot::html
