"""PredictionFuture keeps every promise of concurrent.futures.Future."""

from __future__ import annotations

import asyncio
import concurrent.futures
import copy
import gc
import os
import pickle
import signal
import sys
import threading
import time
import weakref

import pytest

from spinney import RequestCancelledError, _core
from spinney.engine.future import PredictionFuture


@pytest.fixture
def dispatcher():
    dispatcher = _core.Dispatcher()
    yield dispatcher
    dispatcher.stop()


class Open:
    """A future, and the two calls that complete it."""

    def __init__(self, dispatcher):
        keeper = _core.OpenFuture(dispatcher)
        self.future = keeper.future()
        self.start = keeper.start
        self.finish = keeper.finish


@pytest.fixture
def opened(dispatcher):
    return Open(dispatcher)


def later(function, *args):
    threading.Timer(0.02, function, args).start()


def test_it_is_a_future_that_only_its_engine_makes():
    done = _core.settled_future(7)
    assert isinstance(done, concurrent.futures.Future)
    assert type(done) is PredictionFuture
    assert done.done() and not done.cancelled() and not done.running() and not done.cancel()
    assert done.result() == done.result(timeout=0) == done.result(60) == 7
    assert done.exception() is None
    assert "finished" in repr(done)
    with pytest.raises(TypeError, match="enqueue_prediction"):
        PredictionFuture()
    for complete in (done.set_result, done.set_exception):
        with pytest.raises(concurrent.futures.InvalidStateError, match="only its engine"):
            complete(1)
    with pytest.raises(concurrent.futures.InvalidStateError, match="only its engine"):
        done.set_running_or_notify_cancel()


def test_pickling_and_copying_are_refused():
    for take in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="take its result"):
            take(_core.settled_future(1))


def test_result_waits(opened):
    future = opened.future
    assert not future.done() and not future.running() and "pending" in repr(future)
    opened.start()
    assert future.running() and "running" in repr(future)
    later(opened.finish, "answer")
    assert future.result(timeout=5) == "answer"
    assert future.done() and not future.running()


def test_errors_come_out_of_result_and_exception(opened):
    error = KeyError("row")
    later(opened.finish, None, error)
    assert opened.future.exception(timeout=5) is error
    with pytest.raises(KeyError, match="row"):
        opened.future.result()


@pytest.mark.parametrize("timeout", [0, -1, 0.01])
def test_time_runs_out(opened, timeout):
    with pytest.raises(concurrent.futures.TimeoutError):
        opened.future.result(timeout)
    with pytest.raises(concurrent.futures.TimeoutError):
        opened.future.exception(timeout=timeout)
    opened.finish(1)
    assert opened.future.result(timeout) == 1


def test_arguments_are_checked(opened):
    with pytest.raises(TypeError):
        opened.future.result("soon")
    with pytest.raises(TypeError, match="seconds"):
        opened.future.result(seconds=3)
    with pytest.raises(TypeError, match="at most one"):
        opened.future.result(1, 2)
    with pytest.raises(ValueError, match="number"):
        opened.future.result(float("nan"))


def test_cancel(opened):
    heard = []
    opened.future.add_done_callback(heard.append)
    assert opened.future.cancel() and opened.future.cancel()
    assert heard == [opened.future]
    assert opened.future.cancelled() and opened.future.done()
    opened.finish("too late")
    for take in (opened.future.result, opened.future.exception):
        with pytest.raises(concurrent.futures.CancelledError):
            take()
    with pytest.raises(RequestCancelledError):
        opened.future.result()


def test_cancel_wakes_whoever_waits(opened):
    later(opened.future.cancel)
    with pytest.raises(concurrent.futures.CancelledError):
        opened.future.result(timeout=5)


def test_callbacks_run_once_each_on_a_thread_of_their_own(opened):
    heard = []
    ready = threading.Event()
    opened.future.add_done_callback(lambda f: heard.append(threading.current_thread().name))
    opened.future.add_done_callback(lambda f: 1 / 0)  # is logged, and hurts nobody
    opened.future.add_done_callback(lambda f: sys.exit(3))
    opened.future.add_done_callback(lambda f: (heard.append(f.result()), ready.set()))
    opened.finish(5)
    assert ready.wait(60)
    assert heard == ["spinney-callbacks", 5]
    opened.future.add_done_callback(lambda f: heard.append(threading.current_thread().name))
    assert heard[2] == threading.current_thread().name


def test_a_callback_that_blocks_holds_up_neither_results_nor_waiters(dispatcher):
    first, second = Open(dispatcher), Open(dispatcher)
    release = threading.Event()
    first.future.add_done_callback(lambda f: release.wait(10))
    first.finish(1)
    later(second.finish, 2)
    done, pending = concurrent.futures.wait([first.future, second.future], timeout=5)
    assert len(done) == 2 and not pending
    assert second.future.result(timeout=5) == 2
    release.set()


def test_wait_sees_each_once(dispatcher):
    several = [Open(dispatcher) for _ in range(40)]
    futures = [one.future for one in several]
    for one in several[:10]:
        one.finish(0)
    done, pending = concurrent.futures.wait(futures, return_when=concurrent.futures.FIRST_COMPLETED)
    assert done == set(futures[:10]) and pending == set(futures[10:])
    threading.Thread(target=lambda: [one.finish(i) for i, one in enumerate(several)]).start()
    done, pending = concurrent.futures.wait(futures, timeout=10)
    assert done == set(futures) and not pending


def test_wait_for_the_first_exception_and_for_the_cancelled(dispatcher):
    several = [Open(dispatcher) for _ in range(3)]
    futures = [one.future for one in several]
    later(several[1].finish, None, ValueError("x"))
    done, pending = concurrent.futures.wait(
        futures, timeout=5, return_when=concurrent.futures.FIRST_EXCEPTION
    )
    assert done == {futures[1]} and len(pending) == 2
    later(futures[0].cancel)
    later(several[2].finish, 1)
    assert concurrent.futures.wait(futures, timeout=5).done == set(futures)


def test_as_completed_gives_every_one_under_load(dispatcher):
    for _ in range(20):
        several = [Open(dispatcher) for _ in range(50)]
        finish = threading.Thread(target=lambda s=several: [one.finish(1) for one in s])
        finish.start()
        got = list(concurrent.futures.as_completed([one.future for one in several], timeout=10))
        finish.join()
        assert len(got) == len(set(got)) == 50


def test_wait_and_result_from_many_threads(opened):
    got = []

    def waits():
        got.append(opened.future.result(timeout=5))

    def asks():
        got.append(concurrent.futures.wait([opened.future], timeout=5).done.pop().result())

    threads = [threading.Thread(target=f) for f in (waits, asks) * 4]
    for thread in threads:
        thread.start()
    time.sleep(0.02)
    opened.finish(3)
    for thread in threads:
        thread.join(60)
    assert got == [3] * 8


def test_asyncio_wraps_it(dispatcher):
    several = [Open(dispatcher) for _ in range(30)]

    async def gather():
        wrapped = [asyncio.wrap_future(one.future) for one in several]
        threading.Thread(target=lambda: [one.finish(i) for i, one in enumerate(several)]).start()
        return await asyncio.wait_for(asyncio.gather(*wrapped), 5)

    assert asyncio.run(gather()) == list(range(30))


def test_cancelling_the_task_cancels_the_future(opened):
    async def cancel():
        wrapped = asyncio.wrap_future(opened.future)
        wrapped.cancel()
        await asyncio.sleep(0.01)

    asyncio.run(cancel())
    assert opened.future.cancelled()


def test_nothing_is_kept(dispatcher):
    class Payload:
        pass

    opened = Open(dispatcher)
    payload = Payload()
    gone, future_gone = weakref.ref(payload), weakref.ref(opened.future)
    ready = threading.Event()
    opened.future.add_done_callback(lambda f: ready.set())
    opened.finish(payload)
    assert ready.wait(60)
    opened.future.mine = opened.future  # a cycle through the dict that a Future has
    del payload, opened
    for _ in range(100):
        gc.collect()
        if gone() is None and future_gone() is None:
            return
        time.sleep(0.01)  # the callback thread may still hold it
    raise AssertionError("a finished future is kept alive")


def test_a_future_abandoned_before_it_is_done_is_no_leak(dispatcher):
    before = sys.getrefcount(PredictionFuture)
    for _ in range(1000):
        Open(dispatcher)
    gc.collect()
    assert abs(sys.getrefcount(PredictionFuture) - before) < 10


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs POSIX timers")
def test_a_signal_interrupts_the_wait(opened):
    def interrupt(*_):
        raise InterruptedError("by the timer")

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(InterruptedError, match="timer"):
            opened.future.result(timeout=5)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_an_inherited_future_fails_in_the_child(opened):
    child = os.fork()
    if child == 0:
        try:
            ok = "forked" in str(opened.future.exception(timeout=5)) and opened.future.done()
        except BaseException:
            ok = False
        os._exit(0 if ok else 1)
    assert os.waitpid(child, 0)[1] == 0
    opened.finish(2)
    assert opened.future.result(timeout=1) == 2
