"""PerformanceMetrics and MetricsManager: every name, exact figures, export that parsers read."""

from __future__ import annotations

import gc
import json
import logging
import math
import re
import sys
import threading
import time
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spinney._core import LatencyHistogram, PrometheusText, read_process
from spinney.exceptions import InvalidInputError
from spinney.metrics import MetricsManager, PerformanceMetrics
from spinney.metrics.leaks import LeakWatch
from spinney.metrics.watermarks import Watermark


def test_the_names_that_programs_use():
    metrics = PerformanceMetrics(window_size=100)
    metrics.update_inference(0.010, 4)
    metrics.update_inference(0.030, 8, preprocessing_time=0.002, quantization_time=0.004)
    metrics.record_error()
    metrics.record_cache_hit()
    metrics.record_cache_hit()
    metrics.record_cache_miss()
    assert metrics.inference_times == [0.010, 0.030]
    found = metrics.get_metrics()
    expected = {
        "total_requests": 12,
        "total_errors": 1,
        "error_rate": 1 / 12,
        "cache_hit_rate": 2 / 3,
        "avg_inference_time_ms": 20,
        "max_inference_time_ms": 30,
        "p50_inference_time_ms": 10,
        "p99_inference_time_ms": 30,
        "avg_batch_size": 6,
        "max_batch_size": 8,
        "avg_preprocessing_time_ms": 1,
        "avg_quantization_time_ms": 2,
        "throughput": 300,
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value), name
    assert found["requests_per_second"] > 0
    metrics.reset()
    assert metrics.get_metrics()["total_requests"] == 0 and metrics.inference_times == []


def test_nothing_is_known_at_first():
    assert all(value == 0 for value in PerformanceMetrics().get_metrics().values())


@settings(max_examples=60, deadline=None)
@given(
    window=st.one_of(st.integers(1, 30), st.integers(60, 140)),
    calls=st.lists(st.tuples(st.floats(0, 10), st.integers(0, 1000)), max_size=200),
)
def test_the_window_holds_the_latest(window, calls):
    metrics = PerformanceMetrics(window_size=window)
    for seconds, rows in calls:
        metrics.update_inference(seconds, rows)
    latest = calls[-window:]
    assert metrics.inference_times == [seconds for seconds, _ in latest]
    found = metrics.get_metrics()
    assert found["total_requests"] == sum(rows for _, rows in calls)
    assert found["total_batches"] == len(calls)
    if latest:
        times = [seconds for seconds, _ in latest]
        assert found["avg_inference_time_ms"] == pytest.approx(1e3 * np.mean(times))
        for share, name in ((50, "p50"), (95, "p95"), (99, "p99")):
            exact = np.percentile(times, share, method="inverted_cdf")
            assert found[f"{name}_inference_time_ms"] == pytest.approx(1e3 * exact)
        assert found["max_batch_size"] == max(rows for _, rows in latest)


def test_lifetime_percentiles_are_within_their_bound():
    metrics = PerformanceMetrics(window_size=5)
    times = np.random.default_rng(0).lognormal(-7, 2, 4321)
    for seconds in times:
        metrics.update_inference(float(seconds), 1)
    found = metrics.get_metrics()
    for share, name in ((50, "p50"), (90, "p90"), (99, "p99"), (99.9, "p999")):
        exact = 1e3 * np.percentile(times, share, method="inverted_cdf")
        assert found[f"lifetime_{name}_inference_time_ms"] == pytest.approx(exact, rel=1 / 64)


def test_odd_values_are_taken_or_refused():
    metrics = PerformanceMetrics()
    for seconds in (-1.0, math.nan, math.inf, 1e300):
        metrics.update_inference(seconds, 1)
    assert metrics.get_metrics()["total_requests"] == 4
    with pytest.raises(ValueError, match="batch_size is below 0"):
        metrics.update_inference(0.1, -1)
    with pytest.raises(TypeError):
        metrics.update_inference("soon", 1)
    for size in (0, "x", 1.5):
        with pytest.raises(InvalidInputError, match="window_size is"):
            PerformanceMetrics(window_size=size)


def test_threads_lose_nothing():
    metrics = MetricsManager()

    def record():
        for _ in range(2000):
            metrics.update_inference(0.001, 3)
            metrics.record_cache_hit()
            metrics.record_stage("queue_wait", 0.002)

    threads = [threading.Thread(target=record) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        metrics.to_prometheus()
    for thread in threads:
        thread.join()
    found = metrics.get_metrics()
    assert found["total_requests"] == 24_000 and found["cache_hits"] == 8000
    assert found["stages"]["queue_wait"]["count"] == 8000
    assert found["stages"]["queue_wait"]["p99_ms"] == pytest.approx(2, rel=1 / 64)


def test_the_process_is_read():
    found = MetricsManager().get_metrics()
    assert 5 < found["memory_usage_mb"] < 100_000
    assert found["threads_count"] == found["process"]["threads"] >= 1
    assert found["descriptors_count"] >= 3 and found["uptime_seconds"] >= 0
    before = read_process()
    ballast = np.ones(20_000_000)
    held = threading.Event()
    threads = [threading.Thread(target=held.wait) for _ in range(8)]
    for thread in threads:
        thread.start()
    after = read_process()
    held.set()
    for thread in threads:
        thread.join()
    assert after["resident_bytes"] - before["resident_bytes"] > 0.9 * ballast.nbytes
    # Threads of other tests may end meanwhile.
    assert before["threads"] + 4 <= after["threads"] <= before["threads"] + 8
    assert after["cpu_seconds"] > before["cpu_seconds"]


def test_cpu_percent_is_of_what_may_be_used():
    manager = MetricsManager()
    manager.get_metrics()
    end = time.perf_counter() + 0.2
    while time.perf_counter() < end:
        pass
    assert 5 < manager.get_metrics()["cpu_percent"] <= 101


def test_the_collector_is_watched():
    manager = MetricsManager(interval=60)
    callbacks = len(gc.callbacks)
    manager.start()
    manager.start()
    try:
        assert len(gc.callbacks) == callbacks + 1
        cycle = []
        cycle.append(cycle)
        del cycle
        gc.collect()
        found = manager.get_metrics()
        assert found["gc_collections"] >= 1 and found["gc_collected"] >= 1
        assert found["gc_pause_max_ms"] > 0 and found["gc_uncollectable"] == 0
    finally:
        manager.stop()
        manager.stop()
    assert len(gc.callbacks) == callbacks


def test_a_forgotten_manager_goes_with_its_thread_and_callback():
    callbacks = len(gc.callbacks)
    manager = MetricsManager(interval=0.01)
    manager.start()
    gone, thread = weakref.ref(manager), manager._thread
    del manager
    deadline = time.monotonic() + 10
    while (gone() is not None or thread.is_alive()) and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.005)
    gc.collect()
    assert gone() is None and not thread.is_alive() and len(gc.callbacks) == callbacks


def test_leaks_are_told_from_caches_that_fill_and_named():
    watch = LeakWatch()
    for second in range(300):
        pool, cache = 5000.0 * second, 20_000.0 * min(second, 100)
        noise = (second * 7919 % 50) * 1000.0
        watch.add(second, 1e8 + pool + cache + noise, {"pool": pool, "cache": cache})
    found = watch.read()
    assert found["memory_leak_suspected"] is True
    assert list(found["memory_growing"]) == ["pool"]
    assert found["memory_growing"]["pool"] == pytest.approx(5000)
    low, high = (found[f"memory_slope_bytes_per_second_{end}"] for end in ("low", "high"))
    assert 1024 < low < found["memory_slope_bytes_per_second"] < high
    flat = LeakWatch()
    for second in range(300):
        flat.add(second, 1e8 + (second * 7919 % 50) * 1000.0)
    assert flat.read()["memory_leak_suspected"] is False and flat.read()["memory_growing"] == {}


def test_watermarks_act_once_for_each_crossing(caplog):
    acted = []
    mark = Watermark("memory", 100, acted.append, low=80)
    with caplog.at_level(logging.WARNING, "spinney"):
        assert [mark.check(v) for v in (99, 100, 150, 90, 101, 79, 120)] == [
            False, True, False, False, False, False, True,
        ]  # fmt: skip
    assert acted == [100, 120] and len(caplog.records) == 2
    failing = Watermark("memory", 1, lambda value: 1 / 0)
    assert failing.check(2) and "failed" in caplog.text


def test_samples_act_on_memory_and_log_a_failing_source(caplog):
    manager = MetricsManager()
    acted = []
    manager.add_memory_watermark(1, acted.append)
    manager.add_source("pool", lambda: {"total_buffers": 3, "name": "x"}, bytes_of=lambda: 1000)
    manager.add_source("broken", lambda: 1 / 0, bytes_of=lambda: 1 / 0)
    manager.sample()
    manager.sample()
    assert len(acted) == 1 and acted[0] > 1
    found = manager.get_metrics()
    assert found["pool"] == {"total_buffers": 3, "name": "x"} and found["broken"] == {}
    assert "broken" in caplog.text


SAMPLE = re.compile(
    r'([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*",?)*\})? (\S+)'
)


def parse(text):
    """Prometheus text -> ({family: kind}, {sample with labels: number}); raises on any fault."""
    kinds, samples, announced = {}, {}, None
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# HELP "):
            announced = line.split(" ", 3)[2]
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == announced and name not in kinds
            kinds[name] = kind
        else:
            match = SAMPLE.fullmatch(line)
            assert match, line
            name = match.group(1)
            base = re.sub("_(bucket|sum|count)$", "", name)
            assert announced == (base if kinds.get(base) == "histogram" else name), line
            key = name + (match.group(2) or "")
            assert key not in samples
            samples[key] = float(match.group(3))
    return kinds, samples


def test_prometheus_text_is_what_a_parser_reads():
    manager = MetricsManager(labels={"model": 'a"b\\c\nd'})
    for seconds in (0.001, 0.002, 0.5):
        manager.update_inference(seconds, 8)
    manager.record_stage("queue_wait", 0.004)
    manager.record_stage("kernel_run", 0.004)
    manager.record_error("timeout")
    manager.add_source("pool", lambda: {"total_buffers": 3, "name": "x"})
    kinds, samples = parse(manager.to_prometheus())
    label = 'model="a\\"b\\\\c\\nd"'
    assert kinds["nv_inference_count"] == "counter"
    assert samples[f"nv_inference_count{{{label}}}"] == 24
    assert samples[f"nv_inference_request_success{{{label}}}"] == 3
    assert samples[f"nv_inference_request_failure{{{label}}}"] == 1
    assert samples[f"nv_inference_request_duration_us{{{label}}}"] == pytest.approx(503_000)
    assert samples[f'spinney_errors_total{{{label},kind="timeout"}}'] == 1
    assert samples[f"spinney_pool_total_buffers{{{label}}}"] == 3
    assert samples[f"spinney_inference_seconds_count{{{label}}}"] == 3
    assert samples[f"spinney_inference_seconds_sum{{{label}}}"] == pytest.approx(0.503)
    assert samples[f'spinney_stage_seconds_count{{{label},stage="queue_wait"}}'] == 1
    buckets = [
        number
        for name, number in samples.items()
        if name.startswith("spinney_inference_seconds_bucket")
    ]
    assert buckets == sorted(buckets) and buckets[-1] == 3 and buckets[0] == 0


def test_the_parser_refuses_what_is_no_exposition():
    for text in ("a 1", "a{b=c} 1\n", 'a{b="c} 1\n', "a  1\n", "# TYPE a counter\na 1\n"):
        with pytest.raises(AssertionError):
            parse(text)


@given(st.text(max_size=20), st.text(max_size=20), st.floats())
def test_any_label_and_number_can_be_written(name, value, number):
    text = PrometheusText()
    text.family("x", "gauge", value)
    text.sample("x", [("a" + name, value)], number)
    lines = text.text().split("\n")
    assert len(lines) == 4 and SAMPLE.fullmatch(lines[2])
    read = float(lines[2].rsplit(" ", 1)[1])
    assert read == number or (math.isnan(number) and math.isnan(read))


def test_json_is_plain():
    manager = MetricsManager()
    manager.update_inference(0.1, 2)
    manager.add_source("odd", lambda: {"nan": math.nan, "object": object(), "list": [1, (2,)]})
    read = json.loads(manager.to_json())
    assert read["total_requests"] == 2 and read["odd"]["nan"] is None
    assert read["odd"]["list"] == [1, [2]]


def test_histograms_read_in_seconds():
    histogram = LatencyHistogram()
    for _ in range(100):
        histogram.record(0.25)
    histogram.record(-1.0)
    read = histogram.read()
    assert read["count"] == 101 and read["min"] == 0 and read["max"] == 0.25
    assert read["p50"] == pytest.approx(0.25, rel=1 / 64)
    histogram.reset()
    assert histogram.read()["count"] == 0


def test_recording_is_cheap():
    metrics = PerformanceMetrics()
    update = metrics.update_inference
    best = math.inf
    for _ in range(20):
        begin = time.perf_counter()
        for _ in range(1000):
            update(0.001, 1)
        best = min(best, (time.perf_counter() - begin) / 1000)
    assert best < 2e-6  # about 0.1 us on an idle machine


@pytest.mark.parametrize("interval", [0, -1, float("nan"), float("inf"), "often"])
def test_a_sampling_thread_neither_spins_nor_dies_of_its_interval(interval):
    with pytest.raises(InvalidInputError, match="interval"):
        MetricsManager(interval=interval)


def test_a_source_that_gives_no_dict_spoils_nothing(caplog):
    manager = MetricsManager()
    manager.add_source("broken", lambda: None)
    manager.add_source("sound", lambda: {"answer": 42})
    assert "spinney_sound_answer 42" in manager.to_prometheus()
    assert manager.get_metrics()["broken"] == {}
    assert "broken" in caplog.text


def test_errors_of_many_threads_are_all_counted_and_kinds_are_bounded():
    manager = MetricsManager()
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:

        def fail():
            for _ in range(5000):
                manager.record_error("late")

        threads = [threading.Thread(target=fail) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    for i in range(1000):
        manager.record_error(f"message {i}")
    kinds = manager.get_metrics()["errors_by_kind"]
    assert kinds["late"] == 20000
    assert len(kinds) <= 257
    assert sum(kinds.values()) == manager.total_errors == 21000


def test_no_time_spoils_the_averages():
    metrics = PerformanceMetrics()
    with pytest.raises(ValueError, match="batch_size"):
        metrics.update_inference(0.1, 2**62)
    metrics.update_inference(-0.5, 1)  # the clock was set back
    metrics.update_inference(math.nan, 1)
    metrics.update_inference(0.75, 1)
    assert metrics.get_metrics()["avg_inference_time_ms"] == 250.0
    metrics.update_inference(math.inf, 1)
    assert all(math.isfinite(n) for n in metrics.get_metrics().values() if isinstance(n, float))
