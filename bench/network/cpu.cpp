// The CPU's network alone, on crops in memory, with weights and crops from files. bench/extract runs it beside ONNX
// Runtime, after it has compared the descriptors; prints JSON.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <fstream>
#include <iostream>

#include "lowshot/context.h"
#include "lowshot/error.h"
#include "lowshot/memory.h"
#include "lowshot/network.h"

namespace {

using namespace lowshot;

constexpr Normalisation imagenet{{0.485F, 0.456F, 0.406F}, {0.229F, 0.224F, 0.225F}};

struct Options {
  std::string name = "ResNet50", model, crops;
  std::uint32_t crop = 224, count = 192;
  int threads = 0;
};

void run(const Options& o) {
  Context context;
  context.threads = o.threads;
  Matrix<std::uint8_t> crops(o.count, std::size_t{3} * o.crop * o.crop);
  std::ifstream file(o.crops, std::ios::binary);
  if (!file.read(reinterpret_cast<char*>(crops.data()), static_cast<std::streamsize>(crops.size())))
    throw Error(ErrorKind::input, "too few bytes", o.crops);
  const auto network =
      make_cpu_network(context, load_resnet(o.name, read_checkpoint(o.model), o.model), imagenet, o.crop);
  Matrix<float> out(o.count, network->dim());
  const auto pass = [&] {
    for (std::size_t i = 0; i < o.count; i += network->batch()) {
      const std::size_t end = std::min<std::size_t>(o.count, i + network->batch());
      network->run(crops.view().rows(i, end), out.view().rows(i, end));
    }
  };
  network->run(crops.view().rows(0, std::min(o.count, network->batch())),
               out.view().rows(0, std::min(o.count, network->batch())));  // warms up, as the peer is
  const auto start = std::chrono::steady_clock::now();
  pass();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  fmt::print("{{\"network\": \"{}\", \"images_per_second\": {:.3f}, \"peak\": {}}}\n", network->description(),
             o.count / seconds, peak_resident_bytes());
}

}  // namespace

int main(int argc, char** argv) {
  Options o;
  CLI::App app("times a ResNet on the CPU");
  app.add_option("--name", o.name, "one of the five ResNets");
  app.add_option("--model", o.model, "checkpoint or safetensors")->required();
  app.add_option("--crops", o.crops, "raw bytes, crops x 3 side side")->required();
  app.add_option("--crop", o.crop, "side of a crop");
  app.add_option("--count", o.count, "crops in the file");
  app.add_option("--threads", o.threads, "0: all cores");
  CLI11_PARSE(app, argc, argv);
  try {
    run(o);
  } catch (const std::exception& e) {
    std::cerr << e.what() << '\n';
    return 1;
  }
}
