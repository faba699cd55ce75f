"""A cache of quantized arrays, keyed on their whole content, that steps aside when it costs more
than it saves."""

from __future__ import annotations

from collections import OrderedDict
from statistics import median
from time import perf_counter
from zlib import crc32

from spinney.forks import lock_for

# Larger arrays are never kept: comparing one takes as long as quantizing it.
_ENTRY_BYTES_MAX = 1 << 20
_TOTAL_BYTES_MAX = 64 << 20
# Lookups after which cost and gain are compared, and calls for which a cache that loses is off.
_TRIAL_LOOKUPS = 256
_PAUSE_CALLS = 16384
# Of so many lookups one makes its result anew, found or not: what is saved must be known.
_PROBE_LOOKUPS = 32


class ContentCache:
    """Bounded, least recently used first out, safe from any number of threads.

    Arrays that leave are zeroed. A key is the array's shape, what else the result depends on, and
    all of its bytes, which are compared; the checksum only finds the place.
    """

    def __init__(self, size):
        self._size = size
        self._lock = lock_for(self)
        self._entries = OrderedDict()
        self._bytes = 0
        self._pause = 0
        self.hits = self.misses = self.evictions = self.pauses = 0
        self._begin_trial()

    def _begin_trial(self):
        self._lookups = self._trial_hits = 0
        self._lookup_s = 0.0
        self._made_s = []  # what results cost to make

    def active(self):
        """False while the cache has stepped aside; counts the call."""
        if self._pause > 0:
            self._pause -= 1
            return False
        return True

    def get_or_make(self, x, what, make, may_be_kept=None):
        """make()'s result, (codes, rest), or a copy of an equal earlier one.

        x: a C-contiguous array; what: hashable, all else that the result depends on.
        may_be_kept(rest): False for what leaves no copies here; None keeps everything.
        """
        if x.nbytes > _ENTRY_BYTES_MAX or x.size == 0:
            return make()
        started = perf_counter()
        seen = memoryview(x).cast("B")
        key = (crc32(seen), x.shape, what)
        with self._lock:
            found = self._entries.get(key)
            if found is not None and memoryview(found[0]).cast("B") == seen:
                self._entries.move_to_end(key)
                result = found[1].copy(), found[2]
                self._count(perf_counter() - started, None)
                probing = self._lookups % _PROBE_LOOKUPS == 1
            else:
                result = None
        if result is not None:
            if probing:
                self._probe(make)
            return result
        looked = perf_counter()
        result = make()
        made = perf_counter()
        with self._lock:
            if may_be_kept is None or may_be_kept(result[1]):
                self._keep(key, x.copy(), result[0].copy(), result[1])
            self._count(looked - started + perf_counter() - made, made - looked)
        return result

    def _probe(self, make):
        started = perf_counter()
        codes, _ = make()
        made_s = perf_counter() - started
        codes.fill(0)
        with self._lock:
            self._made_s.append(made_s)

    def _keep(self, key, x, codes, rest):
        self._drop(self._entries.pop(key, None))
        self._entries[key] = (x, codes, rest)
        self._bytes += x.nbytes + codes.nbytes
        while len(self._entries) > self._size or self._bytes > _TOTAL_BYTES_MAX:
            self._drop(self._entries.popitem(last=False)[1])
            self.evictions += 1

    def _drop(self, entry):
        if entry is not None:
            self._bytes -= entry[0].nbytes + entry[1].nbytes
            entry[0].fill(0)
            entry[1].fill(0)

    def _count(self, lookup_s, compute_s):
        self._lookups += 1
        self._lookup_s += lookup_s
        if compute_s is None:
            self.hits += 1
            self._trial_hits += 1
        else:
            self.misses += 1
            self._made_s.append(compute_s)
        if self._lookups < _TRIAL_LOOKUPS:
            return
        if self._trial_hits * median(self._made_s or [0.0]) < self._lookup_s:
            self._pause = _PAUSE_CALLS
            self.pauses += 1
            self._clear()
        self._begin_trial()

    def _clear(self):
        while self._entries:
            self._drop(self._entries.popitem()[1])

    def clear(self):
        with self._lock:
            self._clear()
            self._pause = 0
            self._begin_trial()

    def stats(self):
        with self._lock:
            return {
                "cache_hits": self.hits,
                "cache_misses": self.misses,
                "cache_size": len(self._entries),
                "cache_bytes": self._bytes,
                "cache_evictions": self.evictions,
                "cache_paused": self._pause > 0,
            }

    def reset_stats(self):
        with self._lock:
            self.hits = self.misses = self.evictions = self.pauses = 0
