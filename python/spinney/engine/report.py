"""get_performance_metrics: everything that an engine says of itself, as one dict."""

from __future__ import annotations

import gc
import time

from spinney._core import read_process

_started = (time.monotonic(), time.process_time())


def collect(parts):
    """Count the batches of the queue, which workers noted; rows of those that they lost."""
    batches, lost_rows = parts.core.take_batches()
    if parts.record is not None:
        for seconds, rows in batches:
            parts.record(seconds, rows)
    return lost_rows


def report(engine):
    parts = engine._parts
    lost_rows = collect(parts)
    found = _without_monitoring() if parts.metrics is None else dict(parts.metrics.get_metrics())
    if parts.metrics is not None:
        found["total_requests"] += lost_rows
    queue = parts.core.stats()
    models = [_model(one) for one in parts.core.models()]
    throttle = None if parts.watch is None else parts.watch.throttle
    found.update(
        {
            "state": engine.state.name,
            "active_requests": parts.core.active,
            "refused_requests": parts.core.refused + sum(queue["refused"].values()),
            "queue": queue,
            "models": models,
            "batcher": _batcher(parts, models, queue),
            "cache": None if parts.answers is None else parts.answers.stats(),
            "memory_pool": parts.memory_pool.get_stats(),
            "throttled": throttle is not None and throttle.limit is not None,
            "gc_counts": gc.get_count(),
        }
    )
    if throttle is not None:
        found["cgroup_cpu_percent"] = parts.watch.cpu_percent
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


def _without_monitoring():
    """What costs nothing until it is asked for."""
    process = read_process()
    wall, used = _started
    return {
        "cpu_percent": 100.0 * (time.process_time() - used) / max(time.monotonic() - wall, 1e-9),
        "memory_usage_mb": process["resident_bytes"] / 2**20,
        "threads_count": process["threads"],
    }
