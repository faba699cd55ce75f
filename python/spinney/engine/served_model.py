"""One loaded model: what answers, and what is said of it."""

from __future__ import annotations

from functools import partial
from itertools import count

import numpy as np

from spinney import _core
from spinney._core import Model, Outcomes
from spinney.configs import ModelType, chooses_what_to_quantize
from spinney.engine.parcels import Parcel, Targets, answer_parcels
from spinney.engine.rank_keys import rank_key_for, row_to_try
from spinney.ensemble import Ensemble
from spinney.exceptions import InvalidInputError, UnsupportedModelError
from spinney.inputs import one_row
from spinney.loading import load
from spinney.quantization import quantize_for_engine, quantizes_nothing

_TYPES = {
    "sklearn": ModelType.SKLEARN,
    "xgboost": ModelType.XGBOOST,
    "lightgbm": ModelType.LIGHTGBM,
    "catboost": ModelType.CATBOOST,
    "treelite": ModelType.TREELITE,
}
_LATER = {
    ModelType.ONNX: "convert from the file that the model was exported from",
    ModelType.PYTORCH: "give a function that calls it, with model_type CUSTOM",
    ModelType.TENSORFLOW: "give a function that calls it, with model_type CUSTOM",
}
_FLAT = (np.ndarray, list, tuple)
_OF_MODELS = (
    "as_booster",
    "iteration_range",
    "start_iteration",
    "num_iteration",
    "ntree_start",
    "ntree_end",
    "missing",
    "member",
    "worker_options",
)
# What info says of compilation: nothing that a back end compiles would be faster than the first.
_NATIVE = "native kernels serve it, which need no compilation and are measured to be faster"
_IN_PYTHON = "it runs in Python, and no back end of this version compiles such a model"
_loads = count(1)


class ServedModel:
    """A model under a name and version in one engine.

    token: a number that no other load has, which keys of cached answers begin with.
    ticket: greater, the later the load was called.
    quantizes_rows: whether its rows are quantized first. direct: native, and they are not.
    predict(rows): the model's own answer. ask, at_once, submit: predict, and at_once, and submit of
    spinney._core.Served, the engine's door; at_once of native models only.
    outcomes: counts what does not come to the queue, with what does; see spinney._core.Outcomes.
    """

    def __init__(
        self,
        source,
        wanted,
        config,
        load_options,
        calibration=None,
        idempotent=False,
        compiled=False,
    ):
        self.token = next(_loads)
        self.name = self.version = self.submit = self.handle = None
        self.outcomes = self.ask = self.at_once = None
        self.engine_version = ""
        self.ticket = 0
        model = _load(source, wanted, load_options)
        self._is_the_caller_s = model is source
        self.ensemble = model if isinstance(model, Ensemble) else None
        if self.ensemble is not None:
            model = _whole(model, idempotent)
        if compiled and not isinstance(model, Model):
            kind = model.source["kind"]
            self.model = model
            self.close()
            raise UnsupportedModelError(
                f"compile_model=True, but {kind} has no native path: {_IN_PYTHON}. Leave out "
                "compile_model to have it served as it is"
            )
        self.model, self.quantized = quantize_for_engine(model, config, calibration)
        self.native = isinstance(self.model, Model)
        self.quantizes_rows, self.notes = self._quantization(config)
        self.direct = self.native and not self.quantizes_rows
        # May be asked again about the same rows; answers of others are neither kept nor shared.
        self.idempotent = self.native or bool(idempotent)
        self.model_type = self._checked_type(wanted)
        self.kind = "proba" if config.return_probabilities else "predict"
        self.predict = self._predictor(config)
        # Whether each answer says which members it is of; fused, all answers are of the same.
        self.tells_members = self.ensemble is self.model and self.ensemble is not None
        if self.ensemble is not None and not self.tells_members:
            self.notes = {**(self.notes or {}), **self.ensemble.told()}
        self.info = self._describe()
        known = self.model.info() if self.native else {}
        self._row_shape = (self.model.n_features,)
        self.rank_key = None
        if self.native and config.enable_request_deduplication and config.max_cache_entries:
            self.rank_key = rank_key_for(self.model)
        self.info["cache_key"] = "bytes" if self.rank_key is None else "ranks"
        self.bytes = known.get("model_bytes", 0) + known.get("plan_bytes", 0)

    @property
    def n_features(self):
        return self.model.n_features

    def _quantization(self, config):
        """(whether its rows are quantized, what every answer's metadata says besides or None)."""
        if not config.enable_quantization:
            return False, None
        facts = _core.quantization(self.model) if self.native else None
        rows = config.enable_input_quantization
        if chooses_what_to_quantize(config):
            rows = facts is None and not quantizes_nothing(config)
        what = [name for name, is_so in (("model", facts is not None), ("rows", rows)) if is_so]
        notes = {"quantized": " and ".join(what)} if what else {}
        if facts is not None:
            notes["model_quantization"] = facts["dtype"]
        return rows, notes or None

    def _checked_type(self, wanted):
        source = self.model.source
        if wanted is ModelType.CUSTOM:
            return wanted
        if self.ensemble is not None and wanted in (None, ModelType.ENSEMBLE):
            return ModelType.ENSEMBLE
        found = _TYPES.get(source["library"], ModelType.CUSTOM)
        wrapper = wanted is ModelType.SKLEARN and source["kind"] != "Booster"
        if wanted is not None and wanted is not found and not wrapper:
            raise InvalidInputError(
                f"model_type is {wanted.name}, but this is a {source['kind']} of "
                f"{source['library']} ({found.name})"
            )
        return found

    def _predictor(self, config):
        model = self.model
        predict = model.predict_proba if config.return_probabilities else model.predict
        if self.native and config.num_threads is not None:
            predict = partial(predict, num_threads=config.num_threads)
        return predict

    def _describe(self):
        model = self.model
        found = {} if self.quantized is None else {"quantization": self.quantized.to_dict()}
        if self.ensemble is not None:
            found["ensemble_method"] = self.ensemble.method
            found["members"] = self.ensemble.members
            found["weights"] = self.ensemble.weights
        return {
            **found,
            "quantized": (self.notes or {}).get("quantized"),
            "model_type": self.model_type.name,
            **model.source,
            "n_features": model.n_features,
            "n_outputs": model.n_outputs,
            "n_trees": model.n_trees,
            "objective": model.objective,
            "runs": "native kernels" if self.native else model.info()["runs"],
            "compiled": False,
            "why_not_compiled": _NATIVE if self.native else _IN_PYTHON,
        }

    def telling_members(self, more):
        """(metadata that the answer fills in, what answers) of an ensemble whose members may be
        left out.
        """
        told = dict(more or {})

        def answer(rows):
            found = self.ensemble.ask(rows, self.predict.__name__)
            told.update(self.ensemble.told(found))
            return found.answer

        return told, answer

    def try_out(self, rounds):
        """Predict a row so many times; raises what a prediction would raise."""
        row = row_to_try(self.model)
        for _ in range(rounds if row is not None else 0):
            self.predict(row)

    def enter(self, core, options, told=None):
        """Queue requests for it in `core`, a spinney._core.Engine, after its warm-up there.

        told: a MetricsManager that a program put in place of Spinney's own.
        """
        options = {**options, "counted_as": str(self.version)}
        self.engine_version = f"{self.version}#{self.token}"
        place = (self.name, self.engine_version)
        if self.native:
            if self.rank_key is not None:
                options = {**options, "rank_key": self.rank_key}
            self.handle = core.load(*place, self.model, self.kind, options)
            self.submit, self.at_once = self.handle.submit, self.handle.at_once
        else:
            predict = partial(_answer_rows, self.model, self.kind == "proba")
            width, at_once = 0, 1  # as_rows checks the width
            self.handle = core.load_function(
                *place,
                predict,
                width,
                at_once,
                self.idempotent,
                options,
                partial(answer_parcels, predict),
            )
            self.submit = partial(_submit_python, self.handle)
        self.outcomes = Outcomes(self.handle, told)
        self.ask = self.handle.predict

    def kept(self, key):
        """(found, the answer) of a Python model that was kept under this key."""
        answer = self.handle.kept(key)
        return answer is not NotImplemented, answer

    def as_rows(self, features):
        """Features as submit takes them; raises what predict would say of those that do not fit."""
        if self.native:
            if type(features) is np.ndarray:
                if features.ndim == 2:
                    return features
                # One row that submit reads where it lies.
                if (
                    features.shape == self._row_shape
                    and features.dtype in _PLAIN
                    and features.flags.aligned
                ):
                    return features
            if type(features) is dict:
                return features  # a row, or columns, by the names of its values
            row = self.flat_row(features) if _may_be_flat(features) else None
            return features if row is None else row
        try:
            rows, count = self.model._rows(features)
        except Exception:
            row = self.flat_row(features)
            if row is None:
                raise
            rows, count = self.model._rows(row)
        if type(rows) is np.ndarray and rows.dtype.char in "fd" and rows.dtype.isnative:
            return rows if rows.flags.aligned else rows.copy()
        return Parcel(rows, count)

    def flat_row(self, features):
        """One row that was given by itself, as an array of one row, or None."""
        return one_row(self.model, features)

    def __str__(self):
        return f"{self.name} {self.version}"

    def close(self):
        """Let go of what was loaded; a model that the caller gave is the caller's to close."""
        close = getattr(self.model if self.ensemble is None else self.ensemble, "close", None)
        if close is not None and not self._is_the_caller_s:
            close()


_PLAIN = (np.dtype(np.float32), np.dtype(np.float64))


def _may_be_flat(features):
    """Whether to look if it is one flat row; frames and sparse rows are not, at no cost."""
    if type(features) in _FLAT:
        return True
    shape = getattr(features, "shape", None)
    return shape is None or (isinstance(shape, tuple) and len(shape) < 2)


def _submit_python(handle, rows, level, timeout_ms, keep, key):
    if type(rows) is not Parcel:
        return handle.submit(rows, level, timeout_ms, keep, key)
    return handle.submit_parcel(rows, rows.count, rows.kind, rows.own, level, timeout_ms, keep, key)


def _answer_rows(model, proba, rows, rows_count=None):
    """Answers a batch of the queue. No method of ServedModel's, which holds what holds this."""
    method = "predict_proba" if proba else "predict"
    answer = model._answer_rows(method, rows, len(rows) if rows_count is None else rows_count)
    return Targets(answer) if isinstance(answer, list) else answer


def _whole(ensemble, idempotent):
    """What answers for an ensemble in an engine: the one native model, or the ensemble itself."""
    if ensemble.ranks_within_calls:
        raise UnsupportedModelError(
            "rank without reference rows ranks the rows of a call among each other, and an engine "
            "puts the rows of several into one; give reference="
        )
    if idempotent and ensemble.on_failure == "leave_out" and ensemble.fused is None:
        raise InvalidInputError(
            "idempotent=True keeps answers for equal requests, and with on_failure='leave_out' "
            "one may lack a member"
        )
    return ensemble if ensemble.fused is None else ensemble.fused


def named_type(model_type):
    """A ModelType, its name in any case, or None."""
    if model_type is None or isinstance(model_type, ModelType):
        return model_type
    try:
        return ModelType[str(model_type).upper()]
    except KeyError:
        names = ", ".join(kind.name for kind in ModelType)
        raise InvalidInputError(f"model_type is {model_type!r}; it may be {names}") from None


def _load(source, wanted, load_options):
    if wanted in _LATER:
        raise UnsupportedModelError(
            f"model_type {wanted.name} has no back end in this version; {_LATER[wanted]}"
        )
    function = callable(source) and not isinstance(source, type) and not hasattr(source, "predict")
    if function or (wanted is ModelType.CUSTOM and callable(source)):
        if wanted not in (None, ModelType.CUSTOM):
            raise InvalidInputError(f"model_type is {wanted.name}, but the model is a function")
        chosen = [name for name in _OF_MODELS if load_options.get(name) not in (None, False)]
        if chosen:
            raise InvalidInputError(f"{chosen[0]} goes with a model, but the model is a function")
        if not load_options["copy"]:
            raise InvalidInputError("copy=False maps a .spinney file, but the model is a function")
        from spinney.workers import CallableModel  # most programs never need it

        return CallableModel(source)
    model = load(source, **load_options)
    if getattr(model, "_hashed_columns", ()):
        raise UnsupportedModelError(
            f"the {model.source['kind']} has categories, whose rows the engine does not take; give "
            "a function that calls spinney.load(path).predict, with model_type CUSTOM"
        )
    return model
