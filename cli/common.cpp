#include "common.h"

#include <fmt/format.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <memory>

#include "core/number_list.h"
#include "lowshot/error.h"
#include "lowshot/io.h"
#include "lowshot/memory.h"

namespace lowshot::cli {
namespace {

// One line on the terminal: what, how far, how fast, how long still. Rewritten in place at most 10 times a second.
class ProgressLine {
 public:
  void show(const Progress& p) {
    const auto now = std::chrono::steady_clock::now();
    if (p.phase != phase_ || p.done < done_) start_ = now, shown_ = {}, phase_ = p.phase;
    done_ = p.done;
    if (now - shown_ < std::chrono::milliseconds(100) && p.done != p.total) return;
    shown_ = now;
    const double seconds = std::chrono::duration<double>(now - start_).count();
    const double rate = seconds > 0 ? static_cast<double>(p.done) / seconds : 0;
    const double left = rate > 0 ? static_cast<double>(p.total - p.done) / rate : 0;
    fmt::print(stderr, "\r\033[K{}: {} of {} {}, {:.3g} {}/s, {} left", p.phase, p.done, p.total, p.unit, rate, p.unit,
               format_duration(left));
    if (!p.note.empty()) fmt::print(stderr, ", {}", p.note);
    open_ = true;
    if (p.done == p.total) clear();
    std::fflush(stderr);
  }
  void clear() {
    if (open_) fmt::print(stderr, "\r\033[K");
    open_ = false;
  }

 private:
  std::string phase_;
  std::uint64_t done_ = 0;
  bool open_ = false;
  std::chrono::steady_clock::time_point start_, shown_;
};

Isa parse_isa(const std::string& text) {
  const Isa best = best_isa();
  for (const Isa isa : all_isas)
    if (name(isa) == text && isa > best)
      throw Error(ErrorKind::device, fmt::format("this machine has no {}, its best is {}", text, name(best)), "--isa",
                  "use --isa auto");
    else if (name(isa) == text)
      return isa;
  return best;
}

}  // namespace

std::string format_duration(double seconds) {
  const auto s = static_cast<std::uint64_t>(seconds + 0.5);
  return s < 60     ? fmt::format("{} s", s)
         : s < 3600 ? fmt::format("{}:{:02} min", s / 60, s % 60)
                    : fmt::format("{}:{:02} h", s / 3600, s % 3600 / 60);
}

void add_common(CLI::App& command, CommonOptions& options) {
  command.add_option("--threads", options.threads, "Threads; 0 = all cores")->check(CLI::Range(0, 4096))->group("Run");
  command.add_option("--memory", options.memory, "Most memory the job may plan for, e.g. 16G; default: what is free")
      ->group("Run");
  command.add_option("--json", options.json, "Write the result to this file as JSON")->group("Run");
  std::vector<std::string> isas = {"auto"};
  for (const Isa isa : all_isas) isas.emplace_back(name(isa));
  command.add_option("--isa", options.isa, "Instruction set of the kernels; auto: the best that this machine has")
      ->check(CLI::IsMember(isas))
      ->capture_default_str()
      ->group("Run");
  command.add_flag("--dry-run", options.dry_run, "Print what would be done and the memory it needs, and stop")
      ->group("Run");
  auto* quiet = command.add_flag("-q,--quiet", options.quiet, "Print results and errors only")->group("Run");
  command.add_flag("-v,--verbose", options.verbose, "Also print the time and memory of every phase")
      ->excludes(quiet)
      ->group("Run");
}

void require_writable(const std::filesystem::path& path) {
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  if (path.filename().empty())
    throw Error(ErrorKind::usage, "a file name is expected and a folder is named", path.string());
  if (!fs::is_directory(folder))
    throw Error(ErrorKind::resources, "the folder of the result does not exist", folder.string(), "make it first");
  if (fs::is_directory(path)) throw Error(ErrorKind::resources, "a folder has the name of the result", path.string());
  if (access(folder.c_str(), W_OK) != 0)
    throw Error(ErrorKind::resources, "the folder of the result cannot be written", folder.string());
}

Context make_context(const CommonOptions& options) {
  Context context;
  if (!options.json.empty()) require_writable(options.json);
  context.threads = options.threads;
  context.isa = parse_isa(options.isa);
  if (!options.memory.empty()) context.memory_limit = parse_bytes(options.memory);
  const auto progress = std::make_shared<ProgressLine>();
  const auto logger =
      std::make_shared<spdlog::logger>("lowshot", std::make_shared<spdlog::sinks::stderr_color_sink_st>());
  logger->set_pattern("%H:%M:%S %v");
  context.log = [logger, progress, options](LogLevel level, const std::string& line) {
    if (options.quiet || (level == LogLevel::detail && !options.verbose)) return;
    progress->clear();
    logger->info(line);
  };
  if (!options.quiet && isatty(STDERR_FILENO) != 0)
    context.progress = [progress](const Progress& p) { progress->show(p); };
  return context;
}

std::vector<std::uint32_t> parse_list(const std::string& text, const std::string& option) {
  return parse_number_list(text, option);
}

void add_run_facts(Json& result, const Context& context) {
  Json seconds = Json::object();
  for (const auto& [phase, value] : context.seconds) seconds[phase] = value;
  result["seconds"] = seconds;
  result["peak_rss_bytes"] = peak_resident_bytes();
  result["version"] = LOWSHOT_VERSION;
  result["device"] = fmt::format("cpu ({}, {} threads)", name(context.isa), context.thread_count());
}

void write_json(const CommonOptions& options, const Json& result) {
  if (!options.json.empty()) write_file(options.json, result.dump(2) + "\n");
}

void print_plan(const PlanText& plan, const CommonOptions& options) {
  fmt::print("Nothing is computed or written (--dry-run). The job would do this:\n");
  for (const std::string& step : plan.steps) fmt::print("  - {}\n", step);
  std::uint64_t total = 0;
  fmt::print("Memory at its largest:\n");
  for (const auto& [name, bytes] : plan.memory) {
    fmt::print("  {:>10}  {}\n", format_bytes(bytes), name);
    total += bytes;
  }
  const std::uint64_t most = options.memory.empty() ? available_bytes() : parse_bytes(options.memory);
  fmt::print("  {:>10}  in all; {} {}: it {}\n", format_bytes(total), format_bytes(most),
             options.memory.empty() ? "is free" : "is allowed", total <= most ? "fits" : "does not fit");
  double seconds = 0;
  std::string stages;
  for (const auto& [name, value] : plan.time) {
    seconds += value;
    stages += fmt::format("{}{} {}", stages.empty() ? "" : ", ", name, format_duration(value));
  }
  if (!plan.time.empty()) fmt::print("Time: about {} on this machine ({})\n", format_duration(seconds), stages);

  Json json = {{"steps", plan.steps}, {"memory_bytes", total}, {"fits", total <= most}};
  if (!plan.time.empty()) json["estimated_seconds"] = seconds;
  for (const auto& [name, value] : plan.time) json["estimated_seconds_by_stage"][name] = value;
  write_json(options, json);
}

}  // namespace lowshot::cli
