// The loops of quantize/kernels.h with AVX2; null where this processor family lacks it.
#pragma once

#include "spinney/quantize/kernels.h"

namespace spinney::quantize::avx2 {

const Kernels* kernels();

}  // namespace spinney::quantize::avx2
