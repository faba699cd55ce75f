"""Seeded simulations on a moved clock, and real threads: one reply each, order, rows not mixed.

A failing seed is in the test's name and replays by itself.
"""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import CancelledError, Future
from concurrent.futures import wait as wait_for

import numpy as np
import pytest

from batching_clock import ManualClock, manual_batcher, manual_processor, run_pending
from spinney.batching import BatchProcessor, DynamicBatcher, PredictionRequest
from spinney.exceptions import EngineShutDownError, RequestExpiredError


class CountedFuture(Future):
    """Counts its replies, so that a second one would show even where it was swallowed."""

    def __init__(self):
        super().__init__()
        self.replies = 0

    def set_result(self, result):
        self.replies += 1
        super().set_result(result)

    def set_exception(self, exception):
        self.replies += 1
        super().set_exception(exception)


class Model:
    """Twice each row's numbers; checks that no expired row and no row twice is run."""

    def __init__(self, chance, clock, idempotent):
        self.chance, self.clock, self.idempotent = chance, clock, idempotent
        self.deadlines = {}
        self.ran = set()
        self.order = []

    def __call__(self, rows):
        now = self.clock.time
        for ident in np.unique(rows[:, 0]).astype(int).tolist():
            assert self.deadlines[ident] > now, f"{ident} ran after its time"
            assert self.idempotent or ident not in self.ran, f"{ident} ran twice"
            self.ran.add(ident)
            self.order.append(ident)
        self.clock.time += self.chance.choice([0.0, 0.001, 0.02])
        kind = self.chance.random()
        if kind < 0.1 or (rows[:, 1] < 0).any():
            raise ValueError("a fault of the model")
        if kind < 0.13:
            return rows[:-1]
        return rows * 2


def simulate(seed):
    chance = random.Random(seed)
    clock = ManualClock()
    idempotent = chance.random() < 0.5
    model = Model(chance, clock, idempotent)
    pieces = chance.randint(3, 20)  # a request longer than a batch runs in pieces, seen as one id
    batcher = manual_batcher(
        model,
        clock,
        max_batch_size=pieces,
        max_queue_size=chance.randint(1, 30),
        min_batch_size=chance.choice([1, 1, 3]),
        max_wait_time_ms=chance.choice([0.0, 5.0]),
        idempotent=idempotent,
        priority_aging_s=chance.choice([0.0, 0.01, 1.0]),
    )
    asked, refused = {}, 0
    for ident in range(chance.randint(1, 80)):
        rows = np.full((chance.randint(1, 3), chance.choice([2, 2, 2, 3])), float(ident))
        rows[:, 1] = -1.0 if chance.random() < 0.05 else chance.random()
        timeout = chance.choice([None, None, 0.0, 5.0, 50.0])
        model.deadlines[ident] = float("inf") if timeout is None else clock.time + timeout / 1e3
        request = PredictionRequest(
            ident, rows, chance.randint(0, 4), 0.0, CountedFuture(), timeout
        )
        if batcher.enqueue(request):
            asked[ident] = request
        else:
            refused += 1
            assert not request.future.done()
        if asked and chance.random() < 0.1:
            asked[chance.choice(list(asked))].future.cancel()
        if chance.random() < 0.2:
            clock.time += chance.choice([0.001, 0.01])
        if chance.random() < 0.3:
            run_pending(batcher)
    if chance.random() < 0.5:
        clock.time += 1.0
        run_pending(batcher)
    batcher.stop(chance.choice([0.0, 2.0]))
    return batcher, asked, refused


@pytest.mark.parametrize("first", range(0, 1000, 100))
def test_every_request_is_answered_once_with_its_own_rows(first):
    outcomes = set()
    for seed in range(first, first + 100):
        batcher, asked, refused = simulate(seed)
        for ident, request in asked.items():
            future = request.future
            assert future.done(), (seed, ident)
            assert future.replies == 1 or (future.cancelled() and future.replies == 0), seed
            try:
                answer = future.result(0)
            except (CancelledError, Exception) as error:
                outcomes.add(type(error).__name__)
                continue
            outcomes.add("answered")
            np.testing.assert_array_equal(answer, request.features * 2, f"seed {seed}")
        stats = batcher.get_stats()
        assert stats["submitted_requests"] == len(asked), seed
        assert stats["refused_requests"] == refused, seed
        ends = ("processed", "expired", "cancelled", "shut_down")
        assert sum(stats[f"{end}_requests"] for end in ends) == len(asked), (seed, stats)
        assert stats["current_queue_size"] == 0
    assert outcomes >= {
        "answered",
        "ValueError",
        "ModelFailedError",
        "CancelledError",
        "RequestExpiredError",
        "EngineShutDownError",
    }


@pytest.mark.parametrize("seed", range(20))
def test_within_a_level_the_order_is_that_of_arrival(seed):
    chance = random.Random(seed)
    clock, order = ManualClock(), []

    def function(rows):
        order.extend(rows[:, 0].astype(int).tolist())
        return rows

    processor = manual_processor(
        function, clock, max_batch_size=chance.randint(1, 9), priority_aging=10.0
    )
    levels = [chance.randint(0, 4) for _ in range(100)]
    for ident, level in enumerate(levels):
        processor.enqueue(np.array([[float(ident)]]), priority=level)
        clock.time += chance.random() * 1e-3
    run_pending(processor)
    assert sorted(order) == list(range(100))
    assert [levels[ident] for ident in order] == sorted(levels)
    for level in range(5):
        same = [ident for ident in order if levels[ident] == level]
        assert same == sorted(same)


@pytest.mark.parametrize("workers", [1, 3])
def test_threads_get_their_own_rows(workers):
    batcher = DynamicBatcher(
        lambda rows: rows * 2, max_batch_size=16, max_queue_size=10_000, max_workers=workers
    )
    wrong = []

    def ask(first):
        chance = random.Random(first)
        requests = []
        for ident in range(first, first + 300):
            features = np.full((chance.randint(1, 3), 4), float(ident))
            request = PredictionRequest(ident, features, chance.randint(0, 4))
            assert batcher.enqueue(request)
            requests.append(request)
        for request in requests:
            answer = request.future.result(30)
            if not np.array_equal(answer, request.features * 2):
                wrong.append(request.id)

    with batcher:
        threads = [threading.Thread(target=ask, args=(1000 * i,)) for i in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong
    stats = batcher.get_stats()
    assert stats["processed_requests"] == 1800
    assert stats["processed_batches"] < 1800


def test_stop_in_the_middle_answers_everybody():
    """Threads ask without end while another stops; each future is answered, or refused at once."""
    for round_number in range(10):
        processor = BatchProcessor({"max_queue_size": 50, "max_batch_size": 4})
        processor.start(lambda rows: rows + 1)
        futures, stopped = [], threading.Event()

        def ask(processor=processor, futures=futures, stopped=stopped):
            while not stopped.is_set():
                future = processor.enqueue_predict(np.zeros((1, 1)), timeout=30.0)
                futures.append(future)

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        while len(futures) < 100:
            time.sleep(0.001)  # not a thread more that wants the interpreter
        assert processor.stop(30.0) is True
        stopped.set()
        for thread in threads:
            thread.join()
        assert not wait_for(futures, 0).not_done, round_number
        for future in futures:
            error = future.exception(0)
            assert error is None or isinstance(error, EngineShutDownError)


def test_a_call_that_never_ends_does_not_hang_stop():
    entered, leave = threading.Event(), threading.Event()

    def hangs(rows):
        entered.set()
        leave.wait(30)
        return rows

    batcher = DynamicBatcher(hangs, max_batch_size=1)
    batcher.start()
    running, queued = PredictionRequest(1, [[1.0]]), PredictionRequest(2, [[1.0]])
    expiring = PredictionRequest(3, [[1.0]], timeout_ms=1)
    batcher.enqueue(running)
    entered.wait(10)
    batcher.enqueue(queued)
    batcher.enqueue(expiring)
    with pytest.raises(RequestExpiredError):
        expiring.future.result(10)  # although the only worker is busy
    assert batcher.stop(0.01) is False
    with pytest.raises(EngineShutDownError, match="while the request ran"):
        running.future.result(0)
    with pytest.raises(EngineShutDownError, match="before"):
        queued.future.result(0)
    leave.set()
    batcher.batch_processor = None
    batcher._core.start(lambda rows: rows)  # starts afresh beside the thread that hung
    again = PredictionRequest(4, [[1.0]])
    batcher.enqueue(again)
    assert again.future.result(10).tolist() == [[1.0]]
    assert batcher.stop(10) is True
