"""A clock that tests move, and batchers without threads that run on it."""

from __future__ import annotations

from concurrent.futures import Future

from spinney.batching import BatchProcessor, DynamicBatcher, PredictionRequest
from spinney.configs import BatchProcessorConfig


class ManualClock:
    """Time moves by hand, or by waiting: whoever waits alone gets exactly the time asked for."""

    def __init__(self, start=100.0):
        self.time = start

    def now(self):
        return self.time

    def wait(self, condition, seconds):
        assert seconds is not None, "nobody would ever wake this up"
        self.time += seconds


def manual_batcher(function, clock=None, **options):
    """A started DynamicBatcher without threads; run_pending(batcher) runs what is due."""
    batcher = DynamicBatcher(function, max_workers=0, clock=clock or ManualClock(), **options)
    batcher.start()
    return batcher


def manual_processor(function, clock=None, metrics=None, **options):
    """A started BatchProcessor without threads and without the health thread."""
    options = {"enable_health_monitoring": False, **options}
    config = BatchProcessorConfig(**options)
    processor = BatchProcessor(config, metrics, clock=clock or ManualClock())
    processor._core.policy.workers = 0
    processor.start(function)
    return processor


def run_pending(batcher):
    return batcher._core.run_pending()


def run_one(batcher):
    """Run one batch on this thread, if one is due."""
    batcher._core.tell_time()
    return batcher._core.lane.run_one()


def queued(batcher, features, **options):
    """Enqueue a request that the queue takes; the request."""
    request = PredictionRequest(id=None, features=features, future=Future(), **options)
    assert batcher.enqueue(request) is True
    return request
