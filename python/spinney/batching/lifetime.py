"""The end of a Core: stop, drop, fork. Futures that are left are failed exactly once."""

from __future__ import annotations

import math
import threading
from _thread import start_new_thread
from contextlib import suppress

from spinney.batching.threads import is_a_worker_of
from spinney.exceptions import EngineShutDownError


class Lifetime:
    """Base of Core; see there for the states."""

    def stop(self, timeout):
        """Refuse new entries, run what is queued, and fail what is left after timeout seconds.

        True where everything queued was run. Called by the function that a worker runs, it only
        starts the stopping: that worker goes on, and ends when the queue is empty or the time is
        over. So too in a signal handler that has interrupted the core itself: another thread stops.
        """
        if self.lock._is_owned():
            start_new_thread(self.stop, (timeout,))
            return False
        mine = is_a_worker_of(self)
        with self.lock:
            if self.state == "stopped":
                return self._drained
            begun = self.clock.now()
            fresh = self.state == "new"
            self.state = "stopping"
            self._stop_at = min(self._stop_at, begun + (0.0 if fresh else timeout))
            self._notify_all()
            if mine:
                return False
            self._stoppers += 1
            while self._threads and (left := self._stop_at - self.clock.now()) > 0:
                self.clock.wait(self._gone, left if left < math.inf else None)
        if self.policy.workers == 0 and not fresh and timeout > 0:
            self.run_pending()
        try:
            drained = self._end()
            self.callbacks.wait(self.clock, self._stop_at)
            return drained
        finally:
            with self.lock:
                self._stoppers -= 1

    def _end(self):
        """Fail whatever is left and become stopped. True where nothing was left."""
        with self.lock:
            if self.state == "stopped":
                return self._drained
            self.state = "stopped"
            self._generation += 1
            left = self.lanes.clear()
            late = [entry for entries, _ in self.running.values() for entry in entries]
            self.running.clear()
            self._threads = self._idle = 0
            self._expirer = None
            self._wakes_at = math.inf
            open_late = [entry for entry in late if entry.future.done() is not True]
            self._drained = not left and not open_late
            self._notify_all()
        failed = 0
        for entry in left:
            if entry.claim():
                failed += entry.fail(
                    EngineShutDownError(f"the {self.name} was stopped before the request was run")
                )
        cut_off = 0
        for entry in open_late:
            cut_off += entry.fail(
                EngineShutDownError(f"the {self.name} was stopped while the request ran")
            )
        with self.lock:
            self.counts["shut_down"] += failed + cut_off
            self.counts["cancelled"] += len(left) - failed
        self.callbacks.close()
        return self._drained

    def _notify_all(self):
        for condition in (self._ready, self._delay, self._space, self._gone, self._tick):
            condition.notify_all()

    def abandon(self):
        """The owner is gone: let the workers drain the queue and end.

        Called while garbage is collected, maybe in a thread that holds the lock: so by another.
        """
        with suppress(RuntimeError):  # no thread can start while the interpreter ends
            start_new_thread(self._abandon, ())

    def _abandon(self):
        with self.lock:
            if self.state == "running" and self.policy.workers:
                self.state = "stopping"
                self._notify_all()
                return
        self.stop(0.0)

    def worker_left(self, generation):
        """A worker thread ends; the last one of a stopping core ends it."""
        with self.lock:
            if generation != self._generation:
                return
            self._threads -= 1
            last = self.state == "stopping" and not self._threads and not self._stoppers
            self._gone.notify_all()
        if last:
            self._end()

    def after_fork(self):
        """In a forked child: no thread runs here and the parent answers what was queued."""
        entries = [held[2] for lane in list(self.lanes._lanes.values()) for held in lane.heap]
        entries = [entry for entry in entries if entry.waits]
        entries += [entry for batch, _ in list(self.running.values()) for entry in batch]
        self._make_locks()
        self.callbacks.after_fork()
        self._generation += 1
        self._forget()
        if self.state == "stopping":
            self.state = "stopped"
        if self.on_fork is not None:
            self.on_fork()
        for entry in entries:
            entry.callbacks = None
            if hasattr(entry.future, "_condition"):
                entry.future._condition = threading.Condition()  # a thread may have held it
            entry.fail(
                EngineShutDownError("the process forked; the parent answers its own requests")
            )
