#include "label/held_out_scores.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "lowshot/hold_out.h"

namespace lowshot {
namespace {

// Few labels have a column each, and the hold-out is repeated at no cost; where a column for each class and fold is
// fewer columns, those are taken, and there is one repeat: with that many labels it says enough.
constexpr std::size_t always_own_columns = 512;

// The labelled nodes, sorted by class, and the column of each.
struct Columns {
  std::vector<std::uint32_t> nodes;
  std::vector<std::int32_t> classes;
  Matrix<std::uint8_t> fold;          // repeats x labelled nodes
  std::vector<std::uint32_t> column;  // of each labelled node
  std::vector<std::int32_t> class_of_column;
  Matrix<std::uint8_t> fold_of_column;  // repeats x columns
};

Columns make_columns(std::span<const std::int32_t> labels, std::uint32_t class_count, const LabelOptions& options) {
  Columns c;
  for (std::size_t i = 0; i < labels.size(); ++i)
    if (labels[i] >= 0) c.nodes.push_back(static_cast<std::uint32_t>(i));
  std::stable_sort(c.nodes.begin(), c.nodes.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return labels[a] < labels[b]; });
  for (const std::uint32_t node : c.nodes) c.classes.push_back(labels[node]);
  const bool own_column =
      c.nodes.size() <= std::max<std::size_t>(always_own_columns, std::size_t{options.folds} * class_count);
  const std::uint32_t repeats = own_column ? options.repeats : 1;
  c.fold = stratified_folds(c.classes, class_count, options.folds, repeats, options.seed);

  // Within a class labels are taken fold by fold, so that the columns of a class stand together.
  std::vector<std::uint32_t> order(c.nodes.size());
  for (std::uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  if (!own_column)
    std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
      return c.classes[a] != c.classes[b] ? c.classes[a] < c.classes[b] : c.fold(0, a) < c.fold(0, b);
    });
  c.column.resize(order.size());
  std::vector<std::uint32_t> first_member;
  for (std::size_t o = 0; o < order.size(); ++o) {
    const std::uint32_t i = order[o];
    const bool shares =
        !own_column && o != 0 && c.classes[order[o - 1]] == c.classes[i] && c.fold(0, order[o - 1]) == c.fold(0, i);
    if (!shares) {
      c.class_of_column.push_back(c.classes[i]);
      first_member.push_back(i);
    }
    c.column[i] = static_cast<std::uint32_t>(first_member.size() - 1);
  }
  c.fold_of_column = Matrix<std::uint8_t>(repeats, first_member.size());
  for (std::uint32_t r = 0; r < repeats; ++r)
    for (std::size_t g = 0; g < first_member.size(); ++g) c.fold_of_column(r, g) = c.fold(r, first_member[g]);
  return c;
}

// Positions (in columns.nodes) of the labels that are held out.
std::vector<std::uint32_t> choose_checked(const Columns& columns) {
  std::vector<std::uint32_t> can;
  for (std::uint32_t i = 0; i < columns.nodes.size(); ++i)
    if (columns.fold(0, i) != never_held_out) can.push_back(i);
  const std::size_t every = (can.size() + most_held_out - 1) / most_held_out;
  if (every <= 1) return can;
  std::vector<std::uint32_t> some;
  for (std::size_t i = 0; i < can.size(); i += every) some.push_back(can[i]);
  return some;
}

// The sums of columns that the sample takes part in, and what they become.
class SampleSums {
 public:
  SampleSums(const Columns& columns, std::size_t rows, std::uint32_t classes, FoldVotes& votes)
      : columns_(columns), votes_(votes), rows_(rows) {
    for (std::uint32_t i = 0; i < (votes.iterations - votes.first_iteration + 1) * (votes.folds + 1); ++i)
      votes.sample.push_back(Matrix<float>::zeroed(rows, classes));
  }

  // `u`: the columns first, first + 1, ... at the sample's rows.
  void add(std::uint32_t t, std::uint32_t first, MatrixView<const float> u, int threads) {
    if (t < votes_.first_iteration) return;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (std::size_t row = 0; row < rows_; ++row)
      for (std::uint32_t fold = 0; fold <= votes_.folds; ++fold) {
        float* sums = of(t, fold).row(row);
        for (std::size_t g = 0; g < u.cols(); ++g)
          if (columns_.fold_of_column(0, first + g) != fold) sums[columns_.class_of_column[first + g]] += u(row, g);
      }
  }

  void normalise(std::uint32_t t, std::uint32_t fold, std::span<const double> mass, int threads) {
    if (t < votes_.first_iteration) return;
    Matrix<float>& sums = of(t, fold);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (std::size_t row = 0; row < rows_; ++row)
      for (std::size_t c = 0; c < sums.cols(); ++c)
        sums(row, c) = mass[c] > 0 ? static_cast<float>(sums(row, c) / mass[c]) : 0;
  }

 private:
  Matrix<float>& of(std::uint32_t t, std::uint32_t fold) {
    return votes_.sample[(t - votes_.first_iteration) * (votes_.folds + 1) + fold];
  }

  const Columns& columns_;
  FoldVotes& votes_;
  std::size_t rows_;
};

}  // namespace

HeldOutScores hold_out(Context& context, const GraphView& graph, std::span<const std::int32_t> labels,
                       std::uint32_t classes, const LabelOptions& options, std::uint32_t iterations,
                       std::span<const std::uint32_t> sample, FoldVotes* votes) {
  const Columns columns = make_columns(labels, classes, options);
  const std::vector<std::uint32_t> checked = choose_checked(columns);
  const std::uint32_t repeats = static_cast<std::uint32_t>(columns.fold.rows());
  const std::uint32_t column_count = static_cast<std::uint32_t>(columns.class_of_column.size());
  const std::size_t rows = checked.size();
  const int threads = context.thread_count();

  HeldOutScores result;
  result.iterations = iterations;
  result.repeats = repeats;
  for (const std::uint32_t i : checked) {
    result.nodes.push_back(columns.nodes[i]);
    result.given.push_back(columns.classes[i]);
  }
  for (std::size_t i = 0; i < columns.nodes.size(); ++i)
    if (columns.fold(0, i) == never_held_out) result.unchecked_classes.push_back(columns.classes[i]);
  result.answers.resize(std::size_t{iterations} * repeats * rows);
  if (votes != nullptr) {
    votes->folds = options.folds;
    votes->iterations = iterations;
    for (const std::uint32_t i : checked) votes->fold_of_node.push_back(columns.fold(0, i));
    for (std::uint32_t t = votes->first_iteration; t <= iterations; ++t) votes->held.emplace_back(rows, classes);
  }
  if (rows == 0 && votes == nullptr) return result;

  std::vector<std::int32_t> column_labels(labels.size(), -1);
  for (std::size_t i = 0; i < columns.nodes.size(); ++i)
    column_labels[columns.nodes[i]] = static_cast<std::int32_t>(columns.column[i]);
  Matrix<NodeId> queries(rows + sample.size(), 1);
  std::copy(result.nodes.begin(), result.nodes.end(), queries.data());
  std::copy(sample.begin(), sample.end(), queries.data() + rows);
  std::optional<SampleSums> sample_sums;
  if (votes != nullptr) sample_sums.emplace(columns, sample.size(), classes, *votes);

  // kept[t][r][row][class]: sum of U_t over the columns that the row's fold leaves in
  const auto block = [&](std::uint32_t t, std::uint32_t r) { return ((t - 1) * std::size_t{repeats} + r) * rows; };
  Matrix<float> kept = Matrix<float>::zeroed(std::size_t{iterations} * repeats * rows, classes);
  DiffusionOptions diffusion{.iterations = iterations, .slice = options.slice};
  diffusion.read_from = 1;
  diffusion.normalise_columns = false;
  diffuse(context, graph, column_labels, column_count, queries, diffusion,
          [&](std::uint32_t t, std::uint32_t first, MatrixView<const float> u) {
#pragma omp parallel for num_threads(threads) schedule(static)
            for (std::size_t row = 0; row < rows; ++row)
              for (std::uint32_t r = 0; r < repeats; ++r) {
                const std::uint8_t own_fold = columns.fold(r, checked[row]);
                float* sums = kept.row(block(t, r) + row);
                for (std::size_t g = 0; g < u.cols(); ++g)
                  if (columns.fold_of_column(r, first + g) != own_fold)
                    sums[columns.class_of_column[first + g]] += u(row, g);
              }
            if (sample_sums) sample_sums->add(t, first, u.rows(rows, u.rows()), threads);
          });

  // The same sums of 1' U_t normalise them: L_t = U_t diag(1' U_t)^-1 for the labels that are left in.
  const Matrix<double> column_mass = column_sums(context, graph, column_labels, column_count, iterations);
  Matrix<double> mass(options.folds + 1, classes);  // the last: of all labels
  for (std::uint32_t t = 1; t <= iterations; ++t)
    for (std::uint32_t r = 0; r < repeats; ++r) {
      std::fill_n(mass.data(), mass.size(), 0.0);
      for (std::uint32_t g = 0; g < column_count; ++g)
        for (std::uint32_t fold = 0; fold <= options.folds; ++fold)
          if (columns.fold_of_column(r, g) != fold)
            mass(fold, static_cast<std::size_t>(columns.class_of_column[g])) += column_mass(t, g);
      if (r == 0 && sample_sums)
        for (std::uint32_t fold = 0; fold <= options.folds; ++fold)
          sample_sums->normalise(t, fold, mass.view().row_span(fold), threads);
      const bool keep = r == 0 && votes != nullptr && t >= votes->first_iteration;
#pragma omp parallel for num_threads(threads) schedule(static)
      for (std::size_t row = 0; row < rows; ++row) {
        const float* sums = kept.row(block(t, r) + row);
        const std::uint8_t fold = columns.fold(r, checked[row]);
        double total = 0, best = 0, own = 0;
        HeldOutAnswer& answer = result.answers[block(t, r) + row];
        for (std::uint32_t c = 0; c < classes; ++c) {
          const double score = mass(fold, c) > 0 ? sums[c] / mass(fold, c) : 0;
          total += score;
          if (keep) votes->held[t - votes->first_iteration](row, c) = static_cast<float>(score);
          if (score > best) best = score, answer.predicted = static_cast<std::int32_t>(c);
          if (static_cast<std::int32_t>(c) == result.given[row]) own = score;
        }
        answer.mass = static_cast<float>(total);
        if (total > 0) {
          answer.confidence = static_cast<float>(best / total);
          answer.given_confidence = static_cast<float>(own / total);
        }
      }
    }
  return result;
}

double unchecked_share(const HeldOutScores& held) {
  const auto unchecked = static_cast<double>(held.unchecked_classes.size());
  std::vector<std::int32_t> checked = held.given;
  std::sort(checked.begin(), checked.end());
  const auto end = std::unique(checked.begin(), checked.end());
  const double all = unchecked + static_cast<double>(end - checked.begin());
  return all > 0 ? unchecked / all : 0;
}

std::uint32_t moved_for_unchecked(const HeldOutScores& held, std::uint32_t best, std::uint32_t last) {
  return best + static_cast<std::uint32_t>(std::ceil(unchecked_share(held) * static_cast<double>(last - best)));
}

std::uint64_t hold_out_memory(std::uint64_t labelled, std::uint32_t classes, const LabelOptions& options) {
  const bool own_column =
      labelled <= std::max<std::uint64_t>(always_own_columns, std::uint64_t{options.folds} * classes);
  const std::uint64_t answers = std::uint64_t{options.iterations.value_or(options.most_iterations)} *
                                (own_column ? options.repeats : 1) * std::min<std::uint64_t>(labelled, most_held_out);
  return answers * (classes * sizeof(float) + sizeof(HeldOutAnswer));
}

}  // namespace lowshot
