"""DynamicBatcher on a clock that the test moves: batches, order, refusal, expiry, failure."""

from __future__ import annotations

import asyncio
from concurrent.futures import CancelledError, Future, wait

import numpy as np
import pytest

import spinney.batching
from batching_clock import ManualClock, manual_batcher, queued, run_one, run_pending
from modules.engine import batch_processor as batch_processor_surface
from modules.engine.inference_engine import DynamicBatcher, PredictionRequest
from spinney.configs import BatchPriority
from spinney.exceptions import (
    EngineShutDownError,
    InvalidInputError,
    ModelFailedError,
    PythonModelError,
    RequestExpiredError,
)


class Recorder:
    """Sums rows; remembers every call, and fails where told."""

    def __init__(self, fails=lambda rows: False):
        self.calls = []
        self.fails = fails

    def __call__(self, rows):
        self.calls.append(rows.copy())
        if self.fails(rows):
            raise ValueError(f"poison among {len(rows)}")
        return rows.sum(axis=1)


def test_the_surface_is_the_package_s_own():
    assert DynamicBatcher is spinney.batching.DynamicBatcher
    assert PredictionRequest is spinney.batching.PredictionRequest
    assert batch_processor_surface.BatchProcessor is spinney.batching.BatchProcessor
    assert batch_processor_surface.BatchStats is spinney.batching.BatchStats


def test_requests_order_by_priority_then_age():
    make = PredictionRequest
    requests = [
        make("c", None, 2, 1.0),
        make("b", None, priority=0, timestamp=5.0, future=None, timeout_ms=None),
        make("a", None, timestamp=2.0),
    ]
    assert [request.id for request in sorted(requests)] == ["a", "b", "c"]
    assert make("x", None).priority == 0
    assert make("x", None).timestamp == 0.0
    assert make("x", None).timeout_ms is None


def test_what_is_queued_runs_as_one_call_and_each_gets_its_rows():
    function = Recorder()
    batcher = manual_batcher(function)
    requests = [queued(batcher, np.full((k, 3), float(k))) for k in (1, 2, 3)]
    flat = queued(batcher, np.array([1.0, 2.0, 3.0]))
    listed = queued(batcher, [[5, 6, 7]])  # another dtype: a call of its own
    empty = queued(batcher, np.empty((0, 3)))
    assert run_pending(batcher) == 2
    assert [len(call) for call in function.calls] == [7, 1]
    for k, request in zip((1, 2, 3), requests):
        np.testing.assert_array_equal(request.future.result(0), np.full(k, 3.0 * k))
    np.testing.assert_array_equal(flat.future.result(0), [6.0])
    np.testing.assert_array_equal(listed.future.result(0), [18])
    assert empty.future.result(0).shape == (0,)
    stats = batcher.get_stats()
    assert stats["processed_batches"] == 2
    assert stats["processed_requests"] == 6
    assert stats["current_queue_size"] == 0
    assert stats["max_observed_queue_size"] == 6
    assert stats["avg_batch_size"] == 4.0
    assert stats["avg_batch_wait_time_ms"] == stats["max_batch_wait_time_ms"] == 0.0


def test_a_batch_has_at_most_max_batch_size_rows_and_long_requests_are_run_in_pieces():
    function = Recorder()
    batcher = manual_batcher(function, max_batch_size=4)
    small = [queued(batcher, np.full((3, 2), float(i))) for i in range(3)]
    long = queued(batcher, np.arange(22.0).reshape(11, 2))
    run_pending(batcher)
    assert [len(call) for call in function.calls] == [3, 3, 3, 4, 4, 3]
    np.testing.assert_array_equal(long.future.result(0), np.arange(22.0).reshape(11, 2).sum(axis=1))
    for i, request in enumerate(small):
        np.testing.assert_array_equal(request.future.result(0), [2.0 * i] * 3)


def test_answers_are_the_caller_s_own_memory():
    kept = np.zeros(64)

    def reuses_its_memory(rows):
        kept[: len(rows)] = rows[:, 0]
        rows[:] = -1  # the function owns what it is given
        return kept[: len(rows)]

    batcher = manual_batcher(reuses_its_memory)
    mine = np.array([[7.0]])
    first = queued(batcher, mine)
    run_pending(batcher)
    second, third = queued(batcher, [[8.0]]), queued(batcher, [[9.0]])
    run_pending(batcher)
    assert [request.future.result(0)[0] for request in (first, second, third)] == [7.0, 8.0, 9.0]
    assert mine[0, 0] == 7.0
    assert second.future.result(0).base is None


def test_rows_of_another_shape_never_fail_their_neighbours():
    def three_columns(rows):
        if rows.shape[1] != 3:
            raise ValueError(f"{rows.shape[1]} columns")
        return rows[:, 0]

    batcher = manual_batcher(three_columns)
    good = [queued(batcher, np.full((1, 3), float(i))) for i in range(4)]
    bad = queued(batcher, np.zeros((1, 4)))
    run_pending(batcher)
    assert [request.future.result(0)[0] for request in good] == [0.0, 1.0, 2.0, 3.0]
    with pytest.raises(ValueError, match="4 columns"):
        bad.future.result(0)
    strict = manual_batcher(three_columns, row_shape=(3,))
    with pytest.raises(InvalidInputError, match=r"\(4,\).*expected \(3,\)"):
        strict.enqueue(PredictionRequest(1, np.zeros((1, 4))))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"features": 3.0}, "shape"),
        ({"features": None}, "rows|numbers"),
        ({"features": [[1, 2], [3]]}, "rows|numbers"),
        ({"features": [["a", None]]}, "object"),
        ({"priority": -1}, "priority"),
        ({"priority": 1.5}, "priority"),
        ({"timeout_ms": float("nan")}, "timeout_ms"),
        ({"timeout_ms": -1}, "timeout_ms"),
        ({"timeout_ms": "3"}, "timeout_ms"),
        ({"future": object()}, "Future"),
    ],
)
def test_a_request_that_cannot_be_run_is_refused_at_once(options, says):
    batcher = manual_batcher(Recorder())
    request = PredictionRequest(**{"id": 1, "features": [[1.0]], **options})
    with pytest.raises(InvalidInputError, match=says):
        batcher.enqueue(request)
    assert batcher.get_stats()["current_queue_size"] == 0


def test_futures_that_cannot_be_answered_are_refused():
    batcher = manual_batcher(Recorder())
    used = queued(batcher, [[1.0]]).future
    run_pending(batcher)
    with pytest.raises(InvalidInputError, match="not a new one"):
        batcher.enqueue(PredictionRequest(1, [[1.0]], future=used))
    loop = asyncio.new_event_loop()
    with pytest.raises(InvalidInputError, match="event loop"):
        batcher.enqueue(PredictionRequest(1, [[1.0]], future=loop.create_future()))
    loop.close()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"max_batch_size": 0}, "max_batch_size"),
        ({"max_batch_size": 2.5}, "max_batch_size"),
        ({"max_wait_time_ms": float("nan")}, "max_wait_time_ms"),
        ({"max_queue_size": -1}, "max_queue_size"),
        ({"min_batch_size": 65}, "min_batch_size"),
        ({"idempotent": 1}, "idempotent"),
        ({"batch_processor": 3}, "batch_processor"),
    ],
)
def test_wrong_options_are_named(options, says):
    with pytest.raises(InvalidInputError, match=says):
        DynamicBatcher(**{"batch_processor": len, **options})


def test_a_full_queue_answers_false_at_once_and_forgets_what_was_cancelled():
    clock = ManualClock()
    batcher = manual_batcher(Recorder(), clock, max_queue_size=3)
    requests = [queued(batcher, [[float(i)]]) for i in range(3)]
    assert batcher.enqueue(PredictionRequest(9, [[9.0]])) is False
    assert batcher.get_stats()["refused_requests"] == 1
    assert requests[1].future.cancel()
    clock.time += 1
    late = queued(batcher, [[7.0]])
    assert batcher.get_stats()["cancelled_requests"] == 1
    run_pending(batcher)
    assert late.future.result(0)[0] == 7.0
    assert wait([requests[1].future], 0).done


def test_a_free_worker_never_waits_unless_a_least_batch_is_asked_for():
    clock = ManualClock()
    batcher = manual_batcher(Recorder(), clock, max_wait_time_ms=10_000)
    queued(batcher, [[1.0]])
    assert run_pending(batcher) == 1

    function = Recorder()
    batcher = manual_batcher(function, clock, min_batch_size=3, max_wait_time_ms=10)
    one = queued(batcher, [[1.0]])
    clock.time += 0.009
    assert run_pending(batcher) == 0
    clock.time += 0.0011
    assert run_pending(batcher) == 1
    assert one.future.done()
    assert batcher.get_stats()["max_batch_wait_time_ms"] == pytest.approx(10.1)
    for value in (1.0, 2.0, 3.0):
        queued(batcher, [[value]])
    assert run_pending(batcher) == 1
    assert [len(call) for call in function.calls] == [1, 3]


def test_waiting_ends_where_a_request_would_expire():
    batcher = manual_batcher(Recorder(), min_batch_size=9, max_wait_time_ms=50)
    urgent = queued(batcher, [[1.0]], timeout_ms=20)
    assert run_pending(batcher) == 1
    assert urgent.future.result(0)[0] == 1.0


def test_an_expired_request_fails_and_is_never_run():
    clock, function = ManualClock(), Recorder()
    batcher = manual_batcher(function, clock)
    late = queued(batcher, [[1.0]], timeout_ms=5)
    kept = queued(batcher, [[2.0]], timeout_ms=50)
    made_before = queued(batcher, [[3.0]], timeout_ms=50, timestamp=clock.time - 0.045)
    clock.time += 0.006
    run_pending(batcher)
    for request in (late, made_before):
        with pytest.raises(RequestExpiredError, match="expired"):
            request.future.result(0)
        assert isinstance(request.future.exception(), TimeoutError)
    assert kept.future.result(0)[0] == 2.0
    assert [call.ravel().tolist() for call in function.calls] == [[2.0]]
    assert batcher.get_stats()["expired_requests"] == 2


def test_a_request_that_expires_while_pieces_of_its_batch_fail_is_not_run_again():
    clock = ManualClock()

    def slow_and_failing(rows):
        clock.time += 1.0
        raise ValueError("no")

    batcher = manual_batcher(slow_and_failing, clock, idempotent=True)
    requests = [queued(batcher, [[float(i)]], timeout_ms=1500) for i in range(4)]
    run_pending(batcher)
    errors = [type(request.future.exception(0)) for request in requests]
    assert errors == [RequestExpiredError] * 4
    assert clock.time == 102.0


def test_urgent_first_then_in_the_order_of_arrival():
    clock, function = ManualClock(), Recorder()
    batcher = manual_batcher(function, clock, max_batch_size=1)
    for value, priority in ((0, 2), (1, 4), (2, 0), (3, 2), (4, BatchPriority.HIGH), (5, 0)):
        queued(batcher, [[float(value)]], priority=priority)
        clock.time += 0.001
    run_pending(batcher)
    assert [call[0, 0] for call in function.calls] == [2, 5, 4, 0, 3, 1]


def test_nothing_starves():
    """With one BACKGROUND request and CRITICAL ones without end, it waits 4 × aging at the most."""
    clock, function = ManualClock(), Recorder()
    batcher = manual_batcher(function, clock, max_batch_size=1, priority_aging_s=0.5)
    patient = queued(batcher, [[-1.0]], priority=BatchPriority.BACKGROUND)
    begun = clock.time
    for value in range(1000):
        queued(batcher, [[float(value)]], priority=BatchPriority.CRITICAL)
        clock.time += 0.01
        run_one(batcher)
        if patient.future.done():
            break
    assert 1.9 < clock.time - begun <= 2.05


def test_cancelled_requests_are_not_run():
    function = Recorder()
    batcher = manual_batcher(function)
    requests = [queued(batcher, [[float(i)]]) for i in range(3)]
    assert requests[1].future.cancel()
    run_pending(batcher)
    assert function.calls[0].ravel().tolist() == [0.0, 2.0]
    with pytest.raises(CancelledError):
        requests[1].future.result(0)
    assert batcher.get_stats()["cancelled_requests"] == 1


def test_a_failure_is_everybody_s_unless_rows_may_be_run_again():
    def poison(rows):
        return (rows == 13).any()

    for idempotent in (False, True):
        function = Recorder(poison)
        batcher = manual_batcher(function, idempotent=idempotent)
        requests = [queued(batcher, [[float(i)]]) for i in range(16)]
        run_pending(batcher)
        failed = [i for i, request in enumerate(requests) if request.future.exception(0)]
        assert failed == ([13] if idempotent else list(range(16)))
        assert len(function.calls) == (9 if idempotent else 1)
        stats = batcher.get_stats()
        assert stats["failed_requests"] == len(failed)
        assert stats["processed_requests"] == 16


@pytest.mark.parametrize(
    "answer",
    [
        lambda rows: rows[:-1],
        lambda rows: rows.sum(),
        lambda rows: None,
        lambda rows: [[1, 2], [3]],
        lambda rows: np.zeros((len(rows) + 1, 2)),
    ],
)
def test_a_wrong_number_of_rows_fails_each_request_clearly(answer):
    batcher = manual_batcher(answer, idempotent=True)
    requests = [queued(batcher, [[1.0, 2.0]]) for _ in range(3)]
    run_pending(batcher)
    for request in requests:
        with pytest.raises(ModelFailedError, match=r"3 rows|no array"):
            request.future.result(0)


def test_even_an_exit_in_the_function_only_fails_its_batch():
    def leaves(rows):
        raise SystemExit(3)

    batcher = manual_batcher(leaves)
    request = queued(batcher, [[1.0]])
    run_pending(batcher)
    with pytest.raises(PythonModelError, match="SystemExit: 3") as failed:
        request.future.result(0)
    assert isinstance(failed.value.__cause__, SystemExit)


def test_stop_runs_what_is_queued_or_fails_it():
    clock = ManualClock()

    def slow(rows):
        clock.time += 1.0
        return rows[:, 0]

    batcher = manual_batcher(slow, clock, max_batch_size=1)
    requests = [queued(batcher, [[float(i)]]) for i in range(3)]
    assert batcher.stop() is True
    assert [request.future.result(0)[0] for request in requests] == [0.0, 1.0, 2.0]
    with pytest.raises(EngineShutDownError):
        batcher.enqueue(PredictionRequest(1, [[1.0]]))
    assert batcher.stop() is True

    never_started = DynamicBatcher(slow)
    request = queued(never_started, [[1.0]])
    gone = queued(never_started, [[1.0]])
    gone.future.cancel()
    assert never_started.stop() is False
    with pytest.raises(EngineShutDownError, match="before the request was run"):
        request.future.result(0)
    stats = never_started.get_stats()
    assert (stats["shut_down_requests"], stats["cancelled_requests"]) == (1, 1)
    for wrong in (-1, float("nan"), "2", True):
        with pytest.raises(InvalidInputError, match="timeout"):
            never_started.stop(wrong)


def test_enqueue_makes_a_future_and_a_timestamp():
    batcher = manual_batcher(Recorder())
    request = PredictionRequest(1, [[1.0]])
    assert batcher.enqueue(request)
    assert isinstance(request.future, Future)
    assert request.timestamp == 100.0
