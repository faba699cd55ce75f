// The loops of quantize/kernels.h, plainly: the oracle of the other sets.
#pragma once

#include "spinney/quantize/kernels.h"

namespace spinney::quantize::scalar {

const Kernels* kernels();

}  // namespace spinney::quantize::scalar
