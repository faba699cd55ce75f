"""PerformanceMetrics: counts of all calls, and times of the latest."""

from __future__ import annotations

import math
import operator
from typing import Any

from spinney._core import InferenceWindow
from spinney.exceptions import InvalidInputError

PERCENTILES = ((50, "p50"), (90, "p90"), (95, "p95"), (99, "p99"), (99.9, "p999"))


class PerformanceMetrics(InferenceWindow):
    """Counts of everything that was recorded, and the times of the latest window_size calls.

    Recording is safe from any number of threads and takes about 0.1 microseconds; everything else
    is computed when it is asked for.

    >>> metrics = PerformanceMetrics(window_size=100)
    >>> metrics.update_inference(0.002, batch_size=8)
    >>> metrics.get_metrics()["total_requests"]
    8
    """

    def __init__(self, window_size: int = 100) -> None:
        try:
            self.window_size: int = operator.index(window_size)
        except TypeError:
            raise InvalidInputError(
                f"window_size is {window_size!r}; give a whole number"
            ) from None
        if not 1 <= self.window_size <= 10_000_000:
            raise InvalidInputError(f"window_size is {window_size}; give 1 to 10,000,000")
        super().__init__(self.window_size)

    @property
    def inference_times(self) -> list[float]:
        """Seconds of each call in the window, the oldest first, as a new list."""
        return self._column("inference")

    @property
    def total_requests(self) -> int:
        """Rows of all calls since the beginning."""
        return self._counts()["rows"]

    @property
    def total_errors(self) -> int:
        """Failed calls since the beginning."""
        return self._counts()["errors"]

    def get_metrics(self) -> dict[str, Any]:
        """Everything, as a dict of numbers.

        Over all calls since the beginning:
        total_requests (rows: the sum of batch sizes), total_batches (calls), total_errors,
        inference_seconds_sum, error_rate (errors over requests, of which there is at least 1),
        cache_hits, cache_misses, cache_hit_rate (hits over lookups),
        lifetime_p50_inference_time_ms, and p90, p95, p99 and p999 alike (within 1/64).
        Over the window:
        avg_, min_, max_, p50_, p90_, p95_, p99_ and p999_inference_time_ms, avg_batch_size,
        max_batch_size, avg_preprocessing_time_ms, avg_quantization_time_ms, throughput (rows per
        second of time spent in calls), requests_per_second (rows per second of the clock, from the
        first call's beginning to the last one's end).
        Numbers of which nothing is known yet are 0.
        """
        counts = self._counts()
        times = self._column("inference")
        rows = self._column("rows")
        lookups = counts["hits"] + counts["misses"]
        busy = math.fsum(times)
        span = 0.0
        if times:
            ended = self._column("ended")
            span = max(ended) - min(end - took for end, took in zip(ended, times))
        metrics = {
            "total_requests": counts["rows"],
            "total_batches": counts["updates"],
            "total_errors": counts["errors"],
            "inference_seconds_sum": counts["lifetime"]["sum"],
            "error_rate": counts["errors"] / max(1, counts["rows"]),
            "cache_hits": counts["hits"],
            "cache_misses": counts["misses"],
            "cache_hit_rate": counts["hits"] / lookups if lookups else 0.0,
            **of_window(times, rows),
            "avg_preprocessing_time_ms": 1e3 * mean(self._column("preprocessing")),
            "avg_quantization_time_ms": 1e3 * mean(self._column("quantization")),
            "throughput": sum(rows) / busy if busy > 0 else 0.0,
            "requests_per_second": sum(rows) / span if span > 0 else 0.0,
        }
        metrics.update(of_lifetime(counts["lifetime"]))
        return metrics

    def reset(self) -> None:
        """Forgets everything."""
        self._reset()


def of_window(times, rows):
    """What get_metrics says of calls' seconds and rows."""
    found = {
        "avg_inference_time_ms": 1e3 * mean(times),
        "min_inference_time_ms": 1e3 * min(times, default=0.0),
        "max_inference_time_ms": 1e3 * max(times, default=0.0),
        "avg_batch_size": mean(rows),
        "max_batch_size": max(rows, default=0),
    }
    ordered = sorted(times)
    for share, name in PERCENTILES:
        found[f"{name}_inference_time_ms"] = 1e3 * _percentile(ordered, share)
    return found


def of_lifetime(read):
    """What get_metrics says of the histogram of all calls."""
    return {f"lifetime_{name}_inference_time_ms": 1e3 * read[name] for _, name in PERCENTILES}


def mean(values):
    return math.fsum(values) / len(values) if values else 0.0


def _percentile(ordered, share):
    """The nearest rank: the smallest value that at least this share of all do not exceed."""
    if not ordered:
        return 0.0
    return ordered[max(0, math.ceil(share / 100 * len(ordered)) - 1)]
