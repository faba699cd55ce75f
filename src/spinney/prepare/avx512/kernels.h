#pragma once

#include "spinney/prepare/steps.h"

namespace spinney::prepare::avx512 {

extern const Kernels kKernels;

}  // namespace spinney::prepare::avx512
