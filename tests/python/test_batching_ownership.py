"""A batch of the batchers holds its items: one that is forgotten takes nothing from others."""

from __future__ import annotations

import gc
import threading
import weakref
from concurrent.futures import Future

import numpy as np

from spinney.batching import BatchProcessor, DynamicBatcher, PredictionRequest

LONG = 60  # seconds, for what happens at once on an idle machine


class Model:
    """Holds its first call up; does something within the second, which may fail."""

    def __init__(self):
        self.entered, self.go_on = threading.Event(), threading.Event()
        self.meanwhile = lambda: None
        self.seen = []

    def __call__(self, rows):
        if not self.entered.is_set():
            self.entered.set()
            assert self.go_on.wait(LONG)
            return rows
        self.seen.append(rows[:, 0].tolist())
        act, self.meanwhile = self.meanwhile, lambda: None
        act()
        if len(self.seen) == 1:
            raise ValueError("not this time")
        return 2 * rows


class Open(Future):
    """A future that can be cancelled while its request runs."""

    def cancel(self):
        with self._condition:
            self._state = "CANCELLED"
            self._condition.notify_all()
        return True


def test_one_that_is_cancelled_and_forgotten_while_its_batch_is_halved():
    model = Model()
    with BatchProcessor({"idempotent": True, "max_workers": 1}) as processor:
        processor.start(model)
        first = processor.enqueue_predict(np.zeros((1, 1)))
        assert model.entered.wait(LONG)
        items = [np.full((1, 1), float(i)) for i in range(1, 5)]
        watched = weakref.ref(items[0])
        futures = [processor.enqueue_predict(item) for item in items]

        def forget():
            items.clear()
            del futures[0]
            gc.collect()

        model.meanwhile = forget
        model.go_on.set()
        assert [future.result(LONG).tolist() for future in futures[-3:]] == [[[4]], [[6]], [[8]]]
        assert first.result(LONG).tolist() == [[0]]
        assert model.seen == [[1, 2, 3, 4], [1, 2], [3, 4]]
    gc.collect()
    assert watched() is None


def test_a_future_of_the_callers_own_that_is_cancelled_while_its_batch_runs():
    model = Model()
    model.seen.append("no call fails")
    with DynamicBatcher(model, max_batch_size=8, max_wait_time_ms=0) as batcher:
        first = PredictionRequest(0, np.zeros((1, 1)), future=Future())
        assert batcher.enqueue(first) and model.entered.wait(LONG)
        requests = [
            PredictionRequest(i, np.full((1, 1), float(i)), future=Open() if i == 1 else Future())
            for i in (1, 2)
        ]
        assert all(batcher.enqueue(request) for request in requests)
        stays = requests[1].future

        def forget():
            assert requests[0].future.cancel()
            requests.clear()
            gc.collect()

        model.meanwhile = forget
        model.go_on.set()
        assert stays.result(LONG).tolist() == [[4]]
        assert model.seen[1:] == [[1, 2]]
        assert first.future.result(LONG).tolist() == [[0]]
