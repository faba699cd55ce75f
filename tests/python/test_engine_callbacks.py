"""Futures of an engine in a process that can start no thread, and what futures say when done."""

from __future__ import annotations

import concurrent.futures
import threading

import pytest

from spinney import InferenceEngine, ModelType
from spinney.engine import future as futures

PLAIN = {"enable_request_deduplication": False, "enable_warmup": False}


class NoThread:
    """threading.Thread where the system has none to give."""

    refused = 0

    def __init__(self, **_):
        pass

    def start(self):
        NoThread.refused += 1
        raise RuntimeError("can't start new thread")


@pytest.fixture
def gate():
    return threading.Event()


@pytest.fixture
def engine(gate):
    def model(rows):
        assert gate.wait(30)
        return rows.sum(axis=1)

    with InferenceEngine(PLAIN) as engine:
        assert engine.load_model(model, ModelType.CUSTOM)
        yield engine
        gate.set()


def test_callbacks_and_waiters_are_told_without_a_thread(engine, gate, monkeypatch, caplog):
    monkeypatch.setattr(futures, "Thread", NoThread)
    told, all_told = [], threading.Event()

    def callback(future):
        told.append(future.result().tolist())
        if len(told) == 1:
            raise ValueError("as user code may")
        if len(told) == 5:
            all_told.set()

    asked = [engine.enqueue_prediction([[1.0, float(i)]]) for i in range(5)]
    for future in asked:
        future.add_done_callback(callback)
    seen = []
    waiting = threading.Thread(
        target=lambda: seen.append(concurrent.futures.wait(asked, timeout=30))
    )
    waiting.start()
    gate.set()
    assert all_told.wait(30)
    waiting.join()
    assert len(seen[0].done) == 5
    assert sorted(told) == [[1.0 + i] for i in range(5)]
    assert NoThread.refused and "can't start new thread" in caplog.text
    assert engine.enqueue_prediction([[2.0]]).result(timeout=30) == [2.0]  # the workers live

    monkeypatch.undo()  # and once there are threads again, one takes over
    engine._parts.upkeep._try_again = 0.0
    later = threading.Event()
    engine.enqueue_prediction([[3.0]]).add_done_callback(lambda future: later.set())
    assert later.wait(30)


def test_shutdown_tells_those_that_wait_without_a_thread(gate, monkeypatch):
    monkeypatch.setattr(futures, "Thread", NoThread)
    told = []

    def model(rows):
        return rows.sum(axis=1)

    engine = InferenceEngine(PLAIN)
    assert engine.load_model(model, ModelType.CUSTOM)
    engine._parts.upkeep.stop()  # nobody stands in any more
    future = engine.enqueue_prediction([[1.0]])
    future.add_done_callback(told.append)
    future.result(timeout=30)
    engine.shutdown()
    assert told == [future]


def test_what_a_future_says_when_done(engine, gate):
    future = engine.enqueue_prediction([[1.0, 2.0], [3.0, 4.0]])
    assert future.metadata is None
    cancelled = engine.enqueue_prediction([[1.0]])
    assert cancelled.cancel()
    assert cancelled.metadata["error"]
    gate.set()
    future.result(timeout=30)
    metadata = future.metadata
    assert metadata["batch_size"] == 2 and metadata["compiled_model_used"] is False
    assert 0 < metadata["inference_time_ms"] <= metadata["total_time_ms"]
    assert set(metadata) == set(engine.predict([[1.0]])[2])
    metadata["mine"] = 1
    assert "mine" not in future.metadata
    late = engine.enqueue_prediction([[1.0]], timeout_ms=0)
    assert late.exception(timeout=30) and late.metadata["error"] == str(late.exception())
    engine.shutdown()
    assert "shut down" in engine.enqueue_prediction([[1.0]]).metadata["error"]
