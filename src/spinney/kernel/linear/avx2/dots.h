#pragma once

#include "spinney/kernel/linear/dots.h"

namespace spinney::kernel::avx2 {

extern const Dots kDots;

}  // namespace spinney::kernel::avx2
