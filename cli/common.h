#pragma once
// What every subcommand shares: options of the run, log and progress on stderr, results as JSON.

#include <CLI/CLI.hpp>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "lowshot/context.h"
#include "lowshot/memory.h"
#include "lowshot/time_plan.h"

namespace lowshot::cli {

using Json = nlohmann::ordered_json;

struct CommonOptions {
  int threads = 0;
  std::string memory;
  std::string json;
  std::string isa = "auto";
  bool dry_run = false, quiet = false, verbose = false;
};

/// Work that a signal ended early, with a sentence on how to go on: exit code 75, as schedulers know it ("try again").
class Interrupted : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Adds --threads, --memory, --json, --isa, --dry-run, --quiet and --verbose to a command that computes.
void add_common(CLI::App& command, CommonOptions& options);

/// Before long work: throws Error (resources) unless `path` can be made in its folder.
void require_writable(const std::filesystem::path& path);

/// A context with log and progress on stderr: progress only when stderr is a terminal. Looks whether --json can be
/// written.
Context make_context(const CommonOptions& options);

/// "1,2,5", "1-5", "1-3,8" -> the numbers in the order given. Error (usage) naming `option` otherwise.
std::vector<std::uint32_t> parse_list(const std::string& text, const std::string& option);

std::string format_duration(double seconds);  ///< "45 s", "2:05 min", "3:20 h"

/// Adds version, device, seconds (per phase) and peak_rss_bytes to `result`, as every --json has them.
void add_run_facts(Json& result, const Context& context);
/// Writes `result` to options.json, if that was given.
void write_json(const CommonOptions& options, const Json& result);

/// Prints a plan for --dry-run: steps, memory item by item, the total, what is free; the time, if it is estimated. The
/// same goes to options.json, if that was given.
struct PlanText {
  std::vector<std::string> steps;
  std::vector<MemoryPlan::Item> memory;
  std::vector<TimePlan::Item> time = {};
};
void print_plan(const PlanText& plan, const CommonOptions& options);

// One function a subcommand; each adds itself to the program.
void add_pca(CLI::App& app);
void add_knn(CLI::App& app);
void add_diffusion(CLI::App& app);
void add_logreg(CLI::App& app);
void add_combine(CLI::App& app);
void add_label(CLI::App& app);
void add_sweep(CLI::App& app);
void add_model(CLI::App& app);
void add_extract(CLI::App& app);  ///< in builds with extraction (LOWSHOT_WITH_EXTRACT)
void add_select(CLI::App& app);
void add_report(CLI::App& app);
void add_info(CLI::App& app);

}  // namespace lowshot::cli
