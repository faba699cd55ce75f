#include "spinney/quantize/avx512/kernels.h"

#if defined(__x86_64__)

#include "spinney/cpu/target.h"
SPINNEY_QUIET_UNDEFINED
#include <immintrin.h>

SPINNEY_TARGET_BEGIN("avx512f,avx512bw,avx512dq,avx512vl,bmi,bmi2,popcnt")
namespace spinney::quantize::avx512 {
namespace {

#include "spinney/quantize/avx512/vectors.inc"

#include "spinney/quantize/body.inc"

}  // namespace
}  // namespace spinney::quantize::avx512
SPINNEY_TARGET_END

namespace spinney::quantize {

const Kernels* avx512::kernels() {
  static constexpr Kernels kSet{"avx512",       cpu::Isa::kAvx512, &quantize,
                                &quantize_each, &dequantize,       &dequantize_each,
                                &range,         &to_half,          &from_half};
  return &kSet;
}

}  // namespace spinney::quantize

#else

namespace spinney::quantize {

const Kernels* avx512::kernels() { return nullptr; }

}  // namespace spinney::quantize

#endif
