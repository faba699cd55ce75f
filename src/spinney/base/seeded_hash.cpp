#include "spinney/base/seeded_hash.h"

#include <sys/random.h>

#include <cerrno>
#include <ctime>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "spinney/base/at_load.h"

namespace spinney {
namespace {

uint64_t make_seed() noexcept {
  uint64_t seed = 0;
  ssize_t got = 0;
  do {
    got = ::getrandom(&seed, sizeof seed, 0);
  } while (got < 0 && errno == EINTR);
  if (got == static_cast<ssize_t>(sizeof seed)) return seed;
  // A kernel or sandbox without that call: the clock and where the library lies, which a file does
  // not know either.
  timespec now = {};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const auto time = static_cast<uint64_t>(now.tv_nsec) ^ static_cast<uint64_t>(now.tv_sec) << 32;
  return XXH3_64bits_withSeed(&time, sizeof time, reinterpret_cast<uintptr_t>(&make_seed));
}

}  // namespace

uint64_t random_seed() noexcept {
  static const uint64_t seed = make_seed();
  return seed;
}

namespace {
const AtLoad kSeed{&random_seed};
}

uint64_t seeded_hash(const void* data, size_t bytes) noexcept {
  return XXH3_64bits_withSeed(data, bytes, random_seed());
}

}  // namespace spinney
