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
  for (int i = 0; i < 3; ++i) call();
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
void print_plans(const ResNet& model, const Options& o, std::uint32_t pass) {
  const bool stem = std::getenv("STEM") != nullptr;
  const Stream stream;
  const Cudnn cudnn(stream);
  std::map<ConvolutionShape, int> shapes;
  StemInput input{o.crop, o.half};
  if (stem) {
    ++shapes[{pass, 115, 115, 16, 64, 4, 4, 1, 0, false, true, o.half}];
    ++shapes[{pass, 115, 115, 16, 64, 4, 4, 1, 0, false, false, o.half}];
    ++shapes[{pass, 115, 112, 48, 64, 4, 1, 1, 0, false, true, o.half}];
    ++shapes[{pass, 115, 112, 64, 64, 4, 1, 1, 0, false, true, o.half}];
    ++shapes[{pass, 112, 112, 192, 64, 1, 1, 1, 0, false, true, o.half}];
    ++shapes[{pass, 112, 112, 256, 64, 1, 1, 1, 0, false, true, o.half}];
    ++shapes[{pass, 115, 115, 12, 64, 4, 4, 1, 0, false, true, o.half}];
    ++shapes[{pass, 115, 57, 64, 128, 4, 1, 1, 0, false, true, o.half}];
  }
  std::uint32_t side = (input.out() + 1) / 2;
  std::size_t largest = std::size_t{pass} * o.crop * o.crop * 64;
  const auto add = [&](const Convolution& c, bool residual) {
    const ConvolutionShape s{pass,     side,     side,  c.in,     c.out,  c.kernel,
                             c.kernel, c.stride, c.pad, residual, c.relu, o.half};
    ++shapes[s];
    return s.out_height();
  };
  if (!stem)
    for (const Block& block : model.blocks) {
      for (const Convolution& c : block.shortcut) add(c, false);
      for (std::size_t i = 0; i < block.path.size(); ++i) side = add(block.path[i], i + 1 == block.path.size());
    }
  const std::size_t bytes = largest * (o.half ? 2 : 4);
  std::vector<float> noise(bytes / 4);
  for (std::size_t i = 0; i < noise.size(); ++i) {
    // Two float16 or one float32 of moderate size.
    const std::uint32_t r = static_cast<std::uint32_t>(i * 2654435761U);
    std::uint32_t bits = o.half ? (r & 0x83ff83ffU) | 0x38003000U : (r & 0x807fffffU) | 0x3f000000U;
    std::memcpy(&noise[i], &bits, 4);
  }
  const auto* raw = reinterpret_cast<const std::byte*>(noise.data());
  const DeviceArray<std::byte> x(raw, bytes), y(bytes), residual(raw, bytes);
  const DeviceArray<std::byte> w(raw, std::size_t{4} * 512 * 512 * 9);
  const DeviceArray<float> bias(noise.data(), 4096);
  double first_sum = 0, best_sum = 0;
  for (const auto& [s, times] : shapes) {
    fmt::print(stderr, "{} x {}: {} -> {}, kernel {} x {}, stride {}{}{}\n", times, s.height, s.in, s.out,
               s.kernel_height, s.kernel_width, s.stride, s.residual ? ", residual" : "", s.relu ? ", ReLU" : "");
    const double flop =
        2.0 * s.batch * s.out_height() * s.out_width() * s.out * s.in * s.kernel_height * s.kernel_width;
    std::optional<double> first, best;
    for (const Fusion fusion : {Fusion::bias_first, Fusion::residual_first, Fusion::none}) {
      if (fusion == Fusion::residual_first && !s.residual) continue;
      int n = 0;
      for_each_plan(cudnn, s, fusion, [&](ConvolutionPlan plan) {
        const DeviceArray<std::byte> workspace(plan.workspace());
        const double t = seconds(
            [&] {
              plan.run({x.data(), w.data(), bias.data(), residual.data(), y.data(), workspace.data()});
            },
            5, [&] { stream.wait(); });
        if (!first) first = t;
        if (!best || t < *best) best = t;
        fmt::print(stderr, "    {:8.1f} us {:6.1f} TFLOP/s  workspace {:9}  {}\n", t * 1e6, flop / t / 1e12,
                   plan.workspace(), plan.description());
        return ++n < 10;
      });
    }
    first_sum += times * first.value_or(0);
    best_sum += times * best.value_or(0);
  }
  fmt::print(stderr, "convolutions: first plans {:.2f} ms, best plans {:.2f} ms\n", first_sum * 1e3, best_sum * 1e3);
}

void run(const Options& o) {
  Context context;
  context.log = [](LogLevel, const std::string& line) { fmt::print(stderr, "{}\n", line); };
  const ResNet model = load_resnet(o.name, read_checkpoint(o.model), o.model);
  use_device(0);
  const std::uint32_t pass = o.pass != 0 ? o.pass : CudaResNet::good_pass(model, o.crop);
  if (o.plans) return print_plans(model, o, pass);

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
