// Class-balanced stochastic gradient descent for softmax regression (reference protocol, section 7).
//
//   P = softmax(X W'), G = (P - Y)' X / batch + decay W, V <- momentum V + G, W <- W - rate V
// Classes are split over threads, so that each core's part of W stays in its own cache; per minibatch the threads share
// only the logits' maxima and sums, at one barrier. W is passed over once per minibatch: a block of W is updated with
// minibatch t and at once multiplied with minibatch t + 1, which the same pass of the iteration before has gathered.
#include <fmt/format.h>
#include <omp.h>

#include <array>
#include <cmath>
#include <optional>

#include "classifier/balanced_draws.h"
#include "classifier/panels.h"
#include "classifier/spin_barrier.h"
#include "lowshot/error.h"

namespace lowshot {

using namespace classifier;

namespace {

// Minibatch t lies in slot t % 3: while t is read for the update and t + 1 for the logits, t + 2 is gathered, and the
// barrier between passes keeps a faster thread from the slot that a slower one still reads.
constexpr std::uint32_t batch_slots = 3;

struct Training {
  const DescriptorView& rows;
  const LogregOptions& options;
  PanelKernels kernels;
  Panels weights, velocity;  // velocity: empty without momentum
  std::uint32_t pitch;       // the batch, padded
  std::size_t stride;
  std::array<Matrix<float>, batch_slots> x;
  std::array<Matrix<float>, 2> maxima, sums;  // panels x pitch, of minibatches t with that parity
  std::array<Matrix<float>, 2> z;             // (panels * batch) x panel_classes: logits, then gradients of them
  std::vector<float> share;                   // the true class's probability / batch, in the last minibatch
  std::uint32_t done = 0;
  bool finite = true;

  BatchView batch(std::uint32_t t) const { return {x[t % batch_slots].data(), stride, options.batch}; }
  float* z_of(std::uint32_t t, std::uint32_t panel) { return z[t % 2].row(std::size_t{panel} * options.batch); }
};

// What one thread keeps: its share of the panels and of the gathered rows, and the same draws as all others.
class Worker {
 public:
  Worker(Training& training, const BalancedDraws& draws)
      : s_(training), draws_(draws), maximum_(training.pitch), sum_(training.pitch) {
    for (auto& batch : drawn_) batch.resize(s_.options.batch);
  }

  void take_share(std::uint32_t thread, std::uint32_t threads) {
    const auto part = [&](std::uint32_t n, std::uint32_t t) {
      return static_cast<std::uint32_t>(std::uint64_t{n} * t / threads);
    };
    first_panel_ = part(s_.weights.count, thread), last_panel_ = part(s_.weights.count, thread + 1);
    first_row_ = part(s_.options.batch, thread), last_row_ = part(s_.options.batch, thread + 1);
  }

  /// Minibatches 0 .. count-1; returns how many were done: fewer, on all threads alike, when the loss is not finite.
  std::uint32_t run(std::uint32_t count, SpinBarrier& barrier) {
    std::uint64_t round = 0;
    gather_rows(0);
    if (count > 1) gather_rows(1);
    barrier.wait(round);
    pass(0, false, true);
    barrier.wait(round);
    for (std::uint32_t t = 0; t < count; ++t) {
      if (!gradient_of_logits(t)) return t;
      if (t + 2 < count) gather_rows(t + 2);
      pass(t + 1, true, t + 1 < count);
      if (t + 1 < count) barrier.wait(round);
    }
    return count;
  }

  const BalancedDraws& draws() const { return draws_; }

 private:
  /// Draws minibatch t and puts this thread's rows of it into its slot.
  void gather_rows(std::uint32_t t) {
    std::vector<Draw>& batch = drawn_[t % batch_slots];
    draws_.next(batch);
    for (std::uint32_t b = first_row_; b < last_row_; ++b) gather(s_.rows, batch[b].row, s_.x[t % batch_slots].row(b));
  }

  /// Minibatch t-1's update of this thread's panels, and minibatch t's logits with what results.
  void pass(std::uint32_t t, bool with_update, bool with_logits) {
    const StepSizes sizes{static_cast<float>(s_.options.learning_rate), static_cast<float>(s_.options.weight_decay),
                          static_cast<float>(s_.options.momentum)};
    const std::uint32_t inputs = s_.weights.inputs;
    for (std::uint32_t p = first_panel_; p < last_panel_; ++p) {
      float* w = s_.weights.panel(p);
      float* v = s_.velocity.count != 0 ? s_.velocity.panel(p) : nullptr;
      for (std::uint32_t first = 0; first < inputs; first += input_block) {
        const std::uint32_t last = std::min(inputs, first + input_block);
        // V <- momentum V + P' X + decay W,  W <- W - rate V
        if (with_update) s_.kernels.update(s_.batch(t - 1), s_.z_of(t - 1, p), first, last, sizes, w, v);
        // Z = X W'
        if (with_logits) s_.kernels.logits(s_.batch(t), w, first, last, s_.z_of(t, p));
      }
      if (with_logits)
        s_.kernels.exponentials(s_.z_of(t, p), s_.options.batch, s_.weights.classes_of(p), s_.maxima[t % 2].row(p),
                                s_.sums[t % 2].row(p));
    }
  }

  /// (P - Y) / batch in this thread's panels. False when the loss is not finite: every thread looks at all sums.
  bool gradient_of_logits(std::uint32_t t) {
    const std::uint32_t batch = s_.options.batch;
    const Matrix<float>& maxima = s_.maxima[t % 2];
    s_.kernels.join(maxima.data(), s_.sums[t % 2].data(), s_.weights.count, s_.pitch, maximum_.data(), sum_.data());
    for (std::uint32_t b = 0; b < batch; ++b)
      if (!std::isfinite(sum_[b]) || !std::isfinite(maximum_[b])) return false;
    const float weight = 1.0f / static_cast<float>(batch);
    for (std::uint32_t p = first_panel_; p < last_panel_; ++p)
      s_.kernels.probabilities(s_.z_of(t, p), batch, maxima.row(p), maximum_.data(), sum_.data(), weight);
    for (std::uint32_t b = 0; b < batch; ++b) {
      const std::uint32_t label = drawn_[t % batch_slots][b].label, p = label / panel_classes;
      if (p < first_panel_ || p >= last_panel_) continue;
      float& share = s_.z_of(t, p)[b * std::size_t{panel_classes} + label % panel_classes];
      s_.share[b] = share;
      share -= weight;
    }
    return true;
  }

  Training& s_;
  BalancedDraws draws_;
  std::array<std::vector<Draw>, batch_slots> drawn_;
  std::vector<float> maximum_, sum_;  // of every row of a minibatch, over all classes
  std::uint32_t first_panel_ = 0, last_panel_ = 0, first_row_ = 0, last_row_ = 0;
};

void train_some(Training& training, std::vector<Worker>& workers, std::uint32_t count) {
  std::uint32_t done = 0;
  std::optional<SpinBarrier> barrier;
#pragma omp parallel num_threads(static_cast <int>(workers.size()))
  {
    const auto thread = static_cast<std::uint32_t>(omp_get_thread_num());
    const auto threads = static_cast<std::uint32_t>(omp_get_num_threads());  // may be fewer than asked for
#pragma omp single
    barrier.emplace(threads);
    workers[thread].take_share(thread, threads);
    const std::uint32_t own = workers[thread].run(count, *barrier);
    if (thread == 0) done = own;
  }
  training.done += done;
  training.finite = done == count;
}

std::uint32_t batch_pitch(std::uint32_t batch) {
  return (batch + batch_multiple - 1) / batch_multiple * batch_multiple;
}

void require_options(const LogregOptions& o) {
  const auto require = [](bool good, const char* what, double value) {
    if (!good) throw Error(ErrorKind::usage, fmt::format("{}, not {}", what, value));
  };
  require(std::isfinite(o.learning_rate) && o.learning_rate > 0, "the learning rate must be above 0", o.learning_rate);
  require(std::isfinite(o.weight_decay) && o.weight_decay >= 0, "the weight decay must be 0 or above", o.weight_decay);
  require(o.momentum >= 0 && o.momentum < 1, "the momentum must be at least 0 and below 1", o.momentum);
  require(o.batch >= 1 && o.batch <= 65536, "a minibatch must have 1 to 65536 rows", o.batch);
}

void require_rows(const DescriptorView& rows, const RowsOfClasses& labelled) {
  for (std::size_t c = 0; c < labelled.size(); ++c) {
    if (labelled[c].empty())
      throw Error(ErrorKind::input, fmt::format("class {} has no labelled row", c), "the labelled rows",
                  "every class needs at least one");
    for (const std::uint32_t row : labelled[c])
      if (row >= rows.rows())
        throw Error(ErrorKind::input, fmt::format("class {} names row {} of {} rows", c, row, rows.rows()),
                    "the labelled rows");
  }
}

float mean_loss(const Training& training) {
  double sum = 0;
  for (std::uint32_t b = 0; b < training.options.batch; ++b)
    sum -= std::log(std::max(1e-38, double{training.share[b]} * training.options.batch));
  return static_cast<float>(sum / training.options.batch);
}

Panels no_velocity(const Panels& weights) {
  Panels velocity;
  velocity.classes = weights.classes, velocity.inputs = weights.inputs, velocity.count = weights.count;
  velocity.values = Matrix<float>::zeroed(weights.values.rows(), weights.values.cols());
  return velocity;
}

// Minibatches between two looks at the loss and two reports of progress.
constexpr std::uint32_t progress_every = 100;

}  // namespace

SoftmaxModel initial_model(std::uint32_t classes, std::uint32_t dim, std::uint32_t seed) {
  std::mt19937_64 stream = weight_stream(seed);
  SoftmaxModel model{Matrix<float>(classes, std::size_t{dim} + 1)};
  const double bound = 1 / std::sqrt(static_cast<double>(dim));
  for (std::size_t i = 0; i < model.weights.size(); ++i)
    model.weights.data()[i] = static_cast<float>((std::ldexp(static_cast<double>(stream() >> 11), -52) - 1) * bound);
  return model;
}

void train_softmax(Context& context, const DescriptorView& rows, const RowsOfClasses& labelled,
                   const LogregOptions& options, SoftmaxModel& model, std::uint32_t report_every,
                   const std::function<void(const TrainingState&)>& on_report) {
  require_options(options);
  require_rows(rows, labelled);
  if (labelled.size() != model.classes() || rows.cols() != model.dim() || labelled.empty())
    throw Error(ErrorKind::usage, fmt::format("{} classes of {} dimensions are labelled and the model has {} of {}",
                                              labelled.size(), rows.cols(), model.classes(), model.dim()));

  Training training{.rows = rows,
                    .options = options,
                    .kernels = panel_kernels(context.isa),
                    .weights = pack(model),
                    .velocity = {},
                    .pitch = batch_pitch(options.batch),
                    .stride = batch_stride(rows.cols()),
                    .x = {},
                    .maxima = {},
                    .sums = {},
                    .z = {},
                    .share = std::vector<float>(options.batch)};
  const std::size_t panels = training.weights.count;
  if (options.momentum != 0) training.velocity = no_velocity(training.weights);
  for (auto& x : training.x) x = Matrix<float>::zeroed(options.batch, training.stride);
  for (auto& maxima : training.maxima) maxima = Matrix<float>::zeroed(panels, training.pitch);
  for (auto& sums : training.sums) sums = Matrix<float>::zeroed(panels, training.pitch);
  for (auto& z : training.z) z = Matrix<float>::zeroed(panels * options.batch, panel_classes);

  const BalancedDraws draws(labelled, options.seed);
  const std::size_t threads = std::min<std::size_t>(static_cast<std::size_t>(context.thread_count()), panels);
  std::vector<Worker> workers(threads, Worker(training, draws));
  while (training.done < options.iterations) {
    std::uint32_t count = std::min(progress_every, options.iterations - training.done);
    if (report_every != 0) count = std::min(count, report_every - training.done % report_every);
    train_some(training, workers, count);
    if (!training.finite)
      throw Error(ErrorKind::usage,
                  fmt::format("the regression diverged: in iteration {} its logits are not finite", training.done + 1),
                  fmt::format("learning rate {}", options.learning_rate),
                  "use a smaller learning rate (--lr), a tenth of it for a start");
    context.report("training", training.done, options.iterations, "iterations");
    const bool due = report_every != 0 && (training.done % report_every == 0 || training.done == options.iterations);
    if (!due || !on_report) continue;
    unpack(training.weights, model);
    on_report({training.done, mean_loss(training)});
  }
  unpack(training.weights, model);
}

std::uint64_t train_softmax_memory(std::uint64_t classes, std::uint64_t dim, const LogregOptions& options) {
  const std::uint64_t panels = (classes + panel_classes - 1) / panel_classes, batch = options.batch;
  const std::uint64_t weights = panels * panel_classes * (dim + 1) * (options.momentum != 0 ? 2 : 1);
  const std::uint64_t arrays = batch_slots * batch * batch_stride(dim) + 2 * panels * panel_classes * batch +
                               4 * panels * batch_pitch(options.batch);
  return (weights + classes * (dim + 1) + arrays) * sizeof(float);
}

}  // namespace lowshot
