#include "spinney/kernel/linear/avx512/dots.h"

#include <bit>

#include "spinney/cpu/target.h"
#include "spinney/kernel/linear/exact_dot.h"
SPINNEY_QUIET_UNDEFINED
#include <immintrin.h>

SPINNEY_TARGET_BEGIN("avx512f,avx512bw,avx512cd,avx512dq,avx512vl")
namespace spinney::kernel::avx512 {
namespace {

struct S {
  using V = __m512d;
  static constexpr size_t kLanes = 8;
  static __mmask8 first(size_t n) { return static_cast<__mmask8>((1u << n) - 1); }
  static V zero() { return _mm512_setzero_pd(); }
  static V set(double x) { return _mm512_set1_pd(x); }
  static V load(const double* p) { return _mm512_loadu_pd(p); }
  static V widen(const double* p) { return _mm512_loadu_pd(p); }
  static V widen(const float* p) { return _mm512_cvtps_pd(_mm256_loadu_ps(p)); }
  static V widen_part(const double* p, size_t n) { return _mm512_maskz_loadu_pd(first(n), p); }
  static V widen_part(const float* p, size_t n) {
    return _mm512_cvtps_pd(_mm256_maskz_loadu_ps(first(n), p));
  }
  static void store(double* p, V a) { _mm512_storeu_pd(p, a); }
  static V add(V a, V b) { return _mm512_add_pd(a, b); }
  static V subtract(V a, V b) { return _mm512_sub_pd(a, b); }
  static V multiply(V a, V b) { return _mm512_mul_pd(a, b); }
  static V multiply_add(V a, V b, V c) { return _mm512_fmadd_pd(a, b, c); }
  static unsigned less(V a, V b) { return _mm512_cmp_pd_mask(a, b, _CMP_LT_OQ); }
  static unsigned equal(V a, V b) { return _mm512_cmp_pd_mask(a, b, _CMP_EQ_OQ); }
  // The power of two that is at most a, times eight.
  static V power_above(V a) {
    const __m512i exponent =
        _mm512_and_si512(_mm512_castpd_si512(a), _mm512_set1_epi64(0x7ff0000000000000));
    return _mm512_castsi512_pd(_mm512_add_epi64(exponent, _mm512_set1_epi64(int64_t{3} << 52)));
  }
  // One term: its rounded part goes to *high, the rest of it to *low.
  static void take(V v, V w, V* high, V* low) {
    const V moved = _mm512_fmadd_pd(v, w, *high);
    *low = add(*low, _mm512_fmsub_pd(v, w, subtract(moved, *high)));
    *high = moved;
  }
  static V size(V a) { return _mm512_abs_pd(a); }
  static double sum(V a) {
    const __m256d four = _mm256_add_pd(_mm512_castpd512_pd256(a), _mm512_extractf64x4_pd(a, 1));
    const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
    return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
  }
  // Halves of neighbours, then quarters, then eighths, are added beside each other.
  static V pair(V a, V b) { return add(_mm512_unpacklo_pd(a, b), _mm512_unpackhi_pd(a, b)); }
  static V quarters(V a, V b) {
    return add(_mm512_shuffle_f64x2(a, b, 0x88), _mm512_shuffle_f64x2(a, b, 0xdd));
  }
  static V fold(const V* v) {
    return quarters(quarters(pair(v[0], v[1]), pair(v[2], v[3])),
                    quarters(pair(v[4], v[5]), pair(v[6], v[7])));
  }
};

#include "spinney/kernel/linear/body.inc"

}  // namespace
}  // namespace spinney::kernel::avx512
SPINNEY_TARGET_END

namespace spinney::kernel::avx512 {

const Dots kDots{"avx512", cpu::Isa::kAvx512, &doubles<double>, &doubles<float>, &floats};

}  // namespace spinney::kernel::avx512
