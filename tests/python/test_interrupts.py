"""Signals during one long call: looked for between chunks of rows, on the main thread alone."""

from __future__ import annotations

import gc
import signal
import threading
import tracemalloc

import numpy as np
import pytest

import spinney

ROWS = 1_500_000


class Interrupted(Exception):
    pass


@pytest.fixture(scope="module")
def heavy(training_data):
    """A model that a call of ROWS rows takes a second or so."""
    lightgbm = pytest.importorskip("lightgbm")
    x, y = training_data
    parameters = {"verbose": -1, "num_leaves": 31, "min_data_in_leaf": 1, "num_threads": 1}
    booster = lightgbm.train(parameters, lightgbm.Dataset(x, y), 600)
    return spinney.Model.from_bytes(booster.model_to_string().encode(), "text")


@pytest.fixture(scope="module")
def rows(heavy):
    some = np.random.default_rng(5).normal(size=(ROWS // 50, heavy.n_features)) * 3
    return np.tile(some, (50, 1))


def as_kind(kind, rows):
    if kind == "sparse":
        return pytest.importorskip("scipy.sparse").csr_matrix(rows)
    return rows.astype(kind)


class Alarms:
    """Signals that come all the time; handler(how many were handled) for each."""

    def __init__(self, handler=None):
        self.handled, self._handler = 0, handler

    def _handle(self, *_):
        self.handled += 1
        if self._handler is not None:
            self._handler(self.handled)

    def __enter__(self):
        self._before = signal.signal(signal.SIGALRM, self._handle)
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        return self

    def stop(self):
        signal.setitimer(signal.ITIMER_REAL, 0)

    def __exit__(self, *_):
        self.stop()
        signal.signal(signal.SIGALRM, self._before)


@pytest.mark.parametrize("kind", ["f8", "f4", "i8", "f2", "sparse"])
def test_signals_are_handled_within_a_call_and_change_no_answer(heavy, rows, kind):
    given = as_kind(kind, rows)
    for _ in range(10):  # where others have the cores, a call may see few of its alarms
        with Alarms() as alarms:
            before = alarms.handled
            # Without a look at signals, the handler runs once, when the call has returned.
            within = [heavy.predict(given), alarms.handled - before]
        if within[1] > 2:
            break
    answers = []
    thread = threading.Thread(target=lambda: answers.append(heavy.predict(given)))
    thread.start()
    thread.join()
    np.testing.assert_array_equal(within[0], answers[0])
    assert within[1] > 2


@pytest.mark.parametrize("method", ["predict", "predict_raw"])
@pytest.mark.parametrize("threads", [1, 2])
def test_what_a_handler_raises_ends_the_call(heavy, rows, method, threads):
    def raising(handled):
        if handled > 1:  # the first may come before the call
            alarms.stop()
            raise Interrupted

    tracemalloc.start()
    try:
        with pytest.raises(Interrupted), Alarms(raising) as alarms:
            getattr(heavy, method)(rows, num_threads=threads)
            pytest.fail("the call returned")
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] < 4 * ROWS  # the answer's memory is given back
    finally:
        tracemalloc.stop()
    assert len(heavy.predict(rows[:10])) == 10


def test_an_engine_that_predicts_at_once_passes_it_on(heavy, rows):
    def raising(handled):
        if handled > 1:
            alarms.stop()
            raise KeyboardInterrupt

    with spinney.InferenceEngine({"num_threads": 1}) as engine:
        assert engine.load_model(heavy)
        with pytest.raises(KeyboardInterrupt), Alarms(raising) as alarms:
            engine.predict(rows)
            pytest.fail("the call returned")
        assert engine.active_requests == 0
        assert engine.predict(rows[:10])[0]


@pytest.mark.parametrize("kind", ["f8", "f2", "sparse"])
def test_messages_name_the_row_of_the_whole_call(training_data, kind):
    ensemble = pytest.importorskip("sklearn.ensemble")
    x, y = training_data
    x = np.nan_to_num(x)
    model = spinney.load(ensemble.GradientBoostingRegressor(n_estimators=400).fit(x, y))
    given = np.tile(x, (600, 1))
    at = len(given) - 7
    given[at, 3] = np.nan
    with pytest.raises(spinney.InvalidInputError, match=f"row {at}, column 3"):
        model.predict(as_kind(kind, given), strict=True)
