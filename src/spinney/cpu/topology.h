// Topology: which CPUs there are, which of them share a core, and which memory is near them.
//
// Read through hwloc where libhwloc.so.15 can be opened (it is never linked, so wheels and machines
// without it work as well), else from /sys, else CPUs in plain order as if each were a core of one
// node; `source` says which. Only CPUs that the process may run on are in it.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "spinney/base/result.h"

namespace spinney::cpu {

struct Cpu {
  unsigned number = 0;  // the operating system's
  unsigned core = 0;    // which physical core; equal for the threads of one core
  unsigned node = 0;    // the NUMA node that is near it, the operating system's number

  bool operator==(const Cpu&) const = default;
};

struct Topology {
  std::vector<Cpu> cpus;  // ascending numbers, never empty
  std::string source;     // "hwloc (its interface 2.8)", "/sys", or "plain order" and why

  size_t n_cores() const;
  std::vector<unsigned> nodes() const;  // ascending
};

// This machine's, less what the calling thread's affinity mask excludes. Read each time: a thread
// that is pinned sees its own CPU only, so the engine asks before it pins.
Topology read_topology();

// What hwloc makes of a description such as "node:2 core:4 pu:2". kInvalidArgument if it makes
// nothing of it, kUnsupported without hwloc.
Result<Topology> synthetic_topology(std::string_view description);

// From the files below `root` (as /sys/devices/system has them), for the CPUs in `allowed`.
// kNotFound if they do not tell.
Result<Topology> topology_from_sys(const std::string& root, std::span<const unsigned> allowed);

// Where one thread runs, and the node whose copy of a model it should read.
struct Place {
  unsigned cpu = 0;
  unsigned node = 0;

  bool operator==(const Place&) const = default;
};

struct Assignment {
  std::vector<Place> places;    // one for each thread
  std::vector<unsigned> nodes;  // the nodes that have a thread, ascending: one replica for each
};

// Places for `threads` threads: each physical core once before any core's second thread, and a
// node's cores together before those of the next node, so that few threads share one node's caches
// and one replica. More threads than CPUs begin again from the first.
Assignment assign(const Topology& topology, unsigned threads);

// Puts the calling thread, for good, where the assignment has its thread of that number: on its CPU
// (`pin`), else, where there are several nodes, on the CPUs of its node. What the kernel refuses
// (CPUs of another machine) is left out; the node is its own all the same, see near_node().
void take_place(const Topology& topology, const Assignment& assignment, size_t number, bool pin);

// Numbers in a list such as "0-3,8", as the kernel writes them; empty for text that is none.
std::vector<unsigned> parse_cpu_list(std::string_view text);

}  // namespace spinney::cpu
