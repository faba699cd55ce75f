#pragma once

#include "spinney/prepare/steps.h"

namespace spinney::prepare::scalar {

extern const Kernels kKernels;

}  // namespace spinney::prepare::scalar
