#pragma once
// What a call may use and whom it tells: threads, memory cap, instruction set, log and progress. No globals: two
// callers with two contexts do not see each other.

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace lowshot {

/// Instruction sets that the hot kernels are compiled for, each with those before it; the rest of the program needs
/// avx2 (x86-64-v3). amx (8-bit tiles) has kernels of its own for the k-NN filter, whose scores and hence whose graphs
/// are those of avx512vnni to the last bit. There is none for bfloat16 (AVX-512 or AMX): what is not 8-bit here is
/// float32 by contract (similarities, weights, sums of the diffusion), and the filter would have half the rate of 8
/// bits at twice the bytes.
enum class Isa { avx2, avx512vnni, amx };
inline constexpr Isa all_isas[] = {Isa::avx2, Isa::avx512vnni, Isa::amx};

/// The best one that this processor has and the system lets the process use. Throws Error (device) on a processor
/// without AVX2.
Isa best_isa();
std::string_view name(Isa isa);
constexpr bool has_avx512(Isa isa) {
  return isa >= Isa::avx512vnni;
}

enum class LogLevel { info, detail };

struct Progress {
  std::string_view phase;  ///< e.g. "k-NN graph"
  std::uint64_t done = 0;  ///< in `unit`s, from 0 to total
  std::uint64_t total = 0;
  std::string_view unit;  ///< e.g. "rows"
  std::string_view note;  ///< what else to show, e.g. "3 bad"; mostly empty
};

/// Passed by reference through every call; not to be used by two calls at the same time.
struct Context {
  int threads = 0;                 ///< OpenMP threads of this call; 0 = all cores the process may use
  std::uint64_t memory_limit = 0;  ///< bytes that the plan of a job may reach; 0 = what the machine has free
  Isa isa = best_isa();
  std::function<void(LogLevel, const std::string&)> log = {};  ///< whole lines; called by the calling thread only
  std::function<void(const Progress&)> progress = {};          ///< often, by the calling thread only; must be quick
  std::map<std::string, double> seconds = {};                  ///< wall time by phase, summed over repeats

  int thread_count() const;  ///< `threads`, resolved
  void info(const std::string& line) const {
    if (log) log(LogLevel::info, line);
  }
  void detail(const std::string& line) const {
    if (log) log(LogLevel::detail, line);
  }
  void report(std::string_view phase, std::uint64_t done, std::uint64_t total, std::string_view unit,
              std::string_view note = {}) const {
    if (progress) progress({phase, done, total, unit, note});
  }
};

/// A named scope: adds its wall time to `context.seconds[name]` and logs it, with the memory in use, as a detail line.
class Phase {
 public:
  Phase(Context& context, std::string name);
  ~Phase();
  Phase(const Phase&) = delete;
  Phase& operator=(const Phase&) = delete;
  double elapsed_seconds() const;

 private:
  Context& context_;
  std::string name_;
  std::chrono::steady_clock::time_point start_;
};

}  // namespace lowshot
