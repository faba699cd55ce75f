"""The end of a Core: stop, drop, fork. What is left unanswered, the lane answers."""

from __future__ import annotations

import math
from _thread import start_new_thread
from contextlib import suppress

from spinney.batching.request import was_cancelled
from spinney.batching.threads import is_a_worker_of


class Lifetime:
    """Base of Core; see there for the states."""

    def stop(self, timeout):
        """Refuse new entries, run what is queued, and fail what is left after timeout seconds.

        True where everything queued was run. Called by the function that a worker runs, it only
        starts the stopping: that worker goes on, and ends when the queue is empty or the time is
        over. So too in a signal handler that has interrupted the core itself: another thread stops.
        """
        if self.lock._is_owned() or self._space._is_owned():
            start_new_thread(self.stop, (timeout,))
            return False
        mine = is_a_worker_of(self)
        with self.lock:
            if self.state == "stopped":
                return self._drained
            fresh = self.state == "new"
            self.state = "stopping"
            self._stop_at = min(self._stop_at, self.clock.now() + (0.0 if fresh else timeout))
            self.tell_time()
            self.lane.close(self._stop_at)
            if not mine:
                self._stoppers += 1
        self.tell_space()
        if mine:
            return False
        if self.policy.workers == 0 and not fresh and timeout > 0:
            self.run_pending()
        try:
            self._wait_for_workers()
            drained = self._end()
            self.callbacks.wait(self.clock, self._stop_at)
            return drained
        finally:
            with self.lock:
                self._stoppers -= 1

    def _wait_for_workers(self):
        with self.lock:
            while self._threads and (left := self._stop_at - self.clock.now()) > 0:
                self.clock.wait(self._gone, left if left < math.inf else None)

    def _end(self):
        """Fail whatever is left and become stopped. True where nothing was left."""
        with self.lock:
            if self.state == "stopped":
                return self._drained
            self.state = "stopped"
            self._threads = 0
            self._timer = None
            lane = self.lane
            self._drained = lane.wait_idle(0.0)
            self._gone.notify_all()
        lane.sweep(was_cancelled)
        lane.stop()
        lane.leave()
        lane.forget()
        self.callbacks.close()
        return self._drained

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
                self.lane.close(math.inf)
                return
        self.stop(0.0)

    def worker_left(self, lane):
        """A worker thread ends; the last one of a stopping core ends it."""
        with self.lock:
            if lane is not self.lane or self.state == "stopped":
                return
            self._threads -= 1
            last = self.state == "stopping" and not self._threads and not self._stoppers
            self._gone.notify_all()
        if last:
            self._end()

    def after_fork(self):
        """In a forked child: no thread runs here and the parent answers what was queued."""
        self._make_locks()
        self.callbacks.after_fork()
        self.paused_event.after_fork()
        self.running.clear()
        self._threads = self._stoppers = 0
        self._timer = None
        self._stop_at = math.inf
        if self.on_fork is not None:
            self.on_fork()
        self.runner.forked = True
        self.lane.after_fork()
        self.runner.forked = False
        if self.state == "stopping":
            self._end()
