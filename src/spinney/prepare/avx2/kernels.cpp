#include "spinney/prepare/avx2/kernels.h"

#include "spinney/cpu/target.h"
SPINNEY_QUIET_UNDEFINED
#include <immintrin.h>

namespace spinney::prepare::avx2 {
namespace {

// Eight or four entries from kPart + 8 - n on have their first n set.
alignas(32) constexpr int32_t kPart[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
alignas(32) constexpr int64_t kWidePart[8] = {-1, -1, -1, -1};

}  // namespace
}  // namespace spinney::prepare::avx2

SPINNEY_TARGET_BEGIN("avx2,bmi2")
namespace spinney::prepare::avx2 {
namespace {

struct Floats {
  using T = float;
  using V = __m256;
  using M = __m256;
  static constexpr size_t kLanes = 8;
  static __m256i part(size_t n) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kPart + 8 - n));
  }
  static V load(const T* p) { return _mm256_loadu_ps(p); }
  static V load_part(const T* p, size_t n) { return _mm256_maskload_ps(p, part(n)); }
  static void store(T* p, V v) { _mm256_storeu_ps(p, v); }
  static void store_part(T* p, V v, size_t n) { _mm256_maskstore_ps(p, part(n), v); }
  static V set(T x) { return _mm256_set1_ps(x); }
  static V add(V a, V b) { return _mm256_add_ps(a, b); }
  static V subtract(V a, V b) { return _mm256_sub_ps(a, b); }
  static V multiply(V a, V b) { return _mm256_mul_ps(a, b); }
  static V divide(V a, V b) { return _mm256_div_ps(a, b); }
  static M less(V a, V b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
  static M equal(V a, V b) { return _mm256_cmp_ps(a, b, _CMP_EQ_OQ); }
  static M is_nan(V a) { return _mm256_cmp_ps(a, a, _CMP_UNORD_Q); }
  static V select(M m, V a, V b) { return _mm256_blendv_ps(b, a, m); }
};

struct Doubles {
  using T = double;
  using V = __m256d;
  using M = __m256d;
  static constexpr size_t kLanes = 4;
  static __m256i part(size_t n) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kWidePart + 4 - n));
  }
  static V load(const T* p) { return _mm256_loadu_pd(p); }
  static V load_part(const T* p, size_t n) { return _mm256_maskload_pd(p, part(n)); }
  static void store(T* p, V v) { _mm256_storeu_pd(p, v); }
  static void store_part(T* p, V v, size_t n) { _mm256_maskstore_pd(p, part(n), v); }
  static V set(T x) { return _mm256_set1_pd(x); }
  static V add(V a, V b) { return _mm256_add_pd(a, b); }
  static V subtract(V a, V b) { return _mm256_sub_pd(a, b); }
  static V multiply(V a, V b) { return _mm256_mul_pd(a, b); }
  static V divide(V a, V b) { return _mm256_div_pd(a, b); }
  static M less(V a, V b) { return _mm256_cmp_pd(a, b, _CMP_LT_OQ); }
  static M equal(V a, V b) { return _mm256_cmp_pd(a, b, _CMP_EQ_OQ); }
  static M is_nan(V a) { return _mm256_cmp_pd(a, a, _CMP_UNORD_Q); }
  static V select(M m, V a, V b) { return _mm256_blendv_pd(b, a, m); }
  static V widen_part(const float* p, size_t n) {
    return _mm256_cvtps_pd(
        _mm_maskload_ps(p, _mm_loadu_si128(reinterpret_cast<const __m128i*>(kPart + 8 - n))));
  }
  static V widen_part(const double* p, size_t n) { return load_part(p, n); }
};
using Wide = Doubles;

#include "spinney/prepare/body.inc"

}  // namespace
}  // namespace spinney::prepare::avx2
SPINNEY_TARGET_END

namespace spinney::prepare::avx2 {

const Kernels kKernels{"avx2",
                       cpu::Isa::kAvx2,
                       &transform_rows<Floats>,
                       &transform_rows<Doubles>,
                       &transform_column<Floats>,
                       &transform_column<Doubles>,
                       &add_rows<float>,
                       &add_rows<double>};

}  // namespace spinney::prepare::avx2
