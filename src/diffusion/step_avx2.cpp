#include <immintrin.h>

#include "diffusion/step.h"

namespace lowshot::diffusion {
namespace {

struct Lanes {
  using Vector = __m256;
  static constexpr int count = 8;
  static Vector zero() { return _mm256_setzero_ps(); }
  static Vector all(float value) { return _mm256_set1_ps(value); }
  static Vector load(const float* from) { return _mm256_load_ps(from); }
  static Vector load(const Half* from) {
    return _mm256_cvtph_ps(_mm_load_si128(reinterpret_cast<const __m128i*>(from)));
  }
  static Vector add_product(Vector a, Vector b, Vector sum) { return _mm256_fmadd_ps(a, b, sum); }
  static Vector product(Vector a, Vector b) { return _mm256_mul_ps(a, b); }
  static void store(float* to, Vector v) { _mm256_store_ps(to, v); }
  static void store(Half* to, Vector v) {
    _mm_store_si128(reinterpret_cast<__m128i*>(to), _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
  }
};

#include "diffusion/step_kernel.h"
}  // namespace

void step_avx2(const StepTask<float>& task, const std::uint32_t* rows, std::size_t begin, std::size_t end) {
  step_any(task, rows, begin, end);
}

void step_avx2(const StepTask<Half>& task, const std::uint32_t* rows, std::size_t begin, std::size_t end) {
  step_any(task, rows, begin, end);
}

}  // namespace lowshot::diffusion
