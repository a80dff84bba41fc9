// PCA training (reference protocol, "Descriptors"): leading eigenvectors of the covariance, then a random rotation.
// y = A (x - mean), A = R V' with V the leading eigenvectors and R a rotation, which leaves distances and inner
// products as they are.

#include <fmt/format.h>

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <limits>

#include "lowshot/error.h"
#include "lowshot/pca.h"
#include "pca/block_reader.h"
#include "pca/rotation.h"
#include "pca/scatter.h"

namespace lowshot {
namespace {

using RowMajorDouble = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

Eigen::Index index_of(std::size_t i) {
  return static_cast<Eigen::Index>(i);
}

void check(const RowSource& source, const PcaOptions& options) {
  if (options.dim == 0) {
    throw Error(ErrorKind::usage, "a PCA to 0 dimensions was asked for", "", "ask for at least 1");
  }
  if (source.dim() == 0) throw Error(ErrorKind::input, "the descriptors have 0 dimensions", source.name());
  if (source.rows() < 2) {
    throw Error(ErrorKind::input, fmt::format("PCA needs at least 2 rows to train on, found {}", source.rows()),
                source.name(), "give it more descriptors, thousands for a useful result");
  }
}

// Eigenvalues rise, eigenvector j is column j. Reads the upper triangle of the row-major scatter matrix, which is the
// lower one of the same memory taken column-major, the triangle Eigen looks at.
// 2048 x 2048: 4.5 s on one core of an AMD EPYC, once per PCA.
Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> decompose(Matrix<double> scatter, const std::string& name) {
  const auto n = index_of(scatter.rows());
  double variance = 0;  // a bound on every eigenvalue
  for (std::size_t i = 0; i < scatter.rows(); ++i) variance += scatter(i, i);
  if (!(variance <= std::numeric_limits<float>::max())) {
    throw Error(ErrorKind::input, "the variance of the descriptors exceeds the range of float32", name,
                "scale the descriptors down");
  }
  Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(Eigen::Map<const Eigen::MatrixXd>(scatter.data(), n, n));
  if (solver.info() != Eigen::Success) {
    throw Error(ErrorKind::input, "the eigenvalues of the covariance were not found (no convergence)", name,
                "check the descriptors");
  }
  return solver;
}

// The leading eigenvectors as rows, largest eigenvalue first. An eigenvector is known but for its sign: here the entry
// of largest magnitude (the first such) is positive.
RowMajorDouble leading_rows(const Eigen::MatrixXd& vectors, std::size_t count) {
  RowMajorDouble rows(index_of(count), vectors.rows());
  for (Eigen::Index i = 0; i < rows.rows(); ++i) {
    rows.row(i) = vectors.col(vectors.cols() - 1 - i).transpose();
    Eigen::Index largest = 0;
    rows.row(i).cwiseAbs().maxCoeff(&largest);
    if (rows(i, largest) < 0) rows.row(i) = -rows.row(i);
  }
  return rows;
}

/// sum (x - mean)(x - mean)' -> sum x x', upper triangle.
void add_mean(Matrix<double>& scatter, const std::vector<double>& mean, double rows) {
  for (std::size_t i = 0; i < mean.size(); ++i)
    for (std::size_t j = i; j < mean.size(); ++j) scatter(i, j) += rows * mean[i] * mean[j];
}

}  // namespace

std::uint64_t train_pca_memory(std::uint64_t rows, std::uint32_t source_dim, const PcaOptions& options) {
  const std::uint64_t d = source_dim, out = std::min<std::uint64_t>(options.dim, d);
  const std::uint64_t summing = BlockReader::memory(rows, source_dim, pca_block_rows) + d * d * sizeof(double);
  // The scatter matrix with its eigenvectors; then the eigenvectors with three matrices of the result's size.
  const std::uint64_t solving = 2 * d * d * sizeof(double);
  const std::uint64_t rotating = d * d * sizeof(double) + 3 * out * d * sizeof(double) + 3 * out * out * sizeof(double);
  return std::max({summing, solving, rotating});
}

LinearMap train_pca(Context& context, RowSource& source, const PcaOptions& options) {
  check(source, options);
  const std::size_t in = source.dim(), out = std::min<std::size_t>(options.dim, in);
  const int threads = context.thread_count();

  std::vector<double> mean;
  Matrix<double> scatter;
  {
    const Phase phase(context, "PCA covariance");
    Scatter sums(in);
    BlockReader reader(source, pca_block_rows);
    while (reader.next()) {
      sums.add(reader.rows(), threads);
      context.report("PCA covariance", sums.rows(), source.rows(), "rows");
    }
    mean = sums.mean();
    scatter = sums.take(threads);
    if (!options.centred) add_mean(scatter, mean, static_cast<double>(source.rows()));
  }

  const Phase phase(context, "PCA eigenvectors");
  const auto solver = decompose(std::move(scatter), source.name());
  RowMajorDouble a = leading_rows(solver.eigenvectors(), out);
  if (options.random_rotation) {
    const Matrix<double> rotation = random_rotation(out, options.seed);
    a = Eigen::Map<const RowMajorDouble>(rotation.data(), index_of(out), index_of(out)) * a;
  }

  LinearMap map;
  map.a = Matrix<float>(out, in);
  for (std::size_t i = 0; i < out; ++i) {
    double shift = 0;
    for (std::size_t j = 0; j < in; ++j) {
      map.a(i, j) = static_cast<float>(a(index_of(i), index_of(j)));
      shift += static_cast<double>(map.a(i, j)) * mean[j];  // the rounded A, so that A mean + b is 0
    }
    if (options.centred) map.b.push_back(static_cast<float>(-shift));
  }
  if (options.centred) map.mean.assign(mean.begin(), mean.end());
  for (std::size_t i = in; i-- > 0;) {
    // Rounding makes the eigenvalues of a rank-deficient matrix slightly negative.
    map.eigenvalues.push_back(static_cast<float>(std::max(0.0, solver.eigenvalues()(index_of(i)))));
  }
  return map;
}

}  // namespace lowshot
