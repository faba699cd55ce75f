// What the control group lets this process use of the CPUs.
#pragma once

#include <string>
#include <string_view>

namespace spinney {

// CPUs that a quota file's text allows, 0 for no limit or text that is not one: "max 100000" or
// "150000 100000" (cpu.max: microseconds in each period).
double quota_of(std::string_view cpu_max);

// The smallest quota, in CPUs, from the process's own group up to the root, of either version; 0 if
// there is none. Inside a container the path may name groups that only the host sees; the root is
// looked at all the same. `proc` and `sys` stand for /proc and /sys, for tests.
double group_quota(const std::string& proc = "/proc", const std::string& sys = "/sys");

}  // namespace spinney
