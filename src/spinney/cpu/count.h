// How many CPUs this process may really use.
#pragma once

namespace spinney::cpu {

// CPUs in the calling thread's affinity mask, or fewer where the process's control group has a
// smaller quota (rounded up). At least 1. The mask is read each time, the quota once.
unsigned usable_cpus();

}  // namespace spinney::cpu
