#include "lowshot/own_data.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <random>

#include "lowshot/descriptors.h"
#include "oracle/own_data.h"
#include "oracle/views.h"

namespace lowshot {
namespace {

using oracle::Dense;

// Rows about class centres, `labels` of each class known; votes that are right two times in three.
struct Problem {
  Matrix<float> z, votes;
  std::vector<std::int32_t> labels, truth;
};

Problem make_problem(std::size_t classes, std::size_t rows, std::size_t labels, std::size_t dim,
                     std::uint32_t seed = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> gaussian;
  std::uniform_real_distribution<float> uniform;
  Matrix<float> centres(classes, dim);
  for (std::size_t e = 0; e < centres.size(); ++e) centres.data()[e] = gaussian(random);
  Problem p{Matrix<float>(classes * rows, dim), Matrix<float>::zeroed(classes * rows, classes), {}, {}};
  for (std::size_t i = 0; i < classes * rows; ++i) {
    const std::size_t c = i % classes;
    float square = 0;
    for (std::size_t d = 0; d < dim; ++d) {
      p.z(i, d) = centres(c, d) + (0.4f + 0.1f * static_cast<float>(d)) * gaussian(random);
      square += p.z(i, d) * p.z(i, d);
    }
    for (std::size_t d = 0; d < dim; ++d) p.z(i, d) /= std::sqrt(square);
    p.truth.push_back(static_cast<std::int32_t>(c));
    p.labels.push_back(i / classes < labels ? static_cast<std::int32_t>(c) : -1);
    for (std::size_t k = 0; k < classes; ++k) p.votes(i, k) = uniform(random) * 0.01f;
    p.votes(i, random() % 3 == 0 ? random() % classes : c) += 0.02f;
    if (i % 17 == 16) std::fill_n(p.votes.row(i), classes, 0.0f);  // unreached
  }
  return p;
}

Dense dense(MatrixView<const float> x) {
  Dense result(x.rows(), x.cols());
  std::copy_n(x.data(), x.size(), result.values.begin());
  return result;
}

Matrix<float> answers(const Problem& p, int threads = 2) {
  Context context = oracle::context_of(best_isa(), threads);
  const Matrix<double> products = own_data_products(context, p.z);
  const SoftmaxModel model = own_data_model(context, p.z, products.view(), p.labels, p.votes).classifier;
  Matrix<float> logs(p.z.rows(), p.votes.cols());
  log_softmax(context, model, DescriptorView(p.z), logs);
  return logs;
}

std::ptrdiff_t best(MatrixView<const float> scores, std::size_t i) {
  const auto row = scores.row_span(i);
  return std::max_element(row.begin(), row.end()) - row.begin();
}

double right(const Problem& p, MatrixView<const float> scores) {
  double sum = 0;
  for (std::size_t i = 0; i < scores.rows(); ++i) sum += best(scores, i) == p.truth[i] ? 1 : 0;
  return sum / static_cast<double>(scores.rows());
}

TEST(OwnData, SaysWhatItsFormulasSay) {
  for (const auto& [classes, rows, labels, dim] :
       {std::array{4, 40, 2, 6}, std::array{7, 30, 1, 5}, std::array{2, 50, 10, 8}, std::array{3, 20, 20, 4}}) {
    const Problem p = make_problem(static_cast<std::size_t>(classes), static_cast<std::size_t>(rows),
                                   static_cast<std::size_t>(labels), static_cast<std::size_t>(dim));
    const Matrix<float> got = answers(p);
    const Dense wanted = oracle::own_data(dense(p.z), p.labels, dense(p.votes), own_data::shrinkage,
                                          own_data::labels_of_others, own_data::classifier_share, own_data::rounds);
    for (std::size_t i = 0; i < got.rows(); ++i)
      for (std::size_t c = 0; c < got.cols(); ++c)  // float32 rows and scores of up to some tens
        ASSERT_NEAR(got(i, c), wanted(i, c), 2e-4 * (1 + std::abs(wanted(i, c)))) << classes << " classes, row " << i;
  }
}

TEST(OwnData, IsRightMoreOftenThanTheVotesItLearnsFrom) {
  const Problem p = make_problem(6, 100, 1, 8);
  EXPECT_GT(right(p, answers(p)), right(p, p.votes) + 0.1);
}

TEST(OwnData, DoesNotDependOnThreads) {
  const Problem p = make_problem(5, 300, 2, 70);
  const Matrix<float> one = answers(p, 1), three = answers(p, 3);
  EXPECT_EQ(std::memcmp(one.data(), three.data(), one.size() * sizeof(float)), 0);
}

TEST(OwnData, HasAnAnswerWhereLittleIsKnown) {
  struct Case {
    const char* name;
    Problem problem;
  };
  std::vector<Case> cases;
  cases.push_back({"one class", make_problem(1, 20, 1, 4)});
  cases.push_back({"equal rows", make_problem(3, 10, 1, 4)});
  for (std::size_t i = 0; i < cases.back().problem.z.size(); ++i) cases.back().problem.z.data()[i] = 0;
  cases.push_back({"no votes", make_problem(3, 10, 1, 4)});
  std::fill_n(cases.back().problem.votes.data(), cases.back().problem.votes.size(), 0.0f);
  cases.push_back({"no votes, no labels of one class", make_problem(3, 10, 1, 4)});
  std::fill_n(cases.back().problem.votes.data(), cases.back().problem.votes.size(), 0.0f);
  cases.back().problem.labels[0] = -1;
  cases.push_back({"labels alone", make_problem(3, 2, 2, 4)});
  cases.push_back({"fewer rows than dimensions", make_problem(2, 2, 1, 40)});
  for (const Case& c : cases) {
    const Matrix<float> logs = answers(c.problem);
    for (std::size_t i = 0; i < logs.size(); ++i) ASSERT_TRUE(std::isfinite(logs.data()[i])) << c.name;
  }
}

// The same rows with 48 to 52 labels of a class: nothing happens at any number.
TEST(OwnData, HasNoBorderBetweenFewLabelsAndMany) {
  Problem p = make_problem(4, 120, 48, 6);
  Matrix<float> before = answers(p);
  for (std::size_t more = 48; more < 53; ++more) {
    for (std::size_t c = 0; c < 4; ++c) p.labels[more * 4 + c] = static_cast<std::int32_t>(c);
    Matrix<float> after = answers(p);
    std::size_t moved = 0;
    for (std::size_t i = 0; i < after.rows(); ++i) moved += best(after, i) != best(before, i) ? 1 : 0;
    EXPECT_LE(moved, after.rows() / 50) << more;
    before = std::move(after);
  }
}

}  // namespace
}  // namespace lowshot
