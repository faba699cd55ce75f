#include "server/allocations.h"

#include <malloc.h>

#include <algorithm>
#include <cstdlib>
#include <new>

namespace {

thread_local size_t counted = 0;
thread_local spinney::server::testing::Freed* watching = nullptr;

void give_back(void* memory) noexcept {
  if (memory && watching) {
    const size_t bytes = malloc_usable_size(memory);
    const char* data = static_cast<const char*>(memory);
    if (bytes >= 1024) {
      ++watching->large;
      // The allocator's rounding at the end is nobody's.
      watching->dirty += std::any_of(data, data + bytes - 16, [](char c) { return c != 0; });
    }
  }
  std::free(memory);
}

}  // namespace

spinney::server::testing::Freed::Freed() { watching = this; }
spinney::server::testing::Freed::~Freed() { watching = nullptr; }

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
void operator delete(void* memory, const std::nothrow_t&) noexcept { give_back(memory); }
void operator delete(void* memory) noexcept { give_back(memory); }
void operator delete(void* memory, size_t) noexcept { give_back(memory); }
