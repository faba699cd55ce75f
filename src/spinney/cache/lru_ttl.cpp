#include "spinney/cache/lru_ttl.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <mutex>
#include <new>
#include <string>

#include "spinney/base/wipe.h"
#include "spinney/cache/lru_index.h"

namespace spinney::cache {
namespace {

constexpr unsigned kShardsMax = 64;
constexpr size_t kExactEntries = 1024;  // fewer are kept in one shard

int64_t expiry(int64_t now_ns, int64_t ttl_ns) {
  return ttl_ns >= kNever - now_ns ? kNever : now_ns + ttl_ns;
}

}  // namespace

uint64_t hash_bytes(Bytes key, uint64_t seed) {
  return XXH3_64bits_withSeed(key.data(), key.size(), seed);
}

// The key's bytes, then the value's, follow the entry.
struct LruTtl::Entry : LruEntry {
  size_t key_bytes = 0, value_bytes = 0;

  char* data() { return reinterpret_cast<char*>(this + 1); }
  Bytes key() { return {reinterpret_cast<std::byte*>(data()), key_bytes}; }
  Bytes value() { return {reinterpret_cast<std::byte*>(data()) + key_bytes, value_bytes}; }
  size_t bytes() const { return sizeof(Entry) + key_bytes + value_bytes; }

  static Entry* make(Bytes key, Bytes value) {
    void* memory = ::operator new(sizeof(Entry) + key.size() + value.size(), std::nothrow);
    if (!memory) return nullptr;
    auto* entry = new (memory) Entry;
    entry->key_bytes = key.size();
    entry->value_bytes = value.size();
    if (!key.empty()) std::memcpy(entry->data(), key.data(), key.size());
    if (!value.empty()) std::memcpy(entry->data() + key.size(), value.data(), value.size());
    return entry;
  }
  static void destroy(Entry* entry) {
    wipe(entry, entry->bytes());
    ::operator delete(entry);
  }
};

struct alignas(64) LruTtl::Shard {
  mutable std::mutex lock;
  LruIndex index;
  size_t entries_max = 0, bytes_max = 0, bytes = 0;
  int64_t next_cleanup_ns = 0, last_insertion_ns = INT64_MIN;
  LruTtlStats stats;

  Entry* lookup(Bytes key, uint64_t hash) const {
    for (LruEntry* at = index.first(hash); at; at = at->chain) {
      if (at->hash != hash) continue;
      auto* entry = static_cast<Entry*>(at);
      if (entry->key_bytes == key.size() &&
          (key.empty() || std::memcmp(entry->data(), key.data(), key.size()) == 0))
        return entry;
    }
    return nullptr;
  }
};

Status LruTtl::check(const LruTtlOptions& options) {
  if (options.entries_max < 1) return invalid_argument("entries_max is 0; give at least 1");
  if (options.ttl_ns < 1)
    return invalid_argument("ttl_ns is " + std::to_string(options.ttl_ns) + "; give at least 1");
  if (options.cleanup_interval_ns < 0)
    return invalid_argument("cleanup_interval_ns is " +
                            std::to_string(options.cleanup_interval_ns) + "; give at least 0");
  if (options.shards > kShardsMax || (options.shards && !std::has_single_bit(options.shards)))
    return invalid_argument("shards is " + std::to_string(options.shards) +
                            "; give a power of two up to " + std::to_string(kShardsMax));
  if (options.shards > options.entries_max)
    return invalid_argument("shards is " + std::to_string(options.shards) +
                            ", more than the entries that the cache may hold");
  return {};
}

LruTtl::LruTtl(const LruTtlOptions& options)
    : options_(options),
      seed_(random_seed()),
      n_shards_(options.shards                        ? options.shards
                : options.entries_max < kExactEntries ? 1
                                                      : 8),
      shards_(std::make_unique<Shard[]>(n_shards_)) {
  const int64_t now = options_.clock->now_ns();
  for (unsigned s = 0; s < n_shards_; ++s) {
    shards_[s].entries_max =
        options_.entries_max / n_shards_ + (s < options_.entries_max % n_shards_);
    shards_[s].bytes_max = options_.bytes_max / n_shards_;
    shards_[s].next_cleanup_ns = expiry(now, options_.cleanup_interval_ns);
  }
}

LruTtl::~LruTtl() { clear(); }

// The index spreads by the high bits of a product; shards take the low bits.
LruTtl::Shard& LruTtl::shard_of(uint64_t hash) const { return shards_[hash & (n_shards_ - 1)]; }

void LruTtl::drop(Shard& shard, Entry* entry) const {
  shard.index.remove(entry);
  shard.bytes -= entry->bytes();
  Entry::destroy(entry);
}

size_t LruTtl::drop_expired(Shard& shard, int64_t now_ns) const {
  size_t dropped = 0;
  for (LruEntry* at = shard.index.first_to_expire(); at && at->expires_ns <= now_ns;
       at = shard.index.first_to_expire()) {
    drop(shard, static_cast<Entry*>(at));
    ++dropped;
  }
  shard.stats.expirations += dropped;
  return dropped;
}

void LruTtl::maybe_cleanup(Shard& shard, int64_t now_ns) const {
  if (now_ns < shard.next_cleanup_ns) return;
  drop_expired(shard, now_ns);
  shard.next_cleanup_ns = expiry(now_ns, options_.cleanup_interval_ns);
}

template <typename Take>
bool LruTtl::find(Bytes key, Take take) {
  const uint64_t hash = options_.hash(key, seed_);
  const int64_t now = options_.clock->now_ns();
  Shard& shard = shard_of(hash);
  const std::lock_guard lock(shard.lock);
  maybe_cleanup(shard, now);
  Entry* entry = shard.lookup(key, hash);
  if (entry && entry->expires_ns <= now) {
    ++shard.stats.expirations;
    drop(shard, entry);
    entry = nullptr;
  }
  if (!entry || !take(entry->value())) {
    ++shard.stats.misses;
    return false;
  }
  ++shard.stats.hits;
  shard.index.touch(entry);
  return true;
}

bool LruTtl::get(Bytes key, std::vector<std::byte>& value) {
  return find(key, [&](Bytes kept) {
    try {
      value.assign(kept.begin(), kept.end());
    } catch (const std::bad_alloc&) {
      return false;
    }
    return true;
  });
}

bool LruTtl::get(Bytes key, std::span<std::byte> value) {
  return find(key, [&](Bytes kept) {
    if (kept.size() != value.size()) return false;
    std::copy(kept.begin(), kept.end(), value.begin());
    return true;
  });
}

bool LruTtl::get_into(Bytes key, std::byte* (*room)(void* given, size_t bytes), void* given) {
  return find(key, [&](Bytes kept) {
    std::byte* to = room(given, kept.size());
    if (!to) return false;
    std::copy(kept.begin(), kept.end(), to);
    return true;
  });
}

void LruTtl::set(Bytes key, Bytes value) {
  const uint64_t hash = options_.hash(key, seed_);
  const int64_t now = options_.clock->now_ns();
  Entry* entry = Entry::make(key, value);
  Shard& shard = shard_of(hash);
  const std::lock_guard lock(shard.lock);
  maybe_cleanup(shard, now);
  // The old value is wrong by now, whatever becomes of the new one.
  if (Entry* old = shard.lookup(key, hash)) drop(shard, old);
  if (!entry) return;
  if (entry->bytes() > shard.bytes_max) {
    Entry::destroy(entry);
    return;
  }
  // What has expired goes before what is merely old.
  if (shard.index.size() >= shard.entries_max) drop_expired(shard, now);
  while (shard.index.size() >= shard.entries_max ||
         shard.bytes + entry->bytes() > shard.bytes_max) {
    ++shard.stats.evictions;
    drop(shard, static_cast<Entry*>(shard.index.least_recent()));
  }
  entry->hash = hash;
  // Another thread may have read a later time and been first at the lock.
  shard.last_insertion_ns = std::max(shard.last_insertion_ns, now);
  entry->expires_ns = expiry(shard.last_insertion_ns, options_.ttl_ns);
  shard.index.insert(entry);
  shard.bytes += entry->bytes();
  ++shard.stats.insertions;
}

bool LruTtl::invalidate(Bytes key) {
  const uint64_t hash = options_.hash(key, seed_);
  Shard& shard = shard_of(hash);
  const std::lock_guard lock(shard.lock);
  Entry* entry = shard.lookup(key, hash);
  if (!entry) return false;
  const bool fresh = entry->expires_ns > options_.clock->now_ns();
  ++(fresh ? shard.stats.invalidations : shard.stats.expirations);
  drop(shard, entry);
  return fresh;
}

void LruTtl::clear() {
  for (unsigned s = 0; s < n_shards_; ++s) {
    const std::lock_guard lock(shards_[s].lock);
    while (LruEntry* entry = shards_[s].index.least_recent()) {
      ++shards_[s].stats.invalidations;
      drop(shards_[s], static_cast<Entry*>(entry));
    }
  }
}

void LruTtl::clear(Bytes prefix) {
  for (unsigned s = 0; s < n_shards_; ++s) {
    const std::lock_guard lock(shards_[s].lock);
    LruEntry* next = nullptr;
    for (LruEntry* at = shards_[s].index.first_to_expire(); at; at = next) {
      next = at->later;
      auto* entry = static_cast<Entry*>(at);
      if (entry->key_bytes < prefix.size() ||
          std::memcmp(entry->data(), prefix.data(), prefix.size()) != 0)
        continue;
      ++shards_[s].stats.invalidations;
      drop(shards_[s], entry);
    }
  }
}

size_t LruTtl::cleanup() {
  const int64_t now = options_.clock->now_ns();
  size_t dropped = 0;
  for (unsigned s = 0; s < n_shards_; ++s) {
    const std::lock_guard lock(shards_[s].lock);
    dropped += drop_expired(shards_[s], now);
  }
  return dropped;
}

size_t LruTtl::shrink(size_t bytes_max) {
  size_t went = 0;
  for (unsigned s = 0; s < n_shards_; ++s) {
    Shard& shard = shards_[s];
    const std::lock_guard lock(shard.lock);
    while (shard.bytes > bytes_max / n_shards_) {
      auto* entry = static_cast<Entry*>(shard.index.least_recent());
      went += entry->bytes();
      ++shard.stats.evictions;
      drop(shard, entry);
    }
  }
  return went;
}

void LruTtl::lock_for_fork() {
  for (unsigned s = 0; s < n_shards_; ++s) shards_[s].lock.lock();
}

void LruTtl::unlock_after_fork() {
  for (unsigned s = 0; s < n_shards_; ++s) shards_[s].lock.unlock();
}

size_t LruTtl::size() const { return stats().entries; }

LruTtlStats LruTtl::stats() const {
  LruTtlStats sum;
  for (unsigned s = 0; s < n_shards_; ++s) {
    const Shard& shard = shards_[s];
    const std::lock_guard lock(shard.lock);
    sum.hits += shard.stats.hits;
    sum.misses += shard.stats.misses;
    sum.insertions += shard.stats.insertions;
    sum.evictions += shard.stats.evictions;
    sum.expirations += shard.stats.expirations;
    sum.invalidations += shard.stats.invalidations;
    sum.entries += shard.index.size();
    sum.bytes += shard.bytes;
  }
  return sum;
}

}  // namespace spinney::cache
