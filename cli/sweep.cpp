// lowshot sweep: runs the experiments of a plan that are not done.
#include <fmt/format.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "common.h"
#include "inputs.h"
#include "lowshot/error.h"
#include "lowshot/experiment.h"
#include "lowshot/io.h"
#include "lowshot/memory.h"
#include "lowshot/plan.h"
#include "lowshot/sweep.h"
#include "stop_signals.h"
#include "sweep_jobs.h"
#include "sweep_slurm.h"

namespace lowshot::cli {
namespace {

struct Options {
  CommonOptions common;
  std::string plan, data, work, worker;
  std::filesystem::path folder;
  std::vector<std::string> groups;
  std::size_t jobs = 1;
  std::optional<std::size_t> unit;
  bool list = false;
  SlurmOptions slurm;
};

Sweep read_sweep(const Options& o) {
  Plan plan = read_plan(o.plan);
  if (!o.data.empty())
    set_data(plan, o.data);
  else if (const fs::path data = data_directory(""); plan.settings.count("data") == 0 && !data.empty())
    set_data(plan, data);
  if (!o.work.empty()) plan.work = o.work;
  return make_sweep(plan, o.folder, o.groups);
}

/// Numbers of the units that are asked for.
std::vector<std::size_t> units_of(const Sweep& sweep, const Options& o) {
  if (o.unit && *o.unit >= sweep.units.size())
    throw Error(ErrorKind::usage, fmt::format("the plan has {} units, counted from 0", sweep.units.size()), "--unit",
                "--list shows them");
  std::vector<std::size_t> units;
  for (std::size_t u = 0; u < sweep.units.size(); ++u)
    if (!o.unit || *o.unit == u) units.push_back(u);
  return units;
}

/// Everything that can be seen to go wrong before the work. `units`: those that are asked for.
void check(const Sweep& sweep, const std::vector<std::size_t>& units) {
  std::set<std::string> directories;
  for (const std::size_t u : units) {
    check_results(sweep, sweep.units[u]);
    for (const std::size_t e : sweep.to_do(sweep.units[u]))
      directories.insert(sweep.experiments[e].settings.at("data"));
  }
  for (const std::string& data : directories) DataDirectory(data, {});
}

void print_list(const Sweep& sweep, const std::vector<std::size_t>& units) {
  std::size_t all = 0, done = 0;
  for (const std::size_t u : units)
    for (const std::size_t e : sweep.units[u].experiments) {
      const bool is_done = sweep.done(e);
      fmt::print("{:<5}  unit {:>3}  {}  {}\n", is_done ? "done" : "to do", u, describe(sweep, e),
                 sweep.result(e).string());
      ++all;
      done += is_done ? 1 : 0;
    }
  fmt::print("{} experiments in {} units, {} done\n", all, units.size(), done);
}

/// What was asked for, what has come of it, and the lines about it.
class Tally {
 public:
  Tally(const Sweep& sweep, const std::vector<std::size_t>& units, const Context& context)
      : sweep_(sweep), units_(units), context_(context) {
    for (const std::size_t u : units) {
      all_ += sweep.units[u].experiments.size();
      to_do_ += sweep.to_do(sweep.units[u]).size();
    }
  }

  void done(std::size_t experiment, const ExperimentResult& result) {
    ++run_;
    const ScoredIteration& last = result.iterations.back();
    const std::string text = fmt::format("{}  iteration {}  {:.3f} s  top-5 accuracy: {:.3f} ({:.3f} on novel)",
                                         describe(sweep_, experiment), last.iteration, result.run_seconds,
                                         last.accuracy.top5_all, last.accuracy.top5_novel);
    show(text);
  }
  void failed(std::size_t experiment, const std::string& sentence) {
    failures_[experiment] = sentence;
    show(fmt::format("{}  failed: {}", describe(sweep_, experiment), sentence));
  }
  void progress(std::string_view note = {}) const {
    context_.report("sweep", run_ + failures_.size(), std::max(to_do_, run_ + failures_.size()), "experiments", note);
  }

  /// Prints what came of it; throws where something is left.
  void close(bool stopped) const {
    std::size_t left = 0;
    for (const std::size_t u : units_) left += sweep_.to_do(sweep_.units[u]).size();
    const std::size_t here = all_ - left;
    fmt::print("{} of {} experiments are done, {} of them in this run; results are in {}\n", here, all_, run_,
               (sweep_.folder / "results").string());
    std::fflush(stdout);
    for (const auto& [experiment, sentence] : failures_)
      if (!sweep_.done(experiment)) fmt::print(stderr, "failed: {}: {}\n", describe(sweep_, experiment), sentence);
    if (left == 0) return;
    if (stopped)
      throw Interrupted(fmt::format(
          "stopped by a signal, {} of {} experiments are left; run the same command again to go on", left, all_));
    throw std::runtime_error(fmt::format(
        "{} of {} experiments are not done; mend what is said above and run the same command again", left, all_));
  }

  Json json() const {
    Json failures = Json::array();
    for (const auto& [experiment, sentence] : failures_)
      failures.push_back({{"result", sweep_.result(experiment).string()}, {"sentence", sentence}});
    return {{"experiments", all_}, {"run", run_}, {"failures", failures}};
  }

 private:
  void show(const std::string& text) const {
    if (context_.progress) fmt::print(stderr, "\r\033[K");  // the line of the progress
    fmt::print("{}\n", text);
    std::fflush(stdout);
    progress();
  }

  const Sweep& sweep_;
  const std::vector<std::size_t>& units_;
  const Context& context_;
  std::size_t all_ = 0, to_do_ = 0, run_ = 0;
  std::map<std::size_t, std::string> failures_;
};

/// The units in this process; those that another process is at come last. Combinations need what stands before them.
void run_here(const Sweep& sweep, const std::vector<std::size_t>& units, const Context& context,
              const SweepEvents& events, const std::function<void(std::string_view)>& note) {
  for (const bool combinations : {false, true}) {
    std::vector<std::size_t> left;
    for (const std::size_t u : units)
      if ((sweep.units[u].method == "combine") == combinations) left.push_back(u);
    for (const IfBusy if_busy : {IfBusy::leave, IfBusy::wait}) {
      std::vector<std::size_t> busy;
      for (const std::size_t u : left) {
        if (events.stop()) return;
        Context own = context;
        own.seconds.clear();
        own.progress = {};
        if (context.progress)
          own.progress = [&](const Progress& p) {
            note(fmt::format("{} {} of {} {}", p.phase, p.done, p.total, p.unit));
          };
        if (!run_unit(own, sweep, sweep.units[u], events, if_busy)) busy.push_back(u);
      }
      left = std::move(busy);
    }
  }
}

/// A process that `run_jobs` started: one unit, told line by line.
void run_as_worker(const Options& o, const Sweep& sweep, const Context& context, const StopSignals& signals) {
  // What starts it may be killed; then nobody hears the rest.
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  const auto say = [](const std::string& line) {
    fmt::print("{}\n", line);
    std::fflush(stdout);
  };
  SweepEvents events;
  events.done = [&](std::size_t e, const ExperimentResult& result) { say(done_line(e, result)); };
  events.failed = [&](std::size_t e, const std::string& sentence) { say(failed_line(e, sentence)); };
  events.stop = [&] { return signals.stopped(); };
  Context own = context;
  const IfBusy if_busy = o.worker == "wait" ? IfBusy::wait : IfBusy::leave;
  if (!run_unit(own, sweep, sweep.units[*o.unit], events, if_busy) && !signals.stopped()) say(busy_line());
}

void print_dry_run(const Sweep& sweep, const std::vector<std::size_t>& units, const Options& o) {
  PlanText text;
  std::uint64_t most = 0;
  for (const std::size_t u : units) {
    const std::vector<std::size_t> to_do = sweep.to_do(sweep.units[u]);
    if (to_do.empty()) continue;
    text.steps.push_back(fmt::format("unit {}: {} experiments of {}, the first: {}", u, to_do.size(),
                                     sweep.units[u].method, describe(sweep, to_do.front())));
    const std::optional<ExperimentPlan> plan = plan_unit(sweep, sweep.units[u]);
    if (!plan) continue;
    for (const std::string& step : plan->steps) text.steps.push_back("  " + step);
    if (plan->memory.total() <= most) continue;
    most = plan->memory.total();
    text.memory.clear();
    text.memory = plan->memory.items;
  }
  if (text.steps.empty()) text.steps.push_back("nothing: every experiment is done");
  Context context = make_context(o.common);
  text.time = sweep_seconds(context, sweep, units).items;
  print_plan(text, o.common);
}

SweepArguments arguments_of(const Options& o) {
  SweepArguments a;
  a.plan = keep_plan(o.plan, o.folder);
  a.folder = o.folder;
  a.data = o.data;
  a.work = o.work;
  a.groups = o.groups;
  a.memory = o.common.memory;
  a.isa = o.common.isa;
  if (o.common.threads > 0) a.threads = std::to_string(o.common.threads);
  return a;
}

void run_in_processes(const Options& o, const Sweep& sweep, const std::vector<std::size_t>& to_do,
                      const Context& context, const StopSignals& signals, const SweepEvents& events) {
  for (const bool combinations : {false, true}) {
    std::vector<std::size_t> units;
    for (const std::size_t u : to_do)
      if ((sweep.units[u].method == "combine") == combinations) units.push_back(u);
    if (units.empty()) continue;
    const std::size_t jobs = std::min(o.jobs, units.size());
    SweepArguments arguments = arguments_of(o);
    arguments.threads = std::to_string(std::max(1, context.thread_count() / static_cast<int>(jobs)));
    const std::uint64_t memory = context.memory_limit != 0 ? context.memory_limit : available_bytes();
    arguments.memory = std::to_string(memory / jobs);
    run_jobs(sweep, units, jobs, arguments, signals, events);
  }
}

void execute(const Options& o) {
  const Sweep sweep = read_sweep(o);
  const std::vector<std::size_t> units = units_of(sweep, o);
  if (o.list) return print_list(sweep, units);
  check(sweep, units);
  if (o.common.dry_run) return print_dry_run(sweep, units, o);

  const StopSignals signals;
  Context context = make_context(o.common);
  if (!o.worker.empty()) return run_as_worker(o, sweep, context, signals);
  std::vector<std::size_t> to_do;
  for (const std::size_t u : units)
    if (!sweep.to_do(sweep.units[u]).empty()) to_do.push_back(u);
  Tally tally(sweep, units, context);
  const SweepEvents events{[&](std::size_t e, const ExperimentResult& result) { tally.done(e, result); },
                           [&](std::size_t e, const std::string& sentence) { tally.failed(e, sentence); },
                           [&] { return signals.stopped(); }};
  if (!to_do.empty()) {
    context.info(fmt::format("{}: {} of {} units have experiments to do", o.plan, to_do.size(), units.size()));
    if (o.slurm.submit) {
      submit_to_slurm(sweep, to_do, o.slurm, arguments_of(o), o.common.threads);
      if (!o.slurm.wait) return;
    } else if (o.jobs > 1) {
      run_in_processes(o, sweep, to_do, context, signals, events);
    } else {
      run_here(sweep, to_do, context, events, [&](std::string_view note) { tally.progress(note); });
    }
  }
  Json result = tally.json();
  add_run_facts(result, context);
  write_json(o.common, result);
  tally.close(signals.stopped());
}

}  // namespace

void add_sweep(CLI::App& app) {
  auto o = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("sweep", "The experiments of a plan: runs those that are not done");
  command->footer(
      "Example: a small plan on the bundled data (docs/plans.md tells what plans can say):\n"
      "  lowshot sweep plans/quick.yaml -o build/quick --work build/demo\n"
      "Safe to stop and to run again, also twice at once: what is done is kept and done once.");
  command->add_option("PLAN", o->plan, "The plan, a YAML file (docs/plans.md)")->required();
  command->add_option("-o,--output", o->folder, "Folder of the results, made if it is not there")->required();
  command->add_option("--data", o->data, "Data directory, before what the plan sets for all groups; else DDIR");
  command->add_option("--work", o->work, "Directory for what is derived from the data; default: the data directory");
  command->add_option("--group", o->groups, "Only these groups of the plan, and those that they combine")
      ->expected(1, -1);
  command->add_flag("--list", o->list, "Print the experiments and whether they are done, and stop");
  command->add_option("--unit", o->unit, "Only this unit (a number of --list): experiments that are prepared together");
  command->add_option("--jobs", o->jobs, "Processes that share the units, the threads and the memory")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_option("--worker", o->worker)->check(CLI::IsMember({"leave", "wait"}))->group("");
  auto* slurm = command->add_flag("--slurm", o->slurm.submit, "Hand the units to Slurm as a job array")->group("Slurm");
  command->add_flag("--slurm-wait", o->slurm.wait, "Wait until the jobs have ended")->needs(slurm)->group("Slurm");
  command->add_option("--slurm-throttle", o->slurm.throttle, "Tasks at a time")->needs(slurm)->group("Slurm");
  command->add_option("--slurm-account", o->slurm.account, "sbatch --account")->needs(slurm)->group("Slurm");
  command->add_option("--slurm-partition", o->slurm.partition, "sbatch --partition")->needs(slurm)->group("Slurm");
  command->add_option("--slurm-option", o->slurm.options, "Handed to sbatch, e.g. --slurm-option=--time=2:00:00")
      ->needs(slurm)
      ->allow_extra_args(false)
      ->group("Slurm");
  add_common(*command, o->common);
  command->callback([o] { execute(*o); });
}

}  // namespace lowshot::cli
