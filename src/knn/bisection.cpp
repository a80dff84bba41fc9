#include "knn/bisection.h"

#include <algorithm>
#include <numeric>
#include <span>

namespace lowshot::knn {
namespace {

constexpr int power_steps = 4;  // of the iteration towards the principal direction; the split need not be exact

class Bisection {
 public:
  explicit Bisection(MatrixView<const float> points)
      : points_(points), mean_(points.cols()), direction_(points.cols()), next_(points.cols()), place_(points.rows()) {}

  void order(std::span<std::uint32_t> part) {
    if (part.size() <= 2) return;
    find_direction(part);
    for (const std::uint32_t p : part) place_[p] = along(p);
    const auto rises = [&](std::uint32_t a, std::uint32_t b) {
      return place_[a] != place_[b] ? place_[a] < place_[b] : a < b;
    };
    const std::size_t half = part.size() / 2;
    std::nth_element(part.begin(), part.begin() + static_cast<std::ptrdiff_t>(half), part.end(), rises);
    order(part.first(half));
    order(part.subspan(half));
  }

 private:
  float along(std::uint32_t p) const {
    const float* x = points_.row(p);
    float sum = 0;
    for (std::size_t j = 0; j < mean_.size(); ++j) sum += (x[j] - mean_[j]) * direction_[j];
    return sum;
  }

  // The principal direction of the part, by a few power iterations from the point farthest from the mean.
  void find_direction(std::span<const std::uint32_t> part) {
    std::fill(mean_.begin(), mean_.end(), 0.0f);
    for (const std::uint32_t p : part)
      for (std::size_t j = 0; j < mean_.size(); ++j) mean_[j] += points_(p, j) / static_cast<float>(part.size());
    std::uint32_t farthest = part[0];
    float longest = -1;
    for (const std::uint32_t p : part) {
      float square = 0;
      for (std::size_t j = 0; j < mean_.size(); ++j) square += (points_(p, j) - mean_[j]) * (points_(p, j) - mean_[j]);
      if (square > longest) longest = square, farthest = p;
    }
    for (std::size_t j = 0; j < mean_.size(); ++j) direction_[j] = points_(farthest, j) - mean_[j];
    for (int step = 0; step < power_steps; ++step) {
      std::fill(next_.begin(), next_.end(), 0.0f);
      for (const std::uint32_t p : part) {
        const float weight = along(p);
        for (std::size_t j = 0; j < mean_.size(); ++j) next_[j] += weight * (points_(p, j) - mean_[j]);
      }
      float largest = 0;
      for (const float v : next_) largest = std::max(largest, std::abs(v));
      if (!(largest > 0)) return;
      for (std::size_t j = 0; j < mean_.size(); ++j) direction_[j] = next_[j] / largest;
    }
  }

  MatrixView<const float> points_;
  std::vector<float> mean_, direction_, next_, place_;
};

}  // namespace

std::vector<std::uint32_t> bisection_order(MatrixView<const float> points) {
  std::vector<std::uint32_t> order(points.rows());
  std::iota(order.begin(), order.end(), 0u);
  Bisection(points).order(order);
  return order;
}

}  // namespace lowshot::knn
