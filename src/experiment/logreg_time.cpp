// The time of regressions, from a few hundred minibatches on a sample of the training rows (lowshot/time_plan.h).
#include <algorithm>

#include "lowshot/data_directory.h"
#include "lowshot/io.h"
#include "lowshot/logreg_experiment.h"

namespace lowshot {
namespace {

constexpr std::uint64_t sample_rows = 16384;
constexpr std::uint32_t short_run = 100, long_run = 300;  // minibatches; their difference is free of what begins a run

}  // namespace

TimePlan logreg_seconds(Context& context, const LogregExperimentOptions& options,
                        const std::vector<std::uint32_t>& nlabeled, std::size_t seeds) {
  Context quiet = context;
  quiet.log = {};
  quiet.progress = {};
  const DataDirectory directory(options.data, {});
  const auto train = open_hdf5_rows(directory.train()), val = open_hdf5_rows(directory.val());
  const ExperimentPlan sizes = plan_logreg(options, 0);
  TimePlan plan;
  if (train->rows() == 0 || sizes.test_rows == 0) return plan;

  Matrix<float> rows;
  const double reading = seconds_of([&] { rows = read_sample(*train, sample_rows); });
  plan.add("reading", reading / static_cast<double>(rows.rows()) * static_cast<double>(train->rows() + val->rows()));
  RowsOfClasses labelled(sizes.classes);
  for (std::uint32_t i = 0; i < std::max<std::size_t>(rows.rows(), sizes.classes); ++i)
    labelled[i % sizes.classes].push_back(i % static_cast<std::uint32_t>(rows.rows()));

  LogregOptions logreg = options.logreg;
  logreg.learning_rate = 1e-20;  // only the time counts: nothing may diverge
  SoftmaxModel model = initial_model(sizes.classes, sizes.dim, 1);
  const auto train_for = [&](std::uint32_t iterations) {
    logreg.iterations = iterations;
    return seconds_of([&] { train_softmax(quiet, rows, labelled, logreg, model); });
  };
  train_for(short_run);
  const double few = train_for(short_run), many = train_for(long_run);
  const double a_batch = std::max(many - few, many / 10) / (long_run - short_run);
  const std::size_t scored = std::min<std::size_t>(rows.rows(), sizes.test_rows);
  Matrix<float> scores(scored, sizes.classes);
  const double scoring = seconds_of([&] { log_softmax(quiet, model, rows.view().rows(0, scored), scores); }) /
                         static_cast<double>(scored) * static_cast<double>(sizes.test_rows);
  const std::uint32_t scorings =
      options.score_every == 0 ? 1 : std::max(1u, options.logreg.iterations / options.score_every);
  const double runs = static_cast<double>(nlabeled.size() * seeds);
  plan.add("regression", runs * (a_batch * options.logreg.iterations + scoring * scorings));
  return plan;
}

}  // namespace lowshot
