"""Timing several ways to do one thing, side by side on changing rows."""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass

import numpy as np

CHUNK_SECONDS = 0.003  # calls timed together, so that the clock itself does not count


@dataclass
class Timing:
    """Seconds per call: the best and the median of many chunks of calls."""

    best: float
    median: float
    chunks: int


def batches_of(rows, size):
    """The rows cut into batches, each contiguous; at least one, at most 256."""
    count = max(1, min(256, rows.shape[0] // size))
    batches = [rows[i * size : (i + 1) * size] for i in range(count)]
    if isinstance(rows, np.ndarray):
        batches = [np.ascontiguousarray(batch) for batch in batches]
    return batches


def measure(calls, rows, size, seconds, failed=None):
    """A Timing for each of `calls` (name -> function of rows), on batches of `size` rows.

    The calls take turns, so that a slow moment of the machine strikes all of them. seconds is the
    time for one call's measurements; each gets at least five chunks. failed: a dict that takes the
    error of each call that raises one, which is then left out; None lets the error through.
    """
    batches = batches_of(rows, size)
    calls = dict(calls) if failed is None else _that_run(calls, rows, batches, failed)
    counts, samples, position = {}, {name: [] for name in calls}, 0
    for name, call in calls.items():
        call(batches[0])
        start = time.perf_counter()
        call(batches[-1])
        once = max(1e-7, time.perf_counter() - start)
        counts[name] = max(1, int(CHUNK_SECONDS / once))
    enabled = gc.isenabled()
    gc.disable()
    try:
        start, rounds = time.perf_counter(), 0
        while rounds < 5 or time.perf_counter() - start < seconds * len(calls):
            if rounds >= 5 and time.perf_counter() - start > 20 * seconds * len(calls):
                break
            for name, call in calls.items():
                part = [batches[(position + i) % len(batches)] for i in range(counts[name])]
                begin = time.perf_counter()
                for batch in part:
                    call(batch)
                samples[name].append((time.perf_counter() - begin) / len(part))
                position += len(part)
            rounds += 1
    finally:
        if enabled:
            gc.enable()
    return {
        name: Timing(min(taken), float(np.median(taken)), len(taken))
        for name, taken in samples.items()
    }


def _that_run(calls, rows, batches, failed):
    """Those of the calls that take the rows, whole and in batches: none fails while it is timed."""
    kept = {}
    for name, call in calls.items():
        try:
            call(rows)
            call(batches[0])
            kept[name] = call
        except Exception as error:
            failed[name] = error
    return kept


def fastest_of(timings, names):
    """Timings whose names[key] is the same word are one rival's ways; its fastest one counts."""
    merged = {}
    for key, timing in timings.items():
        name = names[key]
        if name not in merged or timing.best < merged[name].best:
            merged[name] = timing
    return merged
