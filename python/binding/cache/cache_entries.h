// CacheEntries: Python keys and values in a cache::LruIndex, under the interpreter's lock.
//
// Comparing keys, and letting go of keys and values, may run any Python code, which may use this
// very cache. So find() begins again when the cache changed while keys were compared, and what
// leaves is collected in a Leaving and let go of when the cache is whole again.
#pragma once

#include <Python.h>

#include <cstdint>
#include <memory>

#include "spinney/base/clock.h"
#include "spinney/cache/lru_index.h"

namespace spinney::binding {

struct CacheEntry : cache::LruEntry {
  PyObject* key = nullptr;  // nullptr: the private bytes below
  PyObject* value = nullptr;
  std::unique_ptr<char[]> key_copy;
  size_t key_bytes = 0;
  size_t value_bytes = 0;      // of an array
  bool private_value = false;  // an array that nobody else has: wiped when it leaves
  uint32_t readers = 0;        // who copy the value at this moment; the last one frees what left
  bool left = false;
};

// What a value that is kept looks like to a caller: itself, or a copy of a private array. A new
// reference, or nullptr with a Python error set. The entry may be gone afterwards: numpy copies
// large arrays without the interpreter's lock.
PyObject* shown(CacheEntry* entry);

struct CacheCounts {
  uint64_t hits = 0, misses = 0, insertions = 0;
  uint64_t evictions = 0, expirations = 0, invalidations = 0;
};

// Entries that left, freed when this goes. While it lives no Python code runs on their behalf.
class Leaving {
 public:
  Leaving() = default;
  ~Leaving();
  Leaving(const Leaving&) = delete;
  Leaving& operator=(const Leaving&) = delete;
  void add(CacheEntry* entry) {
    entry->chain = first_;
    first_ = entry;
  }

 private:
  cache::LruEntry* first_ = nullptr;
};

class CacheEntries {
 public:
  size_t entries_max = 1000;
  int64_t ttl_ns = kNever, cleanup_interval_ns = 0;
  bool keeps_copies = false;
  CacheCounts counts;

  // The fresh entry of a key; nullptr if there is none, or with a Python error set.
  CacheEntry* find(PyObject* key, Py_hash_t hash, int64_t now_ns, Leaving& leaving);
  // An entry that is not in the cache yet, or nullptr with a Python error set.
  CacheEntry* make(PyObject* key, Py_hash_t hash, PyObject* value) const;
  // Takes `entry` in, in place of what its key had. False with a Python error set: nothing changed,
  // and the entry is freed.
  bool insert(CacheEntry* entry, PyObject* key, int64_t now_ns, Leaving& leaving);
  void remove(CacheEntry* entry, Leaving& leaving);
  void touch(CacheEntry* entry) { index_.touch(entry); }
  size_t drop_expired(int64_t now_ns, Leaving& leaving);
  // drop_expired(), if cleanup_interval_ns has passed since it last ran.
  void maybe_cleanup(int64_t now_ns, Leaving& leaving);
  void evict_to(size_t entries, Leaving& leaving);
  size_t size() const { return index_.size(); }
  size_t bytes() const { return bytes_; }
  // What visits every object held, for the garbage collector.
  int traverse(visitproc visit, void* arg) const;

 private:
  cache::LruIndex index_;
  uint64_t version_ = 0;  // counts what changes the chains
  size_t bytes_ = 0;      // of arrays and private keys
  int64_t last_insertion_ns_ = INT64_MIN, next_cleanup_ns_ = INT64_MIN;
};

}  // namespace spinney::binding
