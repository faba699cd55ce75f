"""The preprocessor against scikit-learn's objects: statistics apart, transforms given the same
statistics within 4 eps max(|x|, |centre|) / scale."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

preprocessing = pytest.importorskip("sklearn.preprocessing")
from sklearn.impute import SimpleImputer  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402

from modules.engine.data_preprocessor import DataPreprocessor, StatisticsError  # noqa: E402

TYPES = [np.float32, np.float64]


def columns(dtype, missing=0.05, rows=3000, seed=0):
    """Columns of many kinds: wide, shifted, tiny, skewed, whole numbers, constant."""
    rng = np.random.default_rng(seed)
    x = np.column_stack(
        [
            rng.normal(0, 1, rows),
            rng.normal(1e4, 3, rows),
            rng.normal(-5, 1e-3, rows),
            rng.lognormal(0, 2, rows),
            rng.integers(-3, 4, rows).astype(float),
            np.full(rows, 7.25),
            rng.uniform(-1e6, 1e6, rows),
            np.where(rng.random(rows) < 0.7, 0.0, rng.normal(size=rows)),
        ]
    ).astype(dtype)
    x[rng.random(x.shape) < missing] = np.nan
    return x


def close_transform(ours, theirs, x, center, scale):
    """Within the bound of the issue; NaN in the same places."""
    assert np.array_equal(np.isnan(ours), np.isnan(theirs))
    eps = np.finfo(ours.dtype).eps
    bound = 4 * eps * np.maximum(np.abs(x.astype(float)), np.abs(center)) / np.abs(scale)
    apart = np.abs(ours.astype(float) - theirs.astype(float))
    assert np.all((apart <= bound) | np.isnan(apart)), np.nanmax(apart / bound)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("seed", range(3))
def test_standard_scaler(dtype, seed):
    x = columns(dtype, seed=seed)
    theirs = preprocessing.StandardScaler().fit(x)
    ours = DataPreprocessor({"handle_nan": False}).fit(x)
    got = ours.get_statistics()
    np.testing.assert_allclose(got["mean"], theirs.mean_, rtol=1e-12)
    np.testing.assert_allclose(got["var"], theirs.var_, rtol=1e-9, atol=1e-20)
    np.testing.assert_allclose(got["scale"], theirs.scale_, rtol=1e-9)
    assert np.array_equal(got["count"], np.broadcast_to(theirs.n_samples_seen_, got["count"].shape))
    theirs.mean_, theirs.scale_ = got["center"], got["scale"]
    close_transform(ours.transform(x), theirs.transform(x), x, got["center"], got["scale"])


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("span", [(0.0, 1.0), (-2.0, 5.0)])
def test_minmax_scaler(dtype, span):
    x = columns(dtype)
    theirs = preprocessing.MinMaxScaler(feature_range=span).fit(x)
    ours = DataPreprocessor(
        {"handle_nan": False, "normalization": "minmax", "feature_range": span}
    ).fit(x)
    got = ours.get_statistics()
    assert np.array_equal(got["min"], theirs.data_min_.astype(float))
    assert np.array_equal(got["max"], theirs.data_max_.astype(float))
    rtol = 1e-12 if dtype is np.float64 else 1e-5
    np.testing.assert_allclose(got["scale"], theirs.scale_, rtol=rtol)
    theirs.scale_ = got["scale"].astype(dtype)
    theirs.min_ = got["center"].astype(dtype)
    close_transform(
        ours.transform(x), theirs.transform(x), x, got["center"] / got["scale"], 1 / got["scale"]
    )


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("percentiles", [(25.0, 75.0), (5.0, 90.0)])
def test_robust_scaler(dtype, percentiles):
    x = columns(dtype)
    theirs = preprocessing.RobustScaler(quantile_range=percentiles).fit(x)
    ours = DataPreprocessor(
        {"handle_nan": False, "normalization": "robust", "robust_percentiles": percentiles}
    ).fit(x)
    got = ours.get_statistics()
    rtol = 1e-13 if dtype is np.float64 else 1e-5
    np.testing.assert_allclose(got["center"], theirs.center_, rtol=rtol)
    np.testing.assert_allclose(got["scale"], theirs.scale_, rtol=rtol if dtype is float else 1e-3)
    theirs.center_, theirs.scale_ = got["center"].astype(dtype), got["scale"].astype(dtype)
    close_transform(ours.transform(x), theirs.transform(x), x, got["center"], got["scale"])


@pytest.mark.parametrize("output", ["uniform", "normal"])
@pytest.mark.parametrize("rows", [5, 300, 3000])
def test_quantile_transformer(output, rows):
    x = columns(np.float64, rows=rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = preprocessing.QuantileTransformer(
            output_distribution=output, subsample=10**9, n_quantiles=1000
        ).fit(x)
    ours = DataPreprocessor(
        {"handle_nan": False, "normalization": "quantile", "quantile_output": output}
    ).fit(x)
    np.testing.assert_allclose(ours.get_statistics()["quantiles"].T, theirs.quantiles_, rtol=1e-12)
    theirs.quantiles_ = ours.get_statistics()["quantiles"].T
    probe = np.vstack([x, x + 0.001, x * 1.5, np.nextafter(x, np.inf)])
    np.testing.assert_allclose(
        ours.transform(probe), theirs.transform(probe), rtol=1e-9, atol=1e-11
    )
    places = ours.transform(x)
    np.testing.assert_allclose(
        ours.reverse_transform(places), theirs.inverse_transform(places), rtol=1e-9, atol=1e-9
    )


@pytest.mark.parametrize("method", ["yeo-johnson", "box-cox"])
@pytest.mark.parametrize("seed", range(3))
def test_power_transformer(method, seed):
    rng = np.random.default_rng(seed)
    x = np.column_stack([rng.lognormal(0, 1, 800), rng.gamma(2, 3, 800), rng.uniform(1, 9, 800)])
    if method == "yeo-johnson":
        x[:, 1] = rng.normal(-2, 4, 800) ** 3 / 50
    x[rng.random(x.shape) < 0.05] = np.nan
    theirs = preprocessing.PowerTransformer(method=method).fit(x)
    ours = DataPreprocessor(
        {"handle_nan": False, "normalization": "power", "power_method": method}
    ).fit(x)
    got = ours.get_statistics()
    np.testing.assert_allclose(got["lambdas"], theirs.lambdas_, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ours.transform(x), theirs.transform(x), rtol=1e-5, atol=1e-5)
    # Given the same lambdas, centres and scales, the transforms agree far more closely.
    theirs.lambdas_ = got["lambdas"]
    theirs._scaler.mean_, theirs._scaler.scale_ = got["center"], got["scale"]
    np.testing.assert_allclose(ours.transform(x), theirs.transform(x), rtol=1e-11, atol=1e-11)
    back = ours.reverse_transform(ours.transform(x))
    np.testing.assert_allclose(back, x, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("method", ["yeo-johnson", "box-cox"])
def test_a_constant_column_keeps_its_distances(method):
    """scikit-learn's lambda of a constant is whatever its search ends on, or an error."""
    x = np.column_stack([np.full(50, 3.0), np.arange(1.0, 51.0)])
    ours = DataPreprocessor({"normalization": "power", "power_method": method}).fit(x)
    got = ours.get_statistics()
    assert got["lambdas"][0] == 1 and got["scale"][0] == 1
    assert np.array_equal(ours.transform(x)[:, 0], np.zeros(50))


def test_box_cox_refuses_what_is_not_positive():
    with pytest.raises(StatisticsError, match=r"column 1 holds 0.*Yeo-Johnson"):
        DataPreprocessor({"normalization": "power", "power_method": "box-cox"}).fit(
            [[1.0, 2.0], [2.0, 0.0]]
        )


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("strategy", ["mean", "median", "most_frequent", "constant"])
def test_simple_imputer(dtype, strategy):
    x = columns(dtype, missing=0.3)
    x[:, 3] = np.nan  # nothing to learn from
    theirs = SimpleImputer(strategy=strategy, fill_value=-4.5, keep_empty_features=True)
    expected = theirs.fit_transform(x)
    fill = -4.5 if strategy == "constant" else 0.0
    ours = DataPreprocessor(
        {"normalization": "none", "nan_strategy": strategy, "nan_fill_value": fill}
    )
    got = ours.fit_transform(x)
    rtol = 1e-12 if dtype is np.float64 else 1e-5
    np.testing.assert_allclose(got, expected, rtol=rtol)
    kept = ~np.isnan(x)
    assert np.array_equal(got[kept], x[kept])


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("strategy", ["mean", "median", "most_frequent", "constant"])
@pytest.mark.parametrize("normalization", ["standard", "minmax", "robust"])
def test_a_chain_of_imputing_scaling_and_clipping(dtype, strategy, normalization):
    """Each step is fitted on what the one before gives, as in a pipeline."""
    x = columns(dtype, missing=0.2)
    scaler = {
        "standard": preprocessing.StandardScaler,
        "minmax": preprocessing.MinMaxScaler,
        "robust": preprocessing.RobustScaler,
    }[normalization]()
    theirs = make_pipeline(
        SimpleImputer(strategy=strategy, fill_value=0.5),
        scaler,
        preprocessing.FunctionTransformer(np.clip, kw_args={"a_min": -0.5, "a_max": 0.75}),
    )
    ours = DataPreprocessor(
        {
            "normalization": normalization,
            "nan_strategy": strategy,
            "nan_fill_value": 0.5,
            "clip_values": True,
            "clip_min": -0.5,
            "clip_max": 0.75,
        }
    )
    expected = theirs.fit_transform(x)
    got = ours.fit_transform(x)
    scale = np.abs(x).max(initial=1, where=~np.isnan(x))
    tolerance = 1e-9 if dtype is np.float64 else 1e-3
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance * min(scale, 1e3))


def test_partial_fit_meets_scikit_learn_s():
    x = columns(np.float64, rows=5000)
    theirs, ours = preprocessing.StandardScaler(), DataPreprocessor({"handle_nan": False})
    for part in np.array_split(x, 7):
        theirs.partial_fit(part)
        ours.partial_fit(part)
    got = ours.get_statistics()
    np.testing.assert_allclose(got["mean"], theirs.mean_, rtol=1e-11)
    np.testing.assert_allclose(got["scale"], theirs.scale_, rtol=1e-8)
