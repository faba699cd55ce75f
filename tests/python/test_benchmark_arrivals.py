"""The benchmark of requests that arrive when due stops at a wrong answer."""

import asyncio
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("xgboost")

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def arrivals(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    for name in ("arrivals", "batching", "machine"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import arrivals

    return arrivals


def offer(arrivals, function):
    rows = [np.full((1, 2), i, np.float32) for i in range(64)]
    expected = np.arange(64, dtype=np.float32)
    server = arrivals.Alone(function)
    return asyncio.run(arrivals.arrive(server, rows, expected, 500, 0.05, seed=1))


def test_every_request_is_counted(arrivals):
    asked = []

    def right(row):
        asked.append(row)
        return row[0]

    latencies, share = offer(arrivals, right)
    assert len(latencies) == len(asked) - 32 > 0  # 32 to warm up
    assert latencies == sorted(latencies)
    assert 0 <= share <= 1


def test_a_wrong_answer_is_a_failure(arrivals):
    with pytest.raises(AssertionError, match="another's answer"):
        offer(arrivals, lambda row: row[0] + 1)


def test_a_failing_server_is_a_failure(arrivals):
    calls = []

    def breaks(row):
        calls.append(row)
        if len(calls) > 32:
            raise ZeroDivisionError("after the warm-up")
        return row[0]

    with pytest.raises(ZeroDivisionError):
        offer(arrivals, breaks)
