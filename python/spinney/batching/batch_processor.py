"""BatchProcessor: batches of arrays or of any objects, with retries and health watching."""

from __future__ import annotations

import logging
import math
import sys
import weakref
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Callable, Mapping

import numpy as np

from spinney.batching.core import Core
from spinney.batching.health import HealthWatch
from spinney.batching.policy import Policy
from spinney.batching.request import (
    BatchQueueFullError,
    Entry,
    array_entry,
    checked_level,
    checked_seconds,
)
from spinney.batching.stats import BatchStats
from spinney.configs import BatchPriority, BatchProcessorConfig
from spinney.configs.kinds import Int
from spinney.exceptions import EngineShutDownError, InvalidInputError
from spinney.metrics.cpu import CpuMeter

if TYPE_CHECKING:
    from threading import Event

    from typing_extensions import Self

_log = logging.getLogger("spinney.batching")


class BatchProcessor:
    """Runs a function over queued items, as a BatchProcessorConfig says.

    config: a BatchProcessorConfig or a mapping of its options; None takes the defaults.
    metrics_collector: an object with update_inference(seconds, batch_size) and record_error(), such
        as PerformanceMetrics; told about every batch.

    Arrays are stacked along their first axis, and the function must give as many rows as it gets;
    items that differ in the shape of a row or in dtype never share a call. Any other object is
    handed over by itself, and its answer is whatever the function gives.

    >>> import numpy as np
    >>> with BatchProcessor(BatchProcessorConfig(max_batch_size=32)) as processor:
    ...     processor.start(lambda rows: rows * 2)
    ...     processor.enqueue_predict(np.array([[1.0, 2.0]])).result(timeout=5)
    array([[2., 4.]])
    """

    def __init__(
        self,
        config: BatchProcessorConfig | Mapping[str, Any] | None = None,
        metrics_collector: Any = None,
        *,
        clock: Any = None,
    ) -> None:
        if config is None:
            config = BatchProcessorConfig()
        elif not isinstance(config, BatchProcessorConfig):
            config = BatchProcessorConfig.from_dict(config)
        self.config: BatchProcessorConfig = config
        self.metrics: Any = metrics_collector
        self.stats: BatchStats = BatchStats(config.monitoring_window)
        record = _Recorder(self.stats, metrics_collector, config)
        self._core = Core(Policy.of(config), clock, record, "batch processor")
        self._health = HealthWatch(self._core, config)
        self._cpu = CpuMeter()
        stats, health = self.stats, self._health

        def after_fork():
            stats.after_fork()
            health.after_fork()

        self._core.on_fork = after_fork
        if config.enable_health_monitoring:
            self._core.on_fresh_start = health.start
        self._finalizer = weakref.finalize(self, _let_go, self._core, self._health)
        self._finalizer.atexit = False

    @property
    def paused_event(self) -> Event:
        """A threading.Event that is set while paused; set() and clear() pause and resume, too."""
        return self._core.paused_event

    @property
    def current_batch_size(self) -> int:
        """Rows that a batch may have now; ADAPTIVE moves it."""
        return self._core.policy.limit

    def start(self, process_func: Callable[[Any], Any]) -> None:
        """Start the worker threads. Does nothing where they run it; starts anew after stop().

        Raises InvalidInputError where they run another function, which takes a stop() before.
        """
        if not callable(process_func):
            raise InvalidInputError(f"process_func is {process_func!r}; give a callable")
        if self._core.start(process_func) and self.config.enable_health_monitoring:
            self._health.start()

    def stop(self, timeout: float | None = 5.0) -> bool:
        """Take no more items, run those queued, and after timeout seconds fail what is left.

        Those fail with EngineShutDownError; nothing hangs. None waits as long as it takes.
        Callbacks are waited for within that time as well. May be called from any thread and twice.
        True where everything was run; False at once where it is called by process_func, or by a
        signal handler that interrupted the processor's own code: then it is only begun.
        """
        self._health.stop()
        return self._core.stop(checked_seconds("timeout", timeout))

    def pause(self) -> None:
        """Start no more batches. Those that run go on, items may be queued, and still expire."""
        self._core.set_paused(True)

    def resume(self) -> None:
        """Go on after pause()."""
        self._core.set_paused(False)

    def enqueue(
        self,
        item: Any,
        timeout: float | None = None,
        priority: BatchPriority | int = BatchPriority.NORMAL,
    ) -> None:
        """Queue an item whose answer nobody needs; a failure is counted and logged.

        timeout: seconds to wait for a place in a full queue; None does not wait.

        Raises BatchQueueFullError (a queue.Full) where there is no place, InvalidInputError for a
        wrong priority or timeout, EngineShutDownError after stop().
        """
        self._submit(item, timeout, priority, Future())

    def enqueue_predict(
        self,
        item: Any,
        timeout: float | None = None,
        priority: BatchPriority | int = BatchPriority.NORMAL,
    ) -> Future[Any]:
        """Queue an item; a Future of its answer.

        The future fails with BatchQueueFullError where the queue has no place within timeout
        seconds (None: at once), with RequestExpiredError after item_timeout in the queue, with
        EngineShutDownError at stop(), with ModelFailedError where the function gives a wrong number
        of rows, or with what the function raised. Raises InvalidInputError for a wrong priority or
        timeout.
        """
        future: Future[Any] = Future()
        try:
            self._submit(item, timeout, priority, future)
        except (BatchQueueFullError, EngineShutDownError) as error:
            future.set_exception(error)
        return future

    def _submit(self, item, timeout, priority, future):
        if isinstance(item, np.ndarray) and item.ndim > 0:
            entry = array_entry(item, future)
        else:
            entry = Entry(item, 1, sys.getsizeof(item), None, future)
        limit = self.config.item_timeout
        entry.deadline = math.inf if limit is None else limit
        wait = 0.0 if timeout is None else checked_seconds("timeout", timeout)
        if not self._core.submit(entry, checked_level(priority), wait):
            raise BatchQueueFullError(
                f"the queue of the batch processor is full: {self.config.max_queue_size} wait"
            )

    def update_batch_size(self, n: int) -> None:
        """Rows that a batch may have from now on, kept within min_ and max_batch_size."""
        self._core.set_limit(Int(1, sys.maxsize).accept("n", n))

    def get_stats(self) -> dict[str, Any]:
        """BatchStats.get_stats() of the batches, and the state of the queue.

        system_load: the CPU time of this process and its workers over that of the CPUs that it may
        use, 0 to 1, since the last look that was 50 ms or more ago. With enable_monitoring=False
        the averages are 0.0; the counts are always there.
        """
        core = self._core
        counts = core.counts()
        state = "paused" if core.paused and core.state == "running" else core.state
        processed = counts["answered"]
        return {
            **self.stats.get_stats(),
            "state": state,
            "current_queue_size": core.waiting,
            "waiting_callbacks": core.callbacks.waiting,
            "max_observed_queue_size": counts["most_waiting"],
            "current_batch_size": self.current_batch_size,
            "active_batches": len(core.running),
            "submitted_items": counts["submitted"],
            "processed_items": processed,
            "failed_items": counts["failed"],
            "expired_items": counts["expired"],
            "cancelled_items": counts["cancelled"],
            "shut_down_items": counts["shut_down"],
            "refused_items": counts["refused"],
            "system_load": min(1.0, self._cpu.percent() / 100),
            "health": {**self._health.levels, **self._health.readings},
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class _Recorder:
    """Tells BatchStats, the metrics collector and the log about a batch."""

    def __init__(self, stats, metrics, config):
        self._stats = stats
        self._metrics = metrics
        self._measures = config.enable_monitoring
        self._debug = config.debug_mode
        self._metrics_failed = False

    def batch(self, seconds, rows, queued, waiting):
        """A batch was called for the first time."""
        if self._measures:
            self._stats.update(seconds, rows, queued, queued + seconds, waiting)
        else:
            self._stats.count(rows)
        if self._debug:
            _log.info("batch: %d rows, %.3f ms", rows, seconds * 1e3)
        if self._metrics is not None:
            self._tell_metrics(lambda metrics: metrics.update_inference(seconds, rows))

    def failed(self, items, rows):
        """So many items failed for good, of a batch of so many rows."""
        self._stats.record_error(items)
        _log.warning("%d items of a batch of %d rows failed", items, rows)
        if self._metrics is not None:
            for _ in range(items):
                self._tell_metrics(lambda metrics: metrics.record_error())

    def _tell_metrics(self, what):
        try:
            what(self._metrics)
        except Exception:
            if not self._metrics_failed:
                _log.exception("the metrics collector failed; its later failures are not logged")
            self._metrics_failed = True


def _let_go(core, health):
    health.stop()
    core.abandon()
