#include "spinney/quantize/avx2/kernels.h"

#if defined(__x86_64__)

#include "spinney/cpu/target.h"
SPINNEY_QUIET_UNDEFINED
#include <immintrin.h>

SPINNEY_TARGET_BEGIN("avx2,f16c,bmi,bmi2,popcnt")
namespace spinney::quantize::avx2 {
namespace {

#include "spinney/quantize/avx2/vectors.inc"

#include "spinney/quantize/body.inc"

}  // namespace
}  // namespace spinney::quantize::avx2
SPINNEY_TARGET_END

namespace spinney::quantize {

const Kernels* avx2::kernels() {
  static constexpr Kernels kSet{"avx2",         cpu::Isa::kAvx2, &quantize,
                                &quantize_each, &dequantize,     &dequantize_each,
                                &range,         &to_half,        &from_half};
  return &kSet;
}

}  // namespace spinney::quantize

#else

namespace spinney::quantize {

const Kernels* avx2::kernels() { return nullptr; }

}  // namespace spinney::quantize

#endif
