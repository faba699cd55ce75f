#include "spinney/cpu/count.h"

#include <algorithm>
#include <cmath>

#include "spinney/base/at_load.h"
#include "spinney/base/cgroup.h"
#include "spinney/cpu/affinity.h"

namespace spinney::cpu {

unsigned usable_cpus() {
  static const double quota = group_quota();
  const auto cpus = static_cast<unsigned>(affinity().size());
  if (quota == 0) return cpus;
  return std::clamp(static_cast<unsigned>(std::min(std::ceil(quota), 1e6)), 1u, cpus);
}
namespace {
const AtLoad kQuota{&usable_cpus};
}

}  // namespace spinney::cpu
