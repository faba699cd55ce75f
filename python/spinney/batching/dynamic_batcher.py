"""DynamicBatcher: requests of many threads, one call of a function."""

from __future__ import annotations

import math
import weakref
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Callable, Sequence

from spinney.batching.core import Core
from spinney.batching.policy import Policy
from spinney.batching.request import (
    array_entry,
    checked_future,
    checked_level,
    checked_seconds,
    rows_of,
)
from spinney.configs.batching import BATCH_ROWS_MAX, QUEUE_MAX
from spinney.configs.kinds import Bool, Int, Real
from spinney.exceptions import InvalidInputError

if TYPE_CHECKING:
    from typing_extensions import Self

    from spinney.batching.request import PredictionRequest


class DynamicBatcher:
    """Collects requests and calls batch_processor with their rows stacked.

    batch_processor: a callable from an array of rows to an array with as many rows. Rows are
        stacked in a new array; requests whose rows differ in shape or dtype never share a call.
    max_batch_size: rows of one call at the most; a longer request is run in pieces.
    max_wait_time_ms: how long the first request of a batch may wait for others. A free worker never
        waits while min_batch_size rows are queued, which with the default of 1 is always: then this
        limit holds by itself. Waiting ends early where a request would expire.
    max_queue_size: requests that may wait; enqueue answers False to one more.
    min_batch_size: rows that are worth waiting for.
    idempotent: whether batch_processor may see a row twice. True: a failing batch is halved until
        the requests at fault fail alone. False: the failure is that of all requests of the batch.
    max_workers: threads that call batch_processor, each with a batch of its own.
    row_shape: shape of one row, such as (10,) for ten features. Where it is given, other requests
        are refused by enqueue.
    priority_aging_s: seconds of waiting that count as one level of priority.

    >>> import numpy as np
    >>> from spinney.batching import PredictionRequest
    >>> with DynamicBatcher(lambda rows: rows.sum(axis=1)) as batcher:
    ...     request = PredictionRequest(id=1, features=np.ones((2, 3)))
    ...     batcher.enqueue(request)
    ...     request.future.result(timeout=5)
    True
    array([3., 3.])

    Threads start with start() or `with`; requests may be queued before. The threads are daemons; a
    forked child starts its own when it first needs them.
    """

    def __init__(
        self,
        batch_processor: Callable[[Any], Any],
        max_batch_size: int = 64,
        max_wait_time_ms: float = 10.0,
        max_queue_size: int = 1000,
        *,
        min_batch_size: int = 1,
        idempotent: bool = False,
        max_workers: int = 1,
        row_shape: Sequence[int] | None = None,
        priority_aging_s: float = 1.0,
        clock: Any = None,
    ) -> None:
        if not callable(batch_processor):
            raise InvalidInputError(f"batch_processor is {batch_processor!r}; give a callable")
        rows = Int(1, BATCH_ROWS_MAX)
        self.batch_processor: Callable[[Any], Any] = batch_processor
        self.max_batch_size: int = rows.accept("max_batch_size", max_batch_size)
        self.max_wait_time_ms: float = Real(0.0, 3.6e6).accept("max_wait_time_ms", max_wait_time_ms)
        self.max_queue_size: int = Int(1, QUEUE_MAX).accept("max_queue_size", max_queue_size)
        self.min_batch_size: int = rows.accept("min_batch_size", min_batch_size)
        if self.min_batch_size > self.max_batch_size:
            raise InvalidInputError(
                f"min_batch_size ({min_batch_size}) is above max_batch_size ({max_batch_size})"
            )
        self.row_shape: tuple[int, ...] | None = None if row_shape is None else tuple(row_shape)
        policy = Policy(
            max_rows=self.max_batch_size,
            min_rows=self.min_batch_size,
            limit=self.max_batch_size,
            wait=self.max_wait_time_ms / 1e3,
            queue_max=self.max_queue_size,
            aging=Real(0.0, 86400.0).accept("priority_aging_s", priority_aging_s),
            workers=Int(0, 1024).accept("max_workers", max_workers),
            idempotent=Bool().accept("idempotent", idempotent),
        )
        self._core = Core(policy, clock, name="batcher")
        self._finalizer = weakref.finalize(self, self._core.abandon)
        self._finalizer.atexit = False

    @property
    def running(self) -> bool:
        """True from start() to stop()."""
        return self._core.state == "running"

    def start(self) -> None:
        """Start the worker threads; does nothing where they run."""
        self._core.start(self.batch_processor)

    def stop(self, timeout: float | None = 2.0) -> bool:
        """Take no more requests, run those queued, and after timeout seconds fail what is left.

        Those fail with EngineShutDownError, also the ones whose call goes on; nothing hangs. None
        waits as long as it takes. Callbacks are waited for within that time as well. May be called
        from any thread and twice. True where everything was run; False at once where it is called
        by batch_processor, or by a signal handler that interrupted the batcher's own code: then it
        is only begun.
        """
        return self._core.stop(checked_seconds("timeout", timeout))

    def enqueue(self, request: PredictionRequest) -> bool:
        """Queue a PredictionRequest. True, or at once False where the queue is full.

        request.future (made here where it is None) receives the rows of the result that belong to
        request.features, also for one flat row. It fails with RequestExpiredError after timeout_ms
        in the queue, with EngineShutDownError at stop(), with ModelFailedError where the result has
        a wrong number of rows, or with what batch_processor raised. future.cancel() takes the
        request out.

        Raises InvalidInputError for features that are no rows (or not of row_shape), a wrong
        priority or timeout, or a used future; EngineShutDownError after stop().
        """
        features = rows_of(request.features)
        if self.row_shape is not None and features.shape[1:] != self.row_shape:
            raise InvalidInputError(
                f"features have rows of shape {features.shape[1:]}; expected {self.row_shape}"
            )
        level = checked_level(request.priority)
        limit = math.inf
        if request.timeout_ms is not None:
            limit = checked_seconds("timeout_ms", request.timeout_ms, 1e-3)
        if request.future is None:
            request.future = Future()
        else:
            checked_future(request.future)
        entry = array_entry(features, request.future)
        entry.deadline = limit
        arrived = request.timestamp or None
        if not self._core.submit(entry, level, 0.0, arrived):
            return False
        if arrived is None:
            request.timestamp = entry.arrival
        return True

    def get_stats(self) -> dict[str, Any]:
        """Counts since the start; times in milliseconds, sizes of batches in rows.

        processed_requests are those answered or failed by batch_processor; expired, cancelled and
        shut_down were not run to their end; refused were not let in.
        """
        core = self._core
        counts = core.counts()
        batches = max(1, core.batches)
        return {
            "processed_batches": core.batches,
            "processed_requests": counts["answered"] + counts["failed"],
            "failed_requests": counts["failed"],
            "expired_requests": counts["expired"],
            "cancelled_requests": counts["cancelled"],
            "shut_down_requests": counts["shut_down"],
            "refused_requests": counts["refused"],
            "submitted_requests": counts["submitted"],
            "current_queue_size": core.waiting,
            "waiting_callbacks": core.callbacks.waiting,
            "max_observed_queue_size": counts["most_waiting"],
            "avg_batch_size": core.batched_rows / batches,
            "avg_batch_wait_time_ms": core.wait_sum / batches * 1e3,
            "max_batch_wait_time_ms": core.wait_max * 1e3,
        }

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
