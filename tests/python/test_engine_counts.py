"""One count: what was asked of an engine is in its metrics, exactly, however it was answered."""

from __future__ import annotations

import math
import re
import threading
import time
from collections import defaultdict

import numpy as np
import pytest

from engine_slots import one_slot_taken
from spinney import InferenceEngine, ModelType

PLAIN = {"enable_request_deduplication": False}
FAMILIES = {
    "nv_inference_request_success": "counter",
    "nv_inference_request_failure": "counter",
    "nv_inference_count": "counter",
    "nv_inference_exec_count": "counter",
    "nv_inference_pending_request_count": "gauge",
    "nv_inference_request_duration_us": "counter",
    "nv_inference_queue_duration_us": "counter",
    "nv_inference_compute_input_duration_us": "counter",
    "nv_inference_compute_infer_duration_us": "counter",
    "nv_inference_compute_output_duration_us": "counter",
    "nv_cache_num_hits_per_model": "counter",
    "nv_cache_num_misses_per_model": "counter",
    "nv_cache_hit_duration_per_model": "counter",
    "nv_cache_miss_duration_per_model": "counter",
}
OF_THE_PROCESS = {"nv_cpu_utilization": "gauge", "nv_cpu_memory_used_bytes": "gauge"}
LINE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\\\|\\"|\\n)*)"(?:,|$)')


class Scrape:
    """A strict reading of the text format 0.0.4: whatever is not allowed fails the test."""

    def __init__(self, engine):
        self.types, self.samples = {}, {}
        self.helped, self.last = set(), None
        text = engine.get_prometheus_metrics()
        assert text.endswith("\n")
        for line in text.splitlines():
            (self._comment if line.startswith("#") else self._sample)(line)
        assert self.helped == set(self.types)
        for name, kind in self.types.items():
            if kind == "histogram":
                self._check_histogram(name)

    def _comment(self, line):
        mark, word, name, rest = line.split(" ", 3)
        assert mark == "#" and word in ("HELP", "TYPE")
        if word == "HELP":
            assert name not in self.helped and rest
            self.helped.add(name)
            return
        assert name not in self.types, f"{name} is announced twice"
        assert rest in ("counter", "gauge", "histogram")
        self.types[name], self.last = rest, name

    def _sample(self, line):
        match = LINE.fullmatch(line)
        assert match, line
        name, inside, value = match.groups()
        labels = LABEL.findall(inside or "")
        assert LABEL.sub("", inside or "") == "", line
        assert len(dict(labels)) == len(labels), line
        family = self.last
        if self.types[family] == "histogram":
            assert re.fullmatch(re.escape(family) + "_(bucket|sum|count)", name), line
        else:
            assert name == family, f"{name} stands among the samples of {family}"
        if self.types[family] == "counter":
            assert float(value) >= 0, line
        key = name, tuple(sorted(labels))
        assert key not in self.samples, f"{line} is there twice"
        self.samples[key] = float(value)

    def _check_histogram(self, name):
        series = defaultdict(list)
        for (sample, labels), value in self.samples.items():
            if sample == f"{name}_bucket":
                bounds = dict(labels)
                bound = float(bounds.pop("le").replace("+Inf", "inf"))
                series[tuple(sorted(bounds.items()))].append((bound, value))
        for labels, buckets in series.items():
            buckets.sort()
            counts = [count for _, count in buckets]
            assert counts == sorted(counts) and buckets[-1][0] == math.inf
            assert counts[-1] == self.samples[f"{name}_count", labels]
            assert (f"{name}_sum", labels) in self.samples

    def of(self, name, model="default", version="1.0", **more):
        labels = {"model": model, "version": version, **more}
        return self.samples[name, tuple(sorted(labels.items()))]

    def labels(self, name):
        return [dict(labels) for sample, labels in self.samples if sample == name]

    def total(self, name):
        return sum(value for (sample, _), value in self.samples.items() if sample == name)


def failing(rows):
    raise OSError("no model today")


def doubled(rows):
    return 2 * rows[:, 0]


def wait_until(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_nine_hundred_requests_are_nine_hundred_those_of_the_cache_too(model, training_data):
    x = training_data[0]
    with InferenceEngine() as engine:
        assert engine.load_model(model)
        for i in range(300):
            assert engine.predict(x[i % 100 : i % 100 + 1])[0]  # 200 of them again
        for i in range(300):  # all again
            engine.enqueue_prediction(x[i % 100 : i % 100 + 1]).result(60)
        answers = engine.predict_batch([x[i : i + 2] for i in range(300)], 60)
        assert all(answer[0] for answer in answers)
        found, text = engine.get_performance_metrics(), Scrape(engine)
    assert text.of("nv_inference_request_success") == found["request_success"] == 900
    assert text.of("nv_inference_request_failure") == found["request_failure"] == 0
    hits, misses = (text.of(f"nv_cache_num_{name}_per_model") for name in ("hits", "misses"))
    assert (hits, misses) == (found["cache_hits"], found["cache_misses"]) and hits >= 500
    assert found["cache_hit_rate"] == hits / (hits + misses)
    assert text.of("spinney_request_seconds_count") == 900
    # What the cache answered ran nowhere.
    rows = text.of("nv_inference_count")
    assert rows == found["total_requests"] == 100 + 2 * 300
    executions = text.of("nv_inference_exec_count")
    assert executions == found["total_batches"] == text.of("spinney_inference_seconds_count")
    assert 100 < executions <= 400


def test_twelve_thousand_batches_are_not_4096(model, training_data):
    row = training_data[0][:1]
    options = {**PLAIN, "max_batch_size": 1, "min_batch_size": 1, "initial_batch_size": 1}
    with InferenceEngine(options) as engine:
        assert engine.load_model(model)
        waiting = []
        for _ in range(12_000):
            waiting.append(engine.enqueue_prediction(row))
            if len(waiting) >= 500:
                waiting.pop(0).result(60)
        for future in waiting:
            future.result(60)
        found, text = engine.get_performance_metrics(), Scrape(engine)
    assert text.of("nv_inference_exec_count") == found["total_batches"] == 12_000
    assert text.of("nv_inference_count") == found["total_requests"] == 12_000
    assert text.of("spinney_inference_seconds_count") == 12_000
    assert text.of("spinney_batch_rows_bucket", le="1") == 12_000  # buckets that tell them apart
    assert found["batcher"]["processed_batches"] == 12_000


def test_failures_are_failures_whatever_they_failed_of(model, training_data):
    x = training_data[0]
    with InferenceEngine({**PLAIN, "max_concurrent_requests": 1}) as engine:
        assert engine.load_model(model)
        assert engine.load_model(failing, ModelType.CUSTOM, name="fails", version="2")
        assert engine.predict(x[:1])[0]
        for bad in (x[:, :3], None):
            assert not engine.predict(bad)[0]
            assert engine.enqueue_prediction(bad).exception(60)
        assert engine.enqueue_prediction(x[:1], timeout_ms=0).exception(60)
        with one_slot_taken(engine):  # as many as there may be
            assert not engine.predict(x[:1])[0]
            assert engine.enqueue_prediction(x[:1]).exception(60)
        row = [[1.0]]
        assert not engine.predict(row, model="fails")[0]
        assert engine.enqueue_prediction(row, model="fails").exception(60)
        assert not engine.predict(row, model="no such")[0]  # of no model
        found, text = engine.get_performance_metrics(), Scrape(engine)
    assert text.of("nv_inference_request_success") == 1 and found["request_success"] == 2
    assert text.of("nv_inference_request_failure") == 7
    assert text.of("nv_inference_request_failure", "fails", "2") == 2
    assert text.total("spinney_request_failures_total") == 9
    assert text.of("spinney_request_failures_total", "fails", "2", reason="model") == 2
    assert text.of("spinney_request_failures_total", reason="expired") == 1
    assert text.of("spinney_request_failures_total", reason="concurrency") == 2
    misfits = [text.of("spinney_request_failures_total", reason=why) for why in ("misfit", "width")]
    assert sum(misfits) == 4
    assert text.of("nv_inference_count") == 1 and text.of("nv_inference_count", "fails", "2") == 0
    assert found["request_failure"] == found["total_errors"] == 10
    assert sum(found["errors_by_kind"].values()) == 10
    assert text.total("spinney_errors_total") == 10
    assert found["error_rate"] == 10 / 12
    asked = found["queue"]
    assert (
        asked["submitted"] == asked["answered"] + sum(asked["refused"].values()) + asked["failed"]
    )


def test_families_are_labelled_by_model_and_version_and_those_of_the_process_are_not(
    model, training_data
):
    x = training_data[0]
    with InferenceEngine(PLAIN) as engine:
        for name, version in (("a", "1"), ("a", "2"), ('b"\\\n', "2024.1")):
            assert engine.load_model(model, name=name, version=version)
        for _ in range(3):
            assert engine.predict(x[:2], "a", version="1")[0]
        engine.enqueue_prediction(x[:5], model="a").result(60)
        assert engine.predict(x[:7], 'b"\\\n')[0]
        text = Scrape(engine)
    models = [("a", "1"), ("a", "2"), ('b\\"\\\\\\n', "2024.1")]
    for name, kind in FAMILIES.items():
        assert text.types[name] == kind
        assert [(of["model"], of["version"]) for of in text.labels(name)] == models
        assert all(set(of) == {"model", "version"} for of in text.labels(name))
    for name, kind in OF_THE_PROCESS.items():
        assert text.types[name] == kind and text.labels(name) == [{}]
    of_models = {name for name in text.types if re.match(r"nv_(inference|cache)_", name)}
    assert of_models == set(FAMILIES)
    success = [text.of("nv_inference_request_success", *one) for one in models]
    rows = [text.of("nv_inference_count", *one) for one in models]
    assert (success, rows) == ([3, 1, 1], [6, 5, 7])


def test_durations_are_of_the_stages_and_add_up(model, training_data):
    x = training_data[0]
    with InferenceEngine(PLAIN) as engine:
        assert engine.load_model(model)
        for i in range(100):
            assert engine.predict(x[i : i + 1])[0]
        for future in [engine.enqueue_prediction(x[i : i + 1]) for i in range(100)]:
            future.result(60)
        text = Scrape(engine)
    stages = [
        text.of(f"nv_inference_{name}_duration_us")
        for name in ("queue", "compute_input", "compute_infer", "compute_output")
    ]
    assert all(stage > 0 for stage in stages)
    total = text.of("nv_inference_request_duration_us")
    assert sum(stages) == pytest.approx(total, rel=1e-6)
    assert total == pytest.approx(1e6 * text.of("spinney_request_seconds_sum"))


def test_pending_requests_are_those_that_wait(training_data):
    go_on, begun = threading.Event(), threading.Event()

    def slow(rows):
        begun.set()
        go_on.wait(60)
        return rows[:, 0]

    with InferenceEngine({**PLAIN, "max_batch_size": 1, "enable_warmup": False}) as engine:
        assert engine.load_model(slow, ModelType.CUSTOM)
        futures = [engine.enqueue_prediction([[float(i)]]) for i in range(6)]
        assert begun.wait(60)
        assert Scrape(engine).of("nv_inference_pending_request_count") == 5
        assert futures[5].cancel()
        assert Scrape(engine).of("nv_inference_pending_request_count") == 4
        go_on.set()
        for future in futures[:5]:
            future.result(60)
        text = Scrape(engine)
    assert text.of("nv_inference_pending_request_count") == 0
    assert text.of("nv_inference_request_success") == 5
    assert text.of("nv_inference_request_failure") == 1  # the one that was cancelled


def test_totals_never_fall_and_a_reload_goes_on(model, training_data):
    x = training_data[0]
    names = ("request_success", "request_failure", "total_requests", "total_batches")
    before = (0,) * len(names)
    with InferenceEngine(PLAIN) as engine:
        for turn in range(1, 4):
            assert engine.load_model(model)  # the second time it replaces the first
            assert engine.load_model(model, name="other", version=str(turn))
            for asked in ("default", "other"):
                assert engine.predict(x[:3], asked)[0]
                engine.enqueue_prediction(x[:3], model=asked).result(60)
            assert not engine.predict(x[:, :2])[0]
            text = Scrape(engine)
            assert text.of("nv_inference_request_success") == 2 * turn
            assert text.of("nv_inference_request_success", "other", str(turn)) == 2
            found = engine.get_performance_metrics()
            assert engine.unload_model("other")
            now = tuple(engine.get_performance_metrics()[name] for name in names)
            assert (
                now == tuple(found[name] for name in names) == (4 * turn, turn, 12 * turn, 4 * turn)
            )
            assert all(new >= old for new, old in zip(now, before))
            before = now
            gone = Scrape(engine)
            assert [of["model"] for of in gone.labels("nv_inference_count")] == ["default"]
        assert engine.unload_model()
        assert Scrape(engine).labels("nv_inference_count") == []
        found = engine.get_performance_metrics()
        assert tuple(found[name] for name in names) == before
        assert found["lifetime_p50_inference_time_ms"] > 0


def test_loads_beside_calls_lose_no_count(model, training_data):
    """Every request is counted once while its model is replaced again and again."""
    x = training_data[0]
    with InferenceEngine(PLAIN) as engine:
        assert engine.load_model(model)
        done, asked = threading.Event(), [0, 0]

        def work(number):
            while not done.is_set():
                if number:
                    assert engine.predict(x[:1])[0]
                else:
                    engine.enqueue_prediction(x[:1]).result(60)
                asked[number] += 1

        threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
        for thread in threads:
            thread.start()
        for _ in range(40):
            assert engine.load_model(model)
        wait_until(lambda: min(asked) > 20)
        done.set()
        for thread in threads:
            thread.join()
        found, text = engine.get_performance_metrics(), Scrape(engine)
    assert found["request_success"] == found["total_requests"] == sum(asked)
    assert text.of("nv_inference_request_success") == sum(asked)
    assert found["request_failure"] == 0


def test_the_window_is_of_the_latest_batches_and_calls(model, training_data):
    x = training_data[0]
    with InferenceEngine({**PLAIN, "monitoring_window": 10}) as engine:
        assert engine.load_model(model) and engine.load_model(doubled, ModelType.CUSTOM, name="d")
        for _ in range(30):
            assert engine.predict(x[:7])[0]
        found = engine.get_performance_metrics()
        assert (found["max_batch_size"], found["avg_batch_size"]) == (7, 7.0)
        for _ in range(5):
            engine.enqueue_prediction([[1.0]] * 3, model="d").result(60)
        found = engine.get_performance_metrics()
        assert (found["max_batch_size"], found["avg_batch_size"]) == (7, 5.0)
        assert 0 < found["p50_inference_time_ms"] <= found["max_inference_time_ms"]
        for _ in range(10):
            assert engine.predict(x[:2])[0]
        found = engine.get_performance_metrics()
        assert (found["max_batch_size"], found["avg_batch_size"]) == (2, 2.0)
        assert found["total_requests"] == 30 * 7 + 5 * 3 + 10 * 2


def test_every_failure_in_flight_together_is_counted(model, training_data):
    """Of a Python model whose batch fails, every request of the batch."""
    with InferenceEngine(PLAIN) as engine:
        assert engine.load_model(failing, ModelType.CUSTOM)
        futures = [engine.enqueue_prediction(np.ones((1, 2))) for _ in range(40)]
        assert all(future.exception(60) for future in futures)
        text = Scrape(engine)
    assert text.of("nv_inference_request_failure") == 40
    assert text.of("nv_inference_exec_count") == 0
    assert 1 <= text.of("spinney_failed_executions_total") <= 40


def test_a_batcher_put_in_place_is_counted_too(model, training_data, monkeypatch):
    import modules.engine.inference_engine as door

    class Own(door.DynamicBatcher):
        pass

    monkeypatch.setattr(door, "DynamicBatcher", Own)
    x = training_data[0]
    with InferenceEngine(PLAIN) as engine:
        assert engine.load_model(model)
        for _ in range(5):
            assert len(engine.enqueue_prediction(x[:4]).result(60)) == 4
        assert engine.enqueue_prediction(x[:4, :3]).exception(60)
        asked = engine.get_performance_metrics  # the count follows the answer at once
        wait_until(lambda: asked()["request_success"] + asked()["request_failure"] == 6)
        text = Scrape(engine)
    assert text.of("nv_inference_request_success") == 5
    assert text.of("nv_inference_request_failure") == 1
    assert text.of("nv_inference_count") == 20
