// The GPU's network alone (bytes of crops already there) and as `lowshot extract` calls it, with weights and crops from
// files. bench/peers/network_torch.py runs it beside PyTorch, after it has compared the descriptors; prints JSON.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <fstream>
#include <functional>
#include <iostream>
#include <optional>

#include "lowshot/context.h"
#include "lowshot/error.h"
#include "network/cuda_resnet.h"

namespace {

using namespace lowshot;
using namespace lowshot::network;

constexpr Normalisation imagenet{{0.485F, 0.456F, 0.406F}, {0.229F, 0.224F, 0.225F}};

struct Options {
  std::string name = "ResNet50", model, crops, out;
  std::uint32_t crop = 224, count = 512, pass = 0;
  bool half = false, plans = false;
};

// Median seconds of a call, the device idle before and after.
double seconds(const std::function<void()>& call, int calls, const std::function<void()>& wait) {
  constexpr int rounds = 7;
  std::vector<double> times;
  call();
  call();
  wait();
  for (int round = 0; round < rounds; ++round) {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < calls; ++i) call();
    wait();
    times.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / calls);
  }
  std::nth_element(times.begin(), times.begin() + rounds / 2, times.end());
  return times[rounds / 2];
}

double operations(const ResNet& model, std::uint32_t crop) {
  double sum = 0;
  std::uint32_t side = crop;
  const auto add = [&](const Convolution& c, std::uint32_t from) {
    const std::uint32_t to = (from + c.stride - 1) / c.stride;
    sum += 2.0 * to * to * c.out * c.in * c.kernel * c.kernel;
    return to;
  };
  side = (add(model.stem, side) + 1) / 2;
  for (const Block& block : model.blocks) {
    for (const Convolution& c : block.shortcut) add(c, side);
    for (const Convolution& c : block.path) side = add(c, side);
  }
  return sum;
}

// Every plan of every shape with its time: what choosing by the clock would gain.
void print_plans(const CudaResNet& resnet, bool half) {
  const int most = half ? 10 : 6;  // of a fusion
  const Stream stream;
  const Cudnn cudnn(stream);
  std::map<ConvolutionShape, int> shapes;
  std::size_t largest = 0, weights = 0;
  for (const ConvolutionPlan* plan : resnet.plans()) {
    const ConvolutionShape& s = plan->shape();
    ++shapes[s];
    largest = std::max({largest, std::size_t{s.batch} * s.height * s.width * s.in,
                        std::size_t{s.batch} * s.out_height() * s.out_width() * s.out});
    weights = std::max(weights, std::size_t{s.out} * s.in * s.kernel_height * s.kernel_width);
  }
  // Values of either sign and moderate size, in both precisions: zeros would run faster.
  std::vector<std::uint32_t> noise(std::max(largest, weights) / (half ? 2 : 1) + 1);
  std::uint32_t random = 1;
  for (std::uint32_t& bits : noise) {
    random = random * 1664525U + 1013904223U;
    bits = half ? (random & 0x87ff87ffU) | 0x30003000U : (random & 0x80ffffffU) | 0x3e000000U;
  }
  const auto* raw = reinterpret_cast<const std::byte*>(noise.data());
  const std::size_t bytes = noise.size() * sizeof(noise[0]);
  const DeviceArray<std::byte> x(raw, bytes), w(raw, bytes), residual(raw, bytes), y(bytes);
  const std::vector<float> bias_values(8192, 0.1F);
  const DeviceArray<float> bias(bias_values.data(), bias_values.size());
  double first_sum = 0, best_sum = 0;
  for (const auto& [s, times] : shapes) {
    const double flop =
        2.0 * s.batch * s.out_height() * s.out_width() * s.out * s.in * s.kernel_height * s.kernel_width;
    const Fusion chosen = choose_plan(cudnn, s).fusion();
    std::optional<double> first, best;
    for (const Fusion fusion : {Fusion::fused, Fusion::plain}) {
      int seen = 0;
      for_each_plan(cudnn, s, fusion, [&](ConvolutionPlan plan) {
        const DeviceArray<std::byte> workspace(plan.workspace());
        const auto call = [&] {
          plan.run({x.data(), w.data(), bias.data(), residual.data(), y.data(), workspace.data()});
        };
        const double t = seconds(call, half ? 5 : 1, [&] { stream.wait(); });
        if (seen == 0 && fusion == chosen) first = t;
        if (!best || t < *best) best = t;
        fmt::print(stderr, "{} times {}: {:.1f} us, {:.1f} TFLOP/s, workspace {}\n", times, plan.description(), t * 1e6,
                   flop / t / 1e12, plan.workspace());
        return ++seen < most;
      });
    }
    first_sum += times * first.value_or(0);
    best_sum += times * best.value_or(0);
  }
  fmt::print(stderr, "convolutions: chosen plans {:.2f} ms, best plans {:.2f} ms\n", first_sum * 1e3, best_sum * 1e3);
}

void run(const Options& o) {
  Context context;
  const ResNet model = load_resnet(o.name, read_checkpoint(o.model), o.model);
  use_device(0);
  const std::uint32_t pass = o.pass != 0 ? o.pass : CudaResNet::good_pass(model, o.crop);
  if (o.plans) return print_plans(CudaResNet(model, imagenet, o.crop, pass, o.half), o.half);

  const std::size_t row = std::size_t{3} * o.crop * o.crop;
  Matrix<std::uint8_t> crops(o.count, row);
  std::ifstream file(o.crops, std::ios::binary);
  if (!file.read(reinterpret_cast<char*>(crops.data()), static_cast<std::streamsize>(crops.size())))
    throw Error(ErrorKind::input, "too few bytes", o.crops);
  const auto begin = std::chrono::steady_clock::now();
  const auto network = make_cuda_network(context, model, imagenet, o.crop, 0, o.half, o.pass == 0 ? 0 : o.count);
  const double start = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  Matrix<float> out(o.count, network->dim());
  const auto batches = [&] {
    for (std::size_t i = 0; i < o.count; i += network->batch()) {
      const std::size_t end = std::min<std::size_t>(o.count, i + network->batch());
      network->run(crops.view().rows(i, end), out.view().rows(i, end));
    }
  };
  batches();
  std::ofstream(o.out, std::ios::binary)
      .write(reinterpret_cast<const char*>(out.data()), static_cast<std::streamsize>(out.size() * sizeof(float)));
  const double called = seconds(batches, 3, [] {});

  CudaResNet resnet(model, imagenet, o.crop, pass, o.half);
  if (pass > o.count) throw Error(ErrorKind::usage, "fewer crops than a pass");
  const DeviceArray<std::uint8_t> bytes(crops.data(), pass * row);
  const double alone = seconds([&] { resnet.forward(bytes.data()); }, 20, [&] { resnet.stream().wait(); });
  fmt::print(
      "{{\"network\": \"{}\", \"pass\": {}, \"batch\": {}, \"start_seconds\": {:.3f}, \"gflop\": {:.4f}, "
      "\"alone_images_per_second\": {:.1f}, \"called_images_per_second\": {:.1f}}}\n",
      network->description(), pass, network->batch(), start, operations(model, o.crop) / 1e9, pass / alone,
      o.count / called);
}

}  // namespace

int main(int argc, char** argv) {
  Options o;
  CLI::App app("times a ResNet on the GPU");
  app.add_option("--name", o.name, "one of the five ResNets");
  app.add_option("--model", o.model, "checkpoint or safetensors")->required();
  app.add_option("--crops", o.crops, "raw bytes, crops x 3 side side");
  app.add_option("--out", o.out, "raw float32 descriptors");
  app.add_option("--crop", o.crop, "side of a crop");
  app.add_option("--count", o.count, "crops in the file");
  app.add_option("--pass", o.pass, "crops a pass (0: the default)");
  app.add_flag("--half", o.half, "float16");
  app.add_flag("--plans", o.plans, "time every plan of every convolution instead");
  CLI11_PARSE(app, argc, argv);
  try {
    run(o);
  } catch (const std::exception& e) {
    std::cerr << e.what() << '\n';
    return 1;
  }
}
