#pragma once

#include "spinney/kernel/linear/dots.h"

namespace spinney::kernel::scalar {

extern const Dots kDots;

}  // namespace spinney::kernel::scalar
