// In a file of its own, where no compiler sees what calls these and pairs one with another's
// library function.
#include "engine/failing_allocations.h"

#include <cstdlib>
#include <new>

namespace spinney::engine::testing_world {

namespace {

thread_local uint32_t per_mille = 0;
thread_local uint64_t state = 1;

}  // namespace

uint32_t& failing_per_mille() { return per_mille; }
uint64_t& failing_state() { return state; }

}  // namespace spinney::engine::testing_world

namespace {

using spinney::engine::testing_world::failing_per_mille;
using spinney::engine::testing_world::failing_state;

bool allocation_fails() {
  if (failing_per_mille() == 0) return false;
  uint64_t& state = failing_state();
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (state >> 33) % 1000 < failing_per_mille();
}

void* allocate(size_t size) { return allocation_fails() ? nullptr : std::malloc(size ? size : 1); }
void* allocate(size_t size, std::align_val_t align) {
  const auto alignment = static_cast<size_t>(align);
  if (allocation_fails()) return nullptr;
  return std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}
void* or_throw(void* p) {
  if (!p) throw std::bad_alloc();
  return p;
}

}  // namespace

// Replaced in the whole test program, so that allocations can be made to fail.
void* operator new(size_t size) { return or_throw(allocate(size)); }
void* operator new(size_t size, const std::nothrow_t&) noexcept { return allocate(size); }
void* operator new(size_t size, std::align_val_t a) { return or_throw(allocate(size, a)); }
void* operator new(size_t size, std::align_val_t a, const std::nothrow_t&) noexcept {
  return allocate(size, a);
}
void* operator new[](size_t size) { return or_throw(allocate(size)); }
void* operator new[](size_t size, const std::nothrow_t&) noexcept { return allocate(size); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, size_t) noexcept { std::free(p); }
void operator delete(void* p, const std::nothrow_t&) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, size_t, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t, const std::nothrow_t&) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete[](void* p, size_t) noexcept { std::free(p); }
void operator delete[](void* p, const std::nothrow_t&) noexcept { std::free(p); }
