"""Quantized models: errors within the proven bound, reports, refusals, saved files."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

import spinney
from spinney import _core
from spinney.configs import InferenceEngineConfig
from spinney.quantization import Quantizer, input_loss, quantize_for_engine, quantize_model

RNG = np.random.default_rng(8)
X = RNG.normal(size=(600, 10)).astype(np.float32)
X[RNG.random(600) < 0.1, 3] = np.nan


def sklearn_models():
    pytest.importorskip("sklearn")
    from sklearn.ensemble import (
        ExtraTreesClassifier,
        GradientBoostingClassifier,
        HistGradientBoostingClassifier,
        RandomForestRegressor,
    )

    x = np.nan_to_num(X)
    y = np.digitize(x[:, 0] + x[:, 1] * x[:, 2], [-0.6, 0.6])
    values = 1000 + 7 * x[:, 0] + x[:, 1]
    options = {"random_state": 1}
    return {
        "classifier forest": ExtraTreesClassifier(20, max_depth=6, **options).fit(x, y),
        "deep regressor": RandomForestRegressor(30, **options).fit(x, values),
        "boosting": GradientBoostingClassifier(n_estimators=20, **options).fit(x, y),
        "histogram": HistGradientBoostingClassifier(max_iter=20, **options).fit(x, y),
    }


@pytest.fixture(scope="module")
def models(xgboost_model, model):
    loaded = {name: spinney.load(fitted) for name, fitted in sklearn_models().items()}
    return {**loaded, "xgboost": xgboost_model, "lightgbm": model}


@pytest.fixture(params=["int8", "int16"])
def dtype(request):
    return request.param


NAMES = ["classifier forest", "deep regressor", "boosting", "histogram", "xgboost", "lightgbm"]


@pytest.mark.parametrize("name", NAMES)
def test_errors_stay_within_the_proven_bound(models, name, dtype):
    model = models[name]
    rows = X if name in ("histogram", "xgboost", "lightgbm") else np.nan_to_num(X)
    quantized, report = quantize_model(model, dtype, calibration=rows)
    before, after = model.predict_raw(rows), quantized.predict_raw(rows)
    assert after.dtype == before.dtype and after.shape == before.shape
    error = np.abs(after.astype(np.float64) - before).reshape(len(rows), -1)
    assert np.all(error.max(axis=0) <= report.proven_bounds)
    assert report.proven_bound == max(report.proven_bounds)
    assert report.measured_error == error.max() and report.mean_error == error.mean()
    assert error.max() > 0, "nothing was quantized"
    # int8 gives a bound that says something: well below the spread of scores.
    spread = np.ptp(before)
    assert report.proven_bound < spread * (0.5 if dtype == "int8" else 0.002)
    assert report.measured_error < spread * (0.05 if dtype == "int8" else 0.0002)
    # Rows reach the same leaves: thresholds are not quantized.
    assert np.array_equal(model.predict_leaf(rows), quantized.predict_leaf(rows))
    labels = model.info()["predicts"] == "labels"
    assert (report.label_flips is not None) == labels
    if labels:
        flips = np.count_nonzero(model.predict(rows) != quantized.predict(rows))
        assert report.label_flips == flips
    assert report.bytes_after < report.bytes_before
    assert report.ns_per_row_before > 0 and report.ns_per_row_after > 0 and report.rows == 600
    json.dumps(report.to_dict())


@pytest.mark.parametrize("name", NAMES)
def test_each_row_alone_and_all_together_give_the_same_bits(models, name, dtype):
    quantized, _ = quantize_model(models[name], dtype)
    rows = np.nan_to_num(X)[:130]
    together = quantized.predict_raw(rows)
    alone = np.concatenate([quantized.predict_raw(rows[i : i + 1]) for i in range(len(rows))])
    few = np.concatenate([quantized.predict_raw(rows[i : i + 5]) for i in range(0, 130, 5)])
    assert np.array_equal(together, alone) and np.array_equal(together, few)


@pytest.mark.parametrize("name", ["deep regressor", "xgboost", "boosting", "lightgbm"])
def test_scores_are_offsets_and_scales_of_exact_sums(models, name, dtype):
    """By the definition in model/quantization.h, from the leaves that rows reach."""
    quantized, report = quantize_model(models[name], dtype)
    facts = _core.quantization(quantized)
    raw = quantized.predict_raw(np.nan_to_num(X)).astype(np.float64).reshape(len(X), -1)
    sums = (raw - facts["offsets"]) / facts["scales"]
    loose = 1e-3 if quantized.info()["raw_type"] == "float64" else 0.5
    assert np.abs(sums - np.rint(sums)).max() <= loose
    assert facts["dtype"] == dtype == report.dtype
    assert _core.quantization(models[name]) is None


@pytest.mark.parametrize("name", NAMES)
def test_saved_files_are_smaller_and_give_the_same_bits(models, name, dtype, tmp_path):
    quantized, _ = quantize_model(models[name], dtype)
    path = tmp_path / "quantized.spinney"
    quantized.save(path)
    rows = np.nan_to_num(X)
    for again in (spinney.load(path), pickle.loads(pickle.dumps(quantized))):
        assert np.array_equal(again.predict_raw(rows), quantized.predict_raw(rows))
        assert _core.quantization(again) == _core.quantization(quantized)
        assert again.to_bytes() == quantized.to_bytes() or again.source != quantized.source
    leaf_bytes = {"int8": 7, "int16": 6}[dtype]
    saved = len(models[name].to_bytes()) - len(quantized.to_bytes())
    assert saved > 0.3 * leaf_bytes * models[name].info()["n_trees"]


def test_a_broken_saved_file_is_refused(models):
    data = bytearray(quantize_model(models["xgboost"], "int8")[0].to_bytes())
    for at in range(0, len(data), 211):
        broken = bytearray(data)
        broken[at] ^= 0x40
        with pytest.raises(spinney.SpinneyError):
            spinney.Model.from_bytes(bytes(broken), "spinney").predict_raw(X[:1])


def test_max_error_decides_on_what_was_measured_else_on_what_is_proven(models):
    model, rows = models["xgboost"], X
    _, report = quantize_model(model, "int8", rows)
    quantize_model(model, "int8", rows, max_error=report.measured_error)
    with pytest.raises(spinney.QuantizationRefusedError, match=r"measured.*proven bound") as caught:
        quantize_model(model, "int8", rows, max_error=report.measured_error * 0.99)
    assert caught.value.report.proven_bound == report.proven_bound
    quantize_model(model, "int8", max_error=report.proven_bound)
    with pytest.raises(spinney.QuantizationRefusedError, match=r"\(proven;"):
        quantize_model(model, "int8", max_error=report.proven_bound * 0.99)
    for nonsense in (-1, float("nan")):
        with pytest.raises(spinney.InvalidInputError, match="max_error"):
            quantize_model(model, "int8", max_error=nonsense)


def linear_models():
    pytest.importorskip("sklearn")
    from sklearn.linear_model import LinearRegression, LogisticRegression

    x = np.nan_to_num(X).astype(np.float64)
    y = np.digitize(x[:, 0] + x[:, 1], [-0.6, 0.6])
    return [LogisticRegression().fit(x, y), LinearRegression().fit(x, 3 * x[:, 0] - x[:, 5])]


@pytest.mark.parametrize("dtype", ["int8", "float16"])
@pytest.mark.parametrize("which", [0, 1])
def test_linear_models(which, dtype, tmp_path):
    model = spinney.load(linear_models()[which])
    rows = np.nan_to_num(X).astype(np.float64)
    quantized, report = quantize_model(model, dtype, calibration=rows)
    error = np.abs(quantized.predict_raw(rows) - model.predict_raw(rows)).reshape(600, -1)
    assert 0 < error.max() == report.measured_error
    assert np.all(error.max(axis=0) <= report.proven_bounds)
    weights = np.array(_core.linear_weights(model))
    rounded = np.array(_core.linear_weights(quantized))
    if dtype == "float16":
        assert np.array_equal(rounded, weights.astype(np.float16))
    else:
        n = len(_core.quantization(quantized)["scales"])
        steps = np.abs(weights).reshape(n, -1).max(axis=1, keepdims=True) / 127
        assert np.all(np.abs(rounded - weights).reshape(n, -1) <= steps * 0.5000001)
    quantized.save(tmp_path / "linear.spinney")
    again = spinney.load(tmp_path / "linear.spinney")
    assert np.array_equal(again.predict_raw(rows), quantized.predict_raw(rows))
    # Ten weights of one output fill as many lines of the file as their codes with a scale do.
    assert report.bytes_after < report.bytes_before + (which == 1)
    assert quantize_model(model, dtype)[1].proven_bound is None
    with pytest.raises(spinney.InvalidInputError, match="give calibration rows"):
        quantize_model(model, dtype, max_error=1.0)


def test_the_bound_of_a_linear_model_on_sparse_rows_and_frames():
    import pandas
    import scipy.sparse

    fitted = linear_models()[0]
    x = np.random.default_rng(7).normal(size=(60, fitted.n_features_in_)).astype(np.float32)
    x[x < 0] = 0
    model = spinney.load(fitted)
    dense = quantize_model(model, "int8", calibration=x)[1]
    for rows in (scipy.sparse.csr_matrix(x), scipy.sparse.csc_array(x)):
        report = quantize_model(model, "int8", calibration=rows)[1]
        assert report.proven_bound == dense.proven_bound >= report.measured_error > 0
    with pytest.raises(spinney.QuantizationRefusedError, match="proven bound"):
        quantize_model(model, "int8", calibration=scipy.sparse.csr_matrix(x), max_error=1e-12)
    frame = pandas.DataFrame(x)
    assert quantize_model(model, "int8", calibration=frame)[1].proven_bound == dense.proven_bound


def test_what_cannot_be_quantized_says_why(models):
    with pytest.raises(spinney.UnsupportedModelError, match="int8 or int16, not float16"):
        quantize_model(models["xgboost"], "float16")
    linear = spinney.load(linear_models()[0])
    with pytest.raises(spinney.UnsupportedModelError, match="int8 or float16, not int16"):
        quantize_model(linear, "int16")
    with pytest.raises(spinney.UnsupportedModelError, match="quantized already"):
        quantize_model(quantize_model(models["xgboost"])[0])
    with pytest.raises(spinney.InvalidInputError, match="int8, int16 or float16"):
        quantize_model(models["xgboost"], "int4")
    with pytest.raises(spinney.UnsupportedModelError, match="ONNX"):
        quantize_model(object())
    from sklearn.ensemble import AdaBoostRegressor, VotingRegressor
    from sklearn.linear_model import LinearRegression

    x, y = np.nan_to_num(X), np.nan_to_num(X)[:, 0]
    with pytest.raises(spinney.UnsupportedModelError, match=r"weighted median|ensemble"):
        quantize_model(spinney.load(AdaBoostRegressor(n_estimators=3).fit(x, y)))
    voting = VotingRegressor([("a", LinearRegression()), ("b", LinearRegression())]).fit(x, y)
    with pytest.raises(spinney.UnsupportedModelError, match="ensemble of whole models"):
        quantize_model(spinney.load(voting))
    lightgbm = pytest.importorskip("lightgbm")
    parameters = {"linear_tree": True, "verbose": -1}
    trees = lightgbm.train(parameters, lightgbm.Dataset(x.astype(np.float64), y), 3)
    with pytest.raises(spinney.UnsupportedModelError, match="linear functions"):
        quantize_model(spinney.load(trees))


def test_the_engine_s_function(models):
    model = models["lightgbm"]
    assert quantize_for_engine(model, InferenceEngineConfig()) == (model, None)
    config = InferenceEngineConfig(
        enable_quantization=True, enable_model_quantization=True, quantization_dtype="int16"
    )
    quantized, report = quantize_for_engine(model, config, X)
    assert report.dtype == "int16" and quantized is not model
    strict = config.replace(quantization_config={"max_error": 1e-12})
    with pytest.raises(spinney.QuantizationRefusedError):
        quantize_for_engine(model, strict, X)


def test_input_loss():
    quantizer = Quantizer()
    restored = quantizer.quantize_dequantize(X)
    loss = input_loss(X, restored)
    difference = np.abs(X.astype(np.float64) - restored)[np.isfinite(X)]
    assert loss["quantization_max_error"] == difference.max()
    assert loss["quantization_mean_error"] == pytest.approx(difference.mean())
    nothing = input_loss(np.float32([np.nan]), np.float32([0]))
    assert nothing == {"quantization_max_error": 0.0, "quantization_mean_error": 0.0}


def test_seeds_of_the_artifact_fuzzer_are_models_still():
    seeds = sorted((Path(__file__).parents[1] / "fuzz/corpus/artifact").glob("*.spinney"))
    sound = [seed for seed in seeds if seed.stem not in ("label_dtype", "zero_trees_median")]
    assert len(sound) >= 6
    for seed in sound:
        model = spinney.load(seed)
        assert model.predict_raw(np.zeros((2, model.n_features), np.float32)).shape[0] == 2
