"""The preprocessor under values, options and threads that mean it harm: it answers or refuses,
and what it refuses leaves no trace."""

from __future__ import annotations

import threading

import numpy as np
import pytest

hypothesis = pytest.importorskip("hypothesis")
from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from modules.engine.data_preprocessor import (  # noqa: E402
    DataPreprocessor,
    PreprocessingError,
    StatisticsError,
)

SETTINGS = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 5e-324, 1e-310, 1e-46, 3.4e38, 1e39, -1e154, 1e200]
SPECIAL += [1e308, -1e308, 1.7e308]
CHOICES = {
    "normalization": ["none", "standard", "minmax", "robust", "quantile", "log", "power"],
    "power_method": ["yeo-johnson", "box-cox"],
    "quantile_output": ["uniform", "normal"],
    "n_quantiles": [1, 2, 1000],
    "feature_range": [(0, 1), (0, 5e-324), (-1e308, 1e308), (1e307, 1.7e308)],
    "robust_percentiles": [(25, 75), (0, 100), (49.999, 50)],
    "scale_offset": [0.0, 1e308],
    "epsilon": [0.0, 1e-3, 1e300],
    "handle_nan": [True, False],
    "handle_inf": [True, False],
    "nan_strategy": ["mean", "median", "most_frequent", "constant"],
    "nan_fill_value": [0.0, 1e300, 1e-320],
    "inf_strategy": ["max_value", "mean", "median", "most_frequent", "constant", "nan"],
    "inf_fill_value": [0.0, 1e308],
    "inf_buffer": [1.0, 1e-300, 1e300],
    "detect_outliers": [True, False],
    "outlier_method": ["iqr", "zscore", "percentile"],
    "outlier_handling": ["clip", "winsorize", "mean", "remove"],
    "outlier_iqr_multiplier": [1.5, 1e-300, 1e300],
    "outlier_zscore_threshold": [3.0, 1e-9, 1e300],
    "clip_values": [True, False],
    "clip_min": [-1.0, -1e300, -np.inf],
    "clip_max": [1.0, 1e300, np.inf],
    "dtype": [None, "float32", "float64"],
    "parallel_processing": [True, False],
    "n_jobs": [2],
    "chunk_size": [None, 1, 7],
    "sketch_size": [64, 2048],
}
OPTIONS = st.fixed_dictionaries({name: st.sampled_from(some) for name, some in CHOICES.items()})


@st.composite
def hostile_rows(draw, width):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = rng.normal(draw(st.sampled_from([0, 1e9])), 1, (draw(st.integers(1, 40)), width))
    where = rng.random(x.shape) < draw(st.sampled_from([0.0, 0.1, 0.6, 1.0]))
    some = draw(st.lists(st.sampled_from(SPECIAL), min_size=1, max_size=4))
    x[where] = rng.choice(some, where.sum())
    with np.errstate(over="ignore"):
        return x.astype(draw(st.sampled_from([np.float32, np.float64])))


def state_of(preprocessor, folder):
    preprocessor.serialize(folder / "state")
    return (folder / "state").read_bytes()


def bits(x):
    return np.ascontiguousarray(x).tobytes()


@SETTINGS
@given(st.data(), OPTIONS)
def test_fit_answers_or_refuses(tmp_path_factory, data, options):
    folder = tmp_path_factory.getbasetemp()
    x = data.draw(hostile_rows(data.draw(st.integers(1, 20))))
    kept, ours = x.copy(), DataPreprocessor(options)
    try:
        ours.fit(x)
    except StatisticsError:
        assert ours.get_statistics() == {}
        return
    answers = ours.transform(x)
    assert bits(x) == bits(kept)
    filled = options["handle_nan"] and options["handle_inf"] and options["normalization"] == "none"
    if filled and options["scale_offset"] == 0 and answers.dtype == x.dtype:
        assert np.isfinite(answers).all()
    assert bits(ours.transform(x.copy(), copy=False)) == bits(answers)
    assert ours.reverse_transform(answers).shape == answers.shape
    state = state_of(ours, folder)
    again = DataPreprocessor.deserialize(folder / "state")
    assert bits(again.transform(x)) == bits(answers)
    assert state_of(again, folder) == state


@SETTINGS
@given(st.data(), OPTIONS)
def test_partial_fit_and_merge_take_all_or_nothing(tmp_path_factory, data, options):
    folder = tmp_path_factory.getbasetemp()
    width = data.draw(st.integers(1, 6))
    if options["normalization"] == "power":
        options["normalization"] = "robust"
    options["outlier_handling"] = "mean"
    ours = DataPreprocessor(options)
    for _ in range(3):
        x = data.draw(hostile_rows(width))
        before, seen = state_of(ours, folder), ours.get_statistics().get("n_samples", 0)
        try:
            ours.partial_fit(x)
        except StatisticsError:
            assert state_of(ours, folder) == before
        else:
            assert ours.get_statistics()["n_samples"] == seen + len(x)
            assert ours.transform(x).shape == x.shape
    if not ours.get_statistics():
        return
    before = state_of(ours, folder)
    try:
        ours.merge(DataPreprocessor(options).partial_fit(data.draw(hostile_rows(width))))
    except StatisticsError:
        assert state_of(ours, folder) == before
    else:
        assert ours.transform(np.zeros((2, width))).shape == (2, width)


@pytest.mark.parametrize("normalization", ["standard", "robust", "quantile"])
def test_every_call_at_once(normalization, tmp_path):
    """Answers are of one state, before or after; calls out of order are refused; nothing hangs."""
    rows = np.random.default_rng(0).normal(size=(300, 4))
    ours = DataPreprocessor({"normalization": normalization}).partial_fit(rows)
    begun, failures = threading.Barrier(6), []
    other = DataPreprocessor({"normalization": normalization}).partial_fit(rows)

    def often(function):
        begun.wait(60)
        for i in range(40):
            try:
                function(i)
            except PreprocessingError:
                pass  # not fitted yet, or other options
            except BaseException as error:
                failures.append(error)

    def transform(i):
        answers = ours.transform(rows[: 1 + i * 7])
        assert np.isfinite(answers).all() and answers.shape[0] == 1 + i * 7

    def update(i):
        ours.update_config({"normalization": normalization, "dtype": [None, "float32"][i % 2]})

    calls = [
        transform,
        lambda i: ours.partial_fit(rows[i : i + 30] * (i + 1)),
        update,
        lambda i: ours.merge(other) if i % 2 else other.merge(ours),
        lambda i: ours.serialize(tmp_path / "p") and DataPreprocessor.deserialize(tmp_path / "p"),
        lambda i: ours.reset() if i % 10 == 9 else ours.get_statistics(),
    ]
    threads = [threading.Thread(target=often, args=(call,), daemon=True) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive()
    assert not failures, failures[:3]
