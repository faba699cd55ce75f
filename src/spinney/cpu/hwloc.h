// hwloc, opened at run time. Only topology.cpp asks it.
#pragma once

#include <span>
#include <string>

#include "spinney/base/result.h"
#include "spinney/cpu/topology.h"

namespace spinney::cpu {

// This machine's CPUs that are in `allowed`; kUnsupported if hwloc cannot be opened, or if the
// environment variable SPINNEY_HWLOC is "off".
Result<Topology> hwloc_topology(std::span<const unsigned> allowed);

Result<Topology> hwloc_synthetic(const std::string& description);

}  // namespace spinney::cpu
