// Hashes for keys that come from a file or a caller: XXH3 with a seed of this process's own, so
// that nobody can choose keys that collide and make a table of n of them cost n * n.
#pragma once

#include <cstddef>
#include <cstdint>

namespace spinney {

// From the system's source of randomness, once per process, while it is loaded.
uint64_t random_seed() noexcept;

uint64_t seeded_hash(const void* data, size_t bytes) noexcept;

// For the standard library's tables of integers, whose own hash is the integer itself.
struct SeededHash {
  size_t operator()(uint64_t key) const noexcept { return seeded_hash(&key, sizeof key); }
};

}  // namespace spinney
