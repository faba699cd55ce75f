// The kernels that this build knows, best first. SPINNEY_KERNEL forces one by name (a build that
// lacks it, or a forest beyond its limits, is then an error, never a silent fallback), and
// SPINNEY_ISA caps the instruction set ("scalar", "avx2", "avx512", "avx512vbmi").
#pragma once

#include <span>

#include "spinney/kernel/forest/evaluator.h"

namespace spinney::kernel {

std::span<const KernelEntry> registry();

}  // namespace spinney::kernel
