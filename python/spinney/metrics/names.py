"""Which metric has which name in the Prometheus text."""

from __future__ import annotations


def _requests_us(metrics):
    return metrics["inference_seconds_sum"] * 1e6


def _number(name):
    return lambda metrics: metrics[name]


def _process(name):
    return lambda metrics: metrics["process"][name]


# (name, kind, help, metrics -> number). nv_* as dashboards know them from other servers.
# What a MetricsManager was told of calls; an engine's models count for themselves.
CALLS = [
    (
        "nv_inference_request_success",
        "counter",
        "Calls that were answered",
        _number("total_batches"),
    ),
    ("nv_inference_request_failure", "counter", "Calls that failed", _number("total_errors")),
    ("nv_inference_count", "counter", "Rows that were answered", _number("total_requests")),
    ("nv_inference_exec_count", "counter", "Batches that were run", _number("total_batches")),
    (
        "nv_inference_request_duration_us",
        "counter",
        "Time of all calls, in microseconds",
        _requests_us,
    ),
    ("nv_cache_num_hits_per_model", "counter", "Answers from the cache", _number("cache_hits")),
    (
        "nv_cache_num_misses_per_model",
        "counter",
        "Looks into the cache that found nothing",
        _number("cache_misses"),
    ),
]
PROCESS = [
    (
        "nv_cpu_utilization",
        "gauge",
        "CPU use, as a share of what may be used, 0 to 1",
        lambda metrics: metrics["cpu_percent"] / 100,
    ),
    ("nv_cpu_memory_used_bytes", "gauge", "Resident memory", _process("resident_bytes")),
    ("spinney_process_threads", "gauge", "Threads of the process", _process("threads")),
    ("spinney_process_descriptors", "gauge", "Open descriptors", _process("descriptors")),
    (
        "spinney_process_cpu_seconds_total",
        "counter",
        "CPU time of the process",
        _process("cpu_seconds"),
    ),
    (
        "spinney_cpu_throttled_seconds_total",
        "counter",
        "Time for which the control group's quota held threads back",
        _process("group_throttled_seconds"),
    ),
    (
        "spinney_gc_pause_seconds_total",
        "counter",
        "Time that the garbage collector took",
        lambda metrics: metrics["gc_pause_total_ms"] / 1e3,
    ),
    (
        "spinney_gc_collections_total",
        "counter",
        "Runs of the garbage collector",
        _number("gc_collections"),
    ),
    (
        "spinney_gc_uncollectable_total",
        "counter",
        "Objects that it could not free",
        _number("gc_uncollectable"),
    ),
    (
        "spinney_memory_slope_bytes_per_second",
        "gauge",
        "How fast resident memory grows",
        _number("memory_slope_bytes_per_second"),
    ),
    (
        "spinney_memory_leak_suspected",
        "gauge",
        "1 if it grows at 99 % confidence",
        _number("memory_leak_suspected"),
    ),
]


def write(text, families, metrics, labels):
    for name, kind, help_text, read in families:
        text.family(name, kind, help_text)
        text.sample(name, labels, float(read(metrics)))


def write_source(text, source, values, labels):
    """A source's numbers as gauges, spinney_<source>_<name>."""
    for key, value in values.items():
        if isinstance(value, (bool, int, float)):
            name = f"spinney_{source}_{key}"
            text.family(name, "gauge", f"{key} of {source}")
            text.sample(name, labels, float(value))
