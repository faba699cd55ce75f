#include "spinney/cpu/target.h"
SPINNEY_QUIET_UNDEFINED
#include <immintrin.h>

#include "spinney/kernel/forest/avx512/blocks.h"

SPINNEY_TARGET_BEGIN("avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512vbmi,avx512vbmi2")
namespace spinney::kernel::avx512vbmi {
namespace {

inline __attribute__((always_inline)) __m512i lookup_64(const uint8_t* table, __m512i number) {
  return _mm512_permutexvar_epi8(number, _mm512_load_si512(table));
}
inline __attribute__((always_inline)) __m512i lookup_64_where(__m512i otherwise, __mmask64 where,
                                                              const uint8_t* table,
                                                              __m512i number) {
  return _mm512_mask_permutexvar_epi8(otherwise, where, number, _mm512_load_si512(table));
}

}  // namespace

#include "spinney/kernel/forest/avx512/blocks_body.h"

}  // namespace spinney::kernel::avx512vbmi
SPINNEY_TARGET_END
