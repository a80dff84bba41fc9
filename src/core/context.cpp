#include "lowshot/context.h"

#include <cpuid.h>
#include <fmt/format.h>
#include <omp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <utility>

#include "lowshot/error.h"
#include "lowshot/memory.h"

namespace lowshot {

namespace {

// The registers of AMX are the only ones that a process must ask the system for (Linux 5.16 and later; any other says
// no). Asking again changes nothing.
bool may_use_amx() {
  constexpr long ask_for_permission = 0x1023, tile_data = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned tiles = 1u << 24, tiles_of_bytes = 1u << 25;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (d & tiles) == 0 || (d & tiles_of_bytes) == 0) return false;
  return syscall(SYS_arch_prctl, ask_for_permission, tile_data) == 0;
}

}  // namespace

Isa best_isa() {
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
    throw Error(ErrorKind::device, "this program needs a processor with AVX2 and FMA", "",
                "run it on an x86-64 processor made after 2013");
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512vnni");
  if (!avx512) return Isa::avx2;
  return may_use_amx() ? Isa::amx : Isa::avx512vnni;
}

std::string_view name(Isa isa) {
  switch (isa) {
    case Isa::avx2:
      return "avx2";
    case Isa::avx512vnni:
      return "avx512vnni";
    case Isa::amx:
      return "amx";
  }
  return "";
}

int Context::thread_count() const {
  return threads > 0 ? threads : omp_get_num_procs();
}

Phase::Phase(Context& context, std::string name)
    : context_(context), name_(std::move(name)), start_(std::chrono::steady_clock::now()) {}

Phase::~Phase() {
  const double seconds = elapsed_seconds();
  context_.seconds[name_] += seconds;
  context_.detail(fmt::format("{}: {:.3f} s, {} in use", name_, seconds, format_bytes(resident_bytes())));
}

double Phase::elapsed_seconds() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

}  // namespace lowshot
