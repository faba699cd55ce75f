// Which CPUs the calling thread may run on, and pinning it to one.
#pragma once

#include <vector>

#include "spinney/base/result.h"

namespace spinney::cpu {

// Numbers of the CPUs in the calling thread's mask, ascending; never empty.
std::vector<unsigned> affinity();

// Lets the calling thread run on these CPUs only. kInvalidArgument for an empty list, kIo if the
// kernel refuses: a CPU that there is not, or that the control group excludes.
Status set_affinity(const std::vector<unsigned>& cpus);

// The CPU that the calling thread runs on now, and the NUMA node of that CPU; 0 where the kernel
// does not tell. Both may change at any time unless the thread is pinned.
unsigned current_cpu();
unsigned current_node();

// The node whose copy of something the calling thread should read: the one that it was placed on,
// for good, by place_on_node(), else current_node().
unsigned near_node();
void place_on_node(unsigned node);

// Pins the calling thread to one CPU for as long as it lives, and then gives it back the mask that
// it had. Made and destroyed on the same thread.
class Pinned {
 public:
  static Result<Pinned> to(unsigned cpu);
  Pinned(Pinned&& other) noexcept;
  Pinned& operator=(Pinned&&) = delete;
  ~Pinned();

 private:
  explicit Pinned(std::vector<unsigned> before) : before_(std::move(before)) {}
  std::vector<unsigned> before_;
};

}  // namespace spinney::cpu
