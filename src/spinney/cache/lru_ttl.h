// LruTtl: answers by key, bytes to bytes; the least recently used leaves, and what is too old.
//
//   LruTtl cache(options);                      // LruTtl::check(options) says what would not fit
//   if (cache.get(key, answer)) ...             // answer holds the bytes
//   cache.set(key, answer);
//
// Whole keys are compared, so that equal hashes are no equal keys. Keys and values are wiped when
// they leave, for whatever reason: evicted, expired, replaced, invalidated, cleared. At most that
// long is anything retained: ttl_ns, and up to cleanup_interval_ns more where nobody asks for it.
//
// Entries are spread over shards by hash, each with its lock, its share of the limits and its own
// order of use: with one shard (small caches) the order is exactly LRU. When memory runs out set()
// keeps nothing; nothing here throws.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "spinney/base/clock.h"
#include "spinney/base/result.h"
#include "spinney/base/seeded_hash.h"

namespace spinney::cache {

using Bytes = std::span<const std::byte>;
using HashFunction = uint64_t (*)(Bytes key, uint64_t seed);

// XXH3, seeded at random per process, so that no caller can make keys collide.
uint64_t hash_bytes(Bytes key, uint64_t seed);
using spinney::random_seed;

struct LruTtlOptions {
  size_t entries_max = 1000;
  size_t bytes_max = size_t{256} << 20;  // keys, values and what it takes to keep them
  int64_t ttl_ns = 300 * kSecond;        // kNever: for ever
  int64_t cleanup_interval_ns = 60 * kSecond;
  unsigned shards = 0;  // a power of two; 0: 1 up to 1023 entries, else 8
  const Clock* clock = &SteadyClock::instance();
  HashFunction hash = &hash_bytes;  // tests make keys collide
};

struct LruTtlStats {
  uint64_t hits = 0, misses = 0;
  uint64_t insertions = 0, evictions = 0, expirations = 0, invalidations = 0;
  size_t entries = 0;
  size_t bytes = 0;
};

class LruTtl {
 public:
  // kInvalidArgument names the option that does not fit.
  static Status check(const LruTtlOptions& options);
  explicit LruTtl(const LruTtlOptions& options = {});
  ~LruTtl();
  LruTtl(const LruTtl&) = delete;
  LruTtl& operator=(const LruTtl&) = delete;

  // Copies the value into `value` (resized); false and untouched if there is none.
  bool get(Bytes key, std::vector<std::byte>& value);
  // Into memory of the caller's: true only if the value has exactly so many bytes.
  bool get(Bytes key, std::span<std::byte> value);
  // As long as it is: room(bytes) gives the memory to put it, or null, which counts as a miss.
  template <typename Room>
  bool get_into(Bytes key, Room&& room) {
    return get_into(
        key, [](void* given, size_t bytes) { return (*static_cast<Room*>(given))(bytes); },
        static_cast<void*>(&room));
  }
  // Keeps a copy of both, unless they alone are beyond a shard's share of bytes_max.
  void set(Bytes key, Bytes value);
  bool invalidate(Bytes key);
  void clear();
  // Drops every key that begins so. Looks at all of them.
  void clear(Bytes prefix);
  // Drops what has expired. get() and set() do so of themselves, for their shard, when
  // cleanup_interval_ns has passed; whoever has a timer may call it.
  size_t cleanup();
  // Drops the least recently used until at most so many bytes remain, for when memory is short.
  // Returns the bytes that went.
  size_t shrink(size_t bytes_max);
  // fork() must not happen while another thread is in here.
  void lock_for_fork();
  void unlock_after_fork();
  size_t size() const;
  LruTtlStats stats() const;
  const LruTtlOptions& options() const { return options_; }

 private:
  struct Entry;
  struct Shard;
  Shard& shard_of(uint64_t hash) const;
  bool get_into(Bytes key, std::byte* (*room)(void* given, size_t bytes), void* given);
  template <typename Take>
  bool find(Bytes key, Take take);
  void drop(Shard& shard, Entry* entry) const;
  size_t drop_expired(Shard& shard, int64_t now_ns) const;
  void maybe_cleanup(Shard& shard, int64_t now_ns) const;

  LruTtlOptions options_;
  uint64_t seed_;
  unsigned n_shards_;
  std::unique_ptr<Shard[]> shards_;
};

}  // namespace spinney::cache
