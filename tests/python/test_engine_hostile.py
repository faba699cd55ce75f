"""What attackers, bad luck and careless callers do to an engine."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

import spinney
from spinney import EngineState, InferenceEngine, ModelType
from spinney.batching import DynamicBatcher
from spinney.engine import PredictionFuture
from spinney.engine.served_model import ServedModel
from test_engine_lifecycle import run

PLAIN = {"enable_request_deduplication": False}


def total(rows):
    return np.asarray(rows).sum(axis=1)


class Evil:
    def __array__(self, *_, **__):
        raise RuntimeError("no array of this")


def broken(rows):
    raise KeyError("always")


@pytest.mark.parametrize("together", [1, 5])
def test_failed_requests_are_let_go_of(together):
    def ask(engine):
        futures = [engine.enqueue_prediction([[0.0, 1.0]]) for _ in range(together)]
        with pytest.raises(spinney.PythonModelError):
            futures[0].result(timeout=10)
        for future in futures:
            while not future.done():
                time.sleep(0.001)

    with InferenceEngine({**PLAIN, "num_threads": 1}) as engine:
        assert engine.load_model(broken, ModelType.CUSTOM)
        for _ in range(50):
            ask(engine)
        gc.collect()
        assert sum(type(found) is PredictionFuture for found in gc.get_objects()) < 10


@pytest.mark.parametrize("features", [[Evil()], Evil(), [[1.0], [2.0, 3.0]], None, "text", {}])
@pytest.mark.parametrize("custom", [True, False])
def test_rows_that_cannot_be_read_never_raise(features, custom, model):
    with InferenceEngine() as engine:
        assert engine.load_model(*((total, ModelType.CUSTOM) if custom else (model,)))
        success, result, metadata = engine.predict(features)
        assert (success, result) == (False, None) and metadata["error"]
        ((success, result, metadata),) = engine.predict_batch([features], timeout=10)
        assert (success, result) == (False, None) and metadata["error"]
        assert isinstance(engine.enqueue_prediction(features).exception(10), spinney.SpinneyError)


def test_masked_rows_are_refused_by_both_ways_of_a_python_model():
    masked = np.ma.masked_array([[1.0, 2.0]], mask=[[True, False]])
    with InferenceEngine() as engine:
        assert engine.load_model(total, ModelType.CUSTOM)
        assert not engine.predict(masked)[0]
        assert "masked" in str(engine.enqueue_prediction(masked).exception(10))


BUSY = """
def busy(rows):
    end = time.monotonic() + 30
    while time.monotonic() < end:
        pass
assert engine.load_model(busy, "CUSTOM", name="busy")
futures = [engine.enqueue_prediction(np.zeros((1, 3)), model="busy")]
time.sleep(0.2)
"""
LOADING = """
class Slow:
    n_features_in_ = 3
    def predict(self, rows):
        time.sleep(1e6)
load = lambda: engine.load_model(Slow(), trusted=True, in_process=True)
threading.Thread(target=load, daemon=True).start()
time.sleep(0.2)
"""
STOPPING = """
assert engine.load_model(lambda rows: time.sleep(1e6), "CUSTOM", name="slow")
future = engine.enqueue_prediction(np.zeros((1, 3)), model="slow")
parts = engine._parts
threading.Thread(target=lambda: parts.core.stop(1.5), daemon=True).start()
time.sleep(0.2)
"""
PREDICTING = """
many = np.zeros((100000, 10))
def work():
    while True:
        engine.predict(many)
for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
time.sleep(0.2)
"""


@pytest.mark.parametrize("code", [BUSY, LOADING, STOPPING, PREDICTING])
def test_exit_while_threads_are_inside(code, model, tmp_path):
    model.save(tmp_path / "model.spinney")
    start = """
import threading, time
import numpy as np
import spinney
engine = spinney.InferenceEngine({"enable_request_deduplication": False, "num_threads": 1})
assert engine.load_model(sys.argv[1])
"""
    assert run(start + code + "\nprint('end')", tmp_path / "model.spinney") == "end\n"


def test_an_engine_whose_making_failed_does_not_keep_others_from_ending(model, tmp_path):
    model.save(tmp_path / "model.spinney")
    out = run(
        """
        import spinney, threading
        from unittest import mock
        import modules.engine.inference_engine as door
        kept = []
        class Broken(spinney.InferenceEngine):
            def _forget_model(self):
                pass
        engines = [spinney.InferenceEngine() for _ in range(5)]
        with mock.patch.object(door, "MemoryPool", side_effect=OSError("no memory")):
            made = Broken.__new__(Broken)
            try:
                made.__init__()
            except OSError:
                pass
        import atexit, os
        if os.fork() == 0:
            os._exit(0)
        os.wait()
        spinney.engine.lifecycle._shut_down_all()
        print({engine.state.name for engine in engines})
        """,
        tmp_path,
    )
    assert out == "{'STOPPED'}\n"


def test_shutdown_without_a_limit(model):
    engine = InferenceEngine()
    assert engine.load_model(model)
    future = engine.enqueue_prediction(np.zeros(10))
    engine.shutdown(timeout=None)
    assert engine.state is EngineState.STOPPED and len(future.result(0)) == 1


def test_shutdown_refuses_what_is_no_number_of_seconds(model):
    with InferenceEngine() as engine:
        assert engine.load_model(model)
        with pytest.raises((TypeError, ValueError)):
            engine.shutdown("soon")
        assert engine.state is EngineState.READY and engine.predict(np.zeros(10))[0]


def test_a_shutdown_within_a_load_holds(model):
    """As a signal's handler would call it, on the thread that loads."""

    engine = InferenceEngine()
    with mock.patch.object(engine, "_warm_up", side_effect=lambda _: engine.shutdown()):
        assert not engine.load_model(model)
    assert engine.state is EngineState.STOPPED and "stopped" in engine.last_error

    engine = InferenceEngine()
    enter = ServedModel.enter

    def entered(served, *arguments):
        enter(served, *arguments)
        engine.shutdown()

    with mock.patch.object(ServedModel, "enter", entered):
        assert not engine.load_model(model)
    assert engine.state is EngineState.STOPPED and "stopped" in engine.last_error
    assert not engine.predict(np.zeros(10))[0]


def test_garbage_that_the_load_watch_collects_may_hold_its_engine(caplog):
    engine = InferenceEngine({"memory_high_watermark_mb": 1})
    core = engine._parts.core
    engine.self = engine
    stop = engine._parts.watch.stop
    done = threading.Event()
    errors = []

    def on_the_watch():
        try:
            stop()
        except BaseException as error:
            errors.append(error)
        done.set()

    engine._parts.watch.look = on_the_watch
    assert done.wait(10) and not errors
    del core
    engine.shutdown()


def test_other_models_do_not_go_to_a_replaced_batcher():
    with mock.patch("modules.engine.inference_engine.DynamicBatcher") as batcher:
        engine = InferenceEngine(PLAIN)
        assert engine.load_model(total, ModelType.CUSTOM)
        assert engine.load_model(lambda rows: rows.max(axis=1), ModelType.CUSTOM, name="most")
        assert engine.enqueue_prediction([[1.0, 2.0]], model="most").result(10) == [2.0]
        batcher.return_value.enqueue.assert_not_called()
        engine.enqueue_prediction([[1.0, 2.0]])
        batcher.return_value.enqueue.assert_called_once()
        engine.shutdown()


def test_answers_of_a_replaced_batcher_are_not_called_cached():
    class Own(DynamicBatcher):
        pass

    replaced = mock.patch("modules.engine.inference_engine.DynamicBatcher", Own)
    with replaced, InferenceEngine(PLAIN) as engine:
        assert engine.load_model(total, ModelType.CUSTOM)
        ((success, result, metadata),) = engine.predict_batch([np.ones((1, 2))], timeout=10)
        assert success and result == [2.0] and "cached" not in metadata


KINDS = ("Parts", "MetricsManager", "InferenceEngine", "ServedModel", "LRUTTLCache")


@pytest.mark.parametrize("ending", ["shut down", "forgotten", "in a cycle", "requests waiting"])
@pytest.mark.parametrize("custom", [True, False])
def test_of_engines_that_ended_nothing_is_left(ending, custom, model):
    """Neither objects nor threads nor descriptors."""

    def kinds():
        for _ in range(4):  # what a thread of an engine's still held stays for another round
            gc.collect()
        found = [type(one).__name__ for one in gc.get_objects()]
        return [found.count(name) for name in KINDS]

    def open_things():
        return len(os.listdir("/proc/self/task")), len(os.listdir("/proc/self/fd"))

    def live():
        engine = InferenceEngine({"num_threads": 1})
        assert engine.load_model(*((total, ModelType.CUSTOM) if custom else (model,)))
        assert engine.predict(np.zeros((1, 10)))[0]
        futures = [engine.enqueue_prediction(np.full((1, 10), i)) for i in range(3)]
        if ending != "requests waiting":
            assert all(len(future.result(10)) == 1 for future in futures)
        if ending == "shut down":
            engine.shutdown()
        if ending == "in a cycle":
            engine.itself = engine

    def more_than(before):  # fewer is well: the first engine may still have been on its way out
        return {name: now - then for name, now, then in zip(KINDS, kinds(), before) if now > then}

    live()
    before, opened = kinds(), open_things()
    for _ in range(5):
        live()
    end = time.monotonic() + 10
    while more_than(before) and time.monotonic() < end:
        time.sleep(0.01)  # a thread of an engine's may hold it for a moment
    assert not more_than(before)
    while open_things() > opened and time.monotonic() < end:
        time.sleep(0.01)
    assert open_things() <= opened


@pytest.mark.parametrize("names", [{"model": []}, {"model": {}}, {"version": [1]}])
def test_names_that_are_none_are_refused_without_raising(names):
    with InferenceEngine() as engine:
        assert engine.load_model(lambda rows: rows[:, 0], ModelType.CUSTOM)
        success, result, metadata = engine.predict([[1.0]], **names)
        assert (success, result) == (False, None)
        assert next(iter(names)) in metadata["error"]


WIDE = """
import json, resource, sys
from spinney import InferenceEngine

document = json.load(open(sys.argv[1]))
learner = document["learner"]
learner["learner_model_param"]["num_feature"] = str(2**31 - 1)
learner["feature_names"] = learner["feature_types"] = []
json.dump(document, open(sys.argv[2], "w"))
with InferenceEngine({"return_probabilities": True}) as engine:
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 30), used + (1 << 30)))
    assert engine.load_model(sys.argv[2]), engine.last_error
    found = engine.validate_model()
    assert found["valid"] and "memory" in found["note"], found
"""


def test_a_small_file_of_billions_of_columns_takes_no_memory(tmp_path):
    """Its dummy rows would: 8 GB each, in the engine's warm-up and where it is tried out."""
    folder = Path(__file__).parent.parent / "data"
    trees = [path for path in folder.glob("xgboost*/**/*.json") if "gbtree" in path.read_text()]
    small = min(trees, key=lambda path: path.stat().st_size)
    arguments = [sys.executable, "-c", WIDE, str(small), str(tmp_path / "wide.json")]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
