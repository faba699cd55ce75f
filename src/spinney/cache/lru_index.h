// LruIndex: which entries a cache holds, who leaves next, and until when each is fresh.
//
// The one implementation of LRU with TTL: LruTtl (bytes, sharded) and Python's LRUTTLCache (any
// objects) own entries that derive from LruEntry and hand them in. The index neither allocates nor
// frees entries, compares no keys and takes no locks; the owner walks the entries of a hash and
// compares whole keys. Entries lie in three lists: their hash's chain, by last use (who leaves when
// it is full), and by time of insertion (who expires first, as all live equally long).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace spinney::cache {

struct LruEntry {
  uint64_t hash = 0;
  int64_t expires_ns = 0;
  LruEntry* chain = nullptr;
  LruEntry *newer = nullptr, *older = nullptr;    // by last use
  LruEntry *later = nullptr, *earlier = nullptr;  // by insertion
};

class LruIndex {
 public:
  LruIndex();
  // The first entry of the chain that holds this hash; go on with `chain`, and skip other hashes.
  LruEntry* first(uint64_t hash) const { return chains_[spread(hash)]; }
  // Makes it the one used last.
  void touch(LruEntry* entry);
  // hash and expires_ns are set; expires_ns is no less than that of any entry inserted before.
  void insert(LruEntry* entry);
  void remove(LruEntry* entry);
  LruEntry* least_recent() const { return least_recent_; }
  LruEntry* first_to_expire() const { return first_inserted_; }
  size_t size() const { return size_; }

 private:
  // Multiplying by a random odd number spreads any hashes that were chosen without knowing it
  // (Dietzfelbinger and others, 1997): objects' own hashes, of integers say, are no secret.
  size_t spread(uint64_t hash) const { return (hash * odd_) >> shift_; }
  void link_newest(LruEntry* entry);
  void unlink_use(LruEntry* entry);
  void grow();

  std::vector<LruEntry*> chains_;  // a power of two of them
  uint64_t odd_;
  unsigned shift_;
  size_t size_ = 0;
  LruEntry *most_recent_ = nullptr, *least_recent_ = nullptr;
  LruEntry *first_inserted_ = nullptr, *last_inserted_ = nullptr;
};

}  // namespace spinney::cache
