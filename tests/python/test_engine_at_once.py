"""One door: what is answered on the caller's thread is shared, kept, bounded and counted as what is
queued."""

from __future__ import annotations

import asyncio
import threading
import time

import numpy as np
import pytest

from spinney import InferenceEngine, InvalidInputError, ModelType

ROW = np.array([[1.0, 2.0]])


def wait_for(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


class Held:
    """A function that waits until it is let go of; what fails if its first number is negative."""

    def __init__(self):
        self.go_on, self.calls = threading.Event(), 0

    def __call__(self, rows):
        self.calls += 1
        assert self.go_on.wait(30)
        if rows[0, 0] < 0:
            raise ValueError("below zero")
        return rows.sum(axis=1)


def ask_together(engine, rows, threads=4):
    """What so many threads were answered that asked while the first one's call ran."""
    model, answers = engine.model._model.predict, []
    asking = [
        threading.Thread(target=lambda: answers.append(engine.predict(rows)))
        for _ in range(threads)
    ]
    for thread in asking:
        thread.start()
    wait_for(lambda: engine.active_requests == threads and model.calls > 0)
    time.sleep(0.05)  # those that would run anew do so by now
    model.go_on.set()
    for thread in asking:
        thread.join(30)
    return model.calls, answers


def test_a_cheap_prediction_is_awaited_without_a_turn_of_the_loop(model, training_data):
    x = training_data[0]
    with InferenceEngine({"enable_request_deduplication": False}) as engine:
        assert engine.load_model(model)
        for rows in (x[:1], x[0], x[:1].tolist(), x[:3]):
            coroutine = engine.predict_async(rows, timeout_ms=10_000)
            with pytest.raises(StopIteration) as answered:
                coroutine.send(None)
            expected = model.predict(np.asarray(rows).reshape(-1, 10).astype(x.dtype))
            np.testing.assert_array_equal(answered.value.value, expected)
        found = engine.get_performance_metrics()
        assert found["queue"]["at_once"] == found["request_success"] == 4
        assert found["total_requests"] == 6 and found["active_requests"] == 0


def test_what_is_refused_at_once_is_raised_and_counted(model, training_data):
    x = training_data[0]

    async def ask(rows):
        return await engine.predict_async(rows)

    with InferenceEngine() as engine:
        assert engine.load_model(model)
        for rows in (x[:, :3], x[0, :3], None, "text"):
            with pytest.raises(InvalidInputError):
                asyncio.run(ask(rows))
        assert engine.get_performance_metrics()["request_failure"] == 4
        assert len(asyncio.run(ask(x[:1]))) == 1


@pytest.mark.parametrize("rows", [ROW, ROW[0]], ids=["a table", "a flat row"])
def test_equal_predictions_in_flight_run_once(rows):
    held = Held()
    with InferenceEngine({"max_cache_entries": 0}) as engine:
        assert engine.load_model(held, ModelType.CUSTOM, idempotent=True)
        calls, answers = ask_together(engine, rows)
        assert calls == 1
        assert [(success, result.tolist()) for success, result, _ in answers] == [(True, [3.0])] * 4
        assert len({id(result) for _, result, _ in answers}) == 4  # nobody shares an array
        queue = engine.get_performance_metrics()["queue"]
        assert queue["shared"] == 3 and queue["answered"] == 4
        engine.predict(rows)
        assert held.calls == 2  # nothing is kept


def test_what_may_not_run_twice_is_neither_shared_nor_kept():
    held = Held()
    with InferenceEngine() as engine:
        assert engine.load_model(held, ModelType.CUSTOM)
        calls, answers = ask_together(engine, ROW)
        assert calls == 4 and all(success for success, _, _ in answers)
        engine.enqueue_prediction(ROW).result(30)
        asyncio.run(engine.predict_async(ROW))
        assert "cached" not in engine.predict(ROW)[2] and held.calls == 7
        assert engine.get_performance_metrics()["cache"]["size"] == 0


def test_those_who_wait_fail_as_the_one_that_ran_and_errors_are_not_kept():
    held = Held()
    with InferenceEngine() as engine:
        assert engine.load_model(held, ModelType.CUSTOM, idempotent=True)
        calls, answers = ask_together(engine, -ROW)
        assert calls == 1
        assert all(not success and "below zero" in told["error"] for success, _, told in answers)
        assert not engine.predict(-ROW)[0] and held.calls == 2
        assert engine.get_performance_metrics()["request_failure"] == 5


@pytest.mark.parametrize("answer", [np.array(["no", "yes"]), np.arange(2, dtype=np.int8)[:, None]])
def test_every_way_in_finds_what_any_of_them_kept(answer):
    calls = []

    def function(rows):
        calls.append(len(rows))
        return answer[: len(rows)].copy()

    async def ask(rows):
        return await engine.predict_async(rows)

    ways = [
        lambda rows: engine.predict(rows)[1],
        lambda rows: engine.enqueue_prediction(rows).result(30),
        lambda rows: asyncio.run(ask(rows)),
    ]
    with InferenceEngine({"enable_warmup": False}) as engine:
        assert engine.load_model(function, ModelType.CUSTOM, idempotent=True)
        for number, first in enumerate(ways):
            for way in (first, *ways):
                got = way(np.full((2, 3), number))
                assert got.dtype == answer.dtype and got.shape == answer.shape
                np.testing.assert_array_equal(got, answer)
                got[:] = got[:1]  # a copy of its own
        assert len(calls) == len(ways)
        found = engine.get_performance_metrics()
        assert found["cache_hits"] == 9 and found["cache_misses"] == 3


@pytest.mark.parametrize("flat", [[1.0, 2.0], (1.0, 2.0), np.array([1, 2])], ids=repr)
def test_one_flat_row_is_kept_whichever_way_it_is_asked(flat):
    calls = []

    def total(rows):
        calls.append(rows.shape)
        return rows.sum(axis=1)

    with InferenceEngine({"enable_warmup": False}) as engine:
        assert engine.load_model(total, ModelType.CUSTOM, idempotent=True)
        assert engine.predict(flat)[1].tolist() == [3.0]
        assert engine.predict(flat)[2]["cached"]
        assert engine.enqueue_prediction(flat).result(30).tolist() == [3.0]
        assert asyncio.run(engine.predict_async(flat)).tolist() == [3.0]
        assert calls == [(1, 2)]
        assert engine.get_performance_metrics()["cache_misses"] == 1


def test_an_answer_that_is_no_array_of_numbers_or_text_is_not_kept():
    with InferenceEngine() as engine:
        assert engine.load_model(
            lambda rows: np.array([{"a": 1}] * len(rows)), ModelType.CUSTOM, idempotent=True
        )
        for _ in range(2):
            success, result, metadata = engine.predict(ROW)
            assert success and result.tolist() == [{"a": 1}] and "cached" not in metadata


@pytest.mark.parametrize("native", [True, False])
def test_the_cache_has_a_bound_in_bytes(model, native):
    x = np.random.default_rng(0).normal(size=(300, 10))
    source = model if native else model.predict
    with InferenceEngine({"max_cache_bytes": 20_000}) as engine:
        assert engine.load_model(source, idempotent=True)
        for i in range(len(x)):
            engine.predict(x[i : i + 1])
        stats = engine.get_performance_metrics()["cache"]
        assert stats["max_bytes"] == 20_000
        assert 0 < stats["memory_usage_bytes"] <= 20_000
        assert 1 < stats["size"] < 200 and stats["evictions"] == 300 - stats["size"]
        large = np.zeros((400, 10))
        engine.predict(large)
        assert "cached" not in engine.predict(large)[2]  # alone beyond the bound


def test_a_request_that_ends_a_slot_makes_room_before_it_is_told(model, training_data):
    row = training_data[0][:1]
    with InferenceEngine({"max_concurrent_requests": 1, "max_cache_entries": 0}) as engine:
        assert engine.load_model(model)
        for _ in range(200):
            assert engine.enqueue_prediction(row).result(30) is not None  # never refused
        assert engine.active_requests == 0


def test_a_model_that_asks_for_itself_does_not_wait_for_itself():
    calls = []

    def function(rows):
        calls.append(len(rows))
        if len(calls) == 1:
            assert engine.predict(rows)[1].tolist() == [3.0]
        return rows.sum(axis=1)

    with InferenceEngine({"enable_warmup": False}) as engine:
        assert engine.load_model(function, ModelType.CUSTOM, idempotent=True)
        assert engine.predict(ROW)[1].tolist() == [3.0] and len(calls) == 2
