#include "sweep_slurm.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "lowshot/error.h"
#include "lowshot/io.h"

extern char** environ;

namespace lowshot::cli {
namespace {

std::string quoted(const std::string& word) {
  std::string text = "'";
  for (const char c : word) {
    if (c == '\'')
      text += "'\\''";
    else
      text += c;
  }
  return text + "'";
}

/// The job is this program itself (exec), so that it gets the signals that Slurm sends to the batch shell.
std::string job_script(const SweepArguments& arguments) {
  std::string command = quoted(fs::read_symlink("/proc/self/exe").string());
  for (const std::string& word : arguments.list()) command += " " + quoted(word);
  return fmt::format(
      "#!/bin/sh\n"
      "# Written by `lowshot sweep --slurm`; a task of the array runs one unit of the plan.\n"
      "cd {} || exit 4\n"
      "exec {} --unit \"$SLURM_ARRAY_TASK_ID\" -q\n",
      quoted(fs::current_path().string()), command);
}

/// "0-3,7" of rising numbers, as --array wants them.
std::string ranges(const std::vector<std::size_t>& numbers) {
  std::string text;
  for (std::size_t i = 0; i < numbers.size();) {
    std::size_t last = i;
    while (last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1) ++last;
    if (!text.empty()) text += ',';
    text += std::to_string(numbers[i]);
    if (last != i) text += fmt::format("-{}", numbers[last]);
    i = last + 1;
  }
  return text;
}

/// What the command prints, and its exit code. Its messages go where ours go.
std::pair<std::string, int> output_of(std::vector<std::string> words) {
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC) != 0)
    throw Error(ErrorKind::resources, fmt::format("cannot make a pipe: {}", std::strerror(errno)));
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  // No signal is blocked in what is started: with --slurm-wait, Ctrl-C ends sbatch, and the jobs go on.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  pid_t process = -1;
  const int reason = ::posix_spawnp(&process, argv[0], &actions, &attributes, argv.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  if (reason != 0) {
    ::close(ends[0]);
    throw Error(ErrorKind::resources, fmt::format("cannot start {}: {}", words[0], std::strerror(reason)), "--slurm",
                "run this where Slurm's commands are, or leave --slurm out and use --jobs");
  }
  std::string text;
  char buffer[1024];
  for (ssize_t got = 0; (got = ::read(ends[0], buffer, sizeof(buffer))) != 0;) {
    if (got > 0)
      text.append(buffer, static_cast<std::size_t>(got));
    else if (errno != EINTR)
      break;
  }
  ::close(ends[0]);
  int status = 0;
  while (::waitpid(process, &status, 0) < 0 && errno == EINTR) {
  }
  return {text, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status)};
}

/// The number of the job. sbatch's exit code with --wait is that of the tasks, so the number tells whether it was
/// taken.
std::string submit(const std::vector<std::string>& words) {
  const auto [text, code] = output_of(words);
  const std::string number = text.substr(0, text.find_first_of(";\n"));
  if (number.empty() || number.find_first_not_of("0123456789") != std::string::npos)
    throw Error(ErrorKind::resources, fmt::format("sbatch did not take the job (exit code {})", code),
                fmt::format("{}", fmt::join(words, " ")), "see its message above");
  return number;
}

}  // namespace

void submit_to_slurm(const Sweep& sweep, const std::vector<std::size_t>& units, const SlurmOptions& options,
                     const SweepArguments& arguments, int threads) {
  const fs::path folder = fs::absolute(sweep.folder / "slurm");
  fs::create_directories(folder);
  const fs::path script = folder / "job.sh";
  write_file(script, job_script(arguments));

  std::vector<std::size_t> first, combinations;
  for (const std::size_t unit : units) (sweep.units[unit].method == "combine" ? combinations : first).push_back(unit);
  std::string previous;
  for (const auto* part : {&first, &combinations}) {
    if (part->empty()) continue;
    const std::string throttle = options.throttle == 0 ? "" : fmt::format("%{}", options.throttle);
    std::vector<std::string> words = {"sbatch",
                                      "--parsable",
                                      "--requeue",
                                      "--signal=B:USR1@60",
                                      "--job-name=lowshot-sweep",
                                      "--array=" + ranges(*part) + throttle,
                                      "--output=" + (folder / "%A_%a.log").string()};
    if (!options.account.empty()) words.push_back("--account=" + options.account);
    if (!options.partition.empty()) words.push_back("--partition=" + options.partition);
    if (threads > 0) words.push_back(fmt::format("--cpus-per-task={}", threads));
    if (!previous.empty()) words.push_back("--dependency=afterany:" + previous);
    if (options.wait) words.push_back("--wait");
    words.insert(words.end(), options.options.begin(), options.options.end());
    words.push_back(script.string());
    previous = submit(words);
    fmt::print("job {}: {} tasks, a unit each\n", previous, part->size());
    std::fflush(stdout);
  }
  if (!options.wait && !previous.empty())
    fmt::print(
        "squeue -j {} shows the tasks, {} holds what they say; the same command without --slurm and with --list "
        "shows what is done, and with --slurm it submits what is left\n",
        previous, (folder / "*.log").string());
}

}  // namespace lowshot::cli
