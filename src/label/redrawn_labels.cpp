#include "label/redrawn_labels.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "lowshot/calibration.h"
#include "lowshot/diffusion.h"
#include "lowshot/random.h"
#include "lowshot/recipe.h"

namespace lowshot {
namespace {

constexpr int redraws = 4;  // one alone is off by 10 %
constexpr double doubt = 0.75;
constexpr std::size_t most_rows = 4096;  // that T' is fitted to

std::int32_t best_of(std::span<const float> row) {
  return static_cast<std::int32_t>(std::max_element(row.begin(), row.end()) - row.begin());
}

/// Of OwnRows::nodes: the class of those whose label was drawn, else -1. A class that no row is of has none.
std::vector<std::int32_t> draw_labels(const OwnRows& rows, const std::vector<std::vector<std::size_t>>& rows_of_class,
                                      NumpyRandomState& random) {
  std::vector<std::int32_t> labels(rows.nodes.size(), -1);
  for (std::size_t c = 0; c < rows_of_class.size(); ++c) {
    const std::vector<std::size_t>& some = rows_of_class[c];
    if (some.empty()) continue;
    const std::size_t drawn = some[random.interval(static_cast<std::uint32_t>(some.size() - 1))];
    labels[rows.place_of_sample[drawn]] = static_cast<std::int32_t>(c);
  }
  return labels;
}

/// What diffusion from these labels reads out at all of OwnRows::nodes.
Matrix<float> votes_of(Context& context, const GraphView& graph, const OwnRows& rows,
                       std::span<const std::int32_t> labels, std::uint32_t classes, std::uint32_t iterations,
                       const LabelOptions& options) {
  std::vector<std::int32_t> of_node(graph.nodes(), -1);
  Matrix<NodeId> queries(rows.nodes.size(), 1);
  for (std::size_t i = 0; i < rows.nodes.size(); ++i) {
    of_node[rows.nodes[i]] = labels[i];
    queries.data()[i] = rows.nodes[i];
  }
  Matrix<float> votes(rows.nodes.size(), classes);
  DiffusionOptions diffusion{.iterations = iterations, .slice = options.slice};
  diffusion.read_from = iterations;
  diffuse(context, graph, of_node, classes, queries, diffusion,
          [&](std::uint32_t, std::uint32_t first, MatrixView<const float> scores) {
            for (std::size_t i = 0; i < scores.rows(); ++i)
              std::copy_n(scores.row(i), scores.cols(), votes.row(i) + first);
          });
  return votes;
}

}  // namespace

double redrawn_temperature(Context& context, const GraphView& graph, const OwnRows& rows,
                           MatrixView<const float> scores, double scale, std::uint32_t iterations,
                           const LabelOptions& options) {
  const std::size_t classes = scores.cols(), count = rows.sample.size();
  if (count == 0) return 1;
  const Phase phase(context, "redrawn labels");
  std::vector<std::vector<std::size_t>> rows_of_class(classes);  // by their place in the sample
  for (std::size_t s = 0; s < count; ++s)
    rows_of_class[static_cast<std::size_t>(best_of(scores.row_span(s)))].push_back(s);

  NumpyRandomState random(options.seed);
  double log_ratio = 0, right = 0, asked = 0;
  for (int r = 0; r < redraws; ++r) {
    const std::vector<std::int32_t> labels = draw_labels(rows, rows_of_class, random);
    const Matrix<float> votes =
        votes_of(context, graph, rows, labels, static_cast<std::uint32_t>(classes), iterations, options);
    const OwnDataModel model = own_data_model(context, rows.z, rows.products, labels, votes);
    Matrix<float> again(rows.nodes.size(), classes);
    log_softmax(context, model.classifier, DescriptorView(rows.z), again);
    fuse(context, votes, {}, own_data::classifier_share, again);

    std::vector<std::int32_t> truth;
    const std::size_t step = (count + most_rows - 1) / most_rows;
    for (std::size_t s = 0; s < count; s += step) {
      const std::size_t place = rows.place_of_sample[s];
      if (labels[place] >= 0) continue;
      truth.push_back(best_of(scores.row_span(s)));
      right += best_of(again.view().row_span(place)) == truth.back() ? 1 : 0;
      // Rows asked move to the front: as many are behind.
      if (truth.size() - 1 != place) std::copy_n(again.row(place), classes, again.row(truth.size() - 1));
    }
    asked += static_cast<double>(truth.size());
    log_ratio += std::log(fit_temperature(again.view().rows(0, truth.size()), truth) / model.scale) / redraws;
  }
  const double agree = asked > 0 ? right / asked : 1;
  return scale * std::exp(log_ratio) * (1 + doubt * (1 - agree));
}

}  // namespace lowshot
