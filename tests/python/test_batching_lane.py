"""The batchers as lanes of the engine: what a queue of their own in Python could not do."""

from __future__ import annotations

import gc
import os
import signal
import threading
import weakref
from concurrent.futures import Future, InvalidStateError

import numpy as np
import pytest

from batching_clock import ManualClock, manual_batcher, manual_processor, queued, run_pending
from spinney.batching import BatchProcessor, DynamicBatcher, PredictionRequest
from spinney.configs import BatchProcessorConfig
from spinney.exceptions import ConfigError, EngineShutDownError, RequestExpiredError

LONG = 60  # seconds, for what happens at once on an idle machine


def rows(*values):
    return np.array(values, dtype=float).reshape(-1, 1)


def fails_on_thirteen(values):
    if (values == 13).any():
        raise ValueError("thirteen")
    return values * 2


def test_no_worker_sleeps_before_a_retry():
    """The only worker answers others while what failed waits an hour for its next try."""
    config = BatchProcessorConfig(max_workers=1, max_retries=1, retry_delay=3600.0)
    processor = BatchProcessor(config)
    processor.start(fails_on_thirteen)
    unlucky = processor.enqueue_predict(rows(13))
    for value in range(3):
        assert processor.enqueue_predict(rows(value)).result(LONG).tolist() == [[2.0 * value]]
    assert not unlucky.done()
    assert processor.stop(LONG) is True  # which cuts the hour short
    assert isinstance(unlucky.exception(0), ValueError)


def test_what_waits_for_a_retry_expires_in_time():
    config = BatchProcessorConfig(max_retries=1, retry_delay=3600.0, item_timeout=0.05)
    with BatchProcessor(config) as processor:
        processor.start(fails_on_thirteen)
        unlucky = processor.enqueue_predict(rows(13))
        assert isinstance(unlucky.exception(LONG), RequestExpiredError)


def test_a_stop_without_time_answers_what_waits_for_a_retry():
    config = BatchProcessorConfig(max_retries=1, retry_delay=3600.0)
    processor = BatchProcessor(config)
    processor.start(fails_on_thirteen)
    unlucky = processor.enqueue_predict(rows(13))
    assert processor.enqueue_predict(rows(1)).result(LONG).tolist() == [[2.0]]
    processor.stop(0.0)
    assert isinstance(unlucky.exception(LONG), (EngineShutDownError, ValueError))


def test_idempotent_has_one_default():
    calls = []

    def fails(values):
        calls.append(len(values))
        raise ValueError("no")

    processor = manual_processor(fails)
    futures = [processor.enqueue_predict(rows(value)) for value in range(4)]
    run_pending(processor)
    assert calls == [4]
    assert all(isinstance(future.exception(0), ValueError) for future in futures)
    config = BatchProcessorConfig()
    assert (config.idempotent, config.max_retries) == (False, 0)
    asked = BatchProcessorConfig(max_retries=3)
    assert (asked.idempotent, asked.max_retries) == (True, 3)
    assert BatchProcessorConfig(idempotent=True).max_retries == 2
    with pytest.raises(ConfigError, match="idempotent"):
        BatchProcessorConfig(idempotent=False, max_retries=1)


def test_what_a_function_keeps_by_thread_stays_from_batch_to_batch():
    kept, seen = threading.local(), []

    def function(values):
        kept.calls = getattr(kept, "calls", 0) + 1
        seen.append((threading.current_thread(), kept.calls))
        return values

    with DynamicBatcher(function) as batcher:
        for value in range(5):
            request = PredictionRequest(value, rows(value))
            batcher.enqueue(request)
            request.future.result(LONG)
    assert [calls for _, calls in seen] == [1, 2, 3, 4, 5]
    assert {thread.name for thread, _ in seen} == {"spinney-batcher"}


@pytest.mark.parametrize("ending", ["stopped", "dropped", "restarted"])
def test_nothing_is_left_of_a_batcher_that_is_gone(ending):
    others = set(threading.enumerate())
    batcher = DynamicBatcher(lambda values: values)
    batcher.start()
    request = PredictionRequest(1, rows(1), timeout_ms=1e6)
    batcher.enqueue(request)
    request.future.result(LONG)
    core, function = weakref.ref(batcher._core), weakref.ref(batcher.batch_processor)
    threads = [t for t in set(threading.enumerate()) - others if t.name.startswith("spinney-")]
    assert threads
    if ending != "dropped":
        assert batcher.stop(LONG)
    if ending == "restarted":
        batcher.start()
        assert batcher.stop(LONG)
    del batcher
    for thread in threads:
        thread.join(LONG)
    del threads
    for _ in range(100):
        gc.collect()
        if core() is None:
            break
        threading.Event().wait(0.05)  # for the thread that ends a dropped one
    assert core() is None
    assert function() is None


def test_many_kinds_of_rows_never_share_a_call():
    """More signatures than a lane has classes."""
    seen = []

    def function(values):
        seen.append(values.shape)
        return values[:, 0]

    batcher = manual_batcher(function, max_batch_size=1000)
    requests = [queued(batcher, np.full((1, 1 + i % 40), float(i))) for i in range(400)]
    run_pending(batcher)
    assert [request.future.result(0)[0] for request in requests] == [float(i) for i in range(400)]
    assert {shape[1] for shape in seen} == set(range(1, 41))


def test_a_request_that_is_late_as_it_comes_is_not_run():
    clock, calls = ManualClock(), []
    batcher = manual_batcher(lambda values: calls.append(len(values)), clock)
    late = queued(batcher, rows(1), timeout_ms=10, timestamp=clock.time - 1)
    assert isinstance(late.future.exception(0), RequestExpiredError)
    stats = batcher.get_stats()
    assert (stats["submitted_requests"], stats["expired_requests"]) == (1, 1)
    run_pending(batcher)
    assert not calls


def test_a_handler_may_queue_a_request_while_one_is_being_queued():
    """To queue takes no lock, so that who is interrupted and who interrupts are both served."""
    with DynamicBatcher(lambda values: values * 2) as batcher:
        inner = PredictionRequest(2, rows(2))
        offer, once = batcher._core._offer, [True]

        def interrupted(entry, level):
            if once:
                once.clear()
                assert batcher.enqueue(inner)
            return offer(entry, level)

        batcher._core._offer = interrupted
        outer = PredictionRequest(1, rows(1))
        assert batcher.enqueue(outer)
        assert outer.future.result(LONG).tolist() == [[2.0]]
        assert inner.future.result(LONG).tolist() == [[4.0]]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_forked_while_one_waits_for_a_retry():
    config = BatchProcessorConfig(max_retries=1, retry_delay=3600.0)
    processor = BatchProcessor(config)
    processor.start(fails_on_thirteen)
    unlucky = processor.enqueue_predict(rows(13))
    assert processor.enqueue_predict(rows(1)).result(LONG).tolist() == [[2.0]]
    child = os.fork()
    if child == 0:
        signal.alarm(30)  # a deadlock ends the child
        code = 1
        try:
            inherited = isinstance(unlucky.exception(5), EngineShutDownError)
            mine = processor.enqueue_predict(rows(4)).result(LONG).tolist() == [[8.0]]
            code = 0 if inherited and mine and processor.stop(10) else 2
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert not unlucky.done()
    assert processor.stop(LONG) is True
    assert isinstance(unlucky.exception(0), ValueError)


def test_a_thread_that_waits_for_a_place_gets_the_first_that_is_free():
    config = BatchProcessorConfig(max_queue_size=5)
    processor = BatchProcessor(config)
    entered, go = threading.Event(), threading.Event()

    def hold(values):
        entered.set()
        go.wait(LONG)
        return values

    processor.start(hold)
    first = processor.enqueue_predict(rows(0))
    assert entered.wait(LONG)
    queue = [processor.enqueue_predict(rows(value)) for value in range(5)]
    waiting = []
    thread = threading.Thread(
        target=lambda: waiting.append(processor.enqueue_predict(rows(9), timeout=LONG))
    )
    thread.start()
    go.set()
    thread.join(LONG)
    assert waiting[0].result(LONG).tolist() == [[9.0]]
    assert [future.result(LONG).item() for future in [first, *queue]] == [0, 0, 1, 2, 3, 4]
    assert processor.stop(LONG)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_forked_while_a_batch_is_being_answered():
    answering, go = threading.Event(), threading.Event()

    class Slow(Future):
        def set_result(self, result):
            answering.set()
            go.wait(LONG)
            super().set_result(result)

    batcher = DynamicBatcher(lambda values: values * 2)
    futures = [Slow(), Future(), Future()]
    for value, future in enumerate(futures):
        batcher.enqueue(PredictionRequest(value, rows(value), future=future))
    batcher.start()
    assert answering.wait(LONG)
    child = os.fork()
    if child == 0:
        signal.alarm(30)  # a deadlock ends the child
        code = 1
        try:
            go.set()
            inherited = [isinstance(f.exception(5), EngineShutDownError) for f in futures[1:]]
            mine = [PredictionRequest(value, rows(value)) for value in range(100)]
            assert all(batcher.enqueue(request) for request in mine)
            right = [request.future.result(LONG).item() for request in mine] == [
                2.0 * value for value in range(100)
            ]
            empty = batcher.get_stats()["current_queue_size"] == 0
            code = 0 if all(inherited) and right and empty and batcher.stop(10) else 2
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    go.set()
    assert [future.result(LONG).item() for future in futures] == [0.0, 2.0, 4.0]
    assert batcher.stop(LONG)


def test_a_future_that_cannot_be_completed_takes_no_answer_from_others(caplog):
    class Odd:
        def done(self):
            return False

        def cancelled(self):
            raise RuntimeError("do not ask")

        def set_running_or_notify_cancel(self):
            return True

        def set_result(self, result):
            raise InvalidStateError

        set_exception = set_result

    clock = ManualClock()
    batcher = manual_batcher(lambda values: values, clock)
    batcher.enqueue(PredictionRequest(1, rows(1), future=Odd(), timeout_ms=5))
    other = queued(batcher, rows(2), timeout_ms=5)
    clock.time += 1
    run_pending(batcher)
    assert isinstance(other.future.exception(0), RequestExpiredError)
    assert "could not be completed" in caplog.text
