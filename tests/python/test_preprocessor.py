"""The preprocessor's surface: names, options, refusals, files, statistics, threads."""

from __future__ import annotations

import itertools
import math
import threading

import numpy as np
import pytest

import modules.engine.data_preprocessor as surface
import spinney.preprocessing
from modules.configs import NormalizationType, PreprocessorConfig
from modules.engine.data_preprocessor import (
    DataPreprocessor,
    InputValidationError,
    PreprocessingError,
    SerializationError,
    StatisticsError,
)
from spinney.exceptions import ConfigError, InvalidInputError


def some_rows(rows=200, width=5, dtype=np.float64, seed=0):
    x = np.random.default_rng(seed).normal(3, 2, (rows, width)).astype(dtype)
    x[::7, 1] = np.nan
    return x


def test_names_of_the_surface():
    for name in surface.__all__:
        if hasattr(spinney.preprocessing, name):
            assert getattr(surface, name) is getattr(spinney.preprocessing, name)
    for name in """fit transform fit_transform partial_fit reverse_transform serialize deserialize
            get_statistics get_feature_names get_performance_metrics reset update_config""".split():
        assert callable(getattr(DataPreprocessor, name)), name
        assert getattr(DataPreprocessor, name).__doc__, name
    for kind in (InputValidationError, StatisticsError, SerializationError):
        assert issubclass(kind, PreprocessingError) and issubclass(kind, ValueError)
    assert issubclass(InputValidationError, InvalidInputError)


def test_configurations_in_every_form():
    assert DataPreprocessor().config == PreprocessorConfig()
    assert DataPreprocessor({"normalization": "log"}).config.normalization is NormalizationType.LOG
    config = PreprocessorConfig(normalization=NormalizationType.MINMAX)
    assert DataPreprocessor(config).config is config
    with pytest.raises(ConfigError, match="expected a PreprocessorConfig"):
        DataPreprocessor(3)
    with pytest.raises(ConfigError, match="no option"):
        DataPreprocessor({"normalisation": "log"})


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("wanted", [None, np.float32, np.float64])
def test_number_types_in_and_out(dtype, wanted):
    x = some_rows(dtype=dtype)
    y = DataPreprocessor({"dtype": wanted}).fit_transform(x)
    assert y.dtype == (wanted or dtype) and not np.isnan(y).any()
    np.testing.assert_allclose(y.mean(axis=0), 0, atol=1e-5)


@pytest.mark.parametrize("kind", [np.int8, np.int64, np.uint16, np.bool_, np.float16])
def test_other_numbers_become_float64(kind):
    x = np.random.default_rng(0).integers(0, 2, (50, 3)).astype(kind)
    y = DataPreprocessor().fit_transform(x)
    assert y.dtype == np.float64
    assert np.array_equal(y, DataPreprocessor().fit_transform(x.astype(np.float64)))


def test_in_place():
    x = some_rows()
    fitted = DataPreprocessor().fit(x)
    expected, here = fitted.transform(x), x.copy()
    assert fitted.transform(here, copy=False) is here
    assert np.array_equal(here, expected)
    fixed = x.copy()
    fixed.flags.writeable = False
    assert fitted.transform(fixed, copy=False) is not fixed
    assert np.array_equal(fixed, x, equal_nan=True)
    whole = np.arange(15).reshape(3, 5)
    assert fitted.transform(whole, copy=False) is not whole


@pytest.mark.parametrize("normalization", ["none", "standard", "minmax", "robust", "quantile"])
def test_shapes_at_the_edges(normalization):
    make = DataPreprocessor
    one = make({"normalization": normalization}).fit_transform([[1.0, np.nan]])
    assert one.shape == (1, 2) and np.isfinite(one).all()
    fitted = make({"normalization": normalization}).fit(some_rows())
    assert fitted.transform(np.zeros((0, 5))).shape == (0, 5)
    wide = np.random.default_rng(0).normal(size=(6, 10_000)).astype(np.float32)
    y = make({"normalization": normalization}).fit_transform(wide)
    assert y.shape == wide.shape and np.isfinite(y).all()
    with pytest.raises(StatisticsError, match="no rows"):
        make({"normalization": normalization}).fit(np.zeros((0, 3)))


def test_columns_without_a_value_or_a_spread():
    x = np.column_stack([np.full(9, np.nan), np.full(9, 4.0), np.arange(9.0)])
    ours = DataPreprocessor({"nan_fill_value": 2.5})
    y = ours.fit_transform(x)
    assert np.array_equal(y[:, :2], np.zeros((9, 2)))
    got = ours.get_statistics()
    assert math.isnan(got["mean"][0]) and got["nan_fill"][0] == 2.5 and got["scale"][1] == 1
    assert got["nan_count"].tolist() == [9, 0, 0]


@pytest.mark.parametrize(
    "x, message",
    [
        (np.zeros((2, 4)), "4 columns.*fitted on 5"),
        (np.zeros(5), "reshape"),
        (np.zeros((2, 5, 1)), "2-D"),
        (np.array([["a"] * 5]), "dtype"),
        (np.zeros((2, 5), dtype=complex), "complex"),
        (None, "NoneType"),
        ("text", "str"),
        ([[1, 2], [3]], "numpy refuses|inhomogeneous"),
    ],
)
def test_rows_that_do_not_fit_are_refused(x, message):
    fitted = DataPreprocessor().fit(some_rows())
    for call in (fitted.transform, fitted.reverse_transform, fitted.partial_fit):
        with pytest.raises(InputValidationError, match=message):
            call(x)


def test_sparse_rows_are_refused():
    sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(InputValidationError, match="toarray"):
        DataPreprocessor().fit(sparse.csr_matrix(np.eye(3)))


def test_frames_are_matched_by_name():
    pandas = pytest.importorskip("pandas")
    x = some_rows(width=3)
    frame = pandas.DataFrame(x, columns=["a", "b", "c"])
    fitted = DataPreprocessor().fit(frame)
    assert fitted.get_feature_names() == ["a", "b", "c"]
    expected = fitted.transform(x)
    assert np.array_equal(fitted.transform(frame[["c", "a", "b"]]), expected)
    with pytest.raises(InputValidationError, match="lacks 'b'"):
        fitted.transform(frame.rename(columns={"b": "z"}))
    named = DataPreprocessor().fit(x, feature_names=["u", "v", "w"])
    assert named.get_feature_names() == ["u", "v", "w"]
    assert DataPreprocessor().fit(x).get_feature_names() == ["feature_0", "feature_1", "feature_2"]
    for names in (["u", "v"], ["u", "u", "w"]):
        with pytest.raises(InputValidationError, match="different feature names"):
            DataPreprocessor().fit(x, feature_names=names)


def test_input_size_limit_and_validation():
    limited = DataPreprocessor({"input_size_limit": 100}).fit(some_rows(100))
    with pytest.raises(InputValidationError, match="input_size_limit"):
        limited.transform(some_rows(101))
    loose = DataPreprocessor({"enable_input_validation": False}).fit(some_rows())
    with pytest.raises(InputValidationError):  # a wrong width is never let through
        loose.transform(np.zeros((1, 4)))


@pytest.mark.parametrize(
    "strategy, expected",
    [
        ("max_value", [8.0, -2.0]),
        ("mean", [3.0, 3.0]),
        ("median", [2.0, 2.0]),
        ("most_frequent", [2.0, 2.0]),
        ("constant", [50.0, -50.0]),
        ("nan", [7.0, 7.0]),
    ],
)
def test_infinities(strategy, expected):
    x = np.array([[-1.0], [2.0], [2.0], [4.0], [8.0], [np.inf], [-np.inf]])
    options = {
        "normalization": "none",
        "inf_strategy": strategy,
        "inf_fill_value": 50.0,
        "nan_strategy": "constant",
        "nan_fill_value": 7.0,
    }
    if strategy == "max_value":
        x[0] = -2.0
    y = DataPreprocessor(options).fit_transform(x)
    assert y[5:, 0].tolist() == expected
    kept = DataPreprocessor({**options, "handle_inf": False, "handle_nan": False})
    assert kept.fit_transform(x)[5:, 0].tolist() == [np.inf, -np.inf]
    outwards = DataPreprocessor({"normalization": "none", "inf_buffer": 1.5}).fit(x[:6])
    got = outwards.transform(np.array([[np.inf], [-np.inf]]))[:, 0]
    assert got.tolist() == [12.0, x[:6].min() * 1.5]


def test_log_offsets_and_reversal():
    x = np.array([[-3.0, 0.5], [0.0, 2.0], [5.0, 9.0]])
    ours = DataPreprocessor({"normalization": "log", "scale_offset": 10.0})
    y = ours.fit_transform(x)
    np.testing.assert_allclose(y, np.log1p(x - [-3.0, 0.0]) + 10, rtol=1e-14)
    np.testing.assert_allclose(ours.reverse_transform(y), x, rtol=1e-12, atol=1e-13)
    assert ours.transform([[-99.0, -99.0]]).tolist() == [[10.0, 10.0]]


def test_custom_functions():
    x = some_rows()
    ours = DataPreprocessor(
        {
            "custom_center_func": np.min,
            "custom_scale_func": np.ptp,
            "custom_transform_func": lambda a: a * 2,
            "custom_inverse_func": lambda a: a / 2,
        }
    )
    filled = DataPreprocessor({"normalization": "none"}).fit_transform(x)
    expected = 2 * (filled - filled.min(axis=0)) / np.ptp(filled, axis=0)
    np.testing.assert_allclose(ours.fit_transform(x), expected, rtol=1e-12)
    np.testing.assert_allclose(ours.reverse_transform(expected), filled, rtol=1e-12)
    ours.config.custom_inverse_func = None
    with pytest.raises(PreprocessingError, match="custom_inverse_func"):
        ours.reverse_transform(expected)
    with pytest.raises(SerializationError, match="custom_transform_func is code"):
        ours.serialize("nowhere")
    with pytest.raises(PreprocessingError, match="shape"):
        DataPreprocessor({"custom_transform_func": lambda a: a[:1]}).fit_transform(x)
    with pytest.raises(PreprocessingError, match="QUANTILE"):
        DataPreprocessor({"normalization": "quantile", "custom_center_func": np.min}).fit(x)
    with pytest.raises(StatisticsError, match="column 0"):
        DataPreprocessor({"custom_scale_func": lambda column: 1 / 0}).fit(x)
    with pytest.raises(StatisticsError, match="whole columns"):
        DataPreprocessor({"custom_scale_func": np.ptp}).partial_fit(x)


def test_custom_scales_travel_as_numbers(tmp_path):
    x = some_rows()
    ours = DataPreprocessor({"normalization": "minmax", "custom_scale_func": np.ptp}).fit(x)
    ours.serialize(tmp_path / "p")
    again = DataPreprocessor.deserialize(tmp_path / "p")
    assert np.array_equal(again.transform(x), ours.transform(x))
    assert again.config.custom_scale_func is None


def test_one_pass_over_much_data_stays_within_the_stated_error():
    x = np.random.default_rng(3).lognormal(size=(60_000, 2))
    ours = DataPreprocessor({"normalization": "quantile", "sketch_size": 512})
    for part in np.array_split(x, 13):
        ours.partial_fit(part)
    got = ours.get_statistics()
    assert (got["rank_error_max"] > 0).all() and (got["rank_error_max"] < 0.1).all()
    places = ours.transform(x)
    exact = np.argsort(np.argsort(x, axis=0), axis=0) / (len(x) - 1)
    assert np.abs(places - exact).max() < 2 * 2.3 / 512**0.97 + 1 / 1000


def test_parts_are_merged():
    x = some_rows(3000)
    a, b = DataPreprocessor().partial_fit(x[:1000]), DataPreprocessor().partial_fit(x[1000:])
    whole = DataPreprocessor().fit(x).get_statistics()
    got = a.merge(b).get_statistics()
    for name in ("mean", "std", "min", "max", "nan_count", "n_samples"):
        np.testing.assert_allclose(got[name], whole[name], rtol=1e-12)
    with pytest.raises(PreprocessingError):
        DataPreprocessor().merge(a)


def test_fit_goes_on_where_moments_are_enough_and_says_where_not():
    x = some_rows(2000)
    ours = DataPreprocessor().fit(x[:700]).partial_fit(x[700:])
    assert np.array_equal(
        ours.get_statistics()["mean"], DataPreprocessor().fit(x).get_statistics()["mean"]
    )
    with pytest.raises(StatisticsError, match=r"reset\(\)"):
        DataPreprocessor({"normalization": "robust"}).fit(x).partial_fit(x)
    with pytest.raises(StatisticsError, match="power transforms"):
        DataPreprocessor({"normalization": "power"}).partial_fit(x)


def test_reset_and_update_config():
    x = some_rows()
    ours = DataPreprocessor().fit(x)
    ours.update_config({"dtype": "float32", "parallel_processing": True, "n_jobs": 2})
    assert ours.transform(x).dtype == np.float32
    ours.update_config({"normalization": "robust"})
    assert ours.get_statistics() == {} and ours.get_feature_names() == []
    with pytest.raises(PreprocessingError, match="not fitted"):
        ours.transform(x)
    ours.fit(x)
    ours.reset()
    assert ours.config.normalization is NormalizationType.ROBUST
    with pytest.raises(PreprocessingError, match="not fitted"):
        ours.reverse_transform(x)


def test_performance_metrics_count_small_and_large_calls():
    x = some_rows(5000)
    ours = DataPreprocessor().fit(x)
    ours.transform(x), ours.transform(x[:1]), ours.reverse_transform(x[:2])
    got = ours.get_performance_metrics()
    assert got["fit_calls"] == 1 and got["fit_rows"] == 5000
    assert got["transform_calls"] == 2 and got["transform_rows"] == 5001
    assert got["reverse_rows"] == 2 and got["transform_seconds"] > 0


def test_performance_metrics_list_the_time_of_each_call(monkeypatch):
    now = itertools.count(0, 1000.0)  # of the large calls alone, which then take 1,000 seconds
    monkeypatch.setattr("spinney.preprocessing.serving.perf_counter", lambda: next(now))
    x = some_rows(5000)
    ours = DataPreprocessor()
    empty = ours.get_performance_metrics()
    assert empty["fit_time"] == empty["transform_time"] == empty["reverse_time"] == []
    ours.fit(x).partial_fit(x)
    for rows in (x, x[:1], x, x[:2]):  # of large ones and small ones, as they came
        ours.transform(rows)
    ours.reverse_transform(x)
    got = ours.get_performance_metrics()
    for kind, calls in (("fit", 2), ("transform", 4), ("reverse", 1)):
        each = got[f"{kind}_time"]
        assert type(each) is list and len(each) == calls == got[f"{kind}_calls"]
        assert all(type(seconds) is float and seconds > 0 for seconds in each)
        assert sum(each) == pytest.approx(got[f"{kind}_seconds"])
    assert got["transform_time"][::2] == [1000.0, 1000.0]
    assert max(got["transform_time"][1::2]) < 1000.0
    got["transform_time"].clear()  # the caller's own
    for _ in range(1500):
        ours.transform(x[:1])
    got = ours.get_performance_metrics()
    assert len(got["transform_time"]) == 1000 and got["transform_calls"] == 1504
    ours.reset()
    assert ours.get_performance_metrics()["transform_time"] == []


def test_the_cache_serves_curves_only_and_is_bounded():
    x = some_rows()
    plain = DataPreprocessor().fit(x)
    assert not plain.get_performance_metrics()["cache_active"]
    curve = DataPreprocessor({"normalization": "quantile", "cache_size": 2}).fit(x)
    first = curve.transform(x[:3])
    first_kept = first.copy()
    first[:] = 99  # the caller's own
    assert np.array_equal(curve.transform(x[:3]), first_kept)
    for i in range(5):
        curve.transform(x[i : i + 1])
    got = curve.get_performance_metrics()
    assert got["cache_hits"] == 1 and got["cache_misses"] == 6 and got["cache_entries"] == 2
    curve.fit(x * 2)
    assert curve.get_performance_metrics()["cache_entries"] == 0
    off = DataPreprocessor({"normalization": "quantile", "cache_enabled": False}).fit(x)
    assert not off.get_performance_metrics()["cache_active"]


def test_debug_mode_logs_each_step(caplog):
    caplog.set_level("DEBUG")
    DataPreprocessor({"debug_mode": True}).fit_transform(some_rows())
    assert "fit of 200 x 5" in caplog.text and "transform of 200 x 5" in caplog.text


def test_many_threads_while_fitting_anew():
    x = some_rows(400)
    ours = DataPreprocessor().fit(x)
    allowed = {DataPreprocessor().fit(x * k).transform(x).tobytes() for k in (1, 2)}
    failures = []

    def transform():
        for _ in range(200):
            if ours.transform(x).tobytes() not in allowed:
                failures.append("torn")

    threads = [threading.Thread(target=transform) for _ in range(4)]
    for thread in threads:
        thread.start()
    for k in (1, 2) * 20:
        ours.fit(x * k)
    for thread in threads:
        thread.join()
    assert not failures
