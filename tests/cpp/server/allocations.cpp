#include "server/allocations.h"

#include <cstdlib>
#include <new>

namespace {
thread_local size_t counted = 0;
}

size_t spinney::server::testing::allocations() noexcept { return counted; }

void* operator new(size_t bytes) {
  ++counted;
  if (void* made = std::malloc(bytes ? bytes : 1)) return made;
  throw std::bad_alloc();
}
void* operator new(size_t bytes, const std::nothrow_t&) noexcept {
  ++counted;
  return std::malloc(bytes ? bytes : 1);
}
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
