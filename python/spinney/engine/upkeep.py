"""A thread that lets go of what nobody needs any more: expired answers, buffers of a past burst."""

from __future__ import annotations

import logging
import weakref
from threading import Event, Thread, current_thread
from time import monotonic

from spinney._core import pool_stats, trim_pool

_log = logging.getLogger("spinney.engine")

_OFTEST_S, _SELDOMEST_S = 0.05, 30.0
_STAND_IN_S = 0.05
_TRY_AGAIN_S = 1.0  # as a burst of threads elsewhere may be over
TRIM_S = 5.0  # a pool is left alone that was used in so many seconds
IDLE_BYTES = 1 << 20  # what a pool may keep while nothing uses it

_upkeeps = weakref.WeakSet()


class Upkeep:
    """Every tenth of the cache's lifetime, 30 seconds at the longest, until stopped.

    Expired answers leave the cache then, overwritten with zeros, though nobody asks for anything.
    With trim_pools, the buffers that a burst left behind go back to the system once nothing took
    any for five seconds.
    """

    def __init__(self, answers, memory_pool, trim_pools, core=None, look_besides=None):
        """core: the spinney._core.Engine whose futures' callbacks it delivers if it must.
        look_besides: a weak reference to what is called at each look.
        """
        self._look_besides = look_besides
        self._answers, self._memory_pool = answers, memory_pool
        self._interval = TRIM_S if trim_pools else _SELDOMEST_S
        if answers is not None:
            soon = answers.ttl_seconds / 10
            self._interval = min(self._interval, max(soon, _OFTEST_S))
        self._trim_pools = trim_pools
        self._taken, self._quiet = -1, 0.0
        self._try_again = 0.0
        self._core, self._standing_in = core, False
        self._stopped, self._wake = False, Event()
        _upkeeps.add(self)
        self._thread = Thread(target=self._run, name="spinney-upkeep", daemon=True)
        self._thread.start()

    def _run(self):
        looked = monotonic()
        while not self._stopped:
            self._wake.wait(_STAND_IN_S if self._standing_in else self._interval)
            self._wake.clear()
            if self._stopped:
                return
            try:
                self._deliver()
                passed = monotonic() - looked
                if passed >= self._interval:
                    looked += passed
                    self.look(passed)
            except BaseException:  # of a program's own collaborator, say
                _log.exception("the upkeep of an engine failed")

    def _deliver(self):
        """Callbacks of futures, while the system has no thread for them."""
        lanes = () if self._core is None else self._core.deliver_unserved()
        self._standing_in = bool(lanes)
        if lanes and monotonic() >= self._try_again:
            from spinney.engine.future import try_thread

            self._try_again = monotonic() + _TRY_AGAIN_S
            for lane in lanes:
                try_thread(self._core.dispatcher, lane)

    def look(self, seconds):
        """seconds: since the last look."""
        besides = None if self._look_besides is None else self._look_besides()
        if besides is not None:
            besides()
        if self._answers is not None:
            self._answers.cleanup()
        if self._trim_pools:
            self._look_at_pools(seconds)

    def _look_at_pools(self, seconds):
        stats = pool_stats()
        taken = stats["acquired"] + self._memory_pool.get_stats().get("lent", 0)
        self._quiet = 0.0 if taken != self._taken else self._quiet + seconds
        self._taken = taken
        if self._quiet >= TRIM_S:
            self._quiet = 0.0
            if stats["idle_bytes"] > IDLE_BYTES:
                trim_pool(IDLE_BYTES)
            self._memory_pool.clear()

    def stop(self):
        self._stopped = True
        self._wake.set()
        if self._thread is not current_thread():
            self._thread.join(1.0)


def stand_in():
    """A thread for callbacks could not be started: deliver them, of whichever engine they are."""
    for one in list(_upkeeps):
        one._wake.set()
