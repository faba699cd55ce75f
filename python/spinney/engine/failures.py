"""Failed requests by the class of what their callers are told."""

from __future__ import annotations

from threading import Lock

_KINDS_MAX = 256
# What the core counts by why, by the exception that says so.
_EXCEPTIONS = {
    "unknown_model": "ModelNotFoundError",
    "width": "InvalidInputError",
    "no_rows": "InvalidInputError",
    "no_completion": "InvalidInputError",
    "misfit": "InvalidInputError",
    "input": "InvalidInputError",
    "kind": "UnsupportedModelError",
    "expired": "RequestExpiredError",
    "too_late": "RequestExpiredError",
    "queue_full": "QueueFullError",
    "concurrency": "QueueFullError",
    "overloaded": "ThrottledError",
    "throttled": "ThrottledError",
    "shed": "ThrottledError",
    "no_memory": "ModelTooLargeError",
    "shut_down": "EngineShutDownError",
    "failed": "ModelFailedError",
    "cancelled": "RequestCancelledError",
}
_ENDS = ("failed", "expired", "cancelled", "shed", "shut_down")


class Failures:
    """The classes of errors that the core, which counts every failure, does not know.

    Those of requests that never came to the queue, which may be of any class.
    """

    def __init__(self):
        self._lock = Lock()
        self._kinds, self._reasons = {}, {}

    def add(self, reason, error):
        """reason: what the core counted it as."""
        kind = type(error).__name__
        with self._lock:
            if kind not in self._kinds and len(self._kinds) >= _KINDS_MAX:
                kind = "other"
            self._kinds[kind] = self._kinds.get(kind, 0) + 1
            self._reasons[reason] = self._reasons.get(reason, 0) + 1

    def by_kind(self, counted):
        """name of the exception -> how often, of all that the core `counted` (its stats())."""
        with self._lock:
            found, known = dict(self._kinds), dict(self._reasons)
        times = dict(counted["refused"])
        for name in _ENDS:
            times[name] = times.get(name, 0) + counted[name]
        for reason, count in times.items():
            more = count - known.get(reason, 0)
            if more > 0:
                kind = _EXCEPTIONS[reason]
                found[kind] = found.get(kind, 0) + more
        return found
