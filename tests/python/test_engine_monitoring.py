"""What an engine says of itself, and what it lets go of without being asked."""

from __future__ import annotations

import logging
import re
import threading
import time
from unittest import mock

import numpy as np
import pytest

import spinney.metrics
from spinney import InferenceEngine, ModelType, _core
from spinney.batching import DynamicBatcher
from spinney.engine.upkeep import IDLE_BYTES, TRIM_S, Upkeep
from spinney.memory_pool import MemoryPool


def wait_for(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def metrics_of(engine):
    return engine.get_performance_metrics()


def test_stages_of_the_queue(model, training_data):
    x = training_data[0]
    with InferenceEngine({"enable_request_deduplication": False}) as engine:
        assert engine.load_model(model, name="fraud", version="7")
        futures = [engine.enqueue_prediction(row) for row in x[:200]]
        for future in futures:
            future.result(timeout=10)
        metrics = engine.get_performance_metrics()
        (one,) = metrics["models"]
        stages = one["stages"]
        assert one["version"] == "7"
        assert stages["queue_wait"]["count"] == stages["total"]["count"] == 200
        assert stages["run"]["count"] == stages["batch_rows"]["count"] == one["batches"]
        assert stages["batch_rows"]["sum"] == 200
        assert 0 < stages["run"]["p50_ms"] <= stages["total"]["max_ms"] < 10_000
        text = engine.get_prometheus_metrics()
        label = 'model="fraud",version="7",stage="queue_wait"'
        assert f"spinney_queue_stage_seconds_count{{{label}}} 200" in text
        assert 'spinney_batch_rows_sum{model="fraud",version="7"} 200' in text
        families = re.findall(r"^# TYPE (\S+)", text, re.M)
        assert len(families) == len(set(families))


def test_parts_of_the_memory_are_known(model, training_data):
    x = training_data[0]
    with InferenceEngine() as engine:
        assert engine.load_model(model)
        engine.predict(x)
        engine.memory_pool.return_buffer(engine.memory_pool.get_buffer((1000,)))
        metrics = engine.get_performance_metrics()
        assert metrics["memory_leak_suspected"] is False and metrics["memory_growing"] == {}
        told = model.info()
        assert metrics["served_models"]["memory_usage_bytes"] == (
            told["model_bytes"] + told["plan_bytes"]
        )
        assert metrics["memory_pool"]["memory_usage_bytes"] == 4000
        assert metrics["cache"]["memory_usage_bytes"] > x.nbytes
        assert metrics["core_pool"]["acquired"] >= 0
        followed = set(engine._parts.metrics._sources)
        assert {"memory_pool", "core_pool", "cache", "served_models"} <= followed


def test_every_prediction_is_counted(model, training_data):
    x = training_data[0]
    with InferenceEngine({"enable_request_deduplication": False}) as engine:
        assert engine.load_model(model)

        def work():
            for i in range(300):
                assert engine.predict(x[i : i + 1 + i % 3])[0]

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        metrics = engine.get_performance_metrics()
        assert metrics["total_batches"] == 4 * 300
        assert metrics["total_requests"] == 4 * 600
        assert len(engine._parts.core.latest_calls(1000)) == 100
        text = engine.get_prometheus_metrics()
        assert 'spinney_inference_seconds_count{model="default",version="1.0"} 1200' in text


def test_errors_of_every_way_in_are_counted_by_kind(model, training_data):
    x = training_data[0]
    with InferenceEngine() as engine:
        assert engine.load_model(model)
        for bad in (x[:, :3], None, [[1, 2], [1]], x[:0, :3]):
            assert not engine.predict(bad)[0]
            assert engine.enqueue_prediction(bad).exception(timeout=10)
            assert not engine.predict_batch([bad], 10)[0][0]
        assert engine.enqueue_prediction(x[:1], timeout_ms=0).exception(timeout=10)
        for _ in range(2):  # counted once
            found = engine.get_performance_metrics()
            assert found["errors_by_kind"] == {"InvalidInputError": 12, "RequestExpiredError": 1}
            assert found["total_errors"] == 13
        assert (
            'spinney_errors_total{kind="InvalidInputError"} 12' in engine.get_prometheus_metrics()
        )

        class Odd:
            @property
            def shape(self):
                raise KeyError("as a caller's own class may")

        assert isinstance(engine.enqueue_prediction(Odd()).exception(timeout=10), KeyError)
        assert engine.get_performance_metrics()["errors_by_kind"]["KeyError"] == 1

        def fails(rows):
            raise OSError("no model today")

        assert engine.load_model(fails, ModelType.CUSTOM, name="fails")
        assert engine.enqueue_prediction([[1.0]], model="fails").exception(timeout=10)
        assert engine.get_performance_metrics()["errors_by_kind"]["ModelFailedError"] == 1
        assert repr(engine) == "<InferenceEngine READY: default 1.0, fails 1.0>"
    assert repr(engine) == "<InferenceEngine STOPPED: no model>"


def test_a_metrics_manager_put_in_place_is_told_of_each_call(model, training_data):
    import modules.engine.inference_engine as door

    with mock.patch.object(door, "MetricsManager") as manager, InferenceEngine() as engine:
        assert engine.load_model(model)
        assert engine.predict(training_data[0][:3])[0]
        (took, rows, scaling, quantizing), _ = manager.return_value.update_inference.call_args
        assert took > 0 and (rows, scaling, quantizing) == (3, 0.0, 0.0)
        manager.return_value.update_inference.side_effect = ValueError("full")
        with pytest.raises(ValueError, match="full"):
            engine.predict(training_data[0][3:5])


class Counting:
    """A MetricsManager of a program's own: what the page names, and what an engine is made with."""

    def __init__(self, window_size, interval):
        self.failures = []

    def update_inference(self, inference_time_s, batch_size, preprocessing_time, quantization_time):
        pass

    def record_error(self):
        self.failures.append("one")

    def get_metrics(self):
        return {"total_errors": len(self.failures)}

    add_source = start = stop = lambda *_: None


class OfKinds(Counting):
    def record_error(self, kind="error", times=1):
        self.failures.append(kind)


class OfCounts(Counting):
    def record_error(self, count=1):
        self.failures += ["counted"] * count


class OfWhatever(Counting):
    def record_error(self, *what, **more):
        self.failures.append(what)


class OfOne(Counting):
    def record_error(self, error):
        self.failures.append(error)


class OfPerformance(spinney.metrics.PerformanceMetrics):
    """As the page has it: record_error() takes a count or nothing."""

    def __init__(self, window_size, interval):
        super().__init__(window_size)

    failures = property(lambda self: ["counted"] * self.total_errors)
    add_source = start = stop = lambda *_: None


@pytest.mark.parametrize(
    "manager, told",
    [
        (Counting, ["one", "one"]),
        (OfKinds, ["InvalidInputError", "PythonModelError"]),
        (OfCounts, ["counted", "counted"]),
        (OfWhatever, [("InvalidInputError",), ("PythonModelError",)]),
        (OfOne, ["InvalidInputError", "PythonModelError"]),
        (OfPerformance, ["counted", "counted"]),
    ],
)
def test_a_metrics_manager_is_told_of_failures_as_it_takes_them(
    model, training_data, manager, told
):
    import modules.engine.inference_engine as door

    def fails(rows):
        raise ValueError("no")

    with mock.patch.object(door, "MetricsManager", manager), InferenceEngine() as engine:
        assert engine.load_model(model)
        assert engine.load_model(fails, name="fails")
        assert engine.predict(training_data[0][:3])[0]
        assert not engine.predict("nonsense")[0]
        assert not engine.predict([[1.0]], "fails")[0]
        assert engine._parts.metrics.failures == told
        assert engine.get_performance_metrics()["total_errors"] == 2


def test_the_report_has_waiters_and_whether_a_cache_rests(model):
    with InferenceEngine() as engine:
        assert engine.load_model(model)
        assert metrics_of(engine)["queue"]["waiters"] == 0
        assert engine.load_model(lambda rows: rows[:, 0], name="function")
        assert engine.enqueue_prediction([[1.0]], model="function").result(60) == [1.0]
        metrics = metrics_of(engine)
        assert metrics["queue"]["waiters"] == 1 and metrics["queue"]["workers"] >= 1
        assert [one["cache_resting"] for one in metrics["models"]] == [False, False]
        rows = np.random.default_rng(0).normal(size=(1100, 10))
        for row in rows:
            assert engine.predict(row)[0]
        resting = {one["name"]: one["cache_resting"] for one in metrics_of(engine)["models"]}
        assert resting == {"default": True, "function": False}
        assert metrics_of(engine)["cache"]["stepped_aside"]


def test_the_engine_s_batcher_has_the_figures_of_a_dynamic_batcher(model, training_data):
    with InferenceEngine() as engine:
        assert engine.load_model(model)
        with DynamicBatcher(lambda rows: rows) as batcher:
            known = set(batcher.get_stats())
        before = metrics_of(engine)["batcher"]
        assert before["avg_batch_wait_time_ms"] == before["max_observed_queue_size"] == 0
        engine.enqueue_prediction(training_data[0][:40]).result(60)
        for row in training_data[0]:
            engine.enqueue_prediction(row).result(60)
        found = metrics_of(engine)["batcher"]
        assert set(found) <= known
        assert 40 <= found["max_observed_queue_size"] <= 41 and found["current_queue_size"] == 0
        assert 0 < found["avg_batch_wait_time_ms"] <= found["max_batch_wait_time_ms"]


@pytest.mark.parametrize("monitoring", [True, False])
def test_expired_answers_leave_while_nobody_asks(model, training_data, monitoring):
    config = {"cache_ttl_seconds": 0.2, "enable_monitoring": monitoring}
    with InferenceEngine(config) as engine:
        assert engine.load_model(model)
        engine.predict(training_data[0][:1])
        cache = engine._parts.answers
        assert len(cache) == 1
        wait_for(lambda: len(cache) == 0)
        stats = engine.get_performance_metrics()["cache"]
        assert stats["expirations"] == 1 and stats["memory_usage_bytes"] == 0


def test_a_high_watermark_trims_once_and_says_so(model, training_data, caplog):
    with caplog.at_level(logging.WARNING), InferenceEngine(
        {"memory_high_watermark_mb": 1}
    ) as engine:
        assert engine.load_model(model)
        wait_for(lambda: engine._parts.watch._trimmed)
        engine._parts.watch.stop()  # from here on only this test looks
        engine.predict(training_data[0][:1])
        engine.memory_pool.return_buffer(engine.memory_pool.get_buffer((1000,)))
        engine._parts.watch._trimmed = False  # as if memory had been low meanwhile
        engine._parts.watch.look()
        assert len(engine._parts.answers) == 0
        assert engine.memory_pool.get_stats()["total_buffers"] == 0
        assert caplog.text.count("memory_high_watermark_mb") == 2


def test_pools_are_trimmed_after_a_burst():
    pool = MemoryPool()
    upkeep = Upkeep(None, pool, True)
    upkeep.stop()
    pool.return_buffer(pool.get_buffer((1 << 20,)))
    upkeep.look(TRIM_S)  # there was a burst
    assert pool.get_stats()["total_buffers"] == 1
    upkeep.look(TRIM_S / 2)
    assert pool.get_stats()["total_buffers"] == 1
    upkeep.look(TRIM_S / 2)
    assert pool.get_stats()["total_buffers"] == 0


def test_what_the_core_kept_goes_back(model, training_data):
    big = np.tile(training_data[0], (40, 1))
    _core.trim_pool(0)
    with InferenceEngine({"enable_request_deduplication": False}) as engine:
        assert engine.load_model(model)
        engine.enqueue_prediction(big).result(timeout=30)
        kept = _core.pool_stats()
        assert kept["acquired"] > 0
    assert _core.pool_stats()["idle_bytes"] <= IDLE_BYTES  # shutdown trims


def test_no_thread_is_left(model):
    before = threading.active_count()
    for _ in range(3):
        with InferenceEngine() as engine:
            engine.load_model(model)
    assert threading.active_count() == before
