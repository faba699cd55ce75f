"""get_performance_metrics: everything that an engine says of itself, as one dict."""

from __future__ import annotations

import gc
import threading
import time

from spinney.engine.load_watch import resident_mb

_started = (time.monotonic(), time.process_time())


def report(engine):
    parts = engine._parts
    found = {} if parts.metrics is None else dict(parts.metrics.get_metrics())
    queue = parts.core.stats()
    models = [_model(one) for one in parts.core.models()]
    found.update(
        {
            "state": engine.state.name,
            "active_requests": parts.core.active,
            "refused_requests": parts.core.refused + sum(queue["refused"].values()),
            "queue": queue,
            "models": models,
            "batcher": _batcher(parts, models, queue),
            "cache": None if parts.answers is None else parts.answers.stats(),
            "memory_pool": None if parts.memory_pool is None else parts.memory_pool.get_stats(),
            "throttled": parts.watch is not None
            and parts.watch.throttle is not None
            and parts.watch.throttle.limit is not None,
            "cpu_percent": _cpu_percent(parts),
            "memory_usage_mb": resident_mb(),
            "threads_count": _threads(),
            "gc_counts": gc.get_count(),
            "gc_collections": [one["collections"] for one in gc.get_stats()],
            "gc_uncollectable": sum(one["uncollectable"] for one in gc.get_stats()),
        }
    )
    return found


def _model(one):
    """The queue's figures of a model, under the version that its user gave."""
    return {**one, "version": one["version"].rpartition("#")[0]}


def _batcher(parts, models, queue):
    if parts.batcher is not None:
        return parts.batcher.get_stats()
    batches = sum(one["batches"] for one in models)
    rows = sum(one["batch_rows"] for one in models)
    return {
        "processed_batches": batches,
        "processed_requests": queue["answered"] + queue["failed"],
        "current_queue_size": sum(one["queued_rows"] for one in models),
        "avg_batch_size": rows / batches if batches else 0.0,
    }


def _cpu_percent(parts):
    """Of the control group, where it is watched; else of this process since it was imported."""
    if parts.watch is not None and parts.watch.throttle is not None:
        return parts.watch.cpu_percent
    wall, used = _started
    return 100.0 * (time.process_time() - used) / max(time.monotonic() - wall, 1e-9)


def _threads():
    try:
        with open("/proc/self/status") as file:
            for line in file:
                if line.startswith("Threads:"):
                    return int(line.split()[1])
    except OSError:
        pass
    return threading.active_count()
