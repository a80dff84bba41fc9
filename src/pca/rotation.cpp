// Q of the QR decomposition of a Gaussian matrix, with the signs that make it uniform over the orthogonal group.
// std::mt19937_64 gives the same bits everywhere; std::normal_distribution does not, hence the polar method here.

#include "pca/rotation.h"

#include <Eigen/QR>
#include <cmath>
#include <random>

namespace lowshot {
namespace {

using RowMajorDouble = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

class Gaussian {
 public:
  explicit Gaussian(std::uint32_t seed) : generator_(seed) {}

  double operator()() {
    if (has_spare_) {
      has_spare_ = false;
      return spare_;
    }
    double u = 0, v = 0, s = 0;
    do {
      u = 2 * uniform() - 1;
      v = 2 * uniform() - 1;
      s = u * u + v * v;
    } while (s >= 1 || s == 0);
    const double factor = std::sqrt(-2 * std::log(s) / s);
    spare_ = v * factor;
    has_spare_ = true;
    return u * factor;
  }

 private:
  double uniform() { return static_cast<double>(generator_() >> 11) * 0x1p-53; }

  std::mt19937_64 generator_;
  double spare_ = 0;
  bool has_spare_ = false;
};

}  // namespace

Matrix<double> random_rotation(std::size_t dim, std::uint32_t seed) {
  Gaussian gaussian(seed);
  const auto n = static_cast<Eigen::Index>(dim);
  Eigen::MatrixXd values(n, n);
  for (Eigen::Index i = 0; i < values.size(); ++i) values.data()[i] = gaussian();
  const Eigen::HouseholderQR<Eigen::MatrixXd> qr(values);

  Matrix<double> result(dim, dim);
  Eigen::Map<RowMajorDouble> q(result.data(), n, n);
  q = qr.householderQ();
  for (Eigen::Index j = 0; j < n; ++j) {
    if (qr.matrixQR()(j, j) < 0) q.col(j) = -q.col(j);
  }
  return result;
}

}  // namespace lowshot
