#pragma once

#include "spinney/kernel/linear/dots.h"

namespace spinney::kernel::avx512 {

extern const Dots kDots;

}  // namespace spinney::kernel::avx512
