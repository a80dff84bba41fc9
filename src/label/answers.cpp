#include "label/answers.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "label/own_answers.h"
#include "lowshot/evaluation.h"

namespace lowshot {

void set_answer(LabelResult& result, std::size_t node, std::size_t place, std::int32_t c, float confidence) {
  result.classes(node, place) = c;
  result.confidences(node, place) = confidence;
}

AllScores diffused_scores(Context& context, const GraphView& graph, std::span<const std::int32_t> labels,
                          std::uint32_t classes, const LabelOptions& options, std::uint32_t iterations) {
  return [=, &context](const ScoreSink& sink) {
    Matrix<NodeId> every(graph.nodes(), 1);
    std::iota(every.data(), every.data() + graph.nodes(), NodeId{0});
    DiffusionOptions diffusion{.iterations = iterations, .slice = options.slice};
    diffusion.read_from = iterations;
    diffuse(context, graph, labels, classes, every, diffusion, sink);
  };
}

void answer_by_graph(Context& context, const AllScores& all_scores, const LabelOptions& options, LabelResult& result,
                     const ShareSink& share_sink) {
  const Phase phase(context, "diffusion");
  const std::size_t n = result.status.size();
  TopClasses top(n, options.top);
  std::vector<float>& total = result.typicality;
  all_scores([&](std::uint32_t, std::uint32_t first, MatrixView<const float> scores) {
    top.offer(first, scores, context.thread_count());
#pragma omp parallel for num_threads(context.thread_count()) schedule(static)
    for (std::size_t i = 0; i < n; ++i)
      for (const float s : scores.row_span(i)) total[i] += s;
  });
  if (share_sink) {
    Matrix<float> shares;
    all_scores([&](std::uint32_t, std::uint32_t first, MatrixView<const float> scores) {
      if (shares.cols() < scores.cols()) shares = Matrix<float>(n, scores.cols());
      const MatrixView<float> view(shares.data(), n, scores.cols());
#pragma omp parallel for num_threads(context.thread_count()) schedule(static)
      for (std::size_t i = 0; i < n; ++i)
        for (std::size_t c = 0; c < scores.cols(); ++c) view(i, c) = total[i] > 0 ? scores(i, c) / total[i] : 0;
      share_sink(0, first, view);
    });
  }
  for (std::size_t i = 0; i < n; ++i) {
    result.status[i] = top.unreached(i) ? RowStatus::unreached : RowStatus::predicted;
    for (std::uint32_t j = 0; j < options.top; ++j) {
      const bool there = total[i] > 0 && top.row(i)[j] >= 0 && top.row_scores(i)[j] > 0;
      set_answer(result, i, j, there ? top.row(i)[j] : -1, there ? top.row_scores(i)[j] / total[i] : 0);
    }
  }
}

void answer_by_both(Context& context, const GraphView& graph, std::span<const std::int32_t> labels,
                    const LabelOptions& options, const HoldOut& summary, const ChosenRecipe& choice, RowSource& rows,
                    LabelResult& result, const ShareSink& share_sink) {
  const Phase phase(context, "diffusion and classifier");
  own_answers(context, graph, rows, choice.transform, choice.model, labels, summary.iterations, summary.temperature,
              choice.offset, options,
              [&](std::uint64_t first, MatrixView<const float> shares, std::span<const float> mass) {
                TopClasses top(shares.rows(), options.top, TopClasses::Scores::any_sign);
                top.offer(0, shares, context.thread_count());
                std::copy(mass.begin(), mass.end(), result.typicality.begin() + static_cast<std::ptrdiff_t>(first));
                for (std::size_t i = 0; i < shares.rows(); ++i) {
                  result.status[first + i] = mass[i] > 0 ? RowStatus::predicted : RowStatus::classified;
                  for (std::uint32_t j = 0; j < options.top; ++j) {
                    const std::int32_t c = top.row(i)[j];
                    set_answer(result, first + i, j, c, c >= 0 ? top.row_scores(i)[j] : 0);
                  }
                }
                if (share_sink) share_sink(first, 0, shares);
              });
}

}  // namespace lowshot
