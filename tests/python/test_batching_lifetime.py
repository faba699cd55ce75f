"""Threads of batchers end: when dropped, at exit, from a callback, and in a forked child."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import weakref

import numpy as np
import pytest

from spinney.batching import BatchProcessor, DynamicBatcher, PredictionRequest
from spinney.exceptions import EngineShutDownError


def batcher_threads():
    return [t for t in threading.enumerate() if t.name.startswith("spinney-")]


def gone(threads):
    for thread in threads:
        thread.join(10)
    return not any(thread.is_alive() for thread in threads)


def test_a_dropped_batcher_answers_and_ends_its_threads():
    before = set(batcher_threads())
    batcher = DynamicBatcher(lambda rows: rows * 2)
    batcher.start()
    request = PredictionRequest(1, [[2.0]], timeout_ms=60_000)
    batcher.enqueue(request)
    mine = [thread for thread in batcher_threads() if thread not in before]
    assert len(mine) == 2  # a worker, and one that expires requests
    watch = weakref.ref(batcher)
    del batcher
    gc.collect()
    assert watch() is None
    assert request.future.result(10).tolist() == [[4.0]]
    assert gone(mine)


def test_a_dropped_processor_ends_its_threads():
    before = set(batcher_threads())
    processor = BatchProcessor({"max_workers": 2})
    processor.start(lambda rows: rows)
    mine = [thread for thread in batcher_threads() if thread not in before]
    assert len(mine) == 3
    del processor
    gc.collect()
    assert gone(mine)


def test_never_started_and_dropped_fails_what_was_queued():
    batcher = DynamicBatcher(lambda rows: rows)
    request = PredictionRequest(1, [[2.0]])
    batcher.enqueue(request)
    del batcher
    gc.collect()
    with pytest.raises(EngineShutDownError):
        request.future.result(10)


def test_stop_from_a_callback_neither_hangs_nor_loses_requests():
    batcher = DynamicBatcher(lambda rows: rows, max_batch_size=2)
    requests = [PredictionRequest(i, [[float(i)]]) for i in range(5)]
    stopped = []
    for request in requests:
        batcher.enqueue(request)
    requests[0].future.add_done_callback(lambda _: stopped.append(batcher.stop(5)))
    batcher.start()
    assert [request.future.result(10).item() for request in requests] == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert gone([t for t in threading.enumerate() if t.name == "spinney-batcher-callbacks"])
    assert stopped == [True]  # callbacks have a thread of their own, so that it can wait


def test_stop_from_many_threads():
    processor = BatchProcessor()
    processor.start(lambda rows: rows)
    future = processor.enqueue_predict(np.ones((1, 1)))
    threads = [threading.Thread(target=processor.stop) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert gone(threads)
    assert future.result(0).item() == 1.0


def test_a_callback_that_leaves_does_not_end_the_worker():
    def leave(_):
        raise SystemExit(1)

    batcher = DynamicBatcher(lambda rows: rows)
    requests = [PredictionRequest(i, [[float(i)]]) for i in range(3)]
    for request in requests:
        batcher.enqueue(request)
        request.future.add_done_callback(leave)
    batcher.start()  # all three in one batch, answered one after the other
    assert [request.future.result(10).item() for request in requests] == [0.0, 1.0, 2.0]
    later = PredictionRequest(4, [[4.0]])
    batcher.enqueue(later)
    assert later.future.result(10).item() == 4.0
    batcher.stop()


def test_dropped_while_its_lock_is_held():
    """The collector may find the batcher's last reference in a thread that holds its lock."""
    batcher = DynamicBatcher(lambda rows: rows)
    batcher.start()
    core = batcher._core
    with core.lock:
        del batcher
        gc.collect()
    with core.lock:
        while core.state != "stopped":
            assert core._gone.wait(10)


def test_an_error_keeps_no_neighbour_s_rows_alive():
    class Rows(np.ndarray):
        pass

    def fails(rows):
        del rows
        raise ValueError("no")

    batcher = DynamicBatcher(fails, idempotent=True)
    first = PredictionRequest(1, [[1.0]])
    second = PredictionRequest(2, np.ones((1, 1)).view(Rows))
    watch = weakref.ref(second.features)
    batcher.enqueue(first)
    batcher.enqueue(second)
    gc.disable()
    try:
        batcher.start()
        for request in (first, second):
            assert isinstance(request.future.exception(10), ValueError)
        batcher.stop()
        second.features = None
        assert watch() is None
    finally:
        gc.enable()


def test_no_thread_to_be_had(monkeypatch):
    def refuse(*_):
        raise RuntimeError("can't start new thread")

    batcher = DynamicBatcher(lambda rows: rows)
    request = PredictionRequest(1, [[1.0]])
    batcher.enqueue(request)
    with monkeypatch.context() as patch:
        patch.setattr("spinney.batching.core.start_thread", refuse)
        with pytest.raises(RuntimeError, match="thread"):
            batcher.start()
    assert not batcher.running
    batcher.start()
    assert request.future.result(10).item() == 1.0
    batcher.stop()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_starts_afresh():
    entered, leave = threading.Event(), threading.Event()

    def held(rows):
        entered.set()
        leave.wait(30)
        return rows * 2

    batcher = DynamicBatcher(held, max_batch_size=1)
    batcher.start()
    running, queued = PredictionRequest(1, [[1.0]]), PredictionRequest(2, [[2.0]], timeout_ms=60000)
    batcher.enqueue(running)
    entered.wait(10)
    batcher.enqueue(queued)
    locked, unlock = threading.Event(), threading.Event()

    def look_at_the_future():  # as a thread does that waits on it
        with queued.future._condition:
            locked.set()
            unlock.wait(60)

    looking = threading.Thread(target=look_at_the_future, daemon=True)
    looking.start()
    locked.wait(10)
    child = os.fork()
    if child == 0:
        signal.alarm(20)  # a deadlock ends the child
        code = 1
        try:
            leave.set()
            inherited = [request.future.exception(5) for request in (running, queued)]
            mine = PredictionRequest(3, [[3.0]])
            batcher.enqueue(mine)
            right = mine.future.result(60).tolist() == [[6.0]]
            right = right and all(isinstance(error, EngineShutDownError) for error in inherited)
            code = 0 if right and batcher.stop(5) else 2
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    unlock.set()
    looking.join()
    leave.set()
    assert running.future.result(10).tolist() == [[2.0]]
    assert queued.future.result(10).tolist() == [[4.0]]
    batcher.stop()


@pytest.mark.parametrize("ending", ["", "batcher.stop()", "raise SystemExit(0)"])
def test_the_interpreter_exits_cleanly_with_batchers_alive(ending):
    program = f"""
import threading
import numpy as np
from spinney.batching import BatchProcessor, DynamicBatcher, PredictionRequest
batcher = DynamicBatcher(lambda rows: rows, max_batch_size=2)
batcher.start()
processor = BatchProcessor()
processor.start(lambda rows: rows)
for i in range(100):
    batcher.enqueue(PredictionRequest(i, np.ones((1, 2)), timeout_ms=60000))
    last = processor.enqueue_predict(np.ones((1, 2)))
waits = threading.Thread(target=lambda: print(last.result(30).tolist()))
waits.start()
{ending}
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "[[1.0, 1.0]]\n"
