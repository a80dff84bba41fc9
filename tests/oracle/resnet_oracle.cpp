#include "oracle/resnet_oracle.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

namespace lowshot::oracle {
namespace {

struct Map {
  int channels = 0, side = 0;
  std::vector<double> values;

  Map(int c, int s) : channels(c), side(s), values(static_cast<std::size_t>(c) * s * s, 0.0) {}
  double& at(int c, int y, int x) { return values[(static_cast<std::size_t>(c) * side + y) * side + x]; }
  double at(int c, int y, int x) const { return values[(static_cast<std::size_t>(c) * side + y) * side + x]; }
};

struct Weights {
  const NamedTensors& tensors;

  bool has(const std::string& name) const { return tensors.count(name) != 0; }
  std::vector<float> operator()(const std::string& name) const {
    const Tensor& t = tensors.at(name);
    std::vector<float> values(t.bytes.size() / 4);
    std::memcpy(values.data(), t.bytes.data(), t.bytes.size());
    return values;
  }
};

Map convolve(const Weights& w, const std::string& name, const Map& in, int stride) {
  const auto& shape = w.tensors.at(name + ".weight").shape;
  const int out_channels = static_cast<int>(shape[0]), kernel = static_cast<int>(shape[2]), pad = kernel / 2;
  const std::vector<float> weights = w(name + ".weight");
  const std::vector<float> bias = w.has(name + ".bias") ? w(name + ".bias") : std::vector<float>(shape[0], 0.0F);
  Map out(out_channels, (in.side + 2 * pad - kernel) / stride + 1);
  for (int o = 0; o < out_channels; ++o)
    for (int i = 0; i < in.channels; ++i)
      for (int ky = 0; ky < kernel; ++ky)
        for (int kx = 0; kx < kernel; ++kx) {
          const double weight = weights[((static_cast<std::size_t>(o) * in.channels + i) * kernel + ky) * kernel + kx];
          for (int y = 0; y < out.side; ++y) {
            const int from_y = y * stride + ky - pad;
            if (from_y < 0 || from_y >= in.side) continue;
            for (int x = 0; x < out.side; ++x) {
              const int from_x = x * stride + kx - pad;
              if (from_x >= 0 && from_x < in.side) out.at(o, y, x) += weight * in.at(i, from_y, from_x);
            }
          }
        }
  for (int o = 0; o < out_channels; ++o)
    for (int p = 0; p < out.side * out.side; ++p) out.at(o, 0, p) += bias[static_cast<std::size_t>(o)];
  return out;
}

void batch_norm(const Weights& w, const std::string& name, Map& map) {
  if (!w.has(name + ".weight")) return;
  const auto gain = w(name + ".weight"), shift = w(name + ".bias"), mean = w(name + ".running_mean"),
             variance = w(name + ".running_var");
  for (int c = 0; c < map.channels; ++c) {
    const auto i = static_cast<std::size_t>(c);
    for (int p = 0; p < map.side * map.side; ++p)
      map.at(c, 0, p) = gain[i] * (map.at(c, 0, p) - mean[i]) / std::sqrt(variance[i] + 1e-5) + shift[i];
  }
}

void relu(Map& map) {
  for (double& v : map.values) v = std::max(v, 0.0);
}

Map max_pool(const Map& in) {
  Map out(in.channels, (in.side + 2 - 3) / 2 + 1);
  for (int c = 0; c < in.channels; ++c)
    for (int y = 0; y < out.side; ++y)
      for (int x = 0; x < out.side; ++x) {
        double best = -1e300;
        for (int dy = -1; dy <= 1; ++dy)
          for (int dx = -1; dx <= 1; ++dx) {
            const int from_y = 2 * y + dy, from_x = 2 * x + dx;
            if (from_y >= 0 && from_y < in.side && from_x >= 0 && from_x < in.side)
              best = std::max(best, in.at(c, from_y, from_x));
          }
        out.at(c, y, x) = best;
      }
  return out;
}

Tensor tensor(std::vector<std::uint64_t> shape, const std::vector<float>& values) {
  Tensor t;
  t.type = TensorType::float32;
  t.shape = std::move(shape);
  t.bytes.resize(values.size() * 4);
  std::memcpy(t.bytes.data(), values.data(), t.bytes.size());
  return t;
}

}  // namespace

NamedTensors random_resnet(const std::vector<int>& blocks, bool bottleneck, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  NamedTensors tensors;
  const auto draw = [&](std::vector<std::uint64_t> shape, double low, double high) {
    std::size_t count = 1;
    for (const std::uint64_t s : shape) count *= s;
    std::vector<float> values(count);
    std::uniform_real_distribution<double> uniform(low, high);
    for (float& v : values) v = static_cast<float>(uniform(random));
    return tensor(std::move(shape), values);
  };
  const auto convolution = [&](const std::string& name, std::uint64_t in, std::uint64_t out, std::uint64_t kernel) {
    const double bound = std::sqrt(6.0 / static_cast<double>(in * kernel * kernel));
    tensors[name + ".weight"] = draw({out, in, kernel, kernel}, -bound, bound);
  };
  const auto norm = [&](const std::string& name, std::uint64_t channels, double gain) {
    tensors[name + ".weight"] = draw({channels}, 0.5 * gain, 1.5 * gain);
    tensors[name + ".bias"] = draw({channels}, -0.3, 0.3);
    tensors[name + ".running_mean"] = draw({channels}, -0.3, 0.3);
    tensors[name + ".running_var"] = draw({channels}, 0.5, 1.5);
  };
  convolution("module.trunk.0", 3, 64, 7);
  norm("module.trunk.1", 64, 1);
  std::uint64_t in = 64;
  int index = 4;
  for (std::size_t stage = 0; stage < blocks.size(); ++stage)
    for (int b = 0; b < blocks[stage]; ++b) {
      const std::string name = "module.trunk." + std::to_string(index++);
      const std::uint64_t out = (bottleneck ? 256ULL : 64ULL) << stage, middle = bottleneck ? out / 4 : out;
      convolution(name + ".C1", in, middle, bottleneck ? 1 : 3);
      norm(name + ".BN1", middle, 1);
      convolution(name + ".C2", middle, middle, 3);
      norm(name + ".BN2", middle, bottleneck ? 1 : 0.3);
      if (bottleneck) {
        tensors[name + ".C2.bias"] = draw({middle}, -0.5, 0.5);
        convolution(name + ".C3", middle, out, 1);
        norm(name + ".BN3", out, 0.3);
      }
      if (in != out) {
        convolution(name + ".shortcut", in, out, 1);
        if (!bottleneck) norm(name + ".BNshortcut", out, 1);
      }
      in = out;
    }
  tensors["module.classifier.weight"] = draw({10, in}, -1, 1);
  return tensors;
}

std::vector<double> run_resnet(const NamedTensors& tensors, const std::vector<int>& blocks, bool bottleneck,
                               const std::vector<double>& image, int side) {
  const Weights w{tensors};
  Map x(3, side);
  x.values = image;
  x = convolve(w, "module.trunk.0", x, 2);
  batch_norm(w, "module.trunk.1", x);
  relu(x);
  x = max_pool(x);
  int index = 4;
  for (std::size_t stage = 0; stage < blocks.size(); ++stage)
    for (int b = 0; b < blocks[stage]; ++b) {
      const std::string name = "module.trunk." + std::to_string(index++);
      const int stride = stage > 0 && b == 0 ? 2 : 1;
      Map y = convolve(w, name + ".C1", x, bottleneck ? 1 : stride);
      batch_norm(w, name + ".BN1", y);
      relu(y);
      y = convolve(w, name + ".C2", y, bottleneck ? stride : 1);
      batch_norm(w, name + ".BN2", y);
      if (bottleneck) {
        relu(y);
        y = convolve(w, name + ".C3", y, 1);
        batch_norm(w, name + ".BN3", y);
      }
      if (w.has(name + ".shortcut.weight")) {
        x = convolve(w, name + ".shortcut", x, stride);
        batch_norm(w, name + ".BNshortcut", x);
      }
      for (std::size_t i = 0; i < y.values.size(); ++i) y.values[i] += x.values[i];
      relu(y);
      x = std::move(y);
    }
  std::vector<double> descriptor(static_cast<std::size_t>(x.channels), 0.0);
  for (int c = 0; c < x.channels; ++c) {
    for (int p = 0; p < x.side * x.side; ++p) descriptor[static_cast<std::size_t>(c)] += x.at(c, 0, p);
    descriptor[static_cast<std::size_t>(c)] /= x.side * x.side;
  }
  return descriptor;
}

}  // namespace lowshot::oracle
