#pragma once
// Pieces of self-contained HTML pages: escaping, charts as inline SVG, images as data URIs. No scripts, no network;
// light and dark by the reader's preference.

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lowshot::html {

/// Text for element content and attribute values; bytes that are not UTF-8 become U+FFFD.
std::string escape(std::string_view text);

/// The page around `body`: title, style, viewport.
std::string page(const std::string& title, const std::string& body);

/// Horizontal bars, one a (name, count), longest first as given.
std::string bar_chart(const std::vector<std::pair<std::string, double>>& bars);

/// Vertical bars over equal bins of [low, high].
std::string histogram(const std::vector<double>& counts, double low, double high, const std::string& x_name);

struct Curve {
  std::string name;
  std::vector<std::pair<double, double>> points;  ///< x and y in 0..1
};
/// Lines over the unit square, axes in percent.
std::string curves(const std::vector<Curve>& lines, const std::string& x_name, const std::string& y_name);

/// data: URI of an image file (.jpg, .jpeg, .png, .gif, .webp, .bmp) of at most `most_bytes`; empty for anything else.
std::string image_uri(const std::filesystem::path& file, std::uintmax_t most_bytes);

}  // namespace lowshot::html
