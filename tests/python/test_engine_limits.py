"""Throttling by the CPU and limits of memory: when they act, when they let go, what callers see."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import spinney
from engine_slots import one_slot_taken
from spinney import InferenceEngine
from spinney.engine import load_watch
from spinney.engine.load_watch import Throttle
from spinney.metrics import MetricsManager, cpu
from spinney.metrics.cpu import CpuMeter

ROWS = np.zeros((1, 10))


class Use:
    """What read_process says of a process that a test makes up, and of its neighbours."""

    def __init__(self, quota):
        self.seconds, self.neighbours, self.quota = 0.0, 0.0, quota

    def __call__(self):
        return {
            "cpu_seconds": self.seconds,
            "group_cpu_seconds": self.seconds + self.neighbours,
            "group_cpus": self.quota,
        }


def test_the_meter_goes_by_the_quota_not_the_host(monkeypatch):
    monkeypatch.setattr(cpu, "usable_cpus", lambda: 64)
    now, use = [0.0], Use(2.0)
    use.seconds = 1.0
    meter = CpuMeter(use, lambda: now[0])
    assert meter.cpus == 2.0
    now[0], use.seconds = 1.0, 2.5
    assert meter.percent() == pytest.approx(75.0)
    now[0] = 2.0
    assert meter.percent() == pytest.approx(0.0)


def test_the_meter_without_a_quota(monkeypatch):
    monkeypatch.setattr(cpu, "usable_cpus", lambda: 3)
    now, use = [0.0], Use(0.0)
    meter = CpuMeter(use, lambda: now[0])
    assert meter.cpus == 3.0
    now[0], use.seconds = 1.0, 1.5
    assert meter.percent() == pytest.approx(50.0)


def test_what_neighbours_in_the_control_group_use_is_not_ours(monkeypatch):
    monkeypatch.setattr(cpu, "usable_cpus", lambda: 2)
    now, use = [0.0], Use(0.0)
    meter, throttle = CpuMeter(use, lambda: now[0]), Throttle(50.0, cpus=2)
    for _ in range(20):
        now[0] += 0.25
        use.neighbours += 0.5  # all that there is
        use.seconds += 0.05
        assert meter.percent() == pytest.approx(10.0)
        assert throttle.look(meter.percent(), 8) is None


def test_a_busy_neighbour_does_not_throttle(model, monkeypatch):
    """Another process in this one's control group computes on all CPUs; the engine is idle."""
    monkeypatch.setattr(load_watch, "LOOK_S", 60.0)  # only this test looks
    busy = "while True: pass"
    count = spinney._core.usable_cpus()
    neighbours = [subprocess.Popen([sys.executable, "-c", busy]) for _ in range(count)]
    try:
        options = {"enable_throttling": True, "cpu_threshold_percent": 50.0}
        with InferenceEngine(options) as engine:
            assert engine.load_model(model)
            watch = engine._parts.watch
            watch._meter.percent()
            before = [used_seconds(one.pid) for one in neighbours]
            for _ in range(8):
                time.sleep(0.1)
                watch.look()
                assert watch.cpu_percent < 50.0
            assert watch.throttle.limit is None
            used = sum(used_seconds(one.pid) for one in neighbours) - sum(before)
            assert used > 0, "the neighbours did nothing, so the test says nothing"
    finally:
        for one in neighbours:
            one.kill()
            one.wait()


def test_workers_of_the_engine_count_and_stay_counted_when_they_end(monkeypatch):
    monkeypatch.setattr(cpu, "usable_cpus", lambda: 1)
    monkeypatch.setattr(cpu, "_helpers", cpu._Helpers())
    now, use = [0.0], Use(0.0)
    meter = CpuMeter(use, lambda: now[0])

    class Worker:
        seconds = 0.0

        def cpu_seconds(self):
            return self.seconds

    workers = [Worker(), Worker()]
    for worker in workers:
        cpu.count_also(worker.cpu_seconds)
    now[0], workers[0].seconds, workers[1].seconds = 1.0, 0.5, 0.25
    assert meter.percent() == pytest.approx(75.0)
    now[0], workers[0].seconds = 2.0, None  # it died
    assert meter.percent() == pytest.approx(0.0)
    del worker, workers[1]
    now[0], use.seconds = 3.0, 0.5
    assert meter.percent() == pytest.approx(50.0)
    assert cpu._helpers._readers == []


def test_a_worker_process_is_counted(tmp_path):
    import pickle
    from decimal import Decimal

    path = tmp_path / "model.pickle"
    path.write_bytes(pickle.dumps(Decimal(1)))  # no model, but a worker says so
    before = cpu._helpers.seconds()
    loaded = []

    def load():
        try:
            loaded.append(spinney.load(path, trusted=True))
        except spinney.SpinneyError:
            loaded.append(None)

    thread = threading.Thread(target=load)
    thread.start()
    most = before
    while thread.is_alive():
        most = max(most, cpu._helpers.seconds())
        time.sleep(0.01)
    thread.join()
    assert loaded and most > before


def used_seconds(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_the_engine_has_one_cpu_percent(monkeypatch, model):
    """Of the throttle, of the metrics, and without monitoring: one meter."""
    read = {"cpu_seconds": 0.0, "group_cpu_seconds": 1e9, "group_cpus": 0.5}
    process = {**spinney._core.read_process(), **read}
    now = [100.0]
    monkeypatch.setattr(CpuMeter, "__init__", meter_of(CpuMeter.__init__, process, now))
    for name in ("spinney.metrics.monitor.read_process", "spinney.engine.report.read_process"):
        monkeypatch.setattr(name, lambda: process)
    # Nobody looks but this test, and no worker of another one's counts.
    monkeypatch.setattr(load_watch, "LOOK_S", 3600.0)
    monkeypatch.setattr(MetricsManager, "start", lambda manager: None)
    monkeypatch.setattr(cpu, "_helpers", cpu._Helpers())
    with InferenceEngine({"enable_throttling": True}) as watched, InferenceEngine(
        {"enable_monitoring": False}
    ) as bare:
        now[0], process["cpu_seconds"] = 110.0, 2.0  # 40 % of half a CPU
        watched._parts.watch.look()
        found = watched.get_performance_metrics()
        assert watched._parts.watch.cpu_percent == pytest.approx(40.0)
        assert found["cpu_percent"] == pytest.approx(40.0)
        assert bare.get_performance_metrics()["cpu_percent"] == pytest.approx(40.0)
        text = watched.get_prometheus_metrics()
        assert re.search(r"^nv_cpu_utilization 0\.4", text, re.M)


def meter_of(make, process, now):
    return lambda meter, *_: make(meter, lambda: process, lambda: now[0])


def test_the_throttle_waits_halves_and_lets_go():
    throttle = Throttle(90.0, cpus=1)
    assert [throttle.look(95, 40) for _ in range(5)] == [None, None, 20, 10, 5]
    assert throttle.look(85, 5) == 5  # below, but not by enough: hysteresis
    assert [throttle.look(95, 5) for _ in range(2)] == [5, 5]
    seen = [throttle.look(20, 5) for _ in range(20)]
    assert seen[:4] == [5, 5, 5, 10] and seen[-1] is None
    assert throttle.retry_after > 0
    for _ in range(50):
        throttle.look(100, 1)
    assert throttle.limit == 1  # never none at all


@pytest.mark.parametrize("threshold", [5.0, 50.0, 95.0])
def test_whatever_the_threshold_an_idle_machine_is_no_longer_throttled(threshold):
    throttle = Throttle(threshold, cpus=2)
    for _ in range(10):
        throttle.look(100.0, 30)
    assert throttle.limit is not None
    for _ in range(60):
        throttle.look(0.0, 0)
    assert throttle.limit is None


def test_throttling_settles_under_a_steady_load_and_ends_with_it():
    """Callers keep 64 requests in flight, of which each that is admitted costs 4 % of the CPU."""
    throttle = Throttle(80.0, cpus=1)
    limits, active = [], 64
    for _ in range(400):
        limit = throttle.look(min(100.0, 4.0 * active), active)
        active = 64 if limit is None else min(64, limit)
        limits.append(limit)
    settled = limits[100:]
    assert None not in settled  # never back to all that made it too much
    assert all(limit <= 32 for limit in settled)
    changes = sum(a != b for a, b in zip(settled, settled[1:]))
    assert changes <= len(settled) / 3  # four looks below before it rises, three above to fall
    for _ in range(60):
        throttle.look(0.0, 0)
    assert throttle.limit is None


@pytest.fixture
def watched(model, monkeypatch):
    monkeypatch.setattr(load_watch, "LOOK_S", 60.0)  # looks come from the test
    config = {
        "enable_throttling": True,
        "cpu_threshold_percent": 50.0,
        "enable_request_deduplication": False,
    }
    with InferenceEngine(config) as engine:
        assert engine.load_model(model)
        yield engine


def test_a_throttled_engine_says_when_to_come_back(watched, caplog):
    watch = watched._parts.watch
    watch._meter.percent = lambda: 99.0
    for _ in range(3):
        watch.look()
    assert watched.get_performance_metrics()["throttled"] is True
    assert "throttling on" in caplog.text
    assert watched.predict(ROWS)[0]  # one at a time is served
    with one_slot_taken(watched):
        success, result, meta = watched.predict(ROWS)
        assert (success, result, meta["throttled"]) == (False, None, True)
        assert meta["retry_after"] > 0 and "cpu_threshold_percent" in meta["error"]
        refused = watched.enqueue_prediction(ROWS)
        assert refused.done()
        assert isinstance(refused.exception(), spinney.ThrottledError)
        assert refused.exception().retry_after > 0
    watch._meter.percent = lambda: 1.0
    for _ in range(60):
        watch.look()
    assert "throttling lifted" in caplog.text
    assert watched.get_performance_metrics()["throttled"] is False


def test_throttle_on_high_cpu_acts_only_with_enable_throttling(model):
    with InferenceEngine({"throttle_on_high_cpu": True}) as engine:
        assert engine._parts.watch is None
    with InferenceEngine({"enable_throttling": True, "throttle_on_high_cpu": False}) as engine:
        assert engine._parts.watch is None


def test_the_high_watermark_trims_and_logs_once(model, monkeypatch, caplog):
    monkeypatch.setattr(load_watch, "LOOK_S", 60.0)
    with InferenceEngine({"memory_high_watermark_mb": 1.0}) as engine:
        assert engine.load_model(model)
        engine.predict(ROWS)
        assert engine.predict(ROWS)[2]["cached"]
        for _ in range(3):
            engine._parts.watch.look()
        assert caplog.text.count("memory_high_watermark_mb") == 1
        assert "cached" not in engine.predict(ROWS)[2]  # the cache was emptied, and serves on


def test_above_the_memory_limit_requests_are_refused(model, monkeypatch):
    monkeypatch.setattr(load_watch, "LOOK_S", 60.0)
    with InferenceEngine({"memory_limit_gb": 0.001}) as engine:
        assert engine.load_model(model)
        engine._parts.watch.look()
        success, _, meta = engine.predict(ROWS)
        assert not success and meta["throttled"] and "memory_limit_gb" in meta["error"]
        assert isinstance(engine.enqueue_prediction(ROWS).exception(1), spinney.ThrottledError)
        monkeypatch.setattr(load_watch, "resident_mb", lambda: 0.5)
        engine._parts.watch.look()
        assert engine.predict(ROWS)[0]
