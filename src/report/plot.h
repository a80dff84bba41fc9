#pragma once
// Line plots and bars of measured values as inline SVG, for the pages of report/html.h.

#include <string>
#include <utility>
#include <vector>

namespace lowshot::html {

struct PlotPoint {
  double x = 0, y = 0;
  double error = 0;  ///< half the length of the error bar; 0: none
};

struct Series {
  std::string name;
  std::vector<PlotPoint> points;
  std::size_t look = 0;  ///< colour, dashes and marker; the same number looks the same in every plot of a page
};

struct PlotAxis {
  std::string name;
  bool logarithmic = false;  ///< 0 is drawn half a decade before the smallest positive value
  std::vector<std::pair<double, std::string>> ticks = {};  ///< empty: round numbers
};

/// Series over their own range (y: round numbers around it), with a legend below. Empty text without a point.
std::string line_plot(const std::string& title, const std::vector<Series>& series, const PlotAxis& x,
                      const std::string& y_name);

struct Bar {
  std::string name, value_text;
  double value = 0;
};
/// Horizontal bars with their values in words.
std::string bars(const std::vector<Bar>& bars);

/// How many looks there are before one is used again.
constexpr std::size_t plot_looks = 8;

}  // namespace lowshot::html
