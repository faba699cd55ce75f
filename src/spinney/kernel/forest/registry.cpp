#include "spinney/kernel/forest/registry.h"

#include "spinney/kernel/forest/avx2/blocks.h"
#include "spinney/kernel/forest/avx2/walk.h"
#include "spinney/kernel/forest/avx512/blocks.h"
#include "spinney/kernel/forest/avx512/lanes.h"
#include "spinney/kernel/forest/avx512/walk.h"
#include "spinney/kernel/forest/scalar/reference.h"
#include "spinney/kernel/forest/scalar/walk.h"

namespace spinney::kernel {
namespace {

// Kernels that share nothing.
template <Result<std::unique_ptr<ForestEvaluator>> (*kMake)(const Forest&)>
Result<std::unique_ptr<ForestEvaluator>> alone(const Forest& forest, SharedTables&) {
  return kMake(forest);
}

constexpr KernelEntry kKernels[] = {
    {"walk.avx512", cpu::Isa::kAvx512, &alone<avx512::make_walk>},
    {"walk.avx2", cpu::Isa::kAvx2, &alone<avx2::make_walk>},
    {"walk.scalar", cpu::Isa::kScalar, &alone<scalar::make_walk>},
    {"blocks.avx512vbmi", cpu::Isa::kAvx512Vbmi, &avx512vbmi::make_blocks},
    {"lanes.avx512vbmi", cpu::Isa::kAvx512Vbmi, &make_lanes_avx512vbmi},
    {"blocks.avx512", cpu::Isa::kAvx512, &avx512::make_blocks},
    {"blocks.avx2", cpu::Isa::kAvx2, &avx2::make_blocks},
    {"reference.scalar", cpu::Isa::kScalar, &alone<make_reference>},
};

}  // namespace

std::span<const KernelEntry> registry() { return kKernels; }

}  // namespace spinney::kernel
