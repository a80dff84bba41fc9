#include "sweep_jobs.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>

#include "lowshot/error.h"
#include "lowshot/io.h"

extern char** environ;

namespace lowshot::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Work {
  std::size_t unit = 0;
  bool wait = false;  ///< for another process that is at it
};

struct Job {
  pid_t process = -1;
  int pipe = -1;
  Work work;
  bool busy = false;
  std::set<std::size_t> told;  ///< experiments
  std::string text;            ///< of a line that has not ended
};

[[noreturn]] void fail_to(const char* doing, int reason) {
  throw Error(ErrorKind::resources, fmt::format("cannot {}: {}", doing, std::strerror(reason)), "", "use fewer --jobs");
}

Job start(const Work& work, const SweepArguments& arguments, const StopSignals& signals) {
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC) != 0) fail_to("make a pipe", errno);
  std::vector<std::string> words = arguments.list();
  words.insert(words.begin(), "lowshot");
  words.insert(words.end(), {"--unit", std::to_string(work.unit), "--worker", work.wait ? "wait" : "leave", "-q"});
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setsigmask(&attributes, &signals.before());
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  Job job{.process = -1, .pipe = ends[0], .work = work, .busy = false, .told = {}, .text = {}};
  const int reason = ::posix_spawn(&job.process, "/proc/self/exe", &actions, &attributes, argv.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  if (reason != 0) {
    ::close(ends[0]);
    fail_to("start a process", reason);
  }
  return job;
}

void hear(const std::string& line, Job& job, const SweepEvents& events) {
  const Json told = Json::parse(line, nullptr, false);
  if (told.is_discarded()) return;
  if (told.contains("busy")) {
    job.busy = true;
    return;
  }
  const auto experiment = told.at("experiment").get<std::size_t>();
  job.told.insert(experiment);
  if (told.contains("failed")) return events.failed(experiment, told.at("failed").get<std::string>());
  ExperimentResult result;
  result.run_seconds = told.at("seconds").get<double>();
  const std::uint32_t iteration = told.at("iteration").get<std::uint32_t>();
  result.iterations.push_back(
      {iteration, {told.at("top5_all").get<double>(), told.at("top5_novel").get<double>()}, result.run_seconds});
  events.done(experiment, result);
}

/// Reads what there is; false once the process has closed its end.
bool read_lines(Job& job, const SweepEvents& events) {
  char buffer[4096];
  const ssize_t got = ::read(job.pipe, buffer, sizeof(buffer));
  if (got < 0 && errno == EINTR) return true;
  if (got <= 0) return false;
  job.text.append(buffer, static_cast<std::size_t>(got));
  for (std::size_t end = 0; (end = job.text.find('\n')) != std::string::npos; job.text.erase(0, end + 1))
    hear(job.text.substr(0, end), job, events);
  return true;
}

/// Waits for a process that has closed its pipe; what it did not come to fails with the way it ended.
void finish(Job& job, const Sweep& sweep, const SweepEvents& events) {
  ::close(job.pipe);
  int status = 0;
  while (::waitpid(job.process, &status, 0) < 0 && errno == EINTR) {
  }
  if (job.busy || (WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 75))) return;
  std::string sentence = fmt::format("the process that ran it ended with exit code {}", WEXITSTATUS(status));
  if (WIFSIGNALED(status))
    sentence = fmt::format("the process that ran it was ended by signal {} ({}){}", WTERMSIG(status),
                           strsignal(WTERMSIG(status)),
                           WTERMSIG(status) == SIGKILL ? "; was there memory for so many --jobs?" : "");
  for (const std::size_t experiment : sweep.to_do(sweep.units[job.work.unit]))
    if (job.told.count(experiment) == 0) events.failed(experiment, sentence);
}

}  // namespace

std::vector<std::string> SweepArguments::list() const {
  std::vector<std::string> words = {"sweep", plan.string(), "-o", folder.string()};
  const auto add = [&](const char* option, const std::string& value) {
    if (!value.empty()) words.insert(words.end(), {option, value});
  };
  add("--data", data);
  add("--work", work.string());
  for (const std::string& group : groups) add("--group", group);
  add("--threads", threads);
  add("--memory", memory);
  add("--isa", isa);
  return words;
}

fs::path keep_plan(const fs::path& plan, const fs::path& folder) {
  std::ifstream file(plan, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const fs::path kept = folder / "plans" / fmt::format("{}-{}.yaml", plan.stem().string(), hash_text(text));
  if (fs::exists(kept)) return kept;
  fs::create_directories(kept.parent_path());
  write_file(kept, text);
  return kept;
}

void run_jobs(const Sweep& sweep, const std::vector<std::size_t>& units, std::size_t jobs,
              const SweepArguments& arguments, const StopSignals& signals, const SweepEvents& events) {
  std::deque<Work> queue;
  for (const std::size_t unit : units) queue.push_back({unit, false});
  std::vector<Job> running;
  bool told_to_stop = false;
  while (!running.empty() || (!queue.empty() && !signals.stopped())) {
    while (running.size() < jobs && !queue.empty() && !signals.stopped()) {
      running.push_back(start(queue.front(), arguments, signals));
      queue.pop_front();
    }
    if (signals.stopped() && !told_to_stop) {
      for (const Job& job : running) ::kill(job.process, SIGTERM);
      told_to_stop = true;
    }
    std::vector<pollfd> ends;
    for (const Job& job : running) ends.push_back({job.pipe, POLLIN, 0});
    ::poll(ends.data(), ends.size(), 200);
    for (std::size_t i = ends.size(); i-- > 0;) {
      if (ends[i].revents == 0 || read_lines(running[i], events)) continue;
      finish(running[i], sweep, events);
      if (running[i].busy) queue.push_back({running[i].work.unit, true});
      running.erase(running.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
}

std::string done_line(std::size_t experiment, const ExperimentResult& result) {
  const ScoredIteration& last = result.iterations.back();
  return Json{{"experiment", experiment},
              {"iteration", last.iteration},
              {"top5_all", last.accuracy.top5_all},
              {"top5_novel", last.accuracy.top5_novel},
              {"seconds", result.run_seconds}}
      .dump();
}

std::string failed_line(std::size_t experiment, const std::string& sentence) {
  return Json{{"experiment", experiment}, {"failed", sentence}}.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string busy_line() {
  return Json{{"busy", true}}.dump();
}

}  // namespace lowshot::cli
