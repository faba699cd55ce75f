"""A batch owns the rows that it reads: nothing that becomes of one request takes another's away."""

from __future__ import annotations

import gc
import threading
import time
import weakref

import numpy as np
import pytest

from spinney import InferenceEngine, ModelType
from spinney.engine import parcels

LONG = 60  # seconds, for what happens at once on an idle machine
PLAIN = {"enable_request_deduplication": False, "enable_warmup": False, "num_threads": 1}


class Meanwhile:
    """Does something within a batch, after it was taken and before its rows are looked up."""

    def __init__(self, monkeypatch):
        self.act = lambda: None
        self.read = []  # the rows that each batch of parcels found
        self._together = parcels.together
        monkeypatch.setattr(parcels, "together", self._putting_together)

    def _putting_together(self, batch):
        act, self.act = self.act, lambda: None
        act()
        self.read.append([parcel.rows.tolist() for parcel in batch])
        return self._together(batch)


class Model:
    """Adds up integers; holds its first call up, so that what follows becomes one batch."""

    def __init__(self):
        self.entered, self.go_on = threading.Event(), threading.Event()
        self.seen, self.fails = [], 0

    def __call__(self, rows):
        if not self.entered.is_set():
            self.entered.set()
            assert self.go_on.wait(LONG)
            return rows.sum(axis=1)
        self.seen.append(rows[:, 0].tolist())
        if self.fails:
            self.fails -= 1
            raise ValueError("not this time")
        return rows.sum(axis=1)


@pytest.fixture
def meanwhile(monkeypatch):
    return Meanwhile(monkeypatch)


@pytest.fixture(autouse=True)
def alive(monkeypatch):
    """All parcels that still are."""
    found = weakref.WeakSet()
    make = parcels.Parcel.__init__

    def making(self, *arguments):
        found.add(self)
        make(self, *arguments)

    monkeypatch.setattr(parcels.Parcel, "__init__", making)
    return found


def wait_until(true):
    end = time.monotonic() + LONG
    while not true() and time.monotonic() < end:
        time.sleep(0.002)
    assert true()


def asked(engine, numbers, **how):
    return [
        engine.enqueue_prediction(np.full((1, 2), number, dtype=np.int64), **how)
        for number in numbers
    ]


def cancel(engine, future):
    assert future.cancel()


def expire(engine, future):
    wait_until(future.done)
    assert future.exception() is not None


def reload(engine, future):
    assert engine.load_model(lambda rows: rows.sum(axis=1), ModelType.CUSTOM)


def unload(engine, future):
    assert engine.unload_model()


def all_let_go_of(engine, alive):
    """Requests give back what they held when the next one comes."""
    if not engine._named:
        assert engine.load_model(lambda rows: rows.sum(axis=1), ModelType.CUSTOM)

    def gone():
        engine.enqueue_prediction([[1.0, 2.0]]).result(LONG)
        gc.collect()
        return not alive

    wait_until(gone)


def held_up(engine, model, **how):
    """The first request, whose batch lasts until model.go_on; what follows is one batch."""
    assert engine.load_model(model, ModelType.CUSTOM, **how), engine.last_error
    first = engine.enqueue_prediction(np.ones((1, 2)))
    assert model.entered.wait(LONG)
    return first


@pytest.mark.parametrize("happens", [cancel, expire, reload, unload])
def test_a_neighbour_that_goes_takes_nothing_along(meanwhile, alive, happens):
    model = Model()
    with InferenceEngine(PLAIN) as engine:
        first = held_up(engine, model)
        futures = asked(engine, [1], timeout_ms=500 if happens is expire else None)
        futures += asked(engine, [2])

        def act():
            happens(engine, futures[0])
            futures[0] = None
            gc.collect()

        meanwhile.act = act
        model.go_on.set()
        assert futures[1].result(LONG).tolist() == [4]
        assert first.result(LONG).tolist() == [2]
        # On a machine that is too busy to take it in time the one that expires is not run at all.
        assert model.seen == [[1, 2]] or (happens is expire and model.seen == [[2]])
        futures.clear()
        all_let_go_of(engine, alive)


def test_one_that_goes_between_the_halves_of_a_batch(meanwhile, alive):
    model = Model()
    with InferenceEngine(PLAIN) as engine:
        first = held_up(engine, model, idempotent=True)
        futures = asked(engine, [1, 2, 3, 4])
        model.fails = 1

        def act_in_a_half():
            cancel(engine, futures[0])
            futures[0] = None
            gc.collect()

        def act():  # in the whole batch, which fails: the next is its first half
            meanwhile.act = act_in_a_half

        meanwhile.act = act
        model.go_on.set()
        assert [future.result(LONG).tolist() for future in futures[1:]] == [[4], [6], [8]]
        assert first.result(LONG).tolist() == [2]
        assert model.seen == [[1, 2, 3, 4], [1, 2], [3, 4]]
        futures.clear()
        all_let_go_of(engine, alive)


def test_a_batch_that_runs_over_a_shutdown_reads_its_own_rows(meanwhile, alive):
    model = Model()
    engine = InferenceEngine(PLAIN)
    first = held_up(engine, model)
    futures = asked(engine, [1, 2])
    ended = threading.Event()

    def act():
        stopping = threading.Thread(target=engine.shutdown, args=(0.0,))
        stopping.start()
        wait_until(lambda: all(future.done() for future in futures))
        futures.clear()
        gc.collect()
        ended.set()

    meanwhile.act = act
    model.go_on.set()
    assert ended.wait(LONG)
    wait_until(lambda: meanwhile.read)
    assert meanwhile.read == [[[[1, 1]], [[2, 2]]]]  # though its model may be closed by now
    del first
    with InferenceEngine(PLAIN) as another:
        all_let_go_of(another, alive)


def test_the_first_cancels_and_forgets_as_soon_as_it_runs(alive):
    """As a caller does it: no step of the batch is waited for."""
    for _ in range(30):
        model = Model()
        with InferenceEngine(PLAIN) as engine:
            first = held_up(engine, model)
            futures = asked(engine, [1, 2])
            model.go_on.set()
            first.result(LONG)
            while not (futures[0].running() or futures[0].done()):
                time.sleep(0)
            futures[0].cancel()
            del futures[0]
            assert futures[0].result(LONG).tolist() == [4]
    with InferenceEngine(PLAIN) as engine:
        all_let_go_of(engine, alive)


def test_answers_are_kept_of_rows_that_the_queue_does_not_look_into(alive):
    calls = []

    def model(rows):
        calls.append(len(rows))
        return rows.sum(axis=1)

    with InferenceEngine({"enable_warmup": False, "num_threads": 1}) as engine:
        assert engine.load_model(model, ModelType.CUSTOM, idempotent=True)
        for _ in range(3):
            assert asked(engine, [5])[0].result(LONG).tolist() == [10]
        assert calls == [1]
        all_let_go_of(engine, alive)
