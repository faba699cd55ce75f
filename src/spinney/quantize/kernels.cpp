#include "spinney/quantize/kernels.h"

#include <algorithm>

#include "spinney/base/at_load.h"
#include "spinney/quantize/avx2/kernels.h"
#include "spinney/quantize/avx512/kernels.h"
#include "spinney/quantize/scalar/kernels.h"

namespace spinney::quantize {

std::vector<const Kernels*> all_kernels() {
  std::vector<const Kernels*> usable;
  for (const Kernels* set : {avx512::kernels(), avx2::kernels(), scalar::kernels()})
    if (set && set->isa <= cpu::usable_isa()) usable.push_back(set);
  return usable;
}

const Kernels& kernels() {
  static const Kernels& best = *all_kernels().front();
  return best;
}
namespace {
const AtLoad kBest{&kernels};
}

Range merge(const Range& a, const Range& b, size_t finite_a, size_t finite_b) {
  Range both = a;
  both.nans += b.nans;
  both.infinities += b.infinities;
  if (finite_b == 0) return both;
  both.min = finite_a == 0 ? b.min : std::min(a.min, b.min);
  both.max = finite_a == 0 ? b.max : std::max(a.max, b.max);
  return both;
}

}  // namespace spinney::quantize
