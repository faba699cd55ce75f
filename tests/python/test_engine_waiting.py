"""Models that Python runs wait on threads of their own, and never keep native models waiting."""

from __future__ import annotations

import os
import threading
import time

import numpy as np
import pytest

from spinney import InferenceEngine, ModelType
from worker_models import Held

PLAIN = {"enable_request_deduplication": False, "num_threads": 1, "enable_warmup": False}
LONG = 60  # seconds, for what happens at once on an idle machine


def wait_until(true):
    end = time.monotonic() + LONG
    while not true() and time.monotonic() < end:
        time.sleep(0.002)
    assert true()


def native_threads():
    return len(os.listdir("/proc/self/task"))


def load_held(engine, folder, name):
    folder.mkdir()
    held = Held(folder)
    writing = {"trusted": True, "worker_options": {"sandbox": False}}
    assert engine.load_model(held, name=name, **writing), engine.last_error
    return folder


def test_native_models_are_answered_while_worker_processes_hold_batches(
    model, training_data, tmp_path
):
    row = training_data[0][:1]
    with InferenceEngine(PLAIN) as engine:
        folders = [load_held(engine, tmp_path / name, name) for name in ("a", "b")]
        assert engine.load_model(model, name="native")
        held = [engine.enqueue_prediction(np.ones((1, 2)), model=name) for name in ("a", "b")]
        wait_until(lambda: all((folder / "entered").exists() for folder in folders))
        for _ in range(50):
            answer = engine.enqueue_prediction(row, model="native").result(LONG)
            assert answer[0] == model.predict(row)[0]
        assert not any(future.done() for future in held)
        for folder in folders:
            (folder / "go").touch()
        assert [future.result(LONG)[0] for future in held] == [2, 2]


def test_native_models_are_answered_while_a_function_waits(model, training_data):
    row = training_data[0][:1]
    go, entered = threading.Event(), threading.Event()

    def slow(x):
        entered.set()
        assert go.wait(LONG)
        return x.sum(axis=1)

    with InferenceEngine(PLAIN) as engine:
        assert engine.load_model(slow, ModelType.CUSTOM, name="slow")
        assert engine.load_model(model, name="native")
        held = engine.enqueue_prediction(np.ones((1, 2)), model="slow")
        assert entered.wait(LONG)
        assert engine.enqueue_prediction(row, model="native").result(LONG) == model.predict(row)
        assert not held.done()
        go.set()
        assert held.result(LONG)[0] == 2


@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="counts threads in /proc")
def test_threads_come_and_go_with_their_models():
    def total(x):
        return x.sum(axis=1)

    before = native_threads()
    with InferenceEngine(PLAIN) as engine:
        assert engine.load_model(total, ModelType.CUSTOM, name="f")
        with_one = native_threads()
        for _ in range(50):
            assert engine.enqueue_prediction(np.ones((1, 2)), model="f").result(LONG) == 2
            assert engine.load_model(total, ModelType.CUSTOM, name="f")
        wait_until(lambda: native_threads() <= with_one)
        assert engine.unload_model("f")
        wait_until(lambda: native_threads() < with_one)
    wait_until(lambda: native_threads() <= before)


def test_a_forked_child_has_threads_of_its_own():
    def total(x):
        return x.sum(axis=1)

    with InferenceEngine(PLAIN) as engine:
        assert engine.load_model(total, ModelType.CUSTOM)
        assert engine.enqueue_prediction(np.ones((1, 2))).result(LONG) == 2
        child = os.fork()
        if child == 0:
            right = engine.enqueue_prediction(np.ones((1, 2))).result(LONG) == 2
            engine.shutdown()
            os._exit(0 if right else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert engine.enqueue_prediction(np.ones((1, 2))).result(LONG) == 2
