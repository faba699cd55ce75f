// How often this thread has asked operator new for memory, which this program replaces.
#pragma once

#include <cstddef>

namespace spinney::server::testing {

size_t allocations() noexcept;

// While there is one, this thread looks into each block that it gives back.
struct Freed {
  Freed();
  ~Freed();
  Freed(const Freed&) = delete;
  Freed& operator=(const Freed&) = delete;
  size_t large = 0;  // blocks of a KiB and more
  size_t dirty = 0;  // of these, that were not all zeros
};

}  // namespace spinney::server::testing
