"""What callers, signals and bad luck do to the batchers: nobody else may pay for it."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import textwrap
import threading
import time
import weakref
from concurrent.futures import Future

import numpy as np
import pytest

from batching_clock import ManualClock, manual_processor, queued, run_pending
from spinney.batching import BatchProcessor, DynamicBatcher, PredictionRequest
from spinney.batching.health import HealthWatch
from spinney.batching.request import array_entry
from spinney.configs import BatchProcessorConfig
from spinney.exceptions import EngineShutDownError, InvalidInputError, RequestExpiredError

ROW = np.ones((1, 2))


def _request(**options):
    return PredictionRequest(id=None, features=ROW, future=Future(), **options)


def test_a_slow_callback_delays_no_batch():
    blocked, go = threading.Event(), threading.Event()

    def slow(_):
        blocked.set()
        go.wait(20)

    with DynamicBatcher(lambda rows: rows) as batcher:
        first, second = _request(), _request()
        first.future.add_done_callback(slow)
        batcher.enqueue(first)
        assert blocked.wait(60)
        try:
            batcher.enqueue(second)
            assert np.array_equal(second.future.result(timeout=5), ROW)
        finally:
            go.set()


def test_a_slow_callback_delays_no_expiry():
    blocked, go = threading.Event(), threading.Event()
    batcher = DynamicBatcher(lambda rows: rows)  # not started: only the expiring thread runs

    def slow(_):
        blocked.set()
        go.wait(20)

    first, second = _request(timeout_ms=10), _request(timeout_ms=20)
    first.future.add_done_callback(slow)
    batcher.enqueue(first)
    batcher.enqueue(second)
    assert blocked.wait(60)
    try:
        assert isinstance(second.future.exception(timeout=5), RequestExpiredError)
    finally:
        go.set()
        batcher.stop()


def test_a_callback_that_never_returns_does_not_hang_stop():
    go = threading.Event()
    batcher = DynamicBatcher(lambda rows: rows)
    request = _request()
    request.future.add_done_callback(lambda _: go.wait(30))
    batcher.enqueue(request)  # never started, so stop() fails it
    began = time.monotonic()
    batcher.stop(0.2)
    assert time.monotonic() - began < 10
    assert isinstance(request.future.exception(timeout=0), EngineShutDownError)
    go.set()


def test_stop_waits_for_the_callbacks_and_their_thread_ends():
    before = set(threading.enumerate())
    called, threads = [], set()

    def slowly(future):
        time.sleep(0.02)
        called.append(future)
        threads.add(threading.current_thread())

    batcher = DynamicBatcher(lambda rows: rows)
    batcher.start()
    requests = [_request() for _ in range(10)]
    for request in requests:
        request.future.add_done_callback(slowly)
        batcher.enqueue(request)
    assert batcher.stop(10)
    assert called == [request.future for request in requests]  # in the order of their answers
    assert len(threads) == 1 and threads.isdisjoint(before)
    threads.pop().join(60)
    assert set(threading.enumerate()) <= before


def test_a_running_processor_refuses_another_function():
    def double(rows):
        return rows * 2

    with BatchProcessor() as processor:
        processor.start(double)
        processor.start(double)
        with pytest.raises(InvalidInputError, match=r"runs already.*stop"):
            processor.start(lambda rows: rows * 3)
        assert np.array_equal(processor.enqueue_predict(ROW).result(timeout=5), ROW * 2)


@pytest.mark.parametrize("forever", [float(sys.maxsize), 1e300, sys.maxsize])
def test_a_time_limit_beyond_all_clocks_is_no_limit(forever):
    batcher = DynamicBatcher(lambda rows: rows)
    far, near = _request(timeout_ms=forever), _request(timeout_ms=50)
    batcher.enqueue(far)
    time.sleep(0.1)  # the expiring thread sleeps until that far end
    batcher.enqueue(near)
    assert isinstance(near.future.exception(timeout=5), RequestExpiredError)
    batcher.start()
    assert np.array_equal(far.future.result(timeout=5), ROW)
    assert batcher.stop(forever)


def test_an_answered_request_with_a_long_limit_is_let_go_of():
    with DynamicBatcher(lambda rows: rows.sum(axis=1)) as batcher:
        kept = []
        for _ in range(20):
            features = np.ones((1, 1000))
            kept.append(weakref.ref(features))
            request = PredictionRequest(id=None, features=features, timeout_ms=3.6e6)
            batcher.enqueue(request)
            request.future.result(timeout=5)
            del features, request
        gc.collect()
        deadline = time.monotonic() + 5
        while any(ref() is not None for ref in kept) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert [ref() for ref in kept].count(None) == 20


def test_expired_requests_behind_one_that_waits_are_let_go_of():
    clock = ManualClock()
    processor = manual_processor(lambda rows: rows, clock, item_timeout=None)
    processor.pause()
    processor.enqueue(ROW)
    core = processor._core
    held = []
    for _ in range(1000):
        entry_future = Future()
        entry = array_entry(ROW, entry_future)
        entry.deadline = 0.5
        core.submit(entry, 2)
        clock.time += 1.0
        run_pending(processor)
        assert isinstance(entry_future.exception(timeout=0), RequestExpiredError)
        held.append(weakref.ref(entry_future))
        del entry, entry_future
    gc.collect()
    assert core.waiting == 1
    assert sum(future() is not None for future in held) < 200


def test_a_call_that_outlived_stop_hands_no_rows_to_the_next_function():
    entered, go = threading.Event(), threading.Event()
    seen = []

    def first(rows):
        entered.set()
        go.wait(20)
        raise ValueError("too late")

    def second(rows):
        seen.append(rows.copy())
        return rows

    config = BatchProcessorConfig(max_retries=2, retry_delay=0.0)
    processor = BatchProcessor(config)
    processor.start(first)
    old = [processor.enqueue_predict(ROW * 7) for _ in range(4)]
    assert entered.wait(60)
    worker = next(t for t in threading.enumerate() if t.name == "spinney-batch processor")
    assert processor.stop(0.05) is False
    processor.start(second)
    go.set()
    worker.join(60)
    assert np.array_equal(processor.enqueue_predict(ROW).result(timeout=5), ROW)
    processor.stop()
    assert all(isinstance(f.exception(timeout=0), EngineShutDownError) for f in old)
    assert not any((rows == 7).any() for rows in seen)
    stats = processor.get_stats()
    ended = sum(
        stats[f"{how}_items"]
        for how in ("processed", "failed", "expired", "cancelled", "shut_down")
    )
    assert stats["submitted_items"] == ended


def test_stop_says_that_an_unanswered_item_still_runs():
    entered, go = threading.Event(), threading.Event()

    def hang(rows):
        entered.set()
        go.wait(20)
        return rows

    processor = BatchProcessor()
    processor.start(hang)
    processor.enqueue(ROW)  # nobody has a future of it
    assert entered.wait(60)
    try:
        assert processor.stop(0.05) is False
    finally:
        go.set()


def test_masked_arrays_are_refused_not_stripped():
    masked = np.ma.masked_array(np.ones((2, 2)), mask=[[True, False], [False, False]])
    batcher = DynamicBatcher(lambda rows: rows)
    with pytest.raises(InvalidInputError, match="masked"):
        batcher.enqueue(PredictionRequest(id=None, features=masked))
    with BatchProcessor() as processor:
        processor.start(lambda rows: rows)
        with pytest.raises(InvalidInputError, match="masked"):
            processor.enqueue_predict(masked)


def test_a_greedy_processor_follows_update_batch_size():
    sizes = []

    def note(rows):
        sizes.append(len(rows))
        return rows

    processor = manual_processor(note, processing_strategy="GREEDY", max_batch_size=32)
    assert processor.current_batch_size == 32
    processor.update_batch_size(4)
    for _ in range(8):
        processor.enqueue(ROW)
    run_pending(processor)
    assert sizes == [4, 4]


def test_a_batch_size_that_memory_has_halved_comes_back():
    config = BatchProcessorConfig(processing_strategy="GREEDY", max_batch_size=64)
    processor = manual_processor(lambda rows: rows, processing_strategy="GREEDY")
    readings = iter([99.0, 99.0, 10.0])
    watch = HealthWatch(processor._core, config, memory=lambda: next(readings))
    before = processor.current_batch_size
    watch.check()
    watch.check()
    assert processor.current_batch_size == before // 4
    watch.check()
    assert processor.current_batch_size == before


def test_no_thread_for_expiry_still_queues_the_request(monkeypatch):
    import spinney.batching.core as core

    batcher = DynamicBatcher(lambda rows: rows)
    batcher.start()
    batcher._core.set_paused(True)
    real = core.start_thread

    def refuse(*_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(core, "start_thread", refuse)
    first = _request(timeout_ms=1e5)
    assert batcher.enqueue(first) is True
    monkeypatch.setattr(core, "start_thread", real)
    second = queued(batcher, ROW, timeout_ms=50)
    assert isinstance(second.future.exception(timeout=5), RequestExpiredError)
    batcher._core.set_paused(False)
    assert np.array_equal(first.future.result(timeout=5), ROW)
    batcher.stop()


_SIGNALLED = """
    import signal, sys, threading
    import numpy as np
    from spinney.batching import DynamicBatcher, PredictionRequest

    batcher = DynamicBatcher(lambda rows: rows)
    batcher.start()
    said = []
    signal.signal(signal.SIGALRM, lambda *_: said.append({call}))
    row = np.ones((1, 2))
    request = PredictionRequest(1, row)
    # The signal comes within the batcher's own code.
    {interrupted}
    print(said, request.future.result(timeout=10).tolist())
    batcher.stop()
    assert not batcher.running
"""


_WHILE_IT_HOLDS_ITS_LOCK = """
    batcher.enqueue(request)
    with batcher._core.lock:
        signal.raise_signal(signal.SIGALRM)
"""
_WHILE_IT_QUEUES = """
    offer = batcher._core._offer
    def interrupted(entry, level):
        refusal = offer(entry, level)
        signal.raise_signal(signal.SIGALRM)
        return refusal
    batcher._core._offer = interrupted
    batcher.enqueue(request)
"""


@pytest.mark.skipif(not hasattr(__import__("signal"), "SIGALRM"), reason="no such signals here")
@pytest.mark.parametrize(
    ("interrupted", "said"), [(_WHILE_IT_HOLDS_ITS_LOCK, False), (_WHILE_IT_QUEUES, True)]
)
def test_stop_in_a_signal_handler_does_not_lock_up(interrupted, said):
    """It takes no lock to queue a request, so that a handler may do anything meanwhile."""
    script = _SIGNALLED.replace("{call}", "batcher.stop(5)")
    script = textwrap.dedent(script.replace("    {interrupted}\n", interrupted))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode().strip() == f"[{said}] [[1.0, 1.0]]"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_health_is_watched_in_a_forked_child_too():
    with BatchProcessor() as processor:
        processor.start(lambda rows: rows)
        pid = os.fork()
        if pid == 0:
            processor.enqueue_predict(ROW).result(timeout=10)
            os._exit(0 if any(t.name == "spinney-health" for t in threading.enumerate()) else 1)
        assert os.waitpid(pid, 0)[1] == 0
