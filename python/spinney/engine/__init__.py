"""InferenceEngine: load a model, predict, never raise on bad input."""

from __future__ import annotations

import logging
from functools import partial
from threading import Lock
from time import perf_counter

import numpy as np

from spinney.configs import EngineState, ModelType, engine_config, startup_messages
from spinney.exceptions import InvalidInputError, SpinneyError, UnsupportedModelError
from spinney.loading import load

_log = logging.getLogger(__name__)

_TYPES = {
    "sklearn": ModelType.SKLEARN,
    "xgboost": ModelType.XGBOOST,
    "lightgbm": ModelType.LIGHTGBM,
}


class InferenceEngine:
    """Serves one model to any number of threads.

    >>> engine = InferenceEngine()
    >>> engine.predict([[0.0]])
    (False, None, {'error': 'no model is loaded; call load_model first'})

    Attributes: state (EngineState), model (spinney.Model or None), model_type (ModelType or None),
    model_info (dict), config, last_error (why load_model returned False, or None).
    """

    def __init__(self, config=None):
        """config: an InferenceEngineConfig, a mapping of its options, a .json or .toml file, or
        None for the environment and the defaults. Options that cannot be followed are logged, or
        raise UnsupportedOptionError where answers or limits would differ.
        """
        self.config = engine_config(config)
        for message in startup_messages(self.config):
            _log.warning("%s", message)
        self.state_lock = Lock()
        self.last_error = None
        self._forget_model("no model is loaded; call load_model first")
        self.state = EngineState.READY

    def _forget_model(self, why):
        self.model = None
        self.model_type = None
        self.model_info = {}
        self._predict = partial(_refuse, why)

    def load_model(
        self,
        model_path,
        model_type=None,
        compile_model=None,
        *,
        trusted=None,
        allowed_classes=None,
        in_process=None,
    ) -> bool:
        """Load a model file (or fitted object) and serve it. True if it worked.

        model_path: what spinney.load takes.
        model_type: a ModelType or its name, to insist on; None takes what the file holds.
            SKLEARN also fits the scikit-learn wrappers of XGBoost and LightGBM.
        compile_model: None or False. The native kernels need no compilation; True asks for a
            compiled back end, which this version does not have, and fails.
        trusted, allowed_classes, in_process: as in spinney.load; None takes the configuration's.

        On failure the reason is logged and kept in last_error; a model loaded before stays.
        """
        with self.state_lock:
            if self.state in (EngineState.STOPPING, EngineState.STOPPED):
                return self._load_failed(model_path, "the engine is shut down")
            self.state = EngineState.LOADING
            try:
                wanted = _named_type(model_type)
                if compile_model:
                    raise UnsupportedModelError(
                        "compile_model=True asks for a compiled back end, which this version does "
                        "not have; the native kernels need no compilation"
                    )
                model = load(
                    model_path,
                    trusted=_or(trusted, self.config.trusted),
                    allowed_classes=_or(allowed_classes, self.config.allowed_classes),
                    in_process=_or(in_process, self.config.in_process),
                )
                self._adopt(model, wanted)
            except Exception as error:
                return self._load_failed(model_path, str(error) or type(error).__name__)
            self.last_error = None
            self.state = EngineState.READY
            return True

    def _load_failed(self, model_path, reason) -> bool:
        _log.error("cannot load %s: %s", model_path, reason)
        self.last_error = reason
        if self.state == EngineState.LOADING:
            self.state = EngineState.READY if self.model is not None else EngineState.ERROR
        return False

    def _adopt(self, model, wanted):
        source = model.source
        found = _TYPES.get(source["library"], ModelType.CUSTOM)
        wrapper = wanted is ModelType.SKLEARN and source["kind"] != "Booster"
        if wanted is not None and wanted is not found and not wrapper:
            raise InvalidInputError(
                f"model_type is {wanted.name}, but this is a {source['kind']} of "
                f"{source['library']} ({found.name})"
            )
        predict = model.predict_proba if self.config.return_probabilities else model.predict
        if self.config.num_threads is not None:
            predict = partial(predict, num_threads=self.config.num_threads)
        rounds = self.config.warmup_iterations if self.config.enable_warmup else 0
        zeros = np.zeros((1, model.n_features), dtype=np.float32)
        for _ in range(max(rounds, 1 if self.config.return_probabilities else 0)):
            predict(zeros)  # also shows at once if there are no probabilities
        self.model_info = {
            "model_type": found.name,
            **source,
            "n_features": model.n_features,
            "n_outputs": model.n_outputs,
            "n_trees": model.n_trees,
            "objective": model.objective,
        }
        self.model, self.model_type, self._predict = model, found, predict

    def predict(self, features):
        """(True, result, metadata), or (False, None, {"error": message}): bad input never raises.

        features: rows as Model.predict takes them; one flat row of n_features numbers counts as one
            row.
        result: what the trained object's own predict gives, or its predict_proba with
            return_probabilities.
        metadata: inference_time_ms, total_time_ms, batch_size, compiled_model_used.
        """
        started = perf_counter()
        try:
            result = self._predict(features)
        except Exception as error:
            return self._predict_again(features, error, started)
        took_ms = (perf_counter() - started) * 1e3
        rows = len(result if type(result) is not list else result[0])
        return (
            True,
            result,
            {
                "inference_time_ms": took_ms,
                "total_time_ms": took_ms,
                "batch_size": rows,
                "compiled_model_used": False,
            },
        )

    def _predict_again(self, features, error, started):
        """The way for one flat row, and for what cannot be predicted."""
        try:
            array = np.asarray(features)
            model = self.model
            if model is None or array.ndim != 1 or len(array) != model.n_features:
                raise error
            inside = perf_counter()
            result = self._predict(array.reshape(1, -1))
        except Exception as failure:
            reason = failure if isinstance(failure, SpinneyError) else error
            return False, None, {"error": str(reason) or type(reason).__name__}
        ended = perf_counter()
        return (
            True,
            result,
            {
                "inference_time_ms": (ended - inside) * 1e3,
                "total_time_ms": (ended - started) * 1e3,
                "batch_size": 1,
                "compiled_model_used": False,
            },
        )

    def shutdown(self):
        """Let go of the model; later predictions fail. May be called more than once."""
        with self.state_lock:
            self.state = EngineState.STOPPING
            self._forget_model("the engine is shut down")
            self.state = EngineState.STOPPED

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.shutdown()


def _refuse(why, features):
    raise InvalidInputError(why)


def _or(value, default):
    return default if value is None else value


def _named_type(model_type):
    if model_type is None or isinstance(model_type, ModelType):
        return model_type
    try:
        return ModelType[str(model_type).upper()]
    except KeyError:
        names = ", ".join(kind.name for kind in ModelType)
        raise InvalidInputError(f"model_type is {model_type!r}; it may be {names}") from None
