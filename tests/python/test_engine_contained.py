"""What models, preprocessors and callbacks raise ends their own request, and nothing besides."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import threading
from functools import partial

import numpy as np
import pytest

import worker_models
from spinney import InferenceEngine, ModelType, PythonModelError
from spinney.workers import CallableModel, WorkerModel

PLAIN = {"enable_request_deduplication": False, "enable_warmup": False, "num_threads": 1}
KINDS = [SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError, StopIteration]
ROW = np.ones((1, 2))
DART = os.path.join(os.path.dirname(__file__), "../data/lightgbm/4.6.0_dart.txt")


class Leaves:
    """Raises, except for rows of zeros."""

    def __init__(self, kind):
        self.kind = kind

    def __call__(self, rows):
        if (rows > 0).any():
            raise self.kind("of the model's own accord")
        return rows[:, 0]


def on_a_thread(function):
    """What it gave or raised, on a thread that no signal's handler runs on."""
    outcome = []

    def body():
        try:
            outcome.append(function())
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join(60)
    return outcome[0]


def check(error, kind):
    assert isinstance(error, PythonModelError)
    assert error.error_type == kind.__name__ and kind.__name__ in str(error)
    cause = error.__cause__
    while cause is not None and not isinstance(cause, kind):
        cause = cause.__cause__
    assert cause is not None


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def kind(request):
    return request.param


@pytest.fixture
def engine(kind):
    with InferenceEngine(PLAIN) as engine:
        assert engine.load_model(Leaves(kind), ModelType.CUSTOM)
        yield engine
        assert engine.enqueue_prediction(ROW * 0).result(60) == [0]  # its worker lives
        assert engine.predict(ROW * 0)[0]


def test_the_queue(engine, kind):
    check(engine.enqueue_prediction(ROW).exception(60), kind)
    with pytest.raises(PythonModelError):
        engine.enqueue_prediction(ROW).result(60)
    assert [ok for ok, _, _ in engine.predict_batch([ROW, ROW], timeout=60)] == [False, False]


def test_await(engine, kind):
    async def ask():
        with pytest.raises(PythonModelError) as raised:
            await engine.predict_async(ROW)
        return raised.value

    check(asyncio.run(ask()), kind)


def test_at_once(engine, kind):
    found = on_a_thread(lambda: engine.predict(ROW))
    assert found[0] is False and kind.__name__ in found[2]["error"]


def test_ctrl_c_on_the_main_thread_is_the_users():
    with InferenceEngine(PLAIN) as engine:
        assert engine.load_model(Leaves(KeyboardInterrupt), ModelType.CUSTOM)
        with pytest.raises(KeyboardInterrupt):
            engine.predict(ROW)
        assert engine.active_requests == 0


def test_a_model_alone(kind):
    check(on_a_thread(lambda: CallableModel(Leaves(kind)).predict(ROW)), kind)


def test_any_function_of_the_core(kind):
    """Also one that nothing stands around."""
    from spinney import _core

    core = _core.Engine(1)
    try:
        served = core.load_function("m", "1", Leaves(kind), 2, 1, False, {})
        error = served.submit(ROW, 1, None, None, None).exception(60)
        if issubclass(kind, Exception):
            assert isinstance(error, kind)
        else:
            check(error, kind)
        assert served.submit(ROW * 0, 1, None, None, None).result(60) == [0]
    finally:
        core.stop(1.0)


def test_a_preprocessor(kind, model):
    class Preprocessor:
        def transform(self, rows):
            raise kind

    rows = np.zeros((1, model.n_features))
    with InferenceEngine({**PLAIN, "enable_feature_scaling": True}) as engine:
        assert engine.load_model(model)
        engine.preprocessor = Preprocessor()
        ok, _, metadata = on_a_thread(lambda: engine.predict(rows))
        assert not ok and metadata["error"]
        error = on_a_thread(lambda: engine.enqueue_prediction(rows)).exception(60)
        if issubclass(kind, Exception):
            assert isinstance(error, kind)
        else:
            check(error, kind)
        assert engine.active_requests == 0


def test_a_callback(kind):
    told = threading.Event()

    def leave(future):
        raise kind

    with InferenceEngine(PLAIN) as engine:
        assert engine.load_model(lambda rows: rows[:, 0], ModelType.CUSTOM)
        for _ in range(2):
            future = engine.enqueue_prediction(ROW)
            on_a_thread(partial(future.add_done_callback, leave))
            future.add_done_callback(lambda future: told.set())
            assert told.wait(60)
            told.clear()


def test_ctrl_c_in_a_callback_on_the_main_thread_is_the_users():
    heard = []

    def interrupted(future):
        raise KeyboardInterrupt

    with InferenceEngine(PLAIN) as engine:
        assert engine.load_model(lambda rows: rows[:, 0], ModelType.CUSTOM)
        future = engine.enqueue_prediction(ROW)
        future.result(60)
        with pytest.raises(KeyboardInterrupt):
            future.add_done_callback(interrupted)
        entered, go = threading.Event(), threading.Event()
        assert engine.load_model(
            lambda rows: (entered.set(), go.wait(60), rows[:, 0])[2], ModelType.CUSTOM
        )
        future = engine.enqueue_prediction(ROW)
        assert entered.wait(60)
        future.add_done_callback(interrupted)
        future.add_done_callback(heard.append)
        with pytest.raises(KeyboardInterrupt):
            future.cancel()
        assert future.cancelled() and heard == [future]
        go.set()


def test_a_callback_that_blocks_delays_no_await_and_no_wait():
    from concurrent.futures import wait

    go, release, blocked = (threading.Event() for _ in range(3))

    def block(future):
        blocked.set()
        release.wait(60)

    async def ask(engine):
        for i in range(20):
            answer = await asyncio.wait_for(engine.predict_async(ROW * i), 20)
            assert answer == [i]

    def model(rows):
        assert go.wait(60)
        return rows[:, 0]

    with InferenceEngine(PLAIN) as engine:
        assert engine.load_model(model, ModelType.CUSTOM)
        engine.enqueue_prediction(ROW).add_done_callback(block)
        go.set()
        try:
            assert blocked.wait(60)
            asyncio.run(ask(engine))
            assert not wait([engine.enqueue_prediction(ROW)], timeout=20).not_done
        finally:
            release.set()


def worker(deed):
    model = worker_models.Sum(deed, False)
    return WorkerModel(pickle.dumps(model), allowed_classes=["worker_models.Sum"])


@pytest.mark.parametrize(("deed", "kind"), [("leave", "SystemExit"), ("raise_oddly", "Keyboard")])
def test_a_worker_process_outlives_what_its_model_raises(deed, kind):
    with worker(deed) as model:
        pid = model.info()["pid"]
        with pytest.raises(PythonModelError, match=kind) as failed:
            model.predict(ROW)
        assert failed.value.error_type.startswith(kind)
        assert model.predict(ROW * 0).tolist() == [0]
        assert model.info()["pid"] == pid and model.info()["restarts"] == 0


def test_ctrl_c_ends_the_wait_for_a_worker_process_and_the_process():
    def interrupt(*_):
        signal.setitimer(signal.ITIMER_REAL, 0)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with worker("hang") as model:
            pid = model.info()["pid"]
            with pytest.raises(KeyboardInterrupt):
                signal.setitimer(signal.ITIMER_REAL, 0.1)
                model.predict(ROW)
            assert model.info()["pid"] is None
            assert model.predict(ROW * 0).tolist() == [0]
            assert model.info()["pid"] != pid
    finally:
        signal.signal(signal.SIGALRM, before)


class RowsThatRaise:
    """Rows of a class of the caller's own, as whose conversion Ctrl-C may come, too."""

    shape = (1, 5)

    def __init__(self, kind):
        self.kind = kind

    def __array__(self, *_, **__):
        raise self.kind("while the rows were read")


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("model", [DART, lambda rows: rows[:, 0]], ids=["native", "function"])
def test_an_interrupt_while_rows_are_read_is_no_answer(model, kind):
    with InferenceEngine(PLAIN) as engine:
        assert engine.load_model(model), engine.last_error
        with pytest.raises(kind, match="while the rows were read"):
            engine.enqueue_prediction(RowsThatRaise(kind))
        with pytest.raises(kind, match="while the rows were read"):
            asyncio.new_event_loop().run_until_complete(engine.predict_async(RowsThatRaise(kind)))
        assert engine.active_requests == 0
