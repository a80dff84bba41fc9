#include "lowshot/context.h"

#include <fmt/format.h>
#include <omp.h>

#include <utility>

#include "lowshot/error.h"
#include "lowshot/memory.h"

namespace lowshot {

Isa best_isa() {
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
    throw Error(ErrorKind::device, "this program needs a processor with AVX2 and FMA", "",
                "run it on an x86-64 processor made after 2013");
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512vnni");
  return avx512 ? Isa::avx512vnni : Isa::avx2;
}

std::string_view name(Isa isa) {
  switch (isa) {
    case Isa::avx2:
      return "avx2";
    case Isa::avx512vnni:
      return "avx512vnni";
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
