// One k-NN graph of rows in memory to a table in memory: what bench/compare times of ours.
//
//   lowshot_bench_knn_build ROWS.npy [--k 32] [--method join] [--recall .95] [-o PREFIX]
//
// Rows are compared by their inner product as they are (bench/data writes them normalised). Only build_knn is timed,
// all of it; prints JSON: seconds, the method and its effort, the recall that it reports, the peak of memory with the
// rows.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <iostream>
#include <map>

#include "inputs.h"
#include "lowshot/context.h"
#include "lowshot/io.h"
#include "lowshot/knn.h"

namespace {

using namespace lowshot;

struct Options {
  std::string rows, output;
  KnnOptions knn{.k = 32};
  Isa isa = best_isa();
  int threads = 0, repeats = 1;
};

void run(const Options& o) {
  const Matrix<float> x = bench::load_rows(o.rows);
  bench::reset_peak_memory();
  double least = 0;
  std::string all;
  KnnTable table;
  KnnReport report;
  Context context;
  for (int r = 0; r < o.repeats; ++r) {
    table = {};
    context = Context{.threads = o.threads, .isa = o.isa};
    const auto start = std::chrono::steady_clock::now();
    table = build_knn(context, x, o.knn, &report);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    least = r == 0 ? seconds : std::min(least, seconds);
    all += fmt::format("{}{:.4f}", r == 0 ? "" : ", ", seconds);
  }
  const std::uint64_t peak = bench::peak_memory();
  if (!o.output.empty()) {
    write_knn(knn_file_names(o.output, stored_k(o.knn.k), TableFormat::npy), table);
    if (!report.order.empty())
      write_npy(o.output + "_order.npy", MatrixView<const std::int32_t>(
                                             reinterpret_cast<const std::int32_t*>(report.order.data()), 1, x.rows()));
  }
  std::string phases;
  for (const auto& [phase, seconds] : context.seconds)
    phases += fmt::format("{}\"{}\": {:.4f}", phases.empty() ? "" : ", ", phase, seconds);
  fmt::print(
      "{{\"rows\": {}, \"dim\": {}, \"k\": {}, \"seconds\": {:.4f}, \"all_seconds\": [{}], \"method\": \"{}\", "
      "\"recall\": {:.6f}, \"lists\": {}, \"probes\": {}, \"isa\": \"{}\", \"peak_bytes\": {}, \"phases\": {{{}}}}}\n",
      x.rows(), x.cols(), o.knn.k, least, all, report.method == KnnMethod::join ? "join" : "exact", report.recall,
      report.lists, report.probes, name(o.isa), peak, phases);
}

}  // namespace

int main(int argc, char** argv) {
  Options o;
  CLI::App app("times one k-NN graph");
  const std::map<std::string, KnnMethod> methods{
      {"auto", KnnMethod::automatic}, {"exact", KnnMethod::exact}, {"join", KnnMethod::join}};
  std::map<std::string, Isa> isas;
  for (const Isa isa : all_isas) isas.emplace(name(isa), isa);
  app.add_option("rows", o.rows, "float32 .npy, rows normalised")->required();
  app.add_option("--k", o.knn.k, "neighbours, the row itself included");
  app.add_option("--method", o.knn.method, "auto, exact or join")->transform(CLI::CheckedTransformer(methods));
  app.add_option("--recall", o.knn.recall, "of the join");
  app.add_option("--probes", o.knn.effort.probes, "lists a row is compared with, whatever the recall");
  app.add_option("--list-rows", o.knn.effort.list_rows, "rows a list");
  app.add_option("--isa", o.isa, "instruction set")->transform(CLI::CheckedTransformer(isas));
  app.add_option("--threads", o.threads, "0: all cores");
  app.add_option("--repeats", o.repeats, "the least time counts");
  app.add_option("-o,--output", o.output, "prefix of the table's two .npy files and of the order's");
  CLI11_PARSE(app, argc, argv);
  try {
    run(o);
  } catch (const std::exception& e) {
    std::cerr << "lowshot_bench_knn_build: " << e.what() << '\n';
    return 1;
  }
}
