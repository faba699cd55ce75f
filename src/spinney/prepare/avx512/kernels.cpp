#include "spinney/prepare/avx512/kernels.h"

#include "spinney/cpu/target.h"
SPINNEY_QUIET_UNDEFINED
#include <immintrin.h>

SPINNEY_TARGET_BEGIN("avx512f,avx512bw,avx512dq,avx512vl,bmi2")
namespace spinney::prepare::avx512 {
namespace {

struct Floats {
  using T = float;
  using V = __m512;
  using M = __mmask16;
  static constexpr size_t kLanes = 16;
  static M part(size_t n) { return static_cast<M>((1u << n) - 1); }
  static V load(const T* p) { return _mm512_loadu_ps(p); }
  static V load_part(const T* p, size_t n) { return _mm512_maskz_loadu_ps(part(n), p); }
  static void store(T* p, V v) { _mm512_storeu_ps(p, v); }
  static void store_part(T* p, V v, size_t n) { _mm512_mask_storeu_ps(p, part(n), v); }
  static V set(T x) { return _mm512_set1_ps(x); }
  static V add(V a, V b) { return _mm512_add_ps(a, b); }
  static V subtract(V a, V b) { return _mm512_sub_ps(a, b); }
  static V multiply(V a, V b) { return _mm512_mul_ps(a, b); }
  static V divide(V a, V b) { return _mm512_div_ps(a, b); }
  static M less(V a, V b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
  static M equal(V a, V b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
  static M is_nan(V a) { return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q); }
  static V select(M m, V a, V b) { return _mm512_mask_blend_ps(m, b, a); }
};

struct Doubles {
  using T = double;
  using V = __m512d;
  using M = __mmask8;
  static constexpr size_t kLanes = 8;
  static M part(size_t n) { return static_cast<M>((1u << n) - 1); }
  static V load(const T* p) { return _mm512_loadu_pd(p); }
  static V load_part(const T* p, size_t n) { return _mm512_maskz_loadu_pd(part(n), p); }
  static void store(T* p, V v) { _mm512_storeu_pd(p, v); }
  static void store_part(T* p, V v, size_t n) { _mm512_mask_storeu_pd(p, part(n), v); }
  static V set(T x) { return _mm512_set1_pd(x); }
  static V add(V a, V b) { return _mm512_add_pd(a, b); }
  static V subtract(V a, V b) { return _mm512_sub_pd(a, b); }
  static V multiply(V a, V b) { return _mm512_mul_pd(a, b); }
  static V divide(V a, V b) { return _mm512_div_pd(a, b); }
  static M less(V a, V b) { return _mm512_cmp_pd_mask(a, b, _CMP_LT_OQ); }
  static M equal(V a, V b) { return _mm512_cmp_pd_mask(a, b, _CMP_EQ_OQ); }
  static M is_nan(V a) { return _mm512_cmp_pd_mask(a, a, _CMP_UNORD_Q); }
  static V select(M m, V a, V b) { return _mm512_mask_blend_pd(m, b, a); }
  static V widen_part(const float* p, size_t n) {
    return _mm512_cvtps_pd(_mm256_maskz_loadu_ps(part(n), p));
  }
  static V widen_part(const double* p, size_t n) { return load_part(p, n); }
};
using Wide = Doubles;

#include "spinney/prepare/body.inc"

}  // namespace
}  // namespace spinney::prepare::avx512
SPINNEY_TARGET_END

namespace spinney::prepare::avx512 {

const Kernels kKernels{"avx512",
                       cpu::Isa::kAvx512,
                       &transform_rows<Floats>,
                       &transform_rows<Doubles>,
                       &transform_column<Floats>,
                       &transform_column<Doubles>,
                       &add_rows<float>,
                       &add_rows<double>};

}  // namespace spinney::prepare::avx512
