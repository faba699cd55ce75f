#include "binding/cache/cache.h"

#include <nanobind/nanobind.h>

#include <cmath>

#include "binding/cache/cache_entries.h"
#include "binding/interpreter/numpy_api.h"

namespace nb = nanobind;

namespace spinney::binding {
namespace {

struct Cache {
  PyObject_HEAD CacheEntries* entries;
  PyObject* clock;    // a callable that gives seconds, or nullptr: the monotonic clock
  PyObject* nothing;  // (False, None), made once
};

Cache* as_cache(PyObject* self) { return reinterpret_cast<Cache*>(self); }

int64_t to_ns(double seconds) {
  const double ns = seconds * 1e9;
  return ns >= 9.2e18 ? kNever : static_cast<int64_t>(ns);
}

// False with a Python error set: the caller's clock raised, or gave no finite number.
bool read_clock(Cache* cache, int64_t& now_ns) {
  if (!cache->clock) {
    now_ns = SteadyClock::instance().now_ns();
    return true;
  }
  PyObject* time = PyObject_CallObject(cache->clock, nullptr);
  if (!time) return false;
  const double seconds = PyFloat_AsDouble(time);
  Py_DECREF(time);
  if (seconds == -1 && PyErr_Occurred()) return false;
  if (!(std::fabs(seconds) < 9e9)) {
    PyErr_SetString(PyExc_ValueError, "clock gave no finite number of seconds");
    return false;
  }
  now_ns = to_ns(seconds);
  return true;
}

PyObject* create(PyTypeObject* type, PyObject*, PyObject*) {
  PyObject* self = type->tp_alloc(type, 0);
  if (!self) return nullptr;
  as_cache(self)->entries = new (std::nothrow) CacheEntries;
  as_cache(self)->nothing = Py_BuildValue("(OO)", Py_False, Py_None);
  if (as_cache(self)->entries && as_cache(self)->nothing) return self;
  Py_DECREF(self);
  return PyErr_Occurred() ? nullptr : PyErr_NoMemory();
}

// _configure(max_size, ttl_seconds, cleanup_interval, private, clock), of checked values.
PyObject* configure(PyObject* self, PyObject* args) {
  Cache* cache = as_cache(self);
  Py_ssize_t size = 0;
  double ttl = 0, interval = 0;
  int keeps_copies = 0;
  PyObject* clock = nullptr;
  if (!PyArg_ParseTuple(args, "nddpO", &size, &ttl, &interval, &keeps_copies, &clock))
    return nullptr;
  CacheEntries& entries = *cache->entries;
  entries.entries_max = static_cast<size_t>(size);
  entries.ttl_ns = to_ns(ttl);
  entries.cleanup_interval_ns = to_ns(interval);
  entries.keeps_copies = keeps_copies;
  PyObject* old = cache->clock;
  Py_INCREF(clock);
  cache->clock = clock == Py_None ? nullptr : clock;
  if (clock == Py_None) Py_DECREF(clock);
  Py_XDECREF(old);
  Py_RETURN_NONE;
}

int traverse(PyObject* self, visitproc visit, void* arg) {
#if PY_VERSION_HEX >= 0x03090000
  Py_VISIT(Py_TYPE(self));
#endif
  Py_VISIT(as_cache(self)->clock);
  return as_cache(self)->entries ? as_cache(self)->entries->traverse(visit, arg) : 0;
}

int forget(PyObject* self) {
  Cache* cache = as_cache(self);
  if (cache->entries) {
    Leaving leaving;
    cache->entries->evict_to(0, leaving);
  }
  Py_CLEAR(cache->clock);
  return 0;
}

void destroy(PyObject* self) {
  PyObject_GC_UnTrack(self);
  forget(self);
  Py_CLEAR(as_cache(self)->nothing);
  delete as_cache(self)->entries;
  PyTypeObject* type = Py_TYPE(self);
  type->tp_free(self);
  Py_DECREF(type);
}

PyObject* get(PyObject* self, PyObject* key) {
  Cache* cache = as_cache(self);
  const Py_hash_t hash = PyObject_Hash(key);
  int64_t now = 0;
  if (hash == -1 || !read_clock(cache, now)) return nullptr;
  PyObject* value = nullptr;
  {
    Leaving leaving;
    CacheEntries& entries = *cache->entries;
    entries.maybe_cleanup(now, leaving);
    CacheEntry* entry = entries.find(key, hash, now, leaving);
    if (!entry && PyErr_Occurred()) return nullptr;
    ++(entry ? entries.counts.hits : entries.counts.misses);
    if (entry) {
      entries.touch(entry);
      value = shown(entry);
      if (!value) return nullptr;
    }
  }
  if (!value) {
    Py_INCREF(cache->nothing);
    return cache->nothing;
  }
  PyObject* result = PyTuple_New(2);
  if (!result) {
    Py_DECREF(value);
    return nullptr;
  }
  Py_INCREF(Py_True);
  PyTuple_SET_ITEM(result, 0, Py_True);
  PyTuple_SET_ITEM(result, 1, value);
  return result;
}

PyObject* set(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  if (count != 2) {
    PyErr_Format(PyExc_TypeError, "set takes a key and a value, but got %zd arguments", count);
    return nullptr;
  }
  Cache* cache = as_cache(self);
  const Py_hash_t hash = PyObject_Hash(args[0]);
  int64_t now = 0;
  if (hash == -1 || !read_clock(cache, now)) return nullptr;
  CacheEntry* entry = cache->entries->make(args[0], hash, args[1]);
  if (!entry) return nullptr;
  Leaving leaving;
  cache->entries->maybe_cleanup(now, leaving);
  if (!cache->entries->insert(entry, args[0], now, leaving)) return nullptr;
  Py_RETURN_NONE;
}

PyObject* invalidate(PyObject* self, PyObject* key) {
  Cache* cache = as_cache(self);
  const Py_hash_t hash = PyObject_Hash(key);
  int64_t now = 0;
  if (hash == -1 || !read_clock(cache, now)) return nullptr;
  Leaving leaving;
  CacheEntry* entry = cache->entries->find(key, hash, now, leaving);
  if (!entry && PyErr_Occurred()) return nullptr;
  if (!entry) Py_RETURN_FALSE;
  ++cache->entries->counts.invalidations;
  cache->entries->remove(entry, leaving);
  Py_RETURN_TRUE;
}

int contains(PyObject* self, PyObject* key) {
  const Py_hash_t hash = PyObject_Hash(key);
  int64_t now = 0;
  if (hash == -1 || !read_clock(as_cache(self), now)) return -1;
  Leaving leaving;
  if (as_cache(self)->entries->find(key, hash, now, leaving)) return 1;
  return PyErr_Occurred() ? -1 : 0;
}

Py_ssize_t length(PyObject* self) {
  int64_t now = 0;
  if (!read_clock(as_cache(self), now)) return -1;
  Leaving leaving;
  as_cache(self)->entries->drop_expired(now, leaving);
  return static_cast<Py_ssize_t>(as_cache(self)->entries->size());
}

PyObject* clear(PyObject* self, PyObject*) {
  CacheEntries& entries = *as_cache(self)->entries;
  Leaving leaving;
  const CacheCounts before = entries.counts;
  const size_t size = entries.size();
  entries.evict_to(0, leaving);
  entries.counts = before;
  entries.counts.invalidations += size;
  Py_RETURN_NONE;
}

PyObject* cleanup(PyObject* self, PyObject*) {
  int64_t now = 0;
  if (!read_clock(as_cache(self), now)) return nullptr;
  Leaving leaving;
  return PyLong_FromSize_t(as_cache(self)->entries->drop_expired(now, leaving));
}

PyObject* shrink(PyObject* self, PyObject* entries_left) {
  const size_t most = PyLong_AsSize_t(entries_left);
  if (most == static_cast<size_t>(-1) && PyErr_Occurred()) return nullptr;
  CacheEntries& entries = *as_cache(self)->entries;
  Leaving leaving;
  const size_t before = entries.size();
  entries.evict_to(most, leaving);
  return PyLong_FromSize_t(before - entries.size());
}

PyObject* counts(PyObject* self, PyObject*) {
  const CacheEntries& entries = *as_cache(self)->entries;
  const CacheCounts& n = entries.counts;
  const auto wide = [](uint64_t value) { return static_cast<unsigned long long>(value); };
  return Py_BuildValue("{s:K,s:K,s:K,s:K,s:K,s:K,s:n,s:n}", "hits", wide(n.hits), "misses",
                       wide(n.misses), "insertions", wide(n.insertions), "evictions",
                       wide(n.evictions), "expirations", wide(n.expirations), "invalidations",
                       wide(n.invalidations), "size", static_cast<Py_ssize_t>(entries.size()),
                       "memory_usage_bytes", static_cast<Py_ssize_t>(entries.bytes()));
}

PyCFunction as_method(PyObject* (*function)(PyObject*, PyObject* const*, Py_ssize_t)) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

PyMethodDef kMethods[] = {
    {"_configure", configure, METH_VARARGS, nullptr},
    {"_counts", counts, METH_NOARGS, nullptr},
    {"get", get, METH_O,
     "get(key) -> (found, value): (True, value), or (False, None) if the key is unknown or its "
     "entry has expired."},
    {"set", as_method(set), METH_FASTCALL,
     "set(key, value): keeps the value for ttl_seconds; the least recently used entry leaves if "
     "the cache is full."},
    {"invalidate", invalidate, METH_O,
     "invalidate(key) -> bool: drops the key's entry; True if there was a fresh one."},
    {"clear", clear, METH_NOARGS, "clear(): drops everything."},
    {"cleanup", cleanup, METH_NOARGS, "cleanup() -> int: drops what has expired; how many went."},
    {"shrink", shrink, METH_O,
     "shrink(entries) -> int: drops the least recently used until at most so many remain, for when "
     "memory is short; how many went."},
    {nullptr, nullptr, 0, nullptr}};

PyType_Slot kSlots[] = {{Py_tp_new, reinterpret_cast<void*>(create)},
                        {Py_tp_dealloc, reinterpret_cast<void*>(destroy)},
                        {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
                        {Py_tp_clear, reinterpret_cast<void*>(forget)},
                        {Py_tp_methods, kMethods},
                        {Py_mp_length, reinterpret_cast<void*>(length)},
                        {Py_sq_contains, reinterpret_cast<void*>(contains)},
                        {0, nullptr}};

PyType_Spec kSpec = {"spinney._core.CacheBase", sizeof(Cache), 0,
                     Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, kSlots};

}  // namespace

void define_cache(nb::module_& module) {
  PyObject* type = PyType_FromSpec(&kSpec);
  if (!type) throw nb::python_error();
  module.attr("CacheBase") = nb::steal(type);
}

}  // namespace spinney::binding
