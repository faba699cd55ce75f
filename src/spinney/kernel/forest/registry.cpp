#include "spinney/kernel/forest/registry.h"

#include "spinney/kernel/forest/avx2/walk.h"
#include "spinney/kernel/forest/scalar/reference.h"
#include "spinney/kernel/forest/scalar/walk.h"

namespace spinney::kernel {
namespace {

constexpr KernelEntry kKernels[] = {
    {"walk.avx2", cpu::Isa::kAvx2, &avx2::make_walk},
    {"walk.scalar", cpu::Isa::kScalar, &scalar::make_walk},
    {"reference.scalar", cpu::Isa::kScalar, &make_reference},
};

}  // namespace

std::span<const KernelEntry> registry() { return kKernels; }

}  // namespace spinney::kernel
