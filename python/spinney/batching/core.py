"""What DynamicBatcher and BatchProcessor share: a lane of the engine, and the threads serving it.

Queue, order, expiry, batches, halving and retries are the engine's, in C++ (`_core.BatchLane`).
What is here is what needs Python: the threads that call the function, the futures, the states.

Threads hold the Core and never its owner, so an owner that is dropped ends them (`abandon`).
"""

from __future__ import annotations

import gc
import logging
import math
import threading
from itertools import count

from spinney._core import BatchLane
from spinney.batching.callbacks import Callbacks
from spinney.batching.clock import MonotonicClock
from spinney.batching.lifetime import Lifetime
from spinney.batching.paused import PausedEvent
from spinney.batching.request import was_cancelled
from spinney.batching.runner import Runner
from spinney.batching.threads import keep_an_eye_on, keep_time, start_thread, work
from spinney.exceptions import EngineShutDownError, InvalidInputError

_log = logging.getLogger("spinney.batching")

_COUNTS = ("submitted", "answered", "failed", "expired", "cancelled", "shut_down")
_SIGNATURES_MAX = 1 << 12


class Core(Lifetime):
    """States: new, running (maybe paused), stopping (draining until a time), stopped.

    Each start after a stop has a lane of its own, so that a call which outlived the stop can reach
    neither the next function nor its requests.
    """

    def __init__(self, policy, clock=None, observe=None, name="batcher"):
        self.policy = policy
        self.clock = clock or MonotonicClock()
        self.name = name
        self.callbacks = Callbacks(name)
        self.function = None
        self.paused_event = PausedEvent(self)
        self.refused = 0
        self.late = 0  # expired as they came
        self.batches = self.batched_rows = 0
        self.wait_sum = self.wait_max = 0.0
        self.running = {}  # a call's number: when it began
        self.observe = observe
        self.on_fork = self.on_fresh_start = None
        self.state = "new"
        self._own_clock = clock is not None
        self._past = dict.fromkeys(_COUNTS, 0)  # of lanes that are gone
        self._most_waiting = 0
        self._swept_at = -math.inf
        self._needs_timer = policy.needs_timer
        self._signatures, self._numbers = {None: 0}, count(1)
        self._make_locks()
        self._new_lane()
        keep_an_eye_on(self)

    def _make_locks(self):
        # Reentrant only so that a thread can tell that it holds it: a signal handler that finds it
        # held by the thread that it interrupted must neither wait nor go on. No request takes it.
        self.lock = threading.RLock()
        self._gone = threading.Condition(self.lock)  # stop() waits for the workers
        self._space = threading.Condition(threading.RLock())  # callers that wait for a place
        self.space_waiters = 0

    def _new_lane(self):
        policy = self.policy
        self.runner = Runner(self)
        options = {
            "max_batch_size": policy.max_rows,
            "min_batch_size": policy.min_rows,
            "full_batches": policy.waits_until_full,
            "batch_timeout": policy.wait,
            "min_batch_interval": policy.interval,
            "max_batch_bytes": 0 if policy.bytes_max == math.inf else int(policy.bytes_max),
            "max_queue_requests": policy.queue_max,
            "halve_failed": policy.halves,
            "max_retries": policy.retries,
            "retry_delay": policy.retry_delay,
        }
        runner = self.runner
        self.lane = BatchLane(
            runner.run, runner.settle, options, policy.idempotent, self._own_clock
        )
        self.lane.limit(policy.limit)
        self._threads = 0
        self._timer = None
        self._stop_at = math.inf
        self._stoppers = 0
        self._drained = True
        self.tell_time()

    def tell_time(self):
        """Has the lane's clock follow a clock that is not the machine's."""
        if self._own_clock:
            self.lane.set_now(self.clock.now())

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
            if self.state == "stopped":
                self._keep_counts()
                self._new_lane()
            self.function = self.runner.function = function
            self._start_threads()
            self.set_paused(False)
            self.state = "running"
            self.callbacks.open()
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

    def _start_timer(self):
        """The thread that expires requests and ends waits and delays, when it is first needed."""
        with self.lock:
            if self._timer is not None or self.state == "stopped":
                return
            try:
                self._timer = start_thread(keep_time, self, "expiry")
            except RuntimeError:  # the next request tries again; workers run nothing that is late
                _log.warning("the %s has no thread for what expires", self.name)

    def _after_fork_first(self):
        """A forked child's first request starts what the child has none of."""
        with self.lock:
            if self.state != "running" or self._threads:
                return
            self._start_threads()
            if self.on_fresh_start is not None:
                self.on_fresh_start()

    def submit(self, entry, level, space_wait=0.0, arrived=None):
        """Queue an entry: True; False where the queue is full. Raises EngineShutDownError.

        space_wait: seconds to wait for a place. arrived: when the request was made, by the clock.
        entry.deadline holds the seconds that the request has, and becomes the time it ends.
        """
        now = self.clock.now()
        if self._own_clock:
            self.lane.set_now(now)
        if arrived is None or not 0 < arrived <= now:
            arrived = now
        entry.arrival = arrived
        deadline = entry.deadline = entry.deadline + arrived
        if self.policy.workers:
            entry.callbacks = self.callbacks
            if not self._threads and self.state == "running":
                self._after_fork_first()
            if self._timer is None and (self._needs_timer or deadline < math.inf):
                self._start_timer()
        refusal = self._offer(entry, level)
        if not refusal:
            return True
        if refusal == BatchLane._FULL:
            refusal = self._wait_for_place(entry, level, now, space_wait)
        if not refusal:
            return True
        if refusal == BatchLane._EXPIRED:
            with self.lock:
                self.late += 1
            self.runner.fail_expired(entry)
            return True
        if refusal == BatchLane._CLOSED:
            raise EngineShutDownError(f"the {self.name} is stopped")
        with self.lock:
            self.refused += 1
        return False

    def _offer(self, entry, level):
        signature = entry.signature
        number = self._signatures.get(signature)
        if number is None:
            if len(self._signatures) > _SIGNATURES_MAX:  # what is queued keeps its number
                self._signatures = {None: 0}
            number = self._signatures[signature] = next(self._numbers)
        return self.lane.submit(
            entry,
            entry.rows or 1,
            entry.bytes,
            number,
            entry.arrival + level * self.policy.aging,
            entry.deadline,
        )

    def _wait_for_place(self, entry, level, now, space_wait):
        """Drop what was cancelled, then wait for a place. 0, or why there is none."""
        until = now + space_wait
        with self._space:
            self.space_waiters += 1
            try:
                while True:
                    if now - self._swept_at >= 0.01:
                        self._swept_at = now
                        self.lane.sweep(was_cancelled)
                    refusal = self._offer(entry, level)
                    if refusal != BatchLane._FULL or now >= until:
                        return refusal
                    self.clock.wait(self._space, until - now if until < math.inf else None)
                    now = self.clock.now()
                    self.tell_time()
            finally:
                self.space_waiters -= 1

    def tell_space(self):
        with self._space:
            self._space.notify_all()

    def run_pending(self):
        """Run on the caller's thread every batch that is due now; how many there were.

        A retry is waited for.
        """
        before = self.batches
        while True:
            self.tell_time()
            self.lane.tick()
            while self.lane.run_one():
                self.tell_time()
            at = self.lane.retry_at
            if at == math.inf:
                return self.batches - before
            self.clock.wait(None, max(0.0, at - self.clock.now()))

    def learn(self, rows, seconds):
        """The size of batches follows throughput."""
        before = self.policy.limit
        self.policy.learn(rows, seconds, self.lane.waiting_rows)
        if self.policy.limit != before:
            self.lane.limit(self.policy.limit)

    def shrink(self):
        self.policy.shrink()
        self.lane.limit(self.policy.limit)

    @property
    def paused(self):
        return self.paused_event.is_set()

    def set_paused(self, paused):
        with self.lock:
            self.paused_event.show(paused)
            self.lane.pause(paused)

    def set_limit(self, rows):
        self.policy.set_limit(rows)
        self.lane.limit(self.policy.limit)

    def collect_garbage(self, rows):
        if self.policy.gc_rows and rows > self.policy.gc_rows:
            gc.collect(0)

    @property
    def waiting(self):
        return self.lane.waiting

    def _keep_counts(self):
        gone = self.lane.counts()
        self._past = {name: self._past[name] + gone[name] for name in _COUNTS}
        self._most_waiting = max(self._most_waiting, self.lane.most_waiting)

    def counts(self):
        """Requests by how they ended, and the most that waited at once."""
        with self.lock:
            now = self.lane.counts()
            counts = {name: self._past[name] + now[name] for name in _COUNTS}
            counts["submitted"] += self.late
            counts["expired"] += self.late
            counts["refused"] = self.refused
            counts["most_waiting"] = max(self._most_waiting, self.lane.most_waiting)
        return counts
