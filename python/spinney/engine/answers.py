"""Answers that an engine keeps for equal requests to come."""

from __future__ import annotations

from time import perf_counter

import numpy as np

from spinney.engine.collaborators import collaborator, is_replaced
from spinney.rows import has_labels

# Larger rows are not kept: a key holds every byte of them.
KEY_BYTES_MAX = 1 << 16
LOOKUPS_JUDGED = 1_000
REST = 20_000
_KINDS = "biuf"
_ALIGNMENT = 16  # of rows in a key, which long doubles need
_BYTES_HEAD = bytes.__basicsize__ - 1  # where the bytes of such an object begin
_RANKS = b"ranks "


class Answers:
    """A cache of answers that steps aside while it costs more than it saves.

    Keys are the whole rows with dtype and shape, and the number of the model's very load, so that a
    reload starts anew. Values are copied on the way in and out, and both are overwritten with zeros
    when they leave. A model that is costly beside a RankKey has such keys, which are equal only
    where its answers are. Every 1,000 lookups the time spent on them is weighed against the
    predictions that they saved; a cache that loses rests for 20,000 requests and then is tried
    again.
    """

    def __init__(self, config):
        # One that a program put in place of Spinney's own need not know of private copies.
        self._copies = is_replaced("LRUTTLCache")
        own = {} if self._copies else {"private": True}
        self.cache = collaborator("LRUTTLCache")(
            max_size=config.max_cache_entries, ttl_seconds=config.cache_ttl_seconds, **own
        )
        self._prefixes = {}
        self.ttl_seconds = config.cache_ttl_seconds
        self.rested = 0
        self._rest = 0
        self._forget()

    def _forget(self):
        self._lookups = self._hits = self._misses = 0
        self._lookup_s = self._model_s = 0.0

    def key(self, served, features):
        """(features, key): features as an array where they were a list; None where none is kept.

        Rows of which a key was taken are to be computed from owned(): somebody else may write into
        the caller's meanwhile, and the answer would be kept under the key of what they were.
        """
        if self._rest:
            self._rest -= 1
            return features, None
        if type(features) is not np.ndarray:
            if type(features) not in (list, tuple) or has_labels(features):
                return features, None
            try:
                features = np.asarray(features)
            except Exception:  # rows of several lengths and the like, which predict refuses
                return features, None
        if features.nbytes > KEY_BYTES_MAX:
            return features, None
        kind = (served.token, features.dtype, features.shape)
        prefix = self._prefixes.get(kind)
        if prefix is None:
            if features.dtype.kind not in _KINDS:
                return features, None
            if len(self._prefixes) > 1000:
                self._prefixes = {}
            prefix = repr((kind[0], features.dtype.str, kind[2])).encode()
            prefix += b" " * (-(len(prefix) + _BYTES_HEAD) % _ALIGNMENT)
            self._prefixes[kind] = prefix
        if served.rank_key is not None and features.ndim == 2 and features.dtype.char in "fd":
            features = features.copy()
            try:
                ranks = served.rank_key.of(features)
            except ValueError:  # rows that do not fit, which predict refuses
                return features, None
            if ranks is not None:
                # Answers do not depend on the rows' own number type, nor do ranks.
                return features, _RANKS + b"%d %d " % (served.token, len(features)) + ranks
        return features, prefix + features.tobytes()

    def owned(self, served, features, key):
        """The rows that key was taken of, where nobody else writes."""
        if served.rank_key is not None and key.startswith(_RANKS):
            return features  # key() copied them before
        rows = np.ndarray(features.shape, features.dtype, key, len(key) - features.nbytes)
        return rows if served.native else rows.copy()  # Python code may write into its rows

    def get(self, key):
        """(found, the value)."""
        started = perf_counter()
        try:
            found, value = self.cache.get(key)
        except Exception:
            if not self._copies:
                raise
            found, value = False, None  # a stand-in that was told of no answer
        if found:
            self._hits += 1
            if self._copies or type(value) is list:
                value = _copy(value)
        self._lookups += 1
        self._lookup_s += perf_counter() - started
        if self._lookups >= LOOKUPS_JUDGED:
            self._judge()
        return found, value

    def computed(self, seconds):
        """A prediction that was not found took so long."""
        self._misses += 1
        self._model_s += seconds

    def put(self, key, value):
        started = perf_counter()
        if self._copies or type(value) is list:
            value = _copy(value)
        self.cache.set(key, value)
        self._lookup_s += perf_counter() - started

    def _judge(self):
        if self._misses:
            saved = self._hits * self._model_s / self._misses
            if self._lookup_s > saved:
                self._rest = REST
                self.rested += 1
                self.cache.clear()
        self._forget()

    def clear(self):
        self.cache.clear()

    def cleanup(self):
        """Expired answers leave now; a stand-in for the cache need not know how."""
        cleanup = getattr(self.cache, "cleanup", None)
        if cleanup is not None:
            cleanup()

    def shrink(self, entries):
        """The oldest leave until so many are left."""
        if self._copies:
            self.cache.clear()
        else:
            self.cache.shrink(entries)

    def bytes(self):
        return self.cache.get_stats().get("memory_usage_bytes", 0)

    def stats(self):
        return {
            **self.cache.get_stats(),
            "stepped_aside": bool(self._rest),
            "stepped_aside_count": self.rested,
        }


def _copy(value):
    if type(value) is list:
        return [_copy(part) for part in value]
    return value.copy() if isinstance(value, np.ndarray) else value
