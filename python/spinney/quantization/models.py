"""Models in fewer bits, with what that costs: proven, and measured on rows."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from spinney import _core
from spinney.configs import QuantizationType, chooses_what_to_quantize
from spinney.exceptions import InvalidInputError, QuantizationRefusedError, UnsupportedModelError

if TYPE_CHECKING:
    from spinney.configs import InferenceEngineConfig

_log = logging.getLogger("spinney.engine")
_ROUNDS = 5


@dataclass(frozen=True)
class QuantizationReport:
    """What quantizing a model did. Errors are of raw scores (predict_raw), absolute.

    dtype: int8, int16 or float16.
    proven_bound: no row's raw score differs by more: for a forest the sum over trees of the largest
        error of a leaf, and of what rounding may add; for a linear model the same over its weights,
        for rows no larger in any column than the calibration's (None without rows).
    proven_bounds: the same for each output.
    measured_error, mean_error: largest and mean difference on the calibration rows, or None.
    rows: how many of these there were.
    label_flips: rows whose predicted label changed; None where predict gives values.
    bytes_before, bytes_after: of the saved .spinney file.
    ns_per_row_before, ns_per_row_after: best of five predict_raw of all calibration rows.
    """

    dtype: str
    proven_bound: float | None
    proven_bounds: tuple[float, ...] | None
    measured_error: float | None = None
    mean_error: float | None = None
    rows: int = 0
    label_flips: int | None = None
    bytes_before: int = 0
    bytes_after: int = 0
    ns_per_row_before: float | None = None
    ns_per_row_after: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """The same as a dict of plain data."""
        found = asdict(self)
        found["proven_bounds"] = None if self.proven_bounds is None else list(self.proven_bounds)
        return found


def quantize_model(
    model: _core.Model, dtype: str = "int8", calibration: Any = None, max_error: float | None = None
) -> tuple[_core.Model, QuantizationReport]:
    """(quantized model, QuantizationReport); the model given stays as it is.

    model: a spinney.Model of one forest or one linear model.
    dtype: int8 or int16 for the leaves of a forest, each output with a scale of its own and sums
        kept exactly; int8 or float16 for the weights of a linear model.
    calibration: rows as predict takes them, on which errors, flips and speed are measured.
    max_error: the largest error of a raw score that is accepted: of the measured one, or without
        calibration of the proven one. QuantizationRefusedError (with .report) where it is more.
    UnsupportedModelError: ensembles of whole models, linear leaves, weighted medians, models from
        ONNX and others that are not spinney.Model, a dtype that this kind of model has not.
    """
    if not isinstance(model, _core.Model):
        raise UnsupportedModelError(
            f"a {type(model).__name__} cannot be quantized: give what spinney.load gives for a "
            "forest or a linear model (ONNX models cannot be quantized yet, nor can models in "
            "worker processes)"
        )
    if max_error is not None and not max_error >= 0:
        raise InvalidInputError(f"max_error is {max_error!r}; give a number of 0 or more, or None")
    quantized = _core.quantize_model(model, str(dtype).lower())
    report = _report(model, quantized, calibration)
    if max_error is not None:
        _check(report, max_error)
    return quantized, report


def _check(report, max_error):
    error = report.measured_error if report.rows else report.proven_bound
    if error is None:
        raise InvalidInputError(
            "the error of a quantized linear model depends on its rows: give calibration rows "
            "with max_error"
        )
    if not error <= max_error:
        kind = "measured on the calibration rows" if report.rows else "proven"
        bound = "unknown" if report.proven_bound is None else f"{report.proven_bound:.6g}"
        raise QuantizationRefusedError(
            f"quantizing to {report.dtype} changes raw scores by up to {error:.6g} ({kind}; proven "
            f"bound {bound}), more than max_error={max_error:.6g}; allow more, "
            "or take a wider dtype",
            report,
        )


def _report(model, quantized, calibration):
    facts = _core.quantization(quantized)
    found = {
        "dtype": facts["dtype"],
        "proven_bounds": tuple(facts["bounds"]) or None,
        "bytes_before": len(model.to_bytes()),
        "bytes_after": len(quantized.to_bytes()),
    }
    if calibration is not None:
        before = model.predict_raw(calibration)
        after = quantized.predict_raw(calibration)
        if len(before):
            found.update(_measured(model, quantized, calibration, before, after))
        if found["proven_bounds"] is None:
            found["proven_bounds"] = _linear_bounds(model, quantized, calibration)
    bounds = found["proven_bounds"]
    return QuantizationReport(proven_bound=None if bounds is None else max(bounds), **found)


def _measured(model, quantized, rows, before, after):
    # The same infinity, or NaN on both sides, is no difference.
    with np.errstate(invalid="ignore"):
        error = np.abs(after.astype(np.float64) - before)
    error[(before == after) | (np.isnan(before) & np.isnan(after))] = 0
    flips = None
    if model.info()["predicts"] == "labels":
        flips = 0
        pairs = model.predict(rows), quantized.predict(rows)
        changed = np.reshape(np.asarray(pairs[0]) != np.asarray(pairs[1]), (len(before), -1))
        flips = int(np.count_nonzero(changed.any(axis=1)))
    was, now = _times(model, quantized, rows)
    return {
        "measured_error": float(error.max()),
        "mean_error": float(error.mean()),
        "rows": len(before),
        "label_flips": flips,
        "ns_per_row_before": was / len(before) * 1e9,
        "ns_per_row_after": now / len(before) * 1e9,
    }


def _times(*models_and_rows):
    *models, rows = models_and_rows
    best = [float("inf")] * len(models)
    for _ in range(_ROUNDS):
        for i, model in enumerate(models):
            started = perf_counter()
            model.predict_raw(rows, num_threads=1)
            best[i] = min(best[i], perf_counter() - started)
    return best


def _linear_bounds(model, quantized, calibration):
    """Sums of each weight's error times the column's largest value, and of what rounding adds."""
    largest = _largest(calibration)
    if largest is None:
        return None
    weights = np.array(_core.linear_weights(model)).reshape(-1, len(largest))
    rounded = np.array(_core.linear_weights(quantized)).reshape(weights.shape)
    epsilon = np.finfo(model.info()["raw_type"]).eps
    offsets = np.abs(_core.quantization(quantized)["offsets"])
    sizes = (np.abs(weights) + np.abs(rounded)) @ largest + 2 * offsets
    bounds = np.abs(weights - rounded) @ largest + (len(largest) + 4) * epsilon * sizes
    return tuple(float(bound) for bound in bounds)


def _largest(rows):
    """Each column's largest finite magnitude, or None for a frame of more than numbers."""
    if hasattr(rows, "tocsc"):
        x = rows.tocsc(copy=True).astype(np.float64)
        x.data = np.where(np.isfinite(x.data), np.abs(x.data), 0)
        return x.max(axis=0).toarray().ravel() if x.shape[0] else None
    try:
        x = np.abs(np.asarray(rows, dtype=np.float64))
    except (TypeError, ValueError):
        return None
    if x.ndim != 2 or not x.size:
        return None
    x[~np.isfinite(x)] = 0
    return x.max(axis=0)


def quantize_for_engine(
    model: Any, config: InferenceEngineConfig, calibration: Any = None
) -> tuple[Any, QuantizationReport | None]:
    """quantize_model as an engine's configuration asks for it.

    config: an InferenceEngineConfig; quantization_dtype and quantization_config.max_error count.
    Gives (model, None) unchanged where it quantizes no models. Where it chooses what to quantize, a
    model that has no such format is given back as it is, and so is one that is quantized already.
    """
    chooses, options = chooses_what_to_quantize(config), config.quantization_config
    if not (chooses or config.enable_model_quantization):
        return model, None
    max_error = None if options is None else options.max_error
    if not chooses:
        return quantize_model(model, config.quantization_dtype, calibration, max_error)
    is_quantized = isinstance(model, _core.Model) and _core.quantization(model) is not None
    if is_quantized or quantizes_nothing(config):
        return model, None
    try:
        return quantize_model(model, config.quantization_dtype, calibration, max_error)
    except UnsupportedModelError as error:
        _log.info("rows are quantized instead of the model: %s", error)
        return model, None


def quantizes_nothing(config: InferenceEngineConfig) -> bool:
    """Whether an engine's configuration asks for the format NONE."""
    options = config.quantization_config
    return options is not None and options.quantization_type is QuantizationType.NONE


def input_loss(rows: Any, restored: Any) -> dict[str, float]:
    """What quantizing rows lost, for an answer's metadata.

    rows: as they came; restored: what quantize_dequantize made of them. Gives
    {"quantization_max_error", "quantization_mean_error"}: absolute, over the values that are
    finite on both sides; 0.0 where there are none.
    """
    x = np.asarray(rows, dtype=np.float32, order="C")
    y = np.asarray(restored, dtype=np.float32, order="C")
    largest, mean = _core.array_difference(x, y)
    return {"quantization_max_error": largest, "quantization_mean_error": mean}
