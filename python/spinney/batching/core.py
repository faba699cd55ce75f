"""Queue, worker threads and lifetime that DynamicBatcher and BatchProcessor share.

Every entry that was admitted is answered exactly once: with its rows, with what the function
raised, or with the named exception that says why it was never run. Futures are completed outside
the lock; their callbacks, which are the caller's code, are run by a thread of their own.

Threads hold the Core and never its owner, so an owner that is dropped ends them (`abandon`).
"""

from __future__ import annotations

import gc
import logging
import math
import threading
from time import perf_counter

from spinney.batching.callbacks import Callbacks
from spinney.batching.clock import MonotonicClock
from spinney.batching.lanes import Lanes
from spinney.batching.lifetime import Lifetime
from spinney.batching.runner import run_entries
from spinney.batching.threads import expire, keep_an_eye_on, start_thread, work
from spinney.exceptions import EngineShutDownError, InvalidInputError, RequestExpiredError

_log = logging.getLogger("spinney.batching")

_COUNTS = ("submitted", "answered", "failed", "expired", "cancelled", "shut_down", "refused")


class Core(Lifetime):
    """States: new, running (maybe paused), stopping (draining until a time), stopped."""

    def __init__(self, policy, clock=None, observe=None, name="batcher"):
        self.policy = policy
        self.clock = clock or MonotonicClock()
        self.name = name
        self.callbacks = Callbacks(name)
        self.function = None
        self.paused = False
        self.counts = dict.fromkeys((*_COUNTS, "batches", "batched_rows", "queue_max_seen"), 0)
        self.wait_sum = self.wait_max = 0.0
        self._observe = observe
        self._generation = 0
        self._make_locks()
        self._forget()
        self.on_fork = self.on_fresh_start = None
        self.state = "new"
        keep_an_eye_on(self)

    def _make_locks(self):
        # Reentrant only so that a thread can tell that it holds it: a signal handler that finds it
        # held by the thread that it interrupted must neither wait nor go on.
        self.lock = threading.RLock()
        self._ready = threading.Condition(self.lock)  # idle workers
        self._delay = threading.Condition(self.lock)  # workers before a retry
        self._space = threading.Condition(self.lock)  # callers that wait for a place
        self._gone = threading.Condition(self.lock)  # stop() waits for the workers
        self._tick = threading.Condition(self.lock)  # the thread that expires requests

    def _forget(self):
        self.lanes = Lanes(self.policy.aging)
        self.running = {}
        self._threads = 0
        self._idle = 0
        self._expirer = None
        self._wakes_at = math.inf
        self._stop_at = math.inf
        self._stoppers = 0
        self._drained = True
        self._last_start = -math.inf
        self._swept_at = -math.inf

    def start(self, function):
        """Start the worker threads. Does nothing where they run; after stop() starts anew.

        Raises InvalidInputError where they run another function.
        """
        with self.lock:
            if self.state == "running":
                if function != self.function:
                    raise InvalidInputError(
                        f"the {self.name} runs already, with {self.function!r}; stop() it before "
                        f"it is started with {function!r}"
                    )
                return False
            if self.state == "stopping":
                raise EngineShutDownError(f"the {self.name} is stopping; start it after stop()")
            self._start_threads()
            self.function = function
            self.paused = False
            self._stop_at = math.inf
            self.state = "running"
            self.callbacks.open()
            self._ready.notify_all()
        return True

    def _start_threads(self):
        """Start what is missing; raises RuntimeError where not even one thread can be had."""
        while self._threads < self.policy.workers:
            try:
                start_thread(work, self, self.name)
            except RuntimeError:
                if not self._threads:
                    raise
                _log.warning("only %d of the %s's threads could start", self._threads, self.name)
                return
            self._threads += 1

    def submit(self, entry, level, space_wait=0.0, arrived=None):
        """Queue an entry: True; False where the queue is full. Raises EngineShutDownError.

        space_wait: seconds to wait for a place. arrived: when the request was made, by the clock.
        entry.deadline holds the seconds that the request has, and becomes the time it ends.
        """
        if self.lock._is_owned():
            raise RuntimeError(
                f"the {self.name} was asked by a signal handler or destructor that interrupted it; "
                "have another thread ask"
            )
        dropped = []
        try:
            with self.lock:
                now = self.clock.now()
                full = self.lanes.waiting >= self.policy.queue_max
                if full and not self._make_space(now, space_wait, dropped):
                    return False
                if self.state in ("stopping", "stopped"):
                    raise EngineShutDownError(f"the {self.name} is stopped")
                if self.state == "running" and not self._threads:
                    self._start_threads()  # in a forked child
                    if self.on_fresh_start is not None:
                        self.on_fresh_start()
                entry.arrival = now if arrived is None or not 0 < arrived <= now else arrived
                entry.deadline += entry.arrival
                if self.policy.workers:
                    entry.callbacks = self.callbacks
                self.lanes.add(entry, level)
                counts = self.counts
                counts["submitted"] += 1
                if self.lanes.waiting > counts["queue_max_seen"]:
                    counts["queue_max_seen"] = self.lanes.waiting
                if self._idle:
                    self._ready.notify()
                if entry.deadline < self._wakes_at:
                    self._wake_expirer(entry.deadline)
                return True
        finally:
            for held in dropped:
                held.claim()  # tells those who wait on it that it was cancelled

    def _make_space(self, now, space_wait, dropped):
        """Drop what was cancelled, then wait for a place; False where none comes. Lock held."""
        until = now + space_wait
        while self.lanes.waiting >= self.policy.queue_max:
            if now - self._swept_at >= 0.01:
                self._swept_at = now
                found = self.lanes.drop_cancelled()
                self.counts["cancelled"] += len(found)
                dropped += found
                if found:
                    continue
            if self.state in ("stopping", "stopped"):
                return True  # which the caller looks at next
            if now >= until:
                self.counts["refused"] += 1
                return False
            self.clock.wait(self._space, until - now if until < math.inf else None)
            now = self.clock.now()
        return True

    def _wake_expirer(self, deadline):
        """Have the expiring thread look at that time. Lock held."""
        if self.policy.workers == 0:
            return
        if self._expirer is None:
            try:
                self._expirer = start_thread(expire, self, "expiry")
            except RuntimeError:  # the next request tries again; workers run nothing that is late
                _log.warning("the %s has no thread for what expires", self.name)
                return
        self._wakes_at = deadline
        self._tick.notify_all()

    def seconds_to_batch(self, now):
        """0.0 where a batch is due, seconds until one is, or None where nothing is. Lock held."""
        first, rows = self.lanes.first()
        if first is None:
            return None
        if self.state == "stopping":
            return 0.0
        if self.paused:
            return None
        pause = self._last_start + self.policy.interval - now
        if rows >= self.policy.rows_worth_waiting_for:
            return max(0.0, pause)
        due = min(first.arrival + self.policy.wait, self.lanes.next_deadline() or math.inf)
        if due < first.arrival + self.policy.wait:
            due = now  # waiting on would let a request expire
        return max(0.0, pause, due - now)

    def next_batch(self, generation):
        """Wait for a batch. (entries, expired, cancelled); None where this worker is to end."""
        with self.lock:
            while True:
                if generation != self._generation or self.state == "stopped":
                    return None
                now = self.clock.now()
                if self.state == "stopping" and (not self.lanes.waiting or now >= self._stop_at):
                    return None
                wait = self.seconds_to_batch(now)
                if wait == 0.0:
                    batch = self._take(now)
                    if any(batch):
                        return batch
                    continue
                self._idle += 1
                try:
                    self.clock.wait(self._ready, wait)
                finally:
                    if generation == self._generation:
                        self._idle -= 1

    def _take(self, now):
        """Take a batch out of the queue. Lock held."""
        policy = self.policy
        taken, expired, cancelled = self.lanes.take(policy.rows_of_a_batch, policy.bytes_max, now)
        self.counts["expired"] += len(expired)
        self.counts["cancelled"] += len(cancelled)
        if taken:
            self._last_start = now
            self.running[id(taken)] = (taken, now)
            waited = now - min(entry.arrival for entry in taken)
            self.wait_sum += waited
            self.wait_max = max(self.wait_max, waited)
            self.counts["batches"] += 1
            self.counts["batched_rows"] += sum(entry.rows for entry in taken)
        self._space.notify_all()
        return taken, expired, cancelled

    def run(self, batch):
        """Run what next_batch gave, answer everybody, measure."""
        taken, expired, _ = batch
        self._fail_expired(expired)
        if not taken:
            return
        rows = sum(entry.rows for entry in taken)
        queued = self.clock.now() - min(entry.arrival for entry in taken)
        started = perf_counter()
        try:
            outcome = run_entries(self, taken)
        finally:
            seconds = perf_counter() - started
            with self.lock:
                in_time = self.running.pop(id(taken), None) is not None
        with self.lock:
            for name, number in outcome.items():
                self.counts[name] += number
            if outcome["failed"]:
                if self.policy.halves:
                    self.policy.shrink()
            elif in_time:
                self.policy.learn(rows, seconds, self.lanes.first()[1])
            waiting = self.lanes.waiting
        if self._observe is not None:
            self._observe(seconds, rows, queued, waiting, outcome)
        if self.policy.gc_rows and rows > self.policy.gc_rows:
            gc.collect(0)

    def function_for(self, batch):
        """What to call for entries that _take gave, or None where stop() has failed them."""
        with self.lock:
            return self.function if id(batch) in self.running else None

    def run_pending(self):
        """Run on the caller's thread every batch that is due now; how many there were."""
        ran = 0
        while True:
            with self.lock:
                now = self.clock.now()
                late = self.lanes.expire(now)
                self.counts["expired"] += len(late)
                due = self.seconds_to_batch(now) == 0.0
                batch = self._take(now) if due else ([], [], [])
            self._fail_expired(late)
            if not due:
                return ran
            self.run(batch)
            ran += bool(batch[0])

    def sleep(self, seconds):
        """A delay before a retry, which stop() cuts short. False where no time is left at all."""
        with self.lock:
            until = self.clock.now() + seconds
            while self.state == "running":
                left = until - self.clock.now()
                if left <= 0:
                    return True
                self.clock.wait(self._delay, left)
            return self.clock.now() < self._stop_at and self.state != "stopped"

    def expire_due(self):
        """Fail what expired; the seconds until the next look, or None."""
        with self.lock:
            now = self.clock.now()
            late = self.lanes.expire(now)
            self.counts["expired"] += len(late)
            following = self.lanes.next_deadline()
            self._wakes_at = math.inf if following is None else following
            if late:
                self._space.notify_all()
        self._fail_expired(late)
        return None if following is None else max(0.0, following - now)

    def _fail_expired(self, entries):
        """How many were failed by this; others were cancelled, or failed by stop()."""
        failed = 0
        for entry in entries:
            limit = (entry.deadline - entry.arrival) * 1e3
            error = RequestExpiredError(f"the request expired: not run within its {limit:g} ms")
            if entry.fail(error):
                failed += 1
            elif entry.future.cancelled() is True:
                entry.claim()  # tells those who wait on it that it was cancelled
        return failed

    def set_paused(self, paused):
        with self.lock:
            self.paused = paused
            self._ready.notify_all()

    def set_limit(self, rows):
        with self.lock:
            self.policy.set_limit(rows)
            self._ready.notify_all()
