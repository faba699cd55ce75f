"""get_performance_metrics: everything that an engine says of itself, as one dict."""

from __future__ import annotations

import gc
import time

from spinney._core import read_process
from spinney.metrics.monitor import in_ms

_DOES_NOT_FIT = ("width", "no_rows", "kind")  # as the core names refusals
_started = (time.monotonic(), time.process_time())


def collect(parts):
    """Count what others noted meanwhile: workers their batches, and the cache its lookups.

    Gives the rows of batches that were not kept.
    """
    batches, lost_rows = parts.core.take_batches()
    if parts.record is not None:
        if parts.answers is not None:
            parts.metrics.record_lookups(*parts.answers.fresh_counts())
        for seconds, rows in batches:
            parts.record(seconds, rows)
        _count_errors(parts)
    return lost_rows


def _count_errors(parts):
    """Requests of the queue that failed since the last count, by what their futures raise."""
    queue = parts.core.stats()
    refused = queue["refused"]
    failed = {
        "ModelFailedError": queue["failed"],
        "RequestExpiredError": queue["expired"] + refused.get("expired", 0),
        "InvalidInputError": parts.core.misfits
        + sum(refused.get(name, 0) for name in _DOES_NOT_FIT),
    }
    with parts.counting:
        for kind, times in failed.items():
            fresh = times - parts.counted_errors.get(kind, 0)
            parts.counted_errors[kind] = times
            if fresh > 0:
                parts.metrics.record_error(kind, fresh)


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


def prometheus(engine):
    """The same as Prometheus scrapes it, with histograms of the queue's stages of each model."""
    parts = engine._parts
    metrics = parts.metrics
    if metrics is None:
        return ""
    collect(parts)
    text = metrics.to_prometheus()
    if not isinstance(text, str):  # a stand-in of a test
        return text
    labels = [(str(key), str(value)) for key, value in metrics.labels.items()]
    return text + parts.core.prometheus(labels)


def _model(one):
    """The queue's figures of a model, under the version that its user gave."""
    stages = {name: in_ms(read) for name, read in one["stages"].items() if name != "batch_rows"}
    if stages:
        stages["batch_rows"] = one["stages"]["batch_rows"]
    return {**one, "version": one["version"].rpartition("#")[0], "stages": stages}


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
