// wipe(): overwrites memory with zeros for certain.
#pragma once

#include <cstddef>
#include <cstring>

namespace spinney {

// A compiler may drop a memset of memory that nothing reads afterwards. The empty assembly takes
// the pointer and may read all memory, so that the zeros have to be there.
inline void wipe(void* data, size_t bytes) {
  if (bytes == 0) return;
  std::memset(data, 0, bytes);
  asm volatile("" : : "r"(data) : "memory");
}

}  // namespace spinney
