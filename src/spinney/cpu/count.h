// How many CPUs this process may really use.
#pragma once

#include <string_view>

namespace spinney::cpu {

// CPUs in the calling thread's affinity mask, or fewer where the process's control group has a
// smaller quota (rounded up). At least 1. The mask is read each time, the quota once.
unsigned usable_cpus();

// CPUs that a quota file's text allows, 0 for no limit or text that is not one: "max 100000" or
// "150000 100000" (cpu.max: microseconds in each period).
double quota_of(std::string_view cpu_max);

}  // namespace spinney::cpu
