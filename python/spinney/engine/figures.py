"""What get_performance_metrics says of requests: all from the one count that the core keeps."""

from __future__ import annotations

from spinney._core import PrometheusText
from spinney.metrics.performance import mean, of_lifetime, of_window


def figures(parts):
    """As PerformanceMetrics.get_metrics() calls them, and how many requests there were."""
    totals = parts.core.totals()
    calls = parts.core.latest_calls(parts.config.monitoring_window)
    times, rows = [seconds for _, seconds, _ in calls], [rows for _, _, rows in calls]
    prepared = list(parts.preparation.times)
    succeeded, failed = totals["answered"], totals["failures"]
    hits, lookups = totals["cache_hits"], totals["cache_hits"] + totals["cache_misses"]
    infer = totals["stages"]["infer"]
    requests_a_second, rows_a_second = parts.rates.look(succeeded, totals["rows"])
    return {
        "request_success": succeeded,
        "request_failure": failed,
        "total_requests": totals["rows"],
        "total_batches": totals["executions"],
        "total_errors": failed,
        "error_rate": failed / max(1, succeeded + failed),
        "errors_by_kind": parts.failures.by_kind(totals),
        "inference_seconds_sum": infer["sum"],
        "cache_hits": hits,
        "cache_misses": totals["cache_misses"],
        "cache_hit_rate": hits / lookups if lookups else 0.0,
        **of_window(times, rows),
        **of_lifetime(infer),
        "avg_preprocessing_time_ms": 1e3 * mean([scaling for scaling, _ in prepared]),
        "avg_quantization_time_ms": 1e3 * mean([quantizing for _, quantizing in prepared]),
        "throughput": rows_a_second,
        "requests_per_second": requests_a_second,
    }


def engine_text(parts, found, labels):
    """Families of the engine as a whole, which have no labels of a model."""
    text = PrometheusText()
    text.family("spinney_errors_total", "counter", "Failed requests, by what they were told")
    for kind, count in found["errors_by_kind"].items():
        text.sample("spinney_errors_total", [*labels, ("kind", kind)], float(count))
    return text.text()
