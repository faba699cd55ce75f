"""BatchProcessor and BatchStats on a clock that the test moves: strategies, retries, health."""

from __future__ import annotations

import logging
from queue import Full

import numpy as np
import pytest

from batching_clock import ManualClock, manual_processor, run_pending
from modules.engine.batch_processor import (
    BatchPriority,
    BatchProcessingStrategy,
    BatchProcessor,
    BatchQueueFullError,
)
from spinney.batching.health import memory_percent
from spinney.batching.policy import Policy
from spinney.exceptions import (
    ConfigError,
    EngineShutDownError,
    InvalidInputError,
    QueueFullError,
    RequestExpiredError,
)


def rows(*values):
    return np.array(values, dtype=float).reshape(-1, 1)


class Recorder:
    """Doubles rows; remembers how many, and raises while `fails` says so."""

    def __init__(self, fails=lambda values: False):
        self.sizes = []
        self.fails = fails

    def __call__(self, values):
        self.sizes.append(len(values))
        if self.fails(values):
            raise OSError("not now")
        return values * 2


def test_arrays_are_stacked_by_rows():
    function = Recorder()
    processor = manual_processor(function)
    futures = [processor.enqueue_predict(rows(*range(k))) for k in (1, 2, 3)]
    flat = processor.enqueue_predict(np.array([1.0, 2.0]))  # two rows of one number
    processor.enqueue(rows(9))
    run_pending(processor)
    assert function.sizes == [7, 2]
    for k, future in zip((1, 2, 3), futures):
        np.testing.assert_array_equal(future.result(0), 2 * rows(*range(k)))
    np.testing.assert_array_equal(flat.result(0), [2.0, 4.0])
    stats = processor.get_stats()
    assert stats["processed_items"] == stats["submitted_items"] == 5
    assert stats["total_processed"] == 9
    assert stats["state"] == "running"


def test_other_objects_are_handed_over_one_by_one():
    seen = []

    def function(item):
        seen.append(item)
        if item == "bad":
            raise ValueError("bad")
        return {"got": item}

    processor = manual_processor(function, max_retries=1)
    items = ["a", "bad", ("b",), np.float64(3), None]
    futures = [processor.enqueue_predict(item) for item in items]
    run_pending(processor)
    assert seen == [*items, "bad"]
    assert [future.result(0)["got"] for future in futures if not future.exception(0)] == [
        "a",
        ("b",),
        3.0,
        None,
    ]
    with pytest.raises(ValueError, match="bad"):
        futures[1].result(0)


def test_greedy_takes_up_to_the_maximum_at_once():
    function = Recorder()
    processor = manual_processor(
        function, processing_strategy="greedy", initial_batch_size=2, max_batch_size=8
    )
    for value in range(10):
        processor.enqueue(rows(value))
    assert run_pending(processor) == 2
    assert function.sizes == [8, 2]


def test_fixed_waits_for_its_size_until_the_timeout():
    clock, function = ManualClock(), Recorder()
    processor = manual_processor(
        function, clock, processing_strategy="FIXED", initial_batch_size=4, batch_timeout=0.5
    )
    for value in range(6):
        processor.enqueue(rows(value))
    assert run_pending(processor) == 1
    clock.time += 0.4
    assert run_pending(processor) == 0
    clock.time += 0.1001
    assert run_pending(processor) == 1
    assert function.sizes == [4, 2]
    processor.update_batch_size(2)
    assert processor.current_batch_size == 2
    for value in range(2):
        processor.enqueue(rows(value))
    assert run_pending(processor) == 1


def test_adaptive_grows_while_it_pays_and_gives_back_where_not():
    policy = Policy(max_rows=64, limit=8, adapts=True)
    policy.strategy = BatchProcessingStrategy.ADAPTIVE
    policy.learn(rows=8, seconds=0.008, backlog_rows=0)
    assert policy.limit == 8  # nobody waits
    policy.learn(rows=4, seconds=0.001, backlog_rows=100)
    assert policy.limit == 8  # not a full batch
    policy.learn(rows=8, seconds=0.008, backlog_rows=100)
    policy.learn(rows=16, seconds=0.010, backlog_rows=100)
    assert policy.limit == 32
    policy.learn(rows=32, seconds=0.100, backlog_rows=100)
    assert policy.limit == 24
    policy.shrink()
    assert policy.limit == 12
    for _ in range(9):
        policy.learn(policy.limit, policy.limit * 1e-3, backlog_rows=1000)
    assert policy.limit == 64
    policy.adapts = False
    policy.shrink()
    assert policy.limit == 64


def test_a_passing_fault_costs_one_more_call_after_the_delay():
    clock = ManualClock()
    left = [7]

    def fails(values):
        left[0] -= 1
        return left[0] >= 0

    function = Recorder(fails)
    processor = manual_processor(function, clock, max_retries=2, retry_delay=0.25)
    futures = [processor.enqueue_predict(rows(value)) for value in range(4)]
    run_pending(processor)
    assert function.sizes == [4, 2, 1, 1, 2, 1, 1, 4]
    assert clock.time == 100.25
    assert [future.result(0)[0, 0] for future in futures] == [0, 2, 4, 6]
    assert processor.get_stats()["error_count"] == 0


def test_one_poison_item_fails_alone_after_its_retries():
    function = Recorder(lambda values: (values == 5).any())
    processor = manual_processor(function, max_retries=3)
    futures = [processor.enqueue_predict(rows(value)) for value in range(8)]
    run_pending(processor)
    assert [bool(future.exception(0)) for future in futures] == [False] * 5 + [True] + [False] * 2
    assert function.sizes == [8, 4, 4, 2, 1, 1, 2, 1, 1, 1]
    stats = processor.get_stats()
    assert (stats["failed_items"], stats["error_count"], stats["processed_items"]) == (1, 1, 7)
    assert processor.current_batch_size == 8  # shrunk from 16
    whole = Recorder(lambda values: True)
    processor = manual_processor(whole, max_retries=2, reduce_batch_on_failure=False)
    futures = [processor.enqueue_predict(rows(value)) for value in range(4)]
    run_pending(processor)
    assert whole.sizes == [4, 4, 4]
    assert processor.current_batch_size == 16


def test_what_is_not_idempotent_runs_once():
    function = Recorder(lambda values: True)
    processor = manual_processor(function, idempotent=False)
    futures = [processor.enqueue_predict(rows(value)) for value in range(4)]
    run_pending(processor)
    assert function.sizes == [4]
    assert all(isinstance(future.exception(0), OSError) for future in futures)


def test_a_batch_holds_no_more_memory_than_allowed():
    function = Recorder()
    processor = manual_processor(function, max_batch_memory_mb=1, max_batch_size=10_000_00)
    for _ in range(5):
        processor.enqueue(np.zeros((3, 16384)))  # 384 KiB
    processor.enqueue(np.zeros((20, 16384)))  # alone, whatever its size
    run_pending(processor)
    assert function.sizes == [6, 6, 3, 20]


def test_items_expire_and_priorities_hold():
    clock, order = ManualClock(), []

    def function(values):
        order.extend(values.ravel().tolist())
        return values

    processor = manual_processor(function, clock, item_timeout=1.0)
    late = processor.enqueue_predict(rows(1))
    clock.time += 1.0
    for value, priority in ((2, BatchPriority.LOW), (3, BatchPriority.CRITICAL), (4, 2)):
        processor.enqueue(rows(value), priority=priority)
    run_pending(processor)
    assert isinstance(late.exception(0), RequestExpiredError)
    assert order == [3, 4, 2]
    plain = manual_processor(function, enable_priority_queue=False, item_timeout=None)
    for value, priority in ((5, BatchPriority.LOW), (6, BatchPriority.CRITICAL)):
        plain.enqueue(rows(value), priority=priority)
    run_pending(plain)
    assert order[3:] == [5, 6]


def test_a_pause_between_batches():
    clock, starts = ManualClock(), []

    def function(values):
        starts.append(clock.time)
        return values

    processor = manual_processor(
        function, clock, min_batch_interval=0.5, processing_strategy="GREEDY", max_batch_size=1
    )
    for value in range(3):
        processor.enqueue(rows(value))
    for _ in range(5):
        run_pending(processor)
        clock.time += 0.25
    assert starts == [100.0, 100.5, 101.0]


def test_paused_nothing_runs_but_items_are_taken_and_expire():
    clock, function = ManualClock(), Recorder()
    processor = manual_processor(function, clock, item_timeout=5.0)
    processor.pause()
    late = processor.enqueue_predict(rows(1))
    assert run_pending(processor) == 0
    assert processor.get_stats()["state"] == "paused"
    clock.time += 6
    assert run_pending(processor) == 0
    assert isinstance(late.exception(0), RequestExpiredError)
    kept = processor.enqueue_predict(rows(2))
    processor.resume()
    assert run_pending(processor) == 1
    assert kept.result(0)[0, 0] == 4
    processor.pause()
    drained = processor.enqueue_predict(rows(3))
    assert processor.stop() is True
    assert drained.result(0)[0, 0] == 6


def test_a_full_queue_has_a_name():
    clock = ManualClock()
    processor = manual_processor(Recorder(), clock, max_queue_size=2)
    for value in range(2):
        processor.enqueue(rows(value))
    with pytest.raises(BatchQueueFullError, match="full") as caught:
        processor.enqueue(rows(3))
    assert isinstance(caught.value, Full)
    assert isinstance(caught.value, QueueFullError)
    assert isinstance(processor.enqueue_predict(rows(3)).exception(0), BatchQueueFullError)
    assert clock.time == 100.0
    with pytest.raises(BatchQueueFullError):
        processor.enqueue(rows(3), timeout=0.5)
    assert clock.time == 100.5
    assert processor.get_stats()["refused_items"] == 3


def test_after_stop():
    processor = manual_processor(Recorder())
    processor.stop()
    with pytest.raises(EngineShutDownError):
        processor.enqueue(rows(1))
    assert isinstance(processor.enqueue_predict(rows(1)).exception(0), EngineShutDownError)
    processor.start(Recorder())
    again = processor.enqueue_predict(rows(1))
    run_pending(processor)
    assert again.result(0)[0, 0] == 2


def test_wrong_arguments_are_named():
    with pytest.raises(ConfigError, match="max_workers"):
        BatchProcessor({"max_workers": 0})
    processor = BatchProcessor()
    for wrong, says in (
        (lambda: processor.start(3), "process_func"),
        (lambda: processor.enqueue(1, timeout="x"), "timeout"),
        (lambda: processor.enqueue_predict(1, priority="high"), "priority"),
        (lambda: processor.update_batch_size(0), "n is 0"),
        (lambda: processor.update_batch_size(2.5), "n is 2.5"),
    ):
        with pytest.raises(InvalidInputError, match=says):
            wrong()
    processor.stop()


class Metrics:
    def __init__(self):
        self.told = []

    def update_inference(self, seconds, batch_size):
        self.told.append(batch_size)

    def record_error(self):
        self.told.append("error")


def test_the_metrics_collector_is_told_and_may_fail(caplog):
    metrics = Metrics()
    processor = manual_processor(
        Recorder(lambda v: (v == 1).any()), metrics=metrics, idempotent=True, max_retries=0
    )
    for value in range(3):
        processor.enqueue(rows(value))
    run_pending(processor)
    assert metrics.told == [3, "error"]
    broken = manual_processor(Recorder(), metrics=object())
    for value in range(2):
        future = broken.enqueue_predict(rows(value))
        run_pending(broken)
        assert future.result(0)[0, 0] == 2 * value
    assert caplog.text.count("metrics collector failed") == 1


def test_monitoring_off_keeps_the_counts():
    processor = manual_processor(Recorder(), enable_monitoring=False)
    processor.enqueue(rows(1))
    run_pending(processor)
    stats = processor.get_stats()
    assert stats["processed_items"] == 1
    assert (stats["batch_count"], stats["total_processed"]) == (1, 1)
    assert stats["avg_processing_time_ms"] == 0.0


def test_health_warns_once_and_acts_when_critical(caplog):
    processor = manual_processor(
        Recorder(), max_queue_size=10, queue_warning_threshold=3, queue_critical_threshold=6
    )
    health, readings = processor._health, [50.0]
    health._memory = lambda: readings[0]
    with caplog.at_level(logging.INFO):
        assert health.check() == {"memory": "ok", "queue": "ok"}
        readings[0] = 75.0
        for value in range(3):
            processor.enqueue(rows(value))
        assert health.check() == health.check() == {"memory": "warning", "queue": "warning"}
        assert caplog.text.count("memory: warning") == caplog.text.count("queue: warning") == 1
        readings[0] = 90.0
        assert health.check()["memory"] == "critical"
        assert processor.current_batch_size == 8
        readings[0] = None
        for value in range(3):
            processor.enqueue(rows(value))
        assert health.check() == {"memory": "ok", "queue": "critical"}
        assert processor.current_batch_size == 64
    assert "memory: ok (was critical)" in caplog.text
    assert processor.get_stats()["health"]["queue_length"] == 6
    assert 0 < memory_percent() < 100


def test_garbage_is_collected_after_large_batches_only(monkeypatch):
    collected = []
    monkeypatch.setattr("spinney.batching.core.gc.collect", collected.append)
    for options in ({}, {"gc_batch_threshold": 0}, {"enable_memory_optimization": False}):
        processor = manual_processor(Recorder(), **options)
        processor.enqueue(np.zeros((33, 1)))
        processor.enqueue(np.zeros((32, 1)))
        run_pending(processor)
    assert collected == [0]


def test_debug_mode_logs_every_batch(caplog):
    processor = manual_processor(Recorder(), debug_mode=True)
    processor.enqueue(rows(1, 2))
    with caplog.at_level(logging.INFO):
        run_pending(processor)
    assert "batch: 2 rows" in caplog.text
