"""Loads run side by side, and what shutdown, unload and other loads do to one that is under way."""

from __future__ import annotations

import gc
import threading
import time
import weakref

import numpy as np
import pytest

from spinney import EngineState, InferenceEngine, ModelType

LONG = 60  # seconds, for what happens at once on an idle machine
PLAIN = {"enable_request_deduplication": False, "num_threads": 1}


class Held:
    """A function whose loading takes until it is let go: its warm-up does."""

    n_features_in_ = 2

    def __init__(self, answer, held=True):
        self.answer = answer
        self.entered, self.go_on = threading.Event(), threading.Event()
        if not held:
            self.go_on.set()

    def __call__(self, rows):
        self.entered.set()
        assert self.go_on.wait(LONG)
        return np.full(len(rows), self.answer)


class Load:
    """load_model on a thread of its own, held up half way."""

    def __init__(self, engine, model, **how):
        self.outcome = None

        def load():
            self.outcome = engine.load_model(model, ModelType.CUSTOM, **how)

        self._thread = threading.Thread(target=load, daemon=True)
        self._thread.start()

    def join(self):
        self._thread.join(LONG)
        assert not self._thread.is_alive()
        return self.outcome


@pytest.fixture
def held_loads(monkeypatch):
    """Loads of a Held model wait for it where the model itself is made."""
    from spinney.engine import loads

    make = loads.ServedModel

    def made(source, *rest):
        served = make(source, *rest)
        if isinstance(source, Held):
            source.served = weakref.ref(served)
            source(np.zeros((1, 2)))
        return served

    monkeypatch.setattr(loads, "ServedModel", made)


@pytest.fixture
def engine(held_loads):
    with InferenceEngine(PLAIN) as engine:
        yield engine


def begin(engine, model, **how):
    load = Load(engine, model, **how)
    assert model.entered.wait(LONG)
    return load


def predicted(engine, *where, **how):
    success, result, metadata = engine.predict([[0.0, 0.0]], *where, **how)
    return float(result[0]) if success else metadata["error"]


def wait_until(true):
    end = time.monotonic() + LONG
    while not true() and time.monotonic() < end:
        time.sleep(0.002)
        gc.collect()
    assert true()


def test_others_are_loaded_asked_and_unloaded_while_one_is_held_up(engine):
    slow, quick = Held(1), Held(2, held=False)
    loading = begin(engine, slow, name="slow")
    assert engine.state is EngineState.LOADING
    assert engine.load_model(quick, ModelType.CUSTOM, name="quick")
    assert engine.state is EngineState.LOADING
    assert predicted(engine, "quick") == 2
    assert engine.enqueue_prediction([[0.0, 0.0]], model="quick").result(LONG) == [2]
    assert engine.unload_model("quick")
    assert not engine.load_model("no such file", name="none") and "none" not in engine._named
    slow.go_on.set()
    assert loading.join() is True
    assert engine.state is EngineState.READY and predicted(engine, "slow") == 1


def test_of_one_name_and_version_the_load_called_last_is_served(engine):
    slow, quick = Held(1), Held(2, held=False)
    loading = begin(engine, slow)
    assert engine.load_model(quick, ModelType.CUSTOM)
    slow.go_on.set()
    assert loading.join() is True and engine.last_error is None
    assert predicted(engine) == 2 and len(engine.list_models()) == 1
    assert engine.enqueue_prediction([[0.0, 0.0]]).result(LONG) == [2]
    assert len(engine.get_performance_metrics()["models"]) == 1
    wait_until(lambda: slow.served() is None)  # nothing of it is kept


def test_without_a_version_the_one_is_meant_whose_load_was_called_last(engine):
    slow, quick = Held(1), Held(2, held=False)
    loading = begin(engine, slow, name="m", version="1")
    assert engine.load_model(quick, ModelType.CUSTOM, name="m", version="2")
    slow.go_on.set()
    assert loading.join() is True
    assert predicted(engine, "m") == 2 and predicted(engine, "m", version="1") == 1
    assert [found["version"] for found in engine.list_models()] == ["1", "2"]


def test_a_load_whose_model_is_unloaded_meanwhile_fails(engine):
    slow, other = Held(1), Held(2)
    loading = begin(engine, slow, name="m", version="1")
    beside = begin(engine, other, name="m", version="2")
    assert engine.unload_model("m", "1")
    assert not engine.unload_model("m", "1")
    slow.go_on.set()
    assert loading.join() is False
    assert "unloaded while it was being loaded" in engine.last_error
    other.go_on.set()
    assert beside.join() is True
    assert predicted(engine, "m") == 2 and len(engine.list_models()) == 1
    wait_until(lambda: slow.served() is None)
    assert engine.load_model(Held(3, held=False), ModelType.CUSTOM, name="m", version="1")
    assert predicted(engine, "m") == 3


def test_shutdown_does_not_wait_for_a_load_which_fails(held_loads):
    engine = InferenceEngine(PLAIN)
    slow = Held(1)
    loading = begin(engine, slow)
    stopping = threading.Thread(target=engine.shutdown, args=(0.1,))
    stopping.start()
    stopping.join(LONG)
    assert not stopping.is_alive() and not slow.go_on.is_set()
    assert engine.state is EngineState.STOPPED
    slow.go_on.set()
    assert loading.join() is False
    assert engine.last_error == "the engine was stopped while the model was being loaded"
    assert engine.state is EngineState.STOPPED and not engine.list_models()
    wait_until(lambda: slow.served() is None)


def test_what_a_load_asks_of_its_own_engine_is_answered(engine):
    """No lock is held while a model is made and tried out."""
    told = []

    class Asking(Held):
        def __call__(self, rows):
            if self.entered.is_set():
                return super().__call__(rows)
            self.entered.set()

            def ask():
                told.append(engine.unload_model("nothing"))
                told.append(len(engine.list_models()))

            asking = threading.Thread(target=ask, daemon=True)
            asking.start()
            asking.join(LONG)
            return np.full(len(rows), self.answer)

    assert engine.load_model(Asking(4, held=False), ModelType.CUSTOM)
    assert told == [False, 0] and predicted(engine) == 4


def test_many_threads_load_and_unload_the_same_names(engine):
    wrong = []

    def work(number):
        rng = np.random.default_rng(number)
        for _ in range(30):
            name = f"m{rng.integers(3)}"
            if rng.random() < 0.3:
                engine.unload_model(name)
            else:
                answer = 10 * (number + 1)
                engine.load_model(
                    lambda rows, answer=answer: np.full(len(rows), answer),
                    ModelType.CUSTOM,
                    name=name,
                    version=str(rng.integers(2)),
                )
            success, _, metadata = engine.predict([[0.0]], name)
            nothing = ("there is no model", "no model is loaded")
            if not success and not metadata["error"].startswith(nothing):
                wrong.append(metadata["error"])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert not any(thread.is_alive() for thread in threads) and not wrong
    assert engine.state in (EngineState.READY, EngineState.ERROR) and not engine._loading
    served = sorted((one["name"], one["version"]) for one in engine.list_models())
    wait_until(lambda: len(engine._parts.core.models()) == len(served))
    for name, version in served:
        assert predicted(engine, name, version=version) in (10, 20, 30, 40)
        assert engine.enqueue_prediction([[0.0]], model=name, version=version).result(LONG) > 0


def test_worker_options_say_nothing_of_a_function():
    with InferenceEngine() as engine:
        assert not engine.load_model(lambda rows: rows[:, 0], worker_options={"num_threads": 1})
        assert "worker_options goes with a model" in engine.last_error
