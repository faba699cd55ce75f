"""Figures about batches: a window of times, and totals."""

from __future__ import annotations

from collections import deque
from threading import Lock

from spinney.exceptions import InvalidInputError


class BatchStats:
    """Times and sizes of the last window_size batches, and totals since the start. Thread-safe.

    >>> stats = BatchStats(window_size=100)
    >>> stats.update(processing_time=0.010, batch_size=4, queue_time=0.001)
    >>> stats.record_error()
    >>> stats.get_stats()["avg_processing_time_ms"], stats.get_stats()["error_rate"]
    (10.0, 0.25)
    """

    def __init__(self, window_size: int = 100) -> None:
        if isinstance(window_size, bool) or not isinstance(window_size, int) or window_size < 1:
            raise InvalidInputError(f"window_size is {window_size!r}; give an integer from 1")
        self.window_size: int = window_size
        self._batches = deque(maxlen=window_size)
        self._lock = Lock()
        self.total_processed: int = 0
        self.total_batches: int = 0
        self.total_errors: int = 0

    def after_fork(self) -> None:
        self._lock = Lock()  # a thread of the parent may have held it

    def update(
        self,
        processing_time: float,
        batch_size: int,
        queue_time: float,
        latency: float = 0.0,
        queue_length: int = 0,
    ) -> None:
        """One batch. Times in seconds; batch_size in rows; queue_length in items."""
        with self._lock:
            self._batches.append((processing_time, batch_size, queue_time, latency, queue_length))
            self.total_processed += batch_size
            self.total_batches += 1

    def count(self, batch_size: int) -> None:
        """One batch of which no times are kept."""
        with self._lock:
            self.total_processed += batch_size
            self.total_batches += 1

    def record_error(self, count: int = 1) -> None:
        """Count requests that failed."""
        with self._lock:
            self.total_errors += count

    def get_stats(self) -> dict[str, float]:
        """Averages of the window (0.0 while it is empty), totals and error_rate.

        error_rate: errors over max(1, processed).
        """
        with self._lock:
            batches = list(self._batches)
            totals = self.total_processed, self.total_batches, self.total_errors
        processing, sizes, queue, latency, lengths = zip(*batches) if batches else [()] * 5
        busy = sum(processing)
        return {
            "avg_processing_time_ms": _mean(processing) * 1e3,
            "max_processing_time_ms": max(processing, default=0.0) * 1e3,
            "p95_processing_time_ms": _p95(processing) * 1e3,
            "avg_batch_size": _mean(sizes),
            "max_batch_size": max(sizes, default=0),
            "avg_queue_time_ms": _mean(queue) * 1e3,
            "avg_latency_ms": _mean(latency) * 1e3,
            "p95_latency_ms": _p95(latency) * 1e3,
            "avg_queue_length": _mean(lengths),
            "rows_per_busy_second": sum(sizes) / busy if busy else 0.0,
            "total_processed": totals[0],
            "batch_count": totals[1],
            "error_count": totals[2],
            "error_rate": totals[2] / max(1, totals[0]),
        }


def _mean(values):
    return sum(values) / len(values) if values else 0.0


def _p95(values):
    return sorted(values)[min(len(values) - 1, int(0.95 * len(values)))] if values else 0.0
