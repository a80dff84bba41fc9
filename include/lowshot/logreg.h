#pragma once
// Softmax regression with bias, trained by class-balanced stochastic gradient descent on raw descriptors (reference
// protocol, section 7): what the paper's diffusion is compared and combined with.

#include <cstdint>
#include <functional>
#include <vector>

#include "lowshot/context.h"
#include "lowshot/descriptors.h"
#include "lowshot/matrix.h"

namespace lowshot {

struct LogregOptions {
  std::uint32_t iterations = 20000;  ///< minibatches; time is linear in it. More pay only with many labels a class
  double learning_rate = 0.01;       ///< the first to tune; too large a one ends in an Error that says so
  double weight_decay = 0;           ///< on weights and bias; 0.001 to 0.1 helps with 1 to 5 labels a class
  double momentum = 0;               ///< v <- momentum v + gradient, w <- w - learning_rate v
  std::uint32_t batch = 128;         ///< rows a minibatch
  std::uint32_t seed = 1;            ///< of the first weights and of the draws (src/classifier/balanced_draws.h)
};

/// C x (D + 1): a class's weights, its bias last.
struct SoftmaxModel {
  Matrix<float> weights;

  std::size_t classes() const { return weights.rows(); }
  std::size_t dim() const { return weights.cols() - 1; }
};

/// Uniform in +-1/sqrt(dim), weights and bias. Deterministic.
SoftmaxModel initial_model(std::uint32_t classes, std::uint32_t dim, std::uint32_t seed);

/// Class c's labelled rows, by their number in the descriptors.
using RowsOfClasses = std::vector<std::vector<std::uint32_t>>;

struct TrainingState {
  std::uint32_t iteration = 0;  ///< minibatches done
  float loss = 0;               ///< mean negative log-likelihood of the last one, before its step; without weight decay
};

/// Trains `model` in place: each element of a minibatch draws a class uniformly, then one of its rows uniformly (with
/// replacement). Rows are read in place, float16 as float16; beside them it takes `train_softmax_memory` bytes.
/// `on_report` is called by the calling thread after every `report_every` iterations (0: never) and after the last,
/// when `model` holds the weights of that moment. The result does not depend on threads, instruction set or reports.
/// Throws Error (usage) for options without sense and, naming the iteration, when the logits are no longer finite (a
/// learning rate too large), Error (input) for a class without rows and a row number beyond the rows.
void train_softmax(Context& context, const DescriptorView& rows, const RowsOfClasses& labelled,
                   const LogregOptions& options, SoftmaxModel& model, std::uint32_t report_every = 0,
                   const std::function<void(const TrainingState&)>& on_report = {});
std::uint64_t train_softmax_memory(std::uint64_t classes, std::uint64_t dim, const LogregOptions& options);

/// out[i][c] = log P(class c | row i), rows x C. Each row by itself: independent of threads.
void log_softmax(Context& context, const SoftmaxModel& model, const DescriptorView& rows, MatrixView<float> out);

}  // namespace lowshot
