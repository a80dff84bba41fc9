#include <immintrin.h>

#include "diffusion/step.h"

namespace lowshot::diffusion {
namespace {

struct Lanes {
  using Vector = __m512;
  static constexpr int count = 16;
  static Vector zero() { return _mm512_setzero_ps(); }
  static Vector all(float value) { return _mm512_set1_ps(value); }
  static Vector load(const float* from) { return _mm512_load_ps(from); }
  static Vector load(const Half* from) {
    return _mm512_cvtph_ps(_mm256_load_si256(reinterpret_cast<const __m256i*>(from)));
  }
  static Vector add_product(Vector a, Vector b, Vector sum) { return _mm512_fmadd_ps(a, b, sum); }
  static Vector product(Vector a, Vector b) { return _mm512_mul_ps(a, b); }
  static void store(float* to, Vector v) { _mm512_store_ps(to, v); }
  static void store(Half* to, Vector v) {
    _mm256_store_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
  }
};

#include "diffusion/step_kernel.h"
}  // namespace

void step_avx512(const StepTask<float>& task, const std::uint32_t* rows, std::size_t begin, std::size_t end) {
  step_any(task, rows, begin, end);
}

void step_avx512(const StepTask<Half>& task, const std::uint32_t* rows, std::size_t begin, std::size_t end) {
  step_any(task, rows, begin, end);
}

}  // namespace lowshot::diffusion
