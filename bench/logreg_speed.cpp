// What bench/logreg times of ours: iterations of the regression, and the two dense products alone.
//
//   lowshot_bench_logreg step X.npy CLASSES BATCH WD OUT
//       one step: writes OUT.before.npy, OUT.after.npy, OUT.draws.npy
//   lowshot_bench_logreg train|products|eigen X.npy CLASSES BATCH WD N
//       seconds of N iterations; of N pairs of products by the training's kernels; the same by Eigen, on all cores
//
// Row i of X is of class i modulo CLASSES. Prints seconds of wall time and of processor time.
#include <fmt/format.h>
#include <omp.h>

#include <Eigen/Dense>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "classifier/balanced_draws.h"
#include "classifier/panels.h"
#include "lowshot/error.h"
#include "lowshot/io.h"
#include "lowshot/logreg.h"

using namespace lowshot;
using namespace lowshot::classifier;

namespace {

constexpr double rate = 1e-4;  // small: the speed does not depend on it, and nothing may diverge

struct Job {
  Matrix<float> x;
  RowsOfClasses labelled;
  LogregOptions options;
  std::uint32_t classes() const { return static_cast<std::uint32_t>(labelled.size()); }
  std::uint32_t dim() const { return static_cast<std::uint32_t>(x.cols()); }
};

double processor_seconds() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

template <typename Work>
void timed(const Work& work) {
  const double processor = processor_seconds();
  const auto start = std::chrono::steady_clock::now();
  work();
  const double wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  fmt::print("{{\"seconds\": {}, \"processor_seconds\": {}}}\n", wall, processor_seconds() - processor);
}

void step(Context& context, const Job& job, const std::string& out) {
  SoftmaxModel model = initial_model(job.classes(), job.dim(), job.options.seed);
  write_npy(out + ".before.npy", model.weights);
  LogregOptions options = job.options;
  options.iterations = 1;
  options.learning_rate = 1;
  train_softmax(context, job.x, job.labelled, options, model);
  write_npy(out + ".after.npy", model.weights);
  BalancedDraws draws(job.labelled, options.seed);
  std::vector<Draw> batch(options.batch);
  draws.next(batch);
  Matrix<std::int32_t> rows(1, batch.size());
  for (std::size_t b = 0; b < batch.size(); ++b) rows(0, b) = static_cast<std::int32_t>(batch[b].row);
  write_npy(out + ".draws.npy", rows);
}

void train(Context& context, const Job& job) {
  SoftmaxModel model = initial_model(job.classes(), job.dim(), job.options.seed);
  timed([&] { train_softmax(context, job.x, job.labelled, job.options, model); });
}

// Logits of all classes, then the gradient's product (with a step of 0): what the training's kernels reach when there
// is nothing else to do, each product in a pass of its own.
void products(Context& context, const Job& job) {
  const PanelKernels kernels = panel_kernels(context.isa);
  Panels weights = pack(initial_model(job.classes(), job.dim(), 1));
  const std::uint32_t batch = job.options.batch;
  Matrix<float> x = Matrix<float>::zeroed(batch, batch_stride(job.dim()));
  for (std::uint32_t b = 0; b < batch; ++b) gather(DescriptorView(job.x), b, x.row(b));
  Matrix<float> z = Matrix<float>::zeroed(std::size_t{weights.count} * batch, panel_classes);
  const BatchView view{x.data(), x.cols(), batch};
  timed([&] {
#pragma omp parallel num_threads(context.thread_count())
    for (std::uint32_t t = 0; t < job.options.iterations; ++t) {
#pragma omp for schedule(static)
      for (std::uint32_t p = 0; p < weights.count; ++p)
        for (std::uint32_t k = 0; k < weights.inputs; k += input_block)
          kernels.logits(view, weights.panel(p), k, std::min(weights.inputs, k + input_block),
                         z.row(std::size_t{p} * batch));
#pragma omp for schedule(static)
      for (std::uint32_t p = 0; p < weights.count; ++p)
        for (std::uint32_t k = 0; k < weights.inputs; k += input_block)
          kernels.update(view, z.row(std::size_t{p} * batch), k, std::min(weights.inputs, k + input_block), {},
                         weights.panel(p), nullptr);
    }
  });
}

void eigen(Context& context, const Job& job) {
  using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  Eigen::setNbThreads(context.thread_count());
  const Eigen::Index batch = job.options.batch, classes = job.classes(), dim = job.dim();
  const RowMajor x = Eigen::Map<const RowMajor>(job.x.data(), batch, dim), w = RowMajor::Random(classes, dim);
  RowMajor z(batch, classes), g(classes, dim);
  timed([&] {
    for (std::uint32_t t = 0; t < job.options.iterations; ++t) {
      z.noalias() = x * w.transpose();
      g.noalias() = z.transpose() * x;
    }
  });
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 7) {
    std::fprintf(stderr,
                 "usage: lowshot_bench_logreg step|train|products|eigen X.npy CLASSES BATCH WD OUT|ITERATIONS\n");
    return 2;
  }
  const std::string what = argv[1];
  Job job;
  const auto file = open_npy_rows(argv[2]);
  job.x = read_rows(*file, 0, file->rows());
  job.labelled.resize(static_cast<std::size_t>(std::atoi(argv[3])));
  for (std::uint32_t i = 0; i < job.x.rows(); ++i) job.labelled[i % job.labelled.size()].push_back(i);
  job.options.batch = static_cast<std::uint32_t>(std::atoi(argv[4]));
  job.options.weight_decay = std::atof(argv[5]);
  job.options.iterations = static_cast<std::uint32_t>(std::atoi(argv[6]));
  job.options.learning_rate = rate;
  Context context;
  if (what == "step") {
    step(context, job, argv[6]);
  } else if (what == "train") {
    train(context, job);
  } else if (what == "products") {
    products(context, job);
  } else if (what == "eigen") {
    eigen(context, job);
  } else {
    std::fprintf(stderr, "lowshot_bench_logreg: there is no '%s'\n", what.c_str());
    return 2;
  }
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "lowshot_bench_logreg: %s\n", e.what());
  return 1;
}
