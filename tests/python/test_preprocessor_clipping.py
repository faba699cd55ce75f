"""clip_values comes last, on normalized values; files from when it came before them still read."""

import json
from pathlib import Path

import numpy as np
import pytest

import spinney
from spinney import InferenceEngine
from spinney.preprocessing import DataPreprocessor

DATA = Path(__file__).resolve().parent.parent / "data" / "preprocessor"
LOW, HIGH = -0.6, 0.4
CLIP = {"clip_values": True, "clip_min": LOW, "clip_max": HIGH}
ONE_PASS = ("none", "standard", "minmax", "robust", "quantile", "log")


def table(dtype=np.float64, rows=300):
    x = np.random.default_rng(1).normal(3, 5, size=(rows, 5)).astype(dtype)
    x[::17, 1] = np.nan
    x[::29, 2] = np.inf
    x[::31, 3] = 900
    return x


def expected(x, normalization):
    """Infinities and NaN become the mean, columns are scaled, and then everything is clipped."""
    finite = np.where(np.isfinite(x), x, np.nan)
    filled = np.where(np.isnan(finite), np.nanmean(finite, axis=0), finite)
    low, high = filled.min(axis=0), filled.max(axis=0)
    if normalization == "standard":
        filled = (filled - filled.mean(axis=0)) / filled.std(axis=0)
    elif normalization == "minmax":
        filled = (filled - low) / (high - low)
    elif normalization == "robust":
        first, middle, third = np.percentile(filled, [25, 50, 75], axis=0)
        filled = (filled - middle) / (third - first)
    elif normalization == "log":
        filled = np.log1p(filled - np.minimum(low, 0))
    return np.clip(filled, LOW, HIGH)


@pytest.mark.parametrize("normalization", [name for name in ONE_PASS if name != "quantile"])
def test_the_answer_is_numpy_s(normalization):
    x = table()
    options = {"normalization": normalization, "inf_strategy": "nan", **CLIP}
    fitted = DataPreprocessor(options).fit(x)
    got = fitted.transform(x)
    np.testing.assert_allclose(got, expected(x, normalization), rtol=1e-12, atol=1e-12)
    assert got.min() >= LOW and got.max() == HIGH
    by_row = [fitted.transform(x[i : i + 1]) for i in range(50)]
    np.testing.assert_array_equal(np.concatenate(by_row), got[:50])
    np.testing.assert_array_equal(fitted.transform(np.asfortranarray(x)), got)
    np.testing.assert_array_equal(DataPreprocessor(options).partial_fit(x).transform(x), got)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("outliers", [None, "clip", "winsorize", "mean", "remove"])
@pytest.mark.parametrize("normalization", [*ONE_PASS, "power"])
def test_clipping_changes_nothing_else(dtype, outliers, normalization):
    """Statistics, scales and every value are those without it, clipped afterwards."""
    x = table(dtype)
    options = {"normalization": normalization, "scale_offset": 0.125}
    if outliers:
        options.update(detect_outliers=True, outlier_handling=outliers)
    plain = DataPreprocessor(options).fit(x)
    clipped = DataPreprocessor({**options, **CLIP}).fit(x)
    got = clipped.transform(x)
    np.testing.assert_array_equal(got, np.clip(plain.transform(x), dtype(LOW), dtype(HIGH)))
    assert got.dtype == dtype and got.min() >= dtype(LOW) and got.max() <= dtype(HIGH)
    before, after = plain.get_statistics(), clipped.get_statistics()
    assert before.keys() == after.keys()
    for name, value in before.items():
        np.testing.assert_array_equal(value, after[name], err_msg=name)
    here = x.copy()
    if outliers != "remove":
        assert clipped.transform(here, copy=False) is here
        np.testing.assert_array_equal(here, got)


@pytest.mark.parametrize("normalization", ONE_PASS)
def test_one_pass_and_merging_clip_alike(normalization):
    x = table()
    options = {"normalization": normalization}
    plain, clipped = DataPreprocessor(options), DataPreprocessor({**options, **CLIP})
    other = DataPreprocessor({**options, **CLIP}).partial_fit(x[200:])
    for part in np.array_split(x[:200], 7):
        plain.partial_fit(part)
        clipped.partial_fit(part)
    wanted = np.clip(plain.transform(x), LOW, HIGH)
    np.testing.assert_array_equal(clipped.transform(x), wanted)
    plain.merge(DataPreprocessor(options).partial_fit(x[200:]))
    wanted = np.clip(plain.transform(x), LOW, HIGH)
    np.testing.assert_array_equal(clipped.merge(other).transform(x), wanted)


def test_own_centres_and_scales_see_values_that_are_not_clipped():
    x = table()
    seen = []
    options = {"custom_center_func": np.median, "custom_scale_func": lambda c: seen.append(c) or 2}
    plain = DataPreprocessor(options).fit_transform(x)
    clipped = DataPreprocessor({**options, **CLIP}).fit_transform(x)
    np.testing.assert_array_equal(clipped, np.clip(plain, LOW, HIGH))
    assert max(column.max() for column in seen) > 100


def test_a_function_of_one_s_own_takes_the_clipped_answer():
    x = table()
    options = {"custom_transform_func": np.square, **CLIP}
    clipped = DataPreprocessor(CLIP).fit_transform(x)
    np.testing.assert_array_equal(DataPreprocessor(options).fit_transform(x), clipped**2)


def test_bounds_hold_in_the_answer_s_type():
    x = np.array([[-3.0], [0.0], [3.0]])
    options = {"clip_values": True, "clip_min": -1 / 3, "clip_max": 1e300, "dtype": "float32"}
    got = DataPreprocessor(options).fit_transform(x)
    assert got.dtype == np.float32 and got.min() == np.float32(-1 / 3)


def test_an_engine_serves_clipped_values():
    linear = pytest.importorskip("sklearn.linear_model")
    x = np.nan_to_num(table(), posinf=1.0)
    model = spinney.load(linear.LinearRegression().fit(np.clip(x, LOW, HIGH), x[:, 0]))
    with InferenceEngine({"enable_feature_scaling": True, "preprocessor_config": CLIP}) as engine:
        assert engine.load_model(model)
        engine.preprocessor = fitted = DataPreprocessor(CLIP).fit(x)
        ok, result, _ = engine.predict(x[:9])
        assert ok
        np.testing.assert_array_equal(result, model.predict(fitted.transform(x[:9])))
        np.testing.assert_array_equal(engine.enqueue_prediction(x[:9]).result(10), result)


def test_reversing_gives_what_the_bounds_stand_for():
    x = table()
    plain, clipped = DataPreprocessor().fit(x), DataPreprocessor(CLIP).fit(x)
    back = clipped.reverse_transform(clipped.transform(x))
    wanted = plain.reverse_transform(np.clip(plain.transform(x), LOW, HIGH))
    np.testing.assert_array_equal(back, wanted)


def test_files_keep_the_order(tmp_path):
    x = table()
    for normalization in ONE_PASS:
        options = {"normalization": normalization, **CLIP}
        for fitted in (DataPreprocessor(options).fit(x), DataPreprocessor(options).partial_fit(x)):
            assert fitted.serialize(tmp_path / "a.prep")
            again = DataPreprocessor.deserialize(tmp_path / "a.prep")
            np.testing.assert_array_equal(again.transform(x), fitted.transform(x))


@pytest.mark.parametrize("name", ["standard", "outliers", "curve", "rows", "stream"])
def test_files_of_before_answer_as_they_did(name, tmp_path):
    """Clipping came first then, and scales were fitted on clipped values."""
    answers = json.loads((DATA / "clip_first.json").read_text())
    x = np.array(answers["given"])
    old = DataPreprocessor.deserialize(DATA / f"clip_first_{name}.prep")
    np.testing.assert_array_equal(old.transform(x), np.array(answers[name]))
    assert old.serialize(tmp_path / "again.prep")
    again = DataPreprocessor.deserialize(tmp_path / "again.prep")
    np.testing.assert_array_equal(again.transform(x), np.array(answers[name]))
    if name in ("standard", "stream"):  # learning on makes a program anew, which clips last
        options = old.config.to_dict()
        fresh = DataPreprocessor(options).partial_fit(x).partial_fit(x[:5])
        np.testing.assert_array_equal(old.partial_fit(x[:5]).transform(x), fresh.transform(x))
