"""InferenceEngine: load models, predict now or through a queue, never raise on bad input."""

from __future__ import annotations

import logging
from threading import RLock
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Any, Iterable, Mapping, NoReturn

from numpy import ndarray

from spinney import _core
from spinney.configs import BatchPriority, EngineState, engine_config, startup_messages
from spinney.engine import lifecycle
from spinney.engine.answering import Answering
from spinney.engine.answers import kept
from spinney.engine.asked import given
from spinney.engine.awaiting import answer_of
from spinney.engine.checks import Checks
from spinney.engine.future import PredictionFuture
from spinney.engine.loads import NO_MODEL, Loads
from spinney.engine.outcomes import failure, level_of, outcome_of, refusal, rows_in
from spinney.engine.parts import Parts, unused_details
from spinney.engine.report import prometheus, report
from spinney.exceptions import (
    SpinneyError,
)
from spinney.faults import contained, is_the_users

if TYPE_CHECKING:
    from os import PathLike

    from typing_extensions import Unpack

    from spinney.batching import DynamicBatcher
    from spinney.configs import InferenceEngineConfig
    from spinney.engine.asked import Asked
    from spinney.memory_pool import MemoryPool
    from spinney.preprocessing import DataPreprocessor
    from spinney.quantization import Quantizer

_log = logging.getLogger("spinney.engine")
_NORMAL = BatchPriority.NORMAL
_LEVELS = {level: int(level.value) for level in BatchPriority}


class InferenceEngine(Answering, Checks, Loads, lifecycle.Lifetime):
    """Serves models to any number of threads: at once, or queued and batched.

    >>> engine = InferenceEngine()
    >>> engine.predict([[0.0]])
    (False, None, {'error': 'no model is loaded; call load_model first'})
    >>> engine.shutdown()

    Attributes: state (EngineState), config, last_error (why load_model returned False, or None); of
    the model that is meant when none is named: model, model_type (ModelType or None), model_info
    (dict), compiled_model (always None: the native kernels need no compilation); active_requests,
    memory_pool, state_lock (held for the moment in which a model or the state changes),
    inference_lock (for callers; the engine does not take it).
    """

    def __init__(
        self, config: InferenceEngineConfig | Mapping[str, Any] | str | PathLike[str] | None = None
    ) -> None:
        """config: an InferenceEngineConfig, a mapping of its options, a .json or .toml file, or
        None for the environment and the defaults. Options that cannot be followed are logged, or
        raise UnsupportedOptionError where answers or limits would differ.
        """
        self.config: InferenceEngineConfig = engine_config(config)
        for message in startup_messages(self.config) + unused_details(self.config):
            _log.warning("%s", message)
        self.state: EngineState = EngineState.INITIALIZING
        self.state_lock: Any = RLock()
        self.inference_lock: Any = RLock()
        self.last_error: str | None = None
        self.compiled_model: None = None
        self._named = {}
        self._served = None
        self._why_not = NO_MODEL
        self._loading = []
        self._stop_lock = RLock()
        lifecycle.register(self)
        self._parts = Parts(self)
        self._forget_model()
        self.state = EngineState.READY

    @property
    def active_requests(self) -> int:
        """Requests in the engine at this moment, queued or being predicted."""
        return self._parts.core.active

    @property
    def memory_pool(self) -> MemoryPool:
        """The MemoryPool whose buffers the engine's rows are copied to."""
        return self._parts.memory_pool

    @property
    def preprocessor(self) -> DataPreprocessor | None:
        """The DataPreprocessor that rows go through, with enable_feature_scaling; else None.

        Fit it before the first prediction, or put a fitted one in its place.
        """
        return self._parts.preparation.preprocessor

    @preprocessor.setter
    def preprocessor(self, preprocessor: DataPreprocessor | None) -> None:
        parts = self._parts
        parts.preparation.preprocessor = preprocessor
        parts.settle()

    @property
    def quantizer(self) -> Quantizer | None:
        """The Quantizer of rows: of all, with enable_input_quantization; or of those whose model
        cannot be quantized, with enable_quantization alone; else None.
        """
        return self._parts.preparation.quantizer

    @property
    def dynamic_batcher(self) -> DynamicBatcher | None:
        """The DynamicBatcher that a program put in place of Spinney's own, or None."""
        return self._parts.batcher

    def predict(
        self,
        features: Any,
        model: str | None = None,
        *,
        version: str | None = None,
        **asked: Unpack[Asked],
    ) -> tuple[bool, Any, dict[str, Any]]:
        """(True, result, metadata), or (False, None, {"error": message}): bad input never raises.

        features: rows as Model.predict takes them; one flat row of n_features numbers counts as one
            row, and so does a row whose values have labels (a pandas Series, a namedtuple), which
            are found by these. A column is refused.
        model, version: which one; None is the model that was loaded without a name, or else first.
        asked: keywords of Model.predict for this call: iteration_range, missing and base_margin of
            XGBoost's models, num_iteration, start_iteration and init_score of LightGBM's,
            ntree_start and ntree_end of CatBoost's. Such calls share no answers with others.
        result: what the trained object's own predict gives, or its predict_proba with
            return_probabilities.
        metadata: inference_time_ms, total_time_ms, batch_size, compiled_model_used; cached and
            cache_hit where the answer was kept from an equal request; quantized ("model", "rows" or
            "model and rows") with enable_quantization, model_quantization (the number format) of a
            quantized model, quantization_max_error and quantization_mean_error of quantized rows. A
            refused request has throttled: True and
            retry_after, in seconds.
        """
        served = self._served
        if model is not None or version is not None or served is None:
            served, why = self._find(model, version)
            if served is None:
                self._count_unknown()
                return False, None, {"error": why}
        parts = self._parts
        if parts.quick and served.direct and not asked:
            outcome = served.ask(features, served.outcomes, served.notes)
            if type(outcome) is tuple:
                return outcome
        else:
            asked = given(asked, "predict")
            outcome = self._prepare_and_ask(served, parts, features, asked)
        if type(outcome) is not tuple:
            if outcome is None:  # replaced by another load since it was looked up
                return self.predict(features, model, version=version, **asked)
            outcome = False, None, failure(self._failed(outcome))
        if parts.debug:
            _log.debug("predicted with %s: %s", served, outcome[2])
        return outcome

    def enqueue_prediction(
        self,
        features: Any,
        priority: BatchPriority | int = _NORMAL,
        timeout_ms: float | None = None,
        model: str | None = None,
        *,
        version: str | None = None,
        **asked: Unpack[Asked],
    ) -> PredictionFuture:
        """Queue a prediction; a PredictionFuture, which is a concurrent.futures.Future.

        features, model, version: as in predict. The rows are copied before this returns.
        asked: as in predict. The queue's batches are for all alike, so that such a call is answered
            at once, on its caller's thread.
        priority: a BatchPriority, or its number.
        timeout_ms: milliseconds after which the request is not run any more and fails with
            RequestExpiredError; None takes the configuration's timeout_ms.

        Never blocks, and raises for arguments of a wrong type only: a request that is refused, or
        that does not fit the model, is a future that has failed already.
        """
        if asked:
            asked = given(asked, "enqueue_prediction")
        level = _LEVELS.get(priority)
        if level is None:
            level = level_of(priority)
        if timeout_ms is None:
            timeout_ms = self.config.timeout_ms
        served = self._served
        if model is not None or version is not None or served is None:
            served, why = self._find(model, version)
            if served is None:
                self._count_unknown()
                return _core.settled_future(None, self._nothing(why))
        parts = self._parts
        keep = key = loss = None
        if parts.scale is not None or served.quantizes_rows:
            try:
                features, loss = parts.preparation.prepared(features, served)
            except BaseException as error:
                if is_the_users(error):
                    raise
                parts.failed(served, error, misfit=True)
                return _core.settled_future(None, contained(error, "the preprocessor"))
        try:
            if asked:
                return self._answer_now(served, parts, features, loss, asked)
            if parts.batcher is not None and served is self._served:
                return parts.batch(served, features, level, timeout_ms)
            if parts.stand_in is not None or not served.native:
                features, key, keep, found = kept(served, parts, features)
                if found is not None:
                    return parts.note(found, served, loss) if parts.notes else found
            try:
                rows = served.as_rows(features)
            except Exception as error:  # of the caller's own class of rows, perhaps
                parts.failed(served, error, misfit=True)
                return _core.settled_future(None, error)
            future = served.submit(rows, level, timeout_ms, keep, key)
            while future is None:  # replaced by another load between the look-up and here
                served, why = self._find(model, version)
                if served is None:
                    self._count_unknown()
                    return _core.settled_future(None, self._nothing(why))
                future = served.submit(served.as_rows(features), level, timeout_ms, None, None)
            if future is NotImplemented:
                return self._answer_now(served, parts, features, loss, {})
        except SpinneyError as error:
            return _core.settled_future(None, error)
        if parts.debug:
            _log.debug("queued for %s: priority %s, timeout_ms %s", served, level, timeout_ms)
        if type(future) is PredictionFuture:
            return parts.note(future, served, loss) if parts.notes else future
        return _core.settled_future(None, refusal(future, self.config, parts.watch))

    async def predict_async(
        self,
        features: Any,
        priority: BatchPriority | int = _NORMAL,
        timeout_ms: float | None = None,
        model: str | None = None,
        *,
        version: str | None = None,
        **asked: Unpack[Asked],
    ) -> Any:
        """The prediction, awaited; arguments and exceptions as of enqueue_prediction.

        Answered at once, on the event loop's own thread and without giving the loop a turn, where
        the model is native, nothing of it is queued, and the rows cost less than to wake a worker;
        else through the queue. Cancelling the task cancels the request.
        """
        served, parts = self._served, self._parts
        if model is not None or version is not None:
            served = self._find(model, version)[0]
        plain = parts.plain and parts.batcher is None and not asked
        if served is not None and plain and served.direct:
            level = _LEVELS.get(priority)
            answer = served.at_once(
                features if type(features) is ndarray else served.as_rows(features),
                level_of(priority) if level is None else level,
                self.config.timeout_ms if timeout_ms is None else timeout_ms,
                served.outcomes,
            )
            if type(answer) is ndarray or type(answer) is list:
                return answer
            if answer is not None and answer is not NotImplemented:
                raise self._failed(answer)
        future = self.enqueue_prediction(
            features, priority, timeout_ms, model, version=version, **asked
        )
        return await answer_of(future)

    def predict_batch(
        self,
        features_list: Iterable[Any],
        timeout: float | None = None,
        model: str | None = None,
        *,
        version: str | None = None,
    ) -> list[tuple[bool, Any, dict[str, Any]]]:
        """Predict each item of a list; a list of what predict gives, in the same order.

        timeout: seconds for all of them; what is not answered by then is a failure.
        Items go through the queue, so that they are computed together with whatever else waits.
        """
        deadline = None if timeout is None else monotonic() + timeout
        limit_ms = None if timeout is None else max(0.0, timeout * 1e3)
        window, most = self._parts.window, self._parts.window_rows
        answers, waiting, rows, total = [], [], [], 0
        for features in features_list:
            rows.append(rows_in(features))
            total += rows[-1]
            while waiting and (len(waiting) >= window or total > most):
                answers.append(outcome_of(*waiting.pop(0), deadline))
                total -= rows.pop(0)
            began = perf_counter()
            future = self.enqueue_prediction(features, _NORMAL, limit_ms, model, version=version)
            waiting.append((future, began))
        answers.extend(outcome_of(*one, deadline) for one in waiting)
        return answers

    def get_performance_metrics(self) -> dict[str, Any]:
        """Times, counts, queue, cache, pool and the process's resources, as a dict.

        Requests that were predicted at once and batches of the queue count alike.
        """
        return report(self)

    def get_prometheus_metrics(self) -> str:
        """The same as the text that Prometheus scrapes; empty without enable_monitoring."""
        return prometheus(self)

    def __repr__(self) -> str:
        models = ", ".join(
            f"{name} {version}" for name, versions in self._named.items() for version in versions
        )
        return f"<InferenceEngine {self.state.name}: {models or 'no model'}>"

    def __getstate__(self) -> NoReturn:
        raise TypeError("an InferenceEngine holds threads and cannot be pickled; pickle its config")
