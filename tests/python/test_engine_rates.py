"""Requests and rows a second are over the time that passed."""

from __future__ import annotations

import time

from spinney import InferenceEngine
from spinney.engine.rates import Rates

PLAIN = {"enable_request_deduplication": False}


def test_rates_are_over_time():
    now = [1000.0]
    rates = Rates(lambda: now[0])
    assert rates.look(0, 0) == (0.0, 0.0)
    now[0] += 10.0
    assert rates.look(50, 200) == (5.0, 20.0)
    now[0] += 10.0
    assert rates.look(50, 200) == (2.5, 10.0)  # idle time counts
    for _ in range(12):
        now[0] += 10.0
        rates.look(50, 200)
    assert rates.look(50, 200) == (0.0, 0.0)  # nothing in the last minute
    now[0] += 30.0
    requests, rows = rates.look(350, 1400)
    assert 300 / 100 <= requests <= 300 / 30 and rows == 4 * requests


def test_requests_a_second_are_over_the_clock_not_over_busy_time(model, training_data):
    earliest = time.monotonic()
    with InferenceEngine(PLAIN) as engine:
        made = time.monotonic()
        assert engine.load_model(model)
        for _ in range(50):
            assert engine.predict(training_data[0][:4])[0]
        time.sleep(0.2)
        before = time.monotonic()
        found = engine.get_performance_metrics()
        after = time.monotonic()
    low, high = 50 / (after - earliest), 50 / (before - made)
    assert low <= found["requests_per_second"] <= high
    assert 4 * low <= found["throughput"] <= 4 * high
