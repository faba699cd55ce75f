#include "binding/cache/cache_entries.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "binding/interpreter/numpy_api.h"
#include "spinney/base/wipe.h"

namespace spinney::binding {
namespace {

constexpr unsigned kRestartsMax = 100;

int64_t later(int64_t now_ns, int64_t by_ns) {
  return by_ns >= kNever - std::max<int64_t>(now_ns, 0) ? kNever : now_ns + by_ns;
}

PyArrayObject* as_array(PyObject* value) { return reinterpret_cast<PyArrayObject*>(value); }

bool same_bytes(PyObject* key, const char* data, size_t bytes) {
  return static_cast<size_t>(PyBytes_GET_SIZE(key)) == bytes &&
         std::memcmp(PyBytes_AS_STRING(key), data, bytes) == 0;
}

void free_entry(CacheEntry* entry) {
  if (entry->readers) {
    entry->left = true;
    return;
  }
  if (entry->key_copy) wipe(entry->key_copy.get(), entry->key_bytes);
  if (entry->private_value)
    wipe(PyArray_DATA(as_array(entry->value)),
         static_cast<size_t>(PyArray_NBYTES(as_array(entry->value))));
  PyObject* key = entry->key;
  PyObject* value = entry->value;
  delete entry;
  Py_XDECREF(key);
  Py_XDECREF(value);
}

// 1: equal, 0: not, -1 with a Python error set. May run Python code unless both are bytes.
int compare(const CacheEntry* entry, PyObject* key) {
  if (entry->key == key) return 1;
  if (!entry->key)
    return PyBytes_CheckExact(key) && same_bytes(key, entry->key_copy.get(), entry->key_bytes);
  if (PyBytes_CheckExact(key) && PyBytes_CheckExact(entry->key))
    return same_bytes(key, PyBytes_AS_STRING(entry->key),
                      static_cast<size_t>(PyBytes_GET_SIZE(entry->key)));
  PyObject* other = entry->key;
  Py_INCREF(other);
  const int equal = PyObject_RichCompareBool(other, key, Py_EQ);
  Py_DECREF(other);
  return equal;
}

}  // namespace

PyObject* shown(CacheEntry* entry) {
  if (!entry->private_value) {
    Py_INCREF(entry->value);
    return entry->value;
  }
  ++entry->readers;
  PyObject* copy = PyArray_NewCopy(as_array(entry->value), NPY_KEEPORDER);
  if (--entry->readers == 0 && entry->left) {
    Leaving gone;
    gone.add(entry);
  }
  return copy;
}

Leaving::~Leaving() {
  // An exception under way is none of the business of what runs while objects go.
  PyObject *type, *value, *trace;
  PyErr_Fetch(&type, &value, &trace);
  while (first_) {
    auto* entry = static_cast<CacheEntry*>(first_);
    first_ = entry->chain;
    free_entry(entry);
  }
  PyErr_Restore(type, value, trace);
}

CacheEntry* CacheEntries::find(PyObject* key, Py_hash_t hash, int64_t now_ns, Leaving& leaving) {
  const auto wanted = static_cast<uint64_t>(hash);
  unsigned restarts = 0;
  for (cache::LruEntry* at = index_.first(wanted); at;) {
    auto* entry = static_cast<CacheEntry*>(at);
    at = at->chain;
    if (entry->hash != wanted) continue;
    const uint64_t version = version_;
    const int equal = compare(entry, key);
    if (equal < 0) return nullptr;
    if (version != version_) {
      if (++restarts > kRestartsMax) {
        PyErr_SetString(PyExc_RuntimeError, "the keys' __eq__ changes the cache again and again");
        return nullptr;
      }
      at = index_.first(wanted);
      continue;
    }
    if (!equal) continue;
    if (entry->expires_ns > now_ns) return entry;
    ++counts.expirations;
    remove(entry, leaving);
    return nullptr;
  }
  return nullptr;
}

CacheEntry* CacheEntries::make(PyObject* key, Py_hash_t hash, PyObject* value) const {
  Leaving on_failure;
  auto* entry = new (std::nothrow) CacheEntry;
  if (!entry) return static_cast<CacheEntry*>(static_cast<void*>(PyErr_NoMemory()));
  entry->hash = static_cast<uint64_t>(hash);
  if (keeps_copies && PyBytes_CheckExact(key)) {
    entry->key_bytes = static_cast<size_t>(PyBytes_GET_SIZE(key));
    entry->key_copy.reset(new (std::nothrow) char[entry->key_bytes + 1]);
    if (!entry->key_copy) {
      on_failure.add(entry);
      return static_cast<CacheEntry*>(static_cast<void*>(PyErr_NoMemory()));
    }
    std::memcpy(entry->key_copy.get(), PyBytes_AS_STRING(key), entry->key_bytes);
  } else {
    Py_INCREF(key);
    entry->key = key;
  }
  const bool is_array =
      PyArray_CheckExact(value) && !PyDataType_REFCHK(PyArray_DESCR(as_array(value)));
  if (is_array) entry->value_bytes = static_cast<size_t>(PyArray_NBYTES(as_array(value)));
  if (keeps_copies && is_array) {
    entry->value = PyArray_NewCopy(as_array(value), NPY_KEEPORDER);
    entry->private_value = entry->value != nullptr;
  } else {
    Py_INCREF(value);
    entry->value = value;
  }
  if (entry->value) return entry;
  on_failure.add(entry);
  return nullptr;
}

bool CacheEntries::insert(CacheEntry* entry, PyObject* key, int64_t now_ns, Leaving& leaving) {
  CacheEntry* old = find(key, static_cast<Py_hash_t>(entry->hash), now_ns, leaving);
  if (!old && PyErr_Occurred()) {
    leaving.add(entry);
    return false;
  }
  if (old) remove(old, leaving);
  // What has expired goes before what is merely old.
  if (index_.size() >= entries_max) drop_expired(now_ns, leaving);
  if (index_.size() >= entries_max) evict_to(entries_max - 1, leaving);
  // A clock that went back must not put an entry out of the order in which they expire.
  last_insertion_ns_ = std::max(last_insertion_ns_, now_ns);
  entry->expires_ns = later(last_insertion_ns_, ttl_ns);
  index_.insert(entry);
  bytes_ += entry->value_bytes + entry->key_bytes;
  ++version_;
  ++counts.insertions;
  return true;
}

void CacheEntries::remove(CacheEntry* entry, Leaving& leaving) {
  index_.remove(entry);
  bytes_ -= entry->value_bytes + entry->key_bytes;
  ++version_;
  leaving.add(entry);
}

size_t CacheEntries::drop_expired(int64_t now_ns, Leaving& leaving) {
  size_t dropped = 0;
  for (auto* at = index_.first_to_expire(); at && at->expires_ns <= now_ns;
       at = index_.first_to_expire(), ++dropped)
    remove(static_cast<CacheEntry*>(at), leaving);
  counts.expirations += dropped;
  return dropped;
}

void CacheEntries::maybe_cleanup(int64_t now_ns, Leaving& leaving) {
  if (now_ns < next_cleanup_ns_) return;
  drop_expired(now_ns, leaving);
  next_cleanup_ns_ = later(now_ns, cleanup_interval_ns);
}

void CacheEntries::evict_to(size_t entries, Leaving& leaving) {
  while (index_.size() > entries) {
    ++counts.evictions;
    remove(static_cast<CacheEntry*>(index_.least_recent()), leaving);
  }
}

int CacheEntries::traverse(visitproc visit, void* arg) const {
  for (auto* at = index_.least_recent(); at; at = at->newer) {
    const auto* entry = static_cast<const CacheEntry*>(at);
    Py_VISIT(entry->key);
    Py_VISIT(entry->value);
  }
  return 0;
}

}  // namespace spinney::binding
