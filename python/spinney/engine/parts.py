"""What an engine is built of, and how its options reach each part."""

from __future__ import annotations

import weakref
from concurrent.futures import Future
from functools import partial
from itertools import count
from threading import RLock
from time import perf_counter

from spinney import _core
from spinney.configs.engine import QUEUE_OPTIONS, queue_config
from spinney.engine.answers import Answers, StandIn
from spinney.engine.collaborators import collaborator, is_replaced
from spinney.engine.failures import Failures
from spinney.engine.load_watch import LoadWatch
from spinney.engine.preparation import Preparation
from spinney.engine.rates import Rates
from spinney.engine.told import error_recorder
from spinney.engine.upkeep import Upkeep
from spinney.exceptions import EngineShutDownError, InvalidInputError, RequestRefusedError
from spinney.inputs import by_name
from spinney.metrics.cpu import CpuMeter

_KNOWN = (EngineShutDownError, RequestRefusedError)  # the core knows their class
_WINDOW_ROWS = 65_536  # as many as a model's queue takes
_WINDOW = 4096  # items of predict_batch in the queue at once


class Parts:
    """The collaborators of one engine; a forked child makes new ones."""

    def __init__(self, engine, before=None):
        """before: the parts of the parent process, whose counts and caches go on."""
        self.config = config = engine.config
        self._engine = weakref.ref(engine)  # so that a forgotten engine ends at once
        keeps = config.enable_request_deduplication and config.max_cache_entries > 0
        replaced = keeps and is_replaced("LRUTTLCache")
        self.core = _core.Engine(
            config.num_threads or 0,
            config.max_concurrent_requests or 0,
            config.set_cpu_affinity,
            config.max_cache_entries if keeps and not replaced else 0,
            config.max_cache_bytes,
            config.cache_ttl_seconds,
        )
        self.memory_pool = collaborator("MemoryPool")()
        self.metrics = self.told = None
        self.failures, self.rates = Failures(), Rates()
        self.stand_in = StandIn(config) if replaced else None
        self.answers = self.stand_in or (Answers(self.core, config) if keeps else None)
        preparation = Preparation(config) if before is None else before.preparation
        self.preparation = preparation
        self.settle()
        self.debug = config.debug_mode
        self.shares = config.enable_request_deduplication
        self.notes = config.enable_quantization  # there may be more to say of an answer
        if not config.enable_monitoring:
            self.cpu = CpuMeter()
        else:
            self.metrics = self._metrics()
            if is_replaced("MetricsManager"):
                self.told = self.metrics
                self._record_error = error_recorder(self.told)
        self.batcher = self._batcher()
        self.window = min(_WINDOW, config.max_concurrent_requests or _WINDOW)
        queue = config.batch_processor_config
        bounded = "max_queue_size" in getattr(queue, "_given", ())
        self.window_rows = queue.max_queue_size if bounded else _WINDOW_ROWS
        self.watch = LoadWatch(config, self.core, self.trim) if LoadWatch.needed(config) else None
        self.upkeep = Upkeep(
            self.answers,
            self.memory_pool,
            config.enable_memory_optimization,
            self.core,
            weakref.WeakMethod(self.look_at_rates),
        )
        if before is not None:
            for served in (s for versions in engine._named.values() for s in versions.values()):
                served.enter(self.core, {**self.model_options(), "warm_up": False}, self.told)

    def _metrics(self):
        config = self.config
        metrics = collaborator("MetricsManager")(
            window_size=config.monitoring_window, interval=config.monitoring_interval
        )
        # Parts of the memory, so that the watch for leaks can tell which of them grows.
        metrics.add_source("memory_pool", *_pool_of(self.memory_pool))
        metrics.add_source("core_pool", _core.pool_stats, _core_pool_bytes)
        if self.answers is not None:
            metrics.add_source("cache", self.answers.stats, self.answers.bytes)
        metrics.add_source("served_models", *_models_of(self._engine))
        metrics.start()
        return metrics

    def settle(self):
        """What predictions look at, after a change of what prepares rows."""
        self.scale, self.quantize = self.preparation.scale, self.preparation.quantize
        # Nothing stands between rows and the core, but what a model quantizes.
        self.plain = self.scale is None and self.stand_in is None
        self.quick = self.plain and not self.config.debug_mode  # and nobody logs requests

    def model_options(self):
        """Options of each model's queue, by the names of the core."""
        config = self.config
        queue = queue_config(config)
        options = {
            "join_requests": config.enable_batching,
            "max_batch_size": queue.max_batch_size,
            "initial_batch_size": queue.initial_batch_size,
            "min_batch_size": queue.min_batch_size,
            "batch_timeout": float(queue.batch_timeout),
            "adaptive_batch_size": queue.enable_adaptive_batching,
            "single_flight": config.enable_request_deduplication,
            "warm_up": config.enable_warmup,
            "num_threads": config.num_threads or 0,
            "window_calls": config.monitoring_window if config.enable_monitoring else 0,
        }
        if "max_queue_size" in queue._given:
            options["max_queue_rows"] = queue.max_queue_size
        return options

    @staticmethod
    def note(future, served, loss):
        """Have the future's metadata say what quantizing the model and the rows lost."""
        if served.notes is not None or loss is not None:
            future._more = {**(served.notes or {}), **(loss or {})}
        return future

    def failed(self, served, error, misfit=False):
        """Count a request that never came to the core. misfit: its rows were at fault for sure."""
        misfit = misfit or isinstance(error, InvalidInputError)
        served.outcomes.failed(misfit)
        self.note_failure(error, misfit)

    def note_failure(self, error, misfit=False):
        """Of a request that the core has counted, by which class of errors it failed."""
        if isinstance(error, _KNOWN):
            return
        misfit = misfit or isinstance(error, InvalidInputError)
        self.failures.add("misfit" if misfit else "failed", error)
        if self.told is not None:
            self._record_error(type(error).__name__)

    def look_at_rates(self):
        totals = self.core.stats()
        return self.rates.look(totals["answered"], totals["rows"])

    def _batcher(self):
        """A DynamicBatcher that was put in place of Spinney's own; the core needs none."""
        if not self.config.enable_batching or not is_replaced("DynamicBatcher"):
            return None
        queue = queue_config(self.config)
        batcher = collaborator("DynamicBatcher")(
            batch_processor=self._process_batch,
            max_batch_size=queue.max_batch_size,
            max_wait_time_ms=queue.batch_timeout * 1e3,
        )
        batcher.start()
        self._ids = count(1)
        return batcher

    def _process_batch(self, rows):
        return self._engine()._served.predict(rows)

    def batch(self, served, features, level, timeout_ms):
        """Queue at a replaced DynamicBatcher, which knows nothing of the core's count."""
        from spinney.batching import PredictionRequest
        from spinney.exceptions import QueueFullError

        try:
            features = by_name(served.model, features)
        except InvalidInputError as error:
            self.failed(served, error)
            raise
        request = PredictionRequest(
            id=next(self._ids),
            features=features,
            priority=level,
            future=Future(),
            timeout_ms=timeout_ms,
        )
        request.future.add_done_callback(partial(self._count_batched, served, perf_counter()))
        if not self.batcher.enqueue(request):
            served.outcomes.refused(False)
            return _core.settled_future(None, QueueFullError("the batcher's queue is full"))
        return request.future

    def _count_batched(self, served, began, future):
        """One call from asked to answered, as far as can be seen; rows by the answer."""
        if future.cancelled():
            return
        error = future.exception()
        if error is not None:
            self.failed(served, error)
            return
        result = future.result()
        rows = result if hasattr(result, "__len__") else [result]
        served.outcomes.answered(len(rows), began)

    def trim(self):
        """Free what can be made again."""
        if self.answers is not None:
            self.answers.shrink(0)
        self.memory_pool.clear()
        _core.trim_pool(0)

    def stop(self, seconds):
        if self.watch is not None:
            self.watch.stop()
        self.upkeep.stop()
        if self.batcher is not None:
            self.batcher.stop()
        self.core.stop(seconds)
        if self.metrics is not None:
            self.metrics.stop()
        self.trim()

    def in_forked_child(self, engine):
        """What takes their place in a forked child, where none of these threads runs."""
        self.core.abandon()
        return ForkedParts(engine, self)


class ForkedParts:
    """Of an engine in a forked child, until it is used: nothing, and no threads.

    The first look at any part makes them all, in the engine's own place, so that this one is asked
    once. A child that only ends, or starts another program, never has any.
    """

    def __init__(self, engine, before):
        self._engine, self._before = weakref.ref(engine), before
        self._lock, self._made, self._stopped = RLock(), None, False
        self._making = False

    def __getattr__(self, name):
        return getattr(self._parts(), name)

    def _parts(self):
        with self._lock:
            if self._making:  # a signal's handler, or the garbage collector's, asks within
                raise EngineShutDownError(
                    "this forked child's engine is just being started by what was interrupted; "
                    "ask again once that goes on"
                )
            if self._made is None:
                engine = self._engine()
                self._making = True
                try:
                    self._made = engine._parts = Parts(engine, self._before)
                finally:
                    self._making = False
                if self._stopped:  # asked for its figures after shutdown
                    self._made.stop(0.0)
            return self._made

    def stop(self, seconds):
        with self._lock:
            self._stopped = True
            made = self._made
        if made is not None:
            made.stop(seconds)

    def in_forked_child(self, engine):
        if self._made is not None:  # by a thread that was about to put it in its place
            return self._made.in_forked_child(engine)
        return ForkedParts(engine, self._before)


def _pool_of(pool):
    """(a pool's figures, its bytes). Nothing here may refer to the engine's parts: they hold a
    bound method of the core's, which the garbage collector does not look into.
    """
    return pool.get_stats, lambda: pool.get_stats().get("memory_usage_bytes", 0)


def _core_pool_bytes():
    stats = _core.pool_stats()
    return stats["idle_bytes"] + stats["in_use_bytes"]


def _models_of(engine):
    """(how many models there are and their bytes, these bytes), while the engine lives."""

    def models():
        found = engine()
        named = {} if found is None else found._named
        return [served for versions in named.values() for served in versions.values()]

    def used():
        return sum(served.bytes for served in models())

    return (lambda: {"count": len(models()), "memory_usage_bytes": used()}), used


def unused_details(config):
    """Sentences on options of batch_processor_config that the engine's queue does not follow."""
    given = getattr(config.batch_processor_config, "_given", set())
    found = []
    if given - QUEUE_OPTIONS:
        found.append(
            f"batch_processor_config.{', '.join(sorted(given - QUEUE_OPTIONS))} concern a "
            "BatchProcessor of your own; the engine's queue takes "
            + ", ".join(sorted(QUEUE_OPTIONS))
        )
    sizes = given & QUEUE_OPTIONS - {"max_queue_size"}
    if sizes and not config.enable_batching:
        found.append(
            f"batch_processor_config.{', '.join(sorted(sizes))} act only with enable_batching=True"
        )
    return found
