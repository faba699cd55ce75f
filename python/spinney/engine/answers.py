"""Answers that an engine keeps for equal requests to come."""

from __future__ import annotations

from time import perf_counter

import numpy as np

from spinney import _core
from spinney.engine.collaborators import collaborator
from spinney.rows import has_labels

KEY_BYTES_MAX = 1 << 16  # larger rows are not kept, by the core neither: a key holds all of them
_KINDS = "biuf"


def keyed(features):
    """(rows, key): the rows as an array of their own, which nobody else writes to, and what they
    are equal by; (features, None) where none is kept.
    """
    if type(features) is not np.ndarray:
        if type(features) not in (list, tuple) or has_labels(features):
            return features, None
        try:
            rows = np.asarray(features)
        except Exception:  # rows of several lengths and the like, which predict refuses
            return features, None
    else:
        rows = features
    if rows.nbytes > KEY_BYTES_MAX or rows.dtype.kind not in _KINDS:
        return features, None
    rows = rows.copy()
    return rows, repr((rows.dtype.str, rows.shape)).encode() + b" " + rows.tobytes()


def kept(served, parts, features):
    """(rows, key, what keeps an answer under it, a future of one that was kept) where the core does
    not look by itself: what a Python model answered, and a cache of the program's own.
    """
    key, began = None, perf_counter()
    if parts.stand_in is not None:
        features, key = parts.stand_in.key(served, features)
        keep, look_up = parts.stand_in.put, parts.stand_in.get
    elif parts.answers is not None and served.idempotent:
        features, key = keyed(features)
        keep, look_up = served.handle.keep, served.kept
    if key is None:
        return features, None, None, None
    found, result = look_up(key)
    if parts.stand_in is not None:
        took = perf_counter() - began
        (served.outcomes.hit if found else served.outcomes.looked_up)(took)
    return features, key, keep, _core.settled_future(result) if found else None


class Answers:
    """What the core's cache of answers says of itself, and what its owner asks of it."""

    def __init__(self, core, config):
        self._core, self._config = core, config
        self.ttl_seconds = config.cache_ttl_seconds

    def __len__(self):
        return self._counts()["size"]

    def _counts(self):
        return self._core.stats()["cache"]

    def cleanup(self):
        """Expired answers leave now."""
        self._core.cleanup_cache()

    def shrink(self, bytes_left):
        """The oldest leave until so many bytes are left."""
        self._core.shrink_cache(bytes_left)

    def bytes(self):
        return self._counts()["memory_usage_bytes"]

    def stats(self):
        queue, config, models = self._core.stats(), self._config, self._core.models()
        found = queue["cache"]
        lookups = found["hits"] + found["misses"]
        return {
            **found,
            "hit_rate": found["hits"] / lookups if lookups else 0.0,
            "shared": queue["shared"],
            "max_size": config.max_cache_entries,
            "max_bytes": config.max_cache_bytes,
            "ttl_seconds": config.cache_ttl_seconds,
            "stepped_aside": any(one["cache_resting"] for one in models),
            "stepped_aside_count": sum(one["cache_rests"] for one in models),
        }


class StandIn:
    """A cache that a program put in place of Spinney's own: asked in the core's stead, by key and
    value alone, since it need not know more.
    """

    def __init__(self, config):
        self.cache = collaborator("LRUTTLCache")(
            max_size=config.max_cache_entries, ttl_seconds=config.cache_ttl_seconds
        )
        self.ttl_seconds = config.cache_ttl_seconds

    def key(self, served, features):
        """(rows, key), as keyed; no key for a model that may not be asked twice."""
        if not served.idempotent:
            return features, None
        rows, key = keyed(features)
        return rows, None if key is None else b"%d " % served.token + key

    def get(self, key):
        """(found, the value)."""
        try:
            found, value = self.cache.get(key)
        except Exception:
            return False, None  # it was told of no answer
        return found, _copy(value) if found else value

    def put(self, key, value):
        self.cache.set(key, _copy(value))

    def cleanup(self):
        """Expired answers leave now; it need not know how."""
        cleanup = getattr(self.cache, "cleanup", None)
        if cleanup is not None:
            cleanup()

    def shrink(self, _):
        self.cache.clear()

    def bytes(self):
        return self.cache.get_stats().get("memory_usage_bytes", 0)

    def stats(self):
        return {**self.cache.get_stats(), "stepped_aside": False, "stepped_aside_count": 0}


def _copy(value):
    if type(value) is list:
        return [_copy(part) for part in value]
    return value.copy() if isinstance(value, np.ndarray) else value
