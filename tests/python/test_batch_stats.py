"""BatchStats: a window of times, and totals."""

from __future__ import annotations

import pytest

from modules.engine.batch_processor import BatchStats
from spinney.exceptions import InvalidInputError


def test_batch_stats():
    stats = BatchStats(window_size=2)
    assert stats.get_stats()["avg_processing_time_ms"] == 0.0
    stats.record_error()
    assert stats.get_stats()["error_rate"] == 1.0
    stats.update(0.5, 10, 0.1)
    stats.update(0.01, 4, queue_time=0.002, latency=0.012, queue_length=3)
    stats.update(processing_time=0.03, batch_size=6, queue_time=0.004, latency=0.034)
    stats.record_error(count=3)
    found = stats.get_stats()
    assert found["avg_processing_time_ms"] == pytest.approx(20.0)
    assert found["avg_queue_time_ms"] == pytest.approx(3.0)
    assert found["avg_latency_ms"] == pytest.approx(23.0)
    assert found["avg_batch_size"] == 5.0
    assert found["total_processed"] == 20
    assert found["error_rate"] == pytest.approx(4 / 20)
    assert found["batch_count"] == 3
    for wrong in (0, 2.5, True, None):
        with pytest.raises(InvalidInputError, match="window_size"):
            BatchStats(wrong)
