"""get_performance_metrics: everything that an engine says of itself, as one dict."""

from __future__ import annotations

import gc

from spinney._core import read_process
from spinney.engine.figures import engine_text, figures
from spinney.metrics.monitor import MetricsManager, in_ms


def report(engine):
    parts = engine._parts
    found = _without_monitoring(parts) if parts.metrics is None else _with_monitoring(parts)
    queue = parts.core.stats()
    models = [_model(one) for one in parts.core.models()]
    throttle = None if parts.watch is None else parts.watch.throttle
    found.update(
        {
            "state": engine.state.name,
            "active_requests": parts.core.active,
            "refused_requests": sum(queue["refused"].values()),
            "queue": queue,
            "models": models,
            "batcher": _batcher(parts, models, queue),
            "cache": None if parts.answers is None else parts.answers.stats(),
            "memory_pool": parts.memory_pool.get_stats(),
            "throttled": throttle is not None and throttle.limit is not None,
            "gc_counts": gc.get_count(),
        }
    )
    return found


def prometheus(engine):
    """What Prometheus scrapes: the same figures, and histograms of each model."""
    parts = engine._parts
    metrics = parts.metrics
    if metrics is None:
        return ""
    if not isinstance(metrics, MetricsManager):  # a stand-in, which exports as it likes
        text = metrics.to_prometheus()
        if not isinstance(text, str):
            return text
    else:
        text = metrics.process_text(metrics.get_metrics())
    labels = [(str(key), str(value)) for key, value in getattr(metrics, "labels", {}).items()]
    return parts.core.prometheus(labels) + engine_text(parts, figures(parts), labels) + text


def _with_monitoring(parts):
    return {**dict(parts.metrics.get_metrics()), **figures(parts)}


def _model(one):
    """A model's figures."""
    stages = {name: in_ms(read) for name, read in one["stages"].items() if name != "batch_rows"}
    if stages:
        stages["batch_rows"] = one["stages"]["batch_rows"]
    return {**one, "stages": stages}


def _batcher(parts, models, queue):
    if parts.batcher is not None:
        return parts.batcher.get_stats()
    batches = sum(one["batches"] for one in models)
    rows = sum(one["batch_rows"] for one in models)
    queued = sum(one["queued_rows"] for one in models)
    waits = [one["stages"]["queue_wait"] for one in models if one["stages"]]
    waited = sum(wait["count"] for wait in waits)
    total_ms = sum(wait["count"] * wait["mean_ms"] for wait in waits)
    return {
        "processed_batches": batches,
        "processed_requests": queue["answered"] + queue["failed"],
        "current_queue_size": queued,
        "max_observed_queue_size": max([queued, *(one["queued_rows_max"] for one in models)]),
        "avg_batch_size": rows / batches if batches else 0.0,
        "avg_batch_wait_time_ms": total_ms / waited if waited else 0.0,
        "max_batch_wait_time_ms": max((wait["max_ms"] for wait in waits), default=0.0),
    }


def _without_monitoring(parts):
    """What costs nothing until it is asked for."""
    process = read_process()
    return {
        "cpu_percent": parts.cpu.percent(process),
        "memory_usage_mb": process["resident_bytes"] / 2**20,
        "threads_count": process["threads"],
    }
