"""What an engine is built of, and how its options reach each part."""

from __future__ import annotations

from concurrent.futures import Future
from itertools import count

from spinney import _core
from spinney.engine.answers import Answers
from spinney.engine.collaborators import collaborator, is_replaced
from spinney.engine.load_watch import LoadWatch

_WINDOW = 4096  # items of predict_batch in the queue at once


class Parts:
    """The collaborators of one engine; a forked child makes new ones."""

    def __init__(self, engine, before=None):
        """before: the parts of the parent process, whose counts and caches go on."""
        self.config = config = engine.config
        self._engine = engine
        self.core = _core.Engine(config.num_threads or 0, config.max_concurrent_requests or 0)
        self.enter, self.leave = self.core.enter, self.core.leave
        self.memory_pool = self._optional("MemoryPool")
        self.metrics = None
        self.answers = None
        self.prepare = None
        if config.enable_request_deduplication and config.max_cache_entries:
            self.answers = self._cache()
        if config.enable_monitoring:
            self.metrics = self._optional("PerformanceMetrics", config.monitoring_window)
        self.batcher = self._batcher()
        self.window = min(_WINDOW, config.max_concurrent_requests or _WINDOW)
        self.watch = LoadWatch(config, self.core, self.trim) if LoadWatch.needed(config) else None
        if before is not None:
            for served in (s for versions in engine._named.values() for s in versions.values()):
                served.enter(self.core, {**self.model_options(), "warm_up": False})

    def _optional(self, name, *arguments):
        try:
            return collaborator(name)(*arguments)
        except ImportError:
            return None

    def _cache(self):
        try:
            return Answers(self.config)
        except ImportError:
            return None

    def model_options(self):
        """Options of each model's queue, by the names of the core."""
        config = self.config
        batches = config.batch_processor_config
        most = config.max_batch_size if config.enable_batching else 1
        return {
            "max_batch_size": most,
            "initial_batch_size": min(most, config.initial_batch_size),
            "min_batch_size": min(most, config.min_batch_size),
            "batch_timeout": config.batch_timeout,
            "adaptive_batch_size": config.enable_adaptive_batching,
            "single_flight": config.enable_request_deduplication,
            "warm_up": config.enable_warmup,
            **({} if batches is None else {"max_queue_rows": batches.max_queue_size}),
        }

    def measured(self, seconds, result):
        rows = len(result if type(result) is not list else result[0])
        self.metrics.update_inference(seconds, rows)

    def failed(self, error):
        if self.metrics is not None:
            self.metrics.record_error()

    def _batcher(self):
        """A DynamicBatcher that was put in place of Spinney's own; the core needs none."""
        try:
            if not self.config.enable_batching or not is_replaced("DynamicBatcher"):
                return None
        except ImportError:
            return None
        batcher = collaborator("DynamicBatcher")(
            batch_processor=self._process_batch,
            max_batch_size=self.config.max_batch_size,
            max_wait_time_ms=self.config.batch_timeout * 1e3,
        )
        batcher.start()
        self._ids = count(1)
        return batcher

    def _process_batch(self, rows):
        rows = rows if self.prepare is None else self.prepare(rows)
        return self._engine._served.predict(rows)

    def batch(self, features, level, timeout_ms):
        """Queue at a replaced DynamicBatcher."""
        from spinney.batching import PredictionRequest
        from spinney.exceptions import QueueFullError

        request = PredictionRequest(
            id=next(self._ids),
            features=features,
            priority=level,
            future=Future(),
            timeout_ms=timeout_ms,
        )
        if not self.batcher.enqueue(request):
            return _core.settled_future(None, QueueFullError("the batcher's queue is full"))
        return request.future

    def trim(self):
        """Free what can be made again."""
        if self.answers is not None:
            self.answers.clear()
        if self.memory_pool is not None:
            self.memory_pool.clear()

    def stop(self, seconds):
        if self.watch is not None:
            self.watch.stop()
        if self.batcher is not None:
            self.batcher.stop()
        self.core.stop(seconds)
        self.trim()

    def abandon(self):
        """In a forked child, where none of its threads runs."""
        self.core.abandon()
