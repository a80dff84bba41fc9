#pragma once
// The low-shot experiment with softmax regression (reference protocol, sections 2, 6 and 7): split -> raw descriptors
// -> regression -> accuracy. Descriptors are read once for all (nlabeled, seed).

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lowshot/context.h"
#include "lowshot/experiment.h"
#include "lowshot/logreg.h"
#include "lowshot/raw_rows.h"
#include "lowshot/split.h"

namespace lowshot {

struct LogregExperimentOptions {
  std::filesystem::path data;                           ///< the data directory
  std::optional<std::filesystem::path> label_idx = {};  ///< instead of the data directory's label_idx.json
  int class_set = 1;                                    ///< 1: validation classes, 2: test classes
  std::uint32_t score_every = 0;                        ///< iterations between two accuracies; 0: only the last
  LogregOptions logreg = {};                            ///< its seed is the run's
};

/// What all regressions of one (data, class set) share.
struct LogregPart {
  ClassSet classes;
  RawRows train, test;                      ///< the class set's training rows, in file order; the test rows
  std::vector<std::uint32_t> row_of_train;  ///< row of the train file -> row of `train`
};

/// Throws Error for bad input (fewer than `most_labelled` images of a novel class, no label at all, values that are not
/// finite), and before any heavy work when the plan exceeds context.memory_limit.
LogregPart prepare_logreg(Context& context, const LogregExperimentOptions& options, std::uint32_t most_labelled);

/// What `prepare_logreg` and `run_logreg` will hold, from headers and labels alone.
ExperimentPlan plan_logreg(const LogregExperimentOptions& options, std::uint32_t most_labelled);

/// How long `prepare_logreg` and the runs of all `nlabeled` with `seeds` seeds each will take on this machine. Takes a
/// second or two: it trains a little on a sample of the rows.
TimePlan logreg_seconds(Context& context, const LogregExperimentOptions& options,
                        const std::vector<std::uint32_t>& nlabeled, std::size_t seeds);

struct LogregOutputs {
  std::filesystem::path scores = {};  ///< --storeL: npy float32 [1, test rows, C], log-softmax, with its side-car
  std::filesystem::path model = {};   ///< --storemodel: npy float32 [C, D + 1] and NAME.model.json
};

/// One experiment. `nodes` and `edges` of the result are 0. `on_iteration` is called as soon as accuracies are known.
RunResult run_logreg(Context& context, const LogregPart& part, const LogregExperimentOptions& options,
                     std::uint32_t nlabeled, std::uint32_t seed, const LogregOutputs& outputs = {},
                     const std::function<void(const IterationResult&)>& on_iteration = {});

}  // namespace lowshot
