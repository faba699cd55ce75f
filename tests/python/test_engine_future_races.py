"""Done-callbacks, wakers and conditions of futures that end while they are being added.

Wherever the interpreter allocates, the collector may run, whose hooks are Python: they may let
other threads in, or end the very future that is being asked. Each of these moments is forced here,
one after the other.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import sys
import threading
import time
import weakref

import numpy as np
import pytest

from spinney import InferenceEngine, ModelType, _core
from spinney.engine import future as futures

MOMENTS = range(24)  # more than any of these calls has
PLAIN = {"enable_request_deduplication": False, "enable_warmup": False, "num_threads": 1}


@pytest.fixture
def dispatcher():
    dispatcher = _core.Dispatcher()
    yield dispatcher
    dispatcher.stop()


class AtMoment:
    """Calls `act` once, at the n-th call of Python code within the block.

    Collections happen at every second allocation in it, be it the odd or the even ones, and calls
    that the binding itself makes count too.
    """

    def __init__(self, moment, act):
        self._left, self._act, self._inside = moment // 2, act, False
        self._odd = moment % 2
        self._thread = threading.get_ident()
        self.came = False

    def _step(self, *_):
        if self._inside or threading.get_ident() != self._thread:
            return
        if self._left:
            self._left -= 1
            return
        if not self.came:
            self.came = self._inside = True
            try:
                self._act()
            finally:
                self._inside = False

    def _profiled(self, frame, event, argument):
        if event == "call":
            self._step()

    def __enter__(self):
        self._thresholds, self._inside = gc.get_threshold(), True
        gc.callbacks.append(self._step)
        sys.setprofile(self._profiled)
        gc.set_threshold(1)
        # Until none is left over from before, which would be used again without a collection.
        self._lists = [[] for _ in range(300 + self._odd)]
        self._inside = False
        return self

    def __exit__(self, *_):
        sys.setprofile(None)
        gc.set_threshold(*self._thresholds)
        gc.callbacks.remove(self._step)


def settle_down(dispatcher):
    """Until both lanes have told everything that was queued before."""
    for add in ("_add_waker", "add_done_callback"):
        keeper, told = _core.OpenFuture(dispatcher), threading.Event()
        getattr(keeper.future(), add)(lambda future, told=told: told.set())
        keeper.finish(0)
        assert told.wait(60)


def ended_meanwhile(dispatcher, moment, ask, before=None):
    """Future of a promise that is finished and delivered at a moment within ask(future)."""
    keeper = _core.OpenFuture(dispatcher)
    future = keeper.future()
    settle_down(dispatcher)
    if before is not None:
        before(future)

    def end():
        keeper.finish("answer")
        settle_down(dispatcher)

    with AtMoment(moment, end) as at:
        ask(future)
    if not at.came:
        end()
    settle_down(dispatcher)
    return future


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("add", ["add_done_callback", "_add_waker"])
@pytest.mark.parametrize("others", ["none", "callback", "condition"])
def test_a_callback_is_called_exactly_once(dispatcher, moment, add, others):
    told, others_told = [], []

    def before(future):
        if others == "callback":
            future.add_done_callback(others_told.append)
        if others == "condition":
            assert future._condition

    future = ended_meanwhile(
        dispatcher, moment, lambda future: getattr(future, add)(told.append), before
    )
    assert told == [future]
    assert others_told == ([future] if others == "callback" else [])
    assert future.result(0) == "answer"


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_future_cancelled_meanwhile_calls_once(dispatcher, moment):
    keeper, told = _core.OpenFuture(dispatcher), []
    future = keeper.future()
    with AtMoment(moment, future.cancel) as at:
        future.add_done_callback(told.append)
    if not at.came:
        future.cancel()
    settle_down(dispatcher)
    assert told == [future]


@pytest.mark.parametrize("moment", MOMENTS)
def test_two_who_add_at_once_are_both_called_once(dispatcher, moment):
    keeper, told = _core.OpenFuture(dispatcher), []
    future = keeper.future()
    with AtMoment(moment, lambda: future.add_done_callback(lambda f: told.append("other"))) as at:
        future.add_done_callback(lambda f: told.append("one"))
    keeper.finish(1)
    settle_down(dispatcher)
    assert sorted(told) == (["one", "other"] if at.came else ["one"])


@pytest.mark.parametrize("moment", range(80))  # a thread is started, too
def test_whoever_waits_on_a_condition_that_is_being_made_is_told(dispatcher, moment):
    keeper = _core.OpenFuture(dispatcher)
    future, waiting = keeper.future(), []

    def wait():
        waiting.append(concurrent.futures.wait([future], timeout=20))

    thread = threading.Thread(target=wait)

    def wait_and_end():
        thread.start()
        while not future._waiters and thread.is_alive():
            threading.Event().wait(0.001)
        keeper.finish("answer")

    with AtMoment(moment, wait_and_end) as at:
        assert future._condition
    if not at.came:
        wait_and_end()
    thread.join()
    assert waiting[0].done == {future}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_list_that_two_make_at_once_is_one(dispatcher, moment):
    future, seen = _core.OpenFuture(dispatcher).future(), []
    with AtMoment(moment, lambda: seen.append(future._waiters)) as at:
        mine = future._waiters
    assert not at.came or seen[0] is mine
    assert future._waiters is mine


def test_a_future_whose_lists_were_looked_at_goes_when_nobody_has_it():
    """It has a condition, but no callback, hence no thread that would come for callbacks."""
    go_on = threading.Event()

    def model(rows):
        assert go_on.wait(60)
        return rows[:, 0]

    with InferenceEngine(PLAIN) as engine:
        assert engine.load_model(model, ModelType.CUSTOM)
        future = engine.enqueue_prediction([[7.0]])
        assert future._condition and future._done_callbacks == []
        go_on.set()
        assert future.result(60) == [7.0]
        gone = threading.Event()
        weakref.finalize(future, gone.set)
        del future
        assert gone.wait(60)


@pytest.mark.parametrize("moment", MOMENTS)
def test_an_answer_that_two_take_at_once_is_one(dispatcher, moment):
    with InferenceEngine(PLAIN) as engine:
        assert engine.load_model(lambda rows: rows[:, 0], ModelType.CUSTOM)
        future = engine.enqueue_prediction([[7.0]])
        assert not concurrent.futures.wait([future], timeout=60).not_done
        seen = []
        with AtMoment(moment, lambda: seen.append(future.result())) as at:
            mine = future.result()
        assert mine == [7.0]
        assert not at.came or seen[0] is mine


def test_no_memory_for_a_callback_adds_nothing(dispatcher):
    testcapi = pytest.importorskip("_testcapi")
    if not hasattr(testcapi, "set_nomemory"):
        pytest.skip("this Python cannot refuse memory")
    refused = 0
    for allocations in range(8):
        keeper, told = _core.OpenFuture(dispatcher), []
        future, failed = keeper.future(), None
        add, call = future.add_done_callback, told.append
        settle_down(dispatcher)
        gc.collect()
        testcapi.set_nomemory(allocations, allocations + 1)
        try:
            add(call)
        except MemoryError as error:
            failed = error
        finally:
            testcapi.remove_mem_hooks()
        refused += failed is not None
        keeper.finish(1)
        settle_down(dispatcher)
        assert told == ([] if failed is not None else [future])
    assert refused


def test_a_thread_that_cannot_be_told_of_is_stood_in_for(monkeypatch):
    """Starting the thread raised: what was added before and after is told all the same."""
    go = threading.Event()

    def model(rows):
        assert go.wait(60)
        return rows[:, 0]

    def interrupted(*_):
        raise KeyboardInterrupt

    with InferenceEngine(PLAIN) as engine:
        assert engine.load_model(model, ModelType.CUSTOM)
        future, told = engine.enqueue_prediction([[1.0]]), threading.Event()
        monkeypatch.setattr(futures, "start_thread", interrupted)
        with pytest.raises(KeyboardInterrupt):
            future.add_done_callback(print)
        monkeypatch.undo()
        future.add_done_callback(lambda future: told.set())
        go.set()
        futures.upkeep.stand_in()
        future.result(60)
        futures.upkeep.stand_in()
        assert told.wait(60)


class Collecting:
    """A collection at every allocation, whose hook lets other threads in."""

    def __enter__(self):
        self._thresholds = gc.get_threshold()
        gc.callbacks.append(self._hook)
        gc.set_threshold(1, 1000, 1000)

    def _hook(self, phase, info):
        if phase == "start":
            time.sleep(1e-4)  # a worker may answer meanwhile

    def __exit__(self, *_):
        gc.set_threshold(*self._thresholds)
        gc.callbacks.remove(self._hook)


def test_an_engine_loses_no_callback_under_constant_collection(model):
    asked, told, taken = 1500, [], []
    rows, all_told = np.zeros((1, model.n_features)), threading.Event()

    def callback(future):
        told.append(future)
        if len(told) == asked:
            all_told.set()

    with InferenceEngine(PLAIN) as engine:
        assert engine.load_model(model)
        with Collecting():
            for _ in range(asked):
                future = engine.enqueue_prediction(rows)
                taken += [[], []]  # else lists that were given back are used again
                future.add_done_callback(callback)
        assert all_told.wait(60)
        assert len(set(map(id, told))) == asked


def serve_clients(make_loop, engine, clients, requests):
    async def client(number):
        for step in range(requests):
            answer = await engine.predict_async(np.full((1, 2), float(number * requests + step)))
            assert answer[0] == number * requests + step

    async def main():
        await asyncio.gather(*(client(number) for number in range(clients)))

    loop = make_loop()
    try:
        loop.run_until_complete(asyncio.wait_for(main(), 100))
    finally:
        loop.close()


@pytest.mark.parametrize("collecting", [False, True])
def test_256_clients_of_uvloop_hear_every_answer(collecting):
    uvloop = pytest.importorskip("uvloop")
    with InferenceEngine(PLAIN) as engine:
        assert engine.load_model(lambda rows: rows[:, 0], ModelType.CUSTOM)
        if collecting:
            with Collecting():
                serve_clients(uvloop.new_event_loop, engine, 256, 4)
        else:
            serve_clients(uvloop.new_event_loop, engine, 256, 80)


def test_what_is_kept_after_the_end_is_told_all_the_same(dispatcher):
    """A worker may have claimed a promise before shutdown, and keep it after the threads' end."""
    for answer in range(3):
        keeper, told = _core.OpenFuture(dispatcher), threading.Event()
        future = keeper.future()
        future.add_done_callback(lambda _, told=told: told.set())
        dispatcher.stop()
        keeper.finish(answer)
        assert told.wait(30)
        assert future.result(0) == answer
