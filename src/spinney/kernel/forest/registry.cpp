#include "spinney/kernel/forest/registry.h"

#include "spinney/kernel/forest/scalar/reference.h"

namespace spinney::kernel {
namespace {

constexpr KernelEntry kKernels[] = {
    {"reference.scalar", cpu::Isa::kScalar, &make_reference},
};

}  // namespace

std::span<const KernelEntry> registry() { return kKernels; }

}  // namespace spinney::kernel
