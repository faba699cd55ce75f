"""enqueue_prediction, predict_async and predict_batch: every answer right, every end named."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import time

import numpy as np
import pytest

import spinney
from spinney import BatchPriority, EngineState, InferenceEngine, ModelType

PLAIN = {"enable_request_deduplication": False}


@pytest.fixture
def rows(training_data):
    return training_data[0]


@pytest.fixture
def expected(model, rows):
    return model.predict(rows)


@pytest.fixture
def engine(model):
    with InferenceEngine(PLAIN) as engine:
        assert engine.load_model(model)
        yield engine


class Slow:
    """A function that waits until it is let go, and keeps count."""

    def __init__(self):
        self.go = threading.Event()
        self.entered = threading.Event()
        self.rows = 0

    def __call__(self, x):
        self.entered.set()
        assert self.go.wait(10)
        self.rows += len(x)
        return x.sum(axis=1)


@pytest.fixture
def slow():
    """An engine whose one worker is held up by its first request."""
    function = Slow()
    with InferenceEngine({**PLAIN, "num_threads": 1}) as engine:
        assert engine.load_model(function, ModelType.CUSTOM)
        function.first = engine.enqueue_prediction(np.ones((1, 2)))
        assert function.entered.wait(60)
        yield engine, function
        function.go.set()


def test_running_while_its_batch_is_computed(slow):
    engine, function = slow
    second, third = (engine.enqueue_prediction(np.ones((1, 2)) * n) for n in (2, 3))
    assert function.first.running() and function.first._state == "RUNNING"
    assert not second.running() and second._state == "PENDING"
    fourth = engine.enqueue_prediction(np.ones((1, 2)))
    assert fourth.cancel() and not fourth.running()
    function.go.set()
    assert [future.result(30)[0] for future in (function.first, second, third)] == [2, 4, 6]
    assert not any(future.running() for future in (function.first, second, third))


def test_one_that_runs_can_be_cancelled(slow):
    _, function = slow
    assert function.first.running()
    assert function.first.cancel() and function.first.cancelled()
    assert not function.first.running()


def test_answers_are_predict_s(engine, rows, expected):
    futures = [engine.enqueue_prediction(row.reshape(1, -1)) for row in rows]
    for future, value in zip(futures, expected):
        answer = future.result(timeout=10)
        assert answer.shape == (1,) and answer.dtype == expected.dtype and answer[0] == value
    many = engine.enqueue_prediction(rows, BatchPriority.HIGH, timeout_ms=10_000)
    np.testing.assert_array_equal(many.result(10), expected)


@pytest.mark.parametrize(
    "form", [lambda x: x[0], lambda x: x[0].tolist(), lambda x: x[:1].tolist(), lambda x: x[:1]]
)
def test_one_row_in_any_form(engine, rows, expected, form):
    assert engine.enqueue_prediction(form(rows)).result(10) == expected[:1]


def test_other_number_types_and_frames(engine, model, rows):
    pandas = pytest.importorskip("pandas")
    for x in (rows.astype(np.float64), np.nan_to_num(rows).astype(int), rows.astype(np.float16)):
        np.testing.assert_array_equal(engine.enqueue_prediction(x).result(10), model.predict(x))
    frame = pandas.DataFrame(rows, columns=model.feature_names)
    answer = engine.enqueue_prediction(frame).result(10)
    np.testing.assert_array_equal(answer, model.predict(frame))
    strided = np.asfortranarray(rows)[::2]
    answer = engine.enqueue_prediction(strided).result(10)
    np.testing.assert_array_equal(answer, model.predict(strided))


def test_labels_and_probabilities(training_data):
    tree = pytest.importorskip("sklearn.tree").DecisionTreeClassifier(max_depth=4, random_state=0)
    x, y = np.nan_to_num(training_data[0]), np.array(["low", "mid", "high"])[training_data[1]]
    tree.fit(x, y)
    with InferenceEngine(PLAIN) as engine:
        assert engine.load_model(tree)
        answer = engine.enqueue_prediction(x).result(10)
        np.testing.assert_array_equal(answer, tree.predict(x))
    with InferenceEngine({**PLAIN, "return_probabilities": True}) as engine:
        assert engine.load_model(tree)
        answer = engine.enqueue_prediction(x[:7]).result(10)
        np.testing.assert_array_equal(answer, tree.predict_proba(x[:7]))


def test_what_does_not_fit_is_a_failed_future(engine, rows):
    for bad in (rows[:, :3], None, "text", np.zeros((1, 10), complex), np.zeros((0, 9))):
        future = engine.enqueue_prediction(bad)
        assert future.done() or bad is None
        assert isinstance(future.exception(5), spinney.InvalidInputError), bad
    with pytest.raises(spinney.InvalidInputError, match="CRITICAL"):
        engine.enqueue_prediction(rows, priority=17)
    with pytest.raises(TypeError, match="timeout_ms is 'soon'"):
        engine.enqueue_prediction(rows, timeout_ms="soon")
    with pytest.raises(TypeError, match="timeout_ms is 'soon'"):
        asyncio.run(engine.predict_async(rows[:1], timeout_ms="soon"))
    with pytest.raises(ValueError, match="timeout_ms is nan"):
        engine.enqueue_prediction(rows, timeout_ms=float("nan"))
    assert engine.enqueue_prediction(rows[:1], "high").result(60) is not None
    assert engine.active_requests == 0


@pytest.mark.parametrize("rows", [1, 2, 7])
def test_predict_batch_asks_for_no_more_than_the_queue_takes(rows):
    def slow(x):
        time.sleep(0.001)
        return x[:, 0]

    queue = {"batch_processor_config": {"max_queue_size": 5}, "enable_warmup": False}
    with InferenceEngine({**PLAIN, **queue}) as engine:
        assert engine.load_model(slow, ModelType.CUSTOM)
        items = [np.full((rows, 2), float(number)) for number in range(60)]
        for features in (items, [item.tolist() for item in items]):
            answers = engine.predict_batch(features, timeout=60)
            assert [result[0] for _, result, _ in answers] == list(range(60))


def test_a_request_larger_than_the_queue_takes_is_told_where_to_go(engine):
    future = engine.enqueue_prediction(np.zeros((2**20 + 1, 10), np.float32))
    with pytest.raises(spinney.InvalidInputError, match="1048576 of one; use predict, or cut it"):
        future.result(0)


def test_before_a_model_is_loaded_and_after_shutdown(rows):
    engine = InferenceEngine(PLAIN)
    with pytest.raises(spinney.InvalidInputError, match="load_model first"):
        engine.enqueue_prediction(rows).result()
    engine.shutdown()
    engine.shutdown()
    with pytest.raises(spinney.EngineShutDownError, match="shut down"):
        engine.enqueue_prediction(rows).result()
    assert engine.predict_batch([rows])[0][2] == {"error": "the engine is shut down"}


def test_predict_batch(engine, rows, expected):
    answers = engine.predict_batch([rows[i : i + 3] for i in range(0, 60, 3)] + [rows[:, :2]])
    assert len(answers) == 21
    for i, (success, result, meta) in enumerate(answers[:-1]):
        assert success
        np.testing.assert_array_equal(result, expected[3 * i : 3 * i + 3])
        assert meta["batch_size"] == 3 and meta["compiled_model_used"] is False
        assert meta["inference_time_ms"] >= 0 and 0 < meta["total_time_ms"] < 10_000
    assert answers[-1][:2] == (False, None) and "10" in answers[-1][2]["error"]
    assert engine.predict_batch([]) == []


def test_predict_batch_runs_out_of_time(slow):
    engine, function = slow
    started = time.monotonic()
    answers = engine.predict_batch([np.ones((1, 2))] * 3, timeout=0.05)
    assert time.monotonic() - started < 30
    assert [answer[0] for answer in answers] == [False] * 3
    function.go.set()
    assert function.first.result(60) == [2.0]


def test_await(engine, rows, expected):
    async def ask():
        together = [engine.predict_async(row.reshape(1, -1)) for row in rows[:200]]
        return await asyncio.gather(*together)

    assert np.concatenate(asyncio.run(ask())).tolist() == expected[:200].tolist()

    async def wrong():
        return await engine.predict_async(rows[:, :2])

    with pytest.raises(spinney.InvalidInputError):
        asyncio.run(wrong())


def test_cancelling_a_task_cancels_its_request(slow):
    engine, function = slow

    async def ask():
        task = asyncio.ensure_future(engine.predict_async(np.ones((1, 2))))
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(ask())
    function.go.set()
    function.first.result(60)
    engine.enqueue_prediction(np.ones((1, 2))).result(60)
    assert function.rows == 2  # not three


def test_wait_and_as_completed(engine, rows, expected):
    index = {engine.enqueue_prediction(rows[i : i + 1]): i for i in range(100)}
    for future in concurrent.futures.as_completed(index, timeout=10):
        assert future.result() == expected[index[future]]
    futures = [engine.enqueue_prediction(rows[i : i + 1]) for i in range(100)]
    done, pending = concurrent.futures.wait(futures, timeout=10)
    assert len(done) == 100 and not pending


def test_cancelled_and_expired_requests_are_not_run(slow):
    engine, function = slow
    waiting = [engine.enqueue_prediction(np.ones((1, 2))) for _ in range(3)]
    late = engine.enqueue_prediction(np.ones((1, 2)), timeout_ms=20)
    assert waiting[1].cancel() and waiting[1].cancelled()
    with pytest.raises(spinney.RequestCancelledError):
        waiting[1].result(0)
    with pytest.raises(spinney.RequestExpiredError):
        late.result(timeout=5)
    with pytest.raises(concurrent.futures.TimeoutError):
        late.result(timeout=5)
    function.go.set()
    assert [waiting[i].result(60)[0] for i in (0, 2)] == [2.0, 2.0]
    assert function.rows == 3
    assert engine.active_requests == 0


def test_the_configuration_s_own_timeout():
    function = Slow()
    with InferenceEngine({**PLAIN, "num_threads": 1, "timeout_ms": 30}) as engine:
        assert engine.load_model(function, ModelType.CUSTOM)
        first = engine.enqueue_prediction(np.ones((1, 2)))
        assert function.entered.wait(60)
        with pytest.raises(spinney.RequestExpiredError):
            engine.enqueue_prediction(np.ones((1, 2))).result(60)
        function.go.set()
        assert first.exception(5) is None or isinstance(
            first.exception(), spinney.RequestExpiredError
        )


def test_more_urgent_requests_run_first():
    order = []
    function = Slow()

    def score(x):
        if not function.entered.is_set():
            function(x)
        order.extend(x[:, 0].tolist())
        return x[:, 0]

    with InferenceEngine({**PLAIN, "num_threads": 1, "enable_batching": False}) as engine:
        assert engine.load_model(score, ModelType.CUSTOM)
        futures = [engine.enqueue_prediction(np.full((1, 2), -1.0))]
        assert function.entered.wait(60)
        for level in (BatchPriority.NORMAL, BatchPriority.LOW, BatchPriority.CRITICAL):
            futures.append(engine.enqueue_prediction(np.full((1, 2), level.value), level))
        function.go.set()
        concurrent.futures.wait(futures, 5)
    assert order[:2] == [-1.0, 0.0]
    assert sorted(order) == [-1.0, 0.0, 2.0, 3.0]


def test_too_many_at_once_are_refused_at_once():
    function = Slow()
    config = {**PLAIN, "num_threads": 1, "max_concurrent_requests": 4}
    with InferenceEngine(config) as engine:
        assert engine.load_model(function, ModelType.CUSTOM)
        futures = [engine.enqueue_prediction(np.ones((1, 2))) for _ in range(4)]
        assert engine.active_requests == 4
        refused = engine.enqueue_prediction(np.ones((1, 2)))
        assert refused.done()
        error = refused.exception()
        assert isinstance(error, spinney.QueueFullError) and error.retry_after > 0
        assert "max_concurrent_requests" in str(error)
        success, result, meta = engine.predict(np.ones((1, 2)))
        assert (success, result, meta["throttled"]) == (False, None, True)
        assert meta["retry_after"] > 0
        function.go.set()
        assert all(future.result(60) == [2.0] for future in futures)
        assert engine.predict(np.ones((1, 2)))[0]
        assert engine.get_performance_metrics()["refused_requests"] == 2


def test_what_a_python_model_raises_is_what_its_futures_raise():
    def picky(x):
        if np.isnan(x).any():
            raise ZeroDivisionError("a poisoned row")
        return x[:, 0]

    with InferenceEngine({**PLAIN, "num_threads": 1}) as engine:
        assert engine.load_model(picky, ModelType.CUSTOM)
        with pytest.raises(spinney.PythonModelError, match="poisoned") as caught:
            engine.enqueue_prediction([[np.nan, 1.0]]).result(60)
        assert caught.value.error_type == "ZeroDivisionError"
        assert engine.enqueue_prediction([[1.0, 2.0]]).result(60) == [1.0]


def test_callbacks_that_block_or_raise_hurt_nobody(engine, rows, expected):
    release = threading.Event()
    engine.enqueue_prediction(rows[:1]).add_done_callback(lambda f: release.wait(10))
    engine.enqueue_prediction(rows[:1]).add_done_callback(lambda f: 1 / 0)
    futures = [engine.enqueue_prediction(rows[i : i + 1]) for i in range(50)]
    assert [f.result(60)[0] for f in futures] == expected[:50].tolist()
    assert len(concurrent.futures.wait(futures, timeout=5).done) == 50
    release.set()


def test_shutdown_answers_or_fails_every_future(model, rows):
    engine = InferenceEngine(PLAIN)
    assert engine.load_model(model)
    futures = [engine.enqueue_prediction(rows[i % 400 : i % 400 + 1]) for i in range(2000)]
    engine.shutdown()
    assert engine.state is EngineState.STOPPED
    for future in futures:
        assert future.done()
        assert isinstance(future.exception(), (type(None), spinney.EngineShutDownError))


def test_shutdown_does_not_wait_for_a_model_that_hangs(slow):
    engine, function = slow
    waiting = [engine.enqueue_prediction(np.ones((1, 2))) for _ in range(5)]
    heard = threading.Event()
    waiting[0].add_done_callback(lambda f: heard.set())
    started = time.monotonic()
    engine.shutdown(timeout=0.1)
    assert time.monotonic() - started < 30
    for future in waiting:
        with pytest.raises(spinney.EngineShutDownError):
            future.result(timeout=5)
    assert heard.wait(60)
    function.go.set()


def test_threads_end_with_the_engine(model, rows):
    def native_threads():
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("Threads"))

    with InferenceEngine(PLAIN) as engine:  # whatever starts once per process is started now
        engine.load_model(model)
        engine.predict(rows)
    before = native_threads(), threading.active_count()
    for _ in range(5):
        with InferenceEngine(PLAIN) as engine:
            assert engine.load_model(model)
            engine.enqueue_prediction(rows[:1]).add_done_callback(lambda f: None)
            concurrent.futures.wait([engine.enqueue_prediction(rows[:1])], 5)
    for _ in range(200):
        if (native_threads(), threading.active_count()) <= before:
            return
        time.sleep(0.01)
    assert (native_threads(), threading.active_count()) <= before


def test_many_threads_get_their_own_answers(engine, rows, expected):
    wrong = []

    def work(first):
        for start in range(first, 400, 8):
            futures = [engine.enqueue_prediction(rows[start : start + k]) for k in range(1, 9)]
            for k, future in enumerate(futures, 1):
                if not np.array_equal(future.result(10), expected[start : start + k]):
                    wrong.append((start, k))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert engine.active_requests == 0
    queue = engine.get_performance_metrics()["queue"]
    assert queue["answered"] == queue["submitted"] == 3200 and queue["in_flight"] == 0
