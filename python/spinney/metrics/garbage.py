"""What the garbage collector does meanwhile."""

from __future__ import annotations

import gc
import time
import weakref

from spinney._core import LatencyHistogram


class GarbageWatch:
    """Times the collector's runs from start() to stop(). Its figures are of the whole process."""

    def __init__(self):
        self._pauses = LatencyHistogram()
        self._started = None
        self._collected = self._uncollectable = 0
        self._callback = None

    def start(self):
        if self._callback is None:
            self._callback = _callback_of(weakref.ref(self))
            gc.callbacks.append(self._callback)

    def stop(self):
        if self._callback is not None and self._callback in gc.callbacks:
            gc.callbacks.remove(self._callback)
        self._callback = None

    def _on_run(self, phase, info):
        if phase == "start":
            self._started = time.perf_counter()
        elif self._started is not None:
            self._pauses.record(time.perf_counter() - self._started)
            self._started = None
            self._collected += info["collected"]
            self._uncollectable += info["uncollectable"]

    def read(self):
        """Runs, their pauses in milliseconds, objects collected and uncollectable."""
        pauses = self._pauses.read()
        return {
            "gc_collections": pauses["count"],
            "gc_pause_total_ms": 1e3 * pauses["sum"],
            "gc_pause_max_ms": 1e3 * pauses["max"],
            "gc_pause_p99_ms": 1e3 * pauses["p99"],
            "gc_collected": self._collected,
            "gc_uncollectable": self._uncollectable,
            "gc_objects_pending": sum(gc.get_count()),
        }


def _callback_of(watch):
    """gc.callbacks must not keep the watch alive; a callback whose watch is gone leaves."""

    def callback(phase, info):
        found = watch()
        if found is not None:
            found._on_run(phase, info)
        elif callback in gc.callbacks:
            gc.callbacks.remove(callback)

    return callback
