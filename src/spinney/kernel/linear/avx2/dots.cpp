#include "spinney/kernel/linear/avx2/dots.h"

#include <bit>

#include "spinney/cpu/target.h"
#include "spinney/kernel/linear/exact_dot.h"
SPINNEY_QUIET_UNDEFINED
#include <immintrin.h>

namespace spinney::kernel::avx2 {
namespace {

// Four entries from 4 - n on have their first n set.
alignas(32) constexpr int64_t kPart[8] = {-1, -1, -1, -1};
alignas(16) constexpr int32_t kNarrowPart[8] = {-1, -1, -1, -1};

}  // namespace
}  // namespace spinney::kernel::avx2

SPINNEY_TARGET_BEGIN("avx2,fma")
namespace spinney::kernel::avx2 {
namespace {

struct S {
  using V = __m256d;
  static constexpr size_t kLanes = 4;
  static V zero() { return _mm256_setzero_pd(); }
  static V set(double x) { return _mm256_set1_pd(x); }
  static V load(const double* p) { return _mm256_loadu_pd(p); }
  static V widen(const double* p) { return _mm256_loadu_pd(p); }
  static V widen(const float* p) { return _mm256_cvtps_pd(_mm_loadu_ps(p)); }
  static V widen_part(const double* p, size_t n) {
    return _mm256_maskload_pd(
        p, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kPart + kLanes - n)));
  }
  static V widen_part(const float* p, size_t n) {
    return _mm256_cvtps_pd(_mm_maskload_ps(
        p, _mm_loadu_si128(reinterpret_cast<const __m128i*>(kNarrowPart + kLanes - n))));
  }
  static void store(double* p, V a) { _mm256_storeu_pd(p, a); }
  static V add(V a, V b) { return _mm256_add_pd(a, b); }
  static V subtract(V a, V b) { return _mm256_sub_pd(a, b); }
  static V multiply(V a, V b) { return _mm256_mul_pd(a, b); }
  static V multiply_add(V a, V b, V c) { return _mm256_fmadd_pd(a, b, c); }
  static unsigned mask(V a) { return static_cast<unsigned>(_mm256_movemask_pd(a)); }
  static unsigned less(V a, V b) { return mask(_mm256_cmp_pd(a, b, _CMP_LT_OQ)); }
  static unsigned equal(V a, V b) { return mask(_mm256_cmp_pd(a, b, _CMP_EQ_OQ)); }
  // The power of two that is at most a, times eight.
  static V power_above(V a) {
    const __m256i exponent =
        _mm256_and_si256(_mm256_castpd_si256(a), _mm256_set1_epi64x(0x7ff0000000000000));
    return _mm256_castsi256_pd(_mm256_add_epi64(exponent, _mm256_set1_epi64x(int64_t{3} << 52)));
  }
  // One term: its rounded part goes to *high, the rest of it to *low.
  static void take(V v, V w, V* high, V* low) {
    const V moved = _mm256_fmadd_pd(v, w, *high);
    *low = add(*low, _mm256_fmsub_pd(v, w, subtract(moved, *high)));
    *high = moved;
  }
  static V size(V a) { return _mm256_andnot_pd(_mm256_set1_pd(-0.0), a); }
  static double sum(V a) {
    const __m128d half = _mm_add_pd(_mm256_castpd256_pd128(a), _mm256_extractf128_pd(a, 1));
    return _mm_cvtsd_f64(_mm_add_sd(half, _mm_unpackhi_pd(half, half)));
  }
  static V fold(const V* v) {
    const V a = _mm256_hadd_pd(v[0], v[1]), b = _mm256_hadd_pd(v[2], v[3]);
    return add(_mm256_permute2f128_pd(a, b, 0x20), _mm256_permute2f128_pd(a, b, 0x31));
  }
};

#include "spinney/kernel/linear/body.inc"

}  // namespace
}  // namespace spinney::kernel::avx2
SPINNEY_TARGET_END

namespace spinney::kernel::avx2 {

const Dots kDots{"avx2", cpu::Isa::kAvx2, &doubles<double>, &doubles<float>, &floats};

}  // namespace spinney::kernel::avx2
