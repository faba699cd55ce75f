"""Properties of the preprocessor over shapes, number types, layouts and options."""

from __future__ import annotations

import numpy as np
import pytest

hypothesis = pytest.importorskip("hypothesis")
from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from modules.engine.data_preprocessor import DataPreprocessor  # noqa: E402

SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
ONE_PASS = ["none", "standard", "minmax", "robust", "quantile", "log"]


@st.composite
def matrices(draw):
    """Rows of either float type, with NaN, infinities, zeros of both signs and repeated values."""
    rows, width = draw(st.integers(1, 60)), draw(st.integers(1, 40))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = rng.normal(draw(st.floats(-1e3, 1e3)), draw(st.floats(0.01, 1e3)), (rows, width))
    special = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, 1e-40, 1e9]
    share = draw(st.sampled_from([0.0, 0.1, 0.6, 1.0]))
    where = rng.random(x.shape) < share
    x[where] = rng.choice(special, where.sum())
    return x.astype(dtype)


@st.composite
def configurations(draw, normalizations=(*ONE_PASS, "power")):
    low = draw(st.floats(-50, 0))
    return {
        "normalization": draw(st.sampled_from(normalizations)),
        "nan_strategy": draw(st.sampled_from(["mean", "median", "most_frequent", "constant"])),
        "handle_nan": draw(st.booleans()),
        "handle_inf": draw(st.booleans()),
        "inf_strategy": draw(
            st.sampled_from(["max_value", "mean", "median", "most_frequent", "constant", "nan"])
        ),
        "inf_buffer": draw(st.sampled_from([1.0, 1.5])),
        "detect_outliers": draw(st.booleans()),
        "outlier_method": draw(st.sampled_from(["iqr", "zscore", "percentile"])),
        "outlier_handling": draw(st.sampled_from(["clip", "winsorize", "mean"])),
        "clip_values": draw(st.booleans()),
        "clip_min": low,
        "clip_max": low + draw(st.floats(1, 200)),
        "quantile_output": draw(st.sampled_from(["uniform", "normal"])),
        "scale_offset": draw(st.sampled_from([0.0, 2.5])),
        "cache_enabled": False,
    }


def same(a, b):
    return a.dtype == b.dtype and a.tobytes() == np.asarray(b, order="C").tobytes()


@SETTINGS
@given(matrices(), configurations())
def test_layouts_chunks_threads_and_places_give_the_same_bits(x, options):
    fitted = DataPreprocessor(options).fit(x)
    expected = np.ascontiguousarray(fitted.transform(x))
    assert expected.shape == x.shape and expected.dtype == x.dtype
    wide = np.zeros((len(x) * 2, x.shape[1] * 3), dtype=x.dtype)
    wide[::2, 1::3] = x
    for view in (np.asfortranarray(x), wide[::2, 1::3], x[::-1][::-1], x.astype(x.dtype)[:, :]):
        assert same(expected, np.ascontiguousarray(fitted.transform(view)))
    by_row = [fitted.transform(x[i : i + 1]) for i in range(len(x))]
    assert same(expected, np.concatenate(by_row))
    threaded = DataPreprocessor(
        {**options, "parallel_processing": True, "n_jobs": 3, "chunk_size": 7}
    ).fit(x)
    assert same(expected, np.ascontiguousarray(threaded.transform(x)))
    here = x.copy()
    assert fitted.transform(here, copy=False) is here
    assert same(expected, here)


@SETTINGS
@given(matrices(), configurations())
def test_what_is_filled_is_finite_and_clipping_holds(x, options):
    options["handle_nan"] = options["handle_inf"] = True
    y = DataPreprocessor(options).fit_transform(x)
    assert np.isfinite(y).all()
    if options["clip_values"]:
        low, high = (y.dtype.type(options[name]) for name in ("clip_min", "clip_max"))
        assert (low <= y).all() and (y <= high).all()


@SETTINGS
@given(matrices(), configurations(ONE_PASS), st.lists(st.integers(1, 20), min_size=1, max_size=8))
def test_one_pass_does_not_depend_on_how_rows_are_divided(x, options, sizes):
    whole = DataPreprocessor(options).partial_fit(x)
    parts, at = DataPreprocessor(options), 0
    while at < len(x):
        n = sizes[at % len(sizes)]
        parts.partial_fit(x[at : at + n])
        at += n
    a, b = whole.get_statistics(), parts.get_statistics()
    assert a.keys() == b.keys()
    for name, value in a.items():
        assert np.array_equal(value, b[name], equal_nan=name != "feature_names"), name
    assert same(whole.transform(x), parts.transform(x))


@SETTINGS
@given(matrices(), configurations(ONE_PASS))
def test_one_pass_agrees_with_fit_while_the_data_fits(x, options):
    a = DataPreprocessor(options).fit(x).get_statistics()
    b = DataPreprocessor(options).partial_fit(x).get_statistics()
    for name, value in a.items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(value, b[name], err_msg=name)


@SETTINGS
@given(matrices(), configurations())
def test_a_file_brings_everything_back(tmp_path_factory, x, options):
    path = tmp_path_factory.mktemp("p") / "preprocessor"
    fitted = DataPreprocessor(options).fit(x)
    assert fitted.serialize(path) is True
    again = DataPreprocessor.deserialize(path)
    assert again.config == fitted.config
    assert same(np.ascontiguousarray(fitted.transform(x)), np.ascontiguousarray(again.transform(x)))
    for name, value in fitted.get_statistics().items():
        assert np.array_equal(
            value, again.get_statistics()[name], equal_nan=name != "feature_names"
        )


@SETTINGS
@given(matrices(), st.sampled_from(["none", "standard", "minmax", "robust"]))
def test_straight_lines_come_back_within_the_stated_bound(x, normalization):
    x = np.where(np.isfinite(x), x, 1).astype(x.dtype)
    fitted = DataPreprocessor({"normalization": normalization}).fit(x)
    got = fitted.get_statistics()
    y = fitted.transform(x)
    back = fitted.reverse_transform(y)
    if normalization == "none":
        assert same(x, back)
        return
    center = got["center"] / got["scale"] if normalization == "minmax" else got["center"]
    bound = 4 * np.finfo(x.dtype).eps * np.maximum(np.abs(x.astype(float)), np.abs(center))
    tiny = np.finfo(x.dtype).tiny
    scale = 1 / got["scale"] if normalization == "minmax" else got["scale"]
    assert (np.abs(back.astype(float) - x) <= bound + tiny * (1 + np.abs(scale))).all()
