"""LightGBM models to compare with, the rows that decide about them, and exact comparison."""

from __future__ import annotations

import re

import numpy as np
import pytest

import spinney

lightgbm = pytest.importorskip("lightgbm")

N_FEATURES = 6
TINY = float(np.float32(1e-35))  # LightGBM's kZeroThreshold
SPECIAL = [
    np.nan, np.inf, -np.inf, 0.0, -0.0, TINY, -TINY, np.nextafter(TINY, 1), np.nextafter(-TINY, -1),
    1e-36, -1e-36, 1e-40, -1e-40, 5e-324, -5e-324, 1e300, -1e300, 0.5, -0.5, -0.999, -1.0, 1.0, 2.0,
]  # fmt: skip
CATEGORIES = [*range(-2, 70), -0.5, 0.5, 3.9, 2147483646.0, 2147483647.0, 2147483648.0,
              4294967297.0, -2147483649.0, 1e10, 1e19, np.nan, np.inf, -np.inf]  # fmt: skip


def training_data(seed, kind="regression", categorical=(), n_classes=3):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((500, N_FEATURES))
    x[:, 1] = np.round(x[:, 1])  # zeros, and few distinct values
    x[rng.random(x.shape) < 0.1] = np.nan
    for column in categorical:
        x[:, column] = rng.integers(0, 40, len(x))
    signal = np.nan_to_num(x[:, 0] + x[:, 1] * x[:, 2]) + np.isnan(x[:, 3])
    for column in categorical:
        signal = signal + (x[:, column] % 3)
    signal = signal + rng.standard_normal(len(x)) * 0.3
    if kind == "binary":
        return x, (signal > np.median(signal)).astype(float)
    if kind == "multiclass":
        cuts = np.quantile(signal, np.linspace(0, 1, n_classes + 1)[1:-1])
        return x, np.digitize(signal, cuts).astype(float)
    if kind == "positive":
        return x, np.exp(signal / 4)
    if kind == "unit":
        return x, 1 / (1 + np.exp(-signal))
    if kind == "grade":
        return x, np.digitize(signal, [0.0, 1.0, 2.0]).astype(float)
    return x, signal


def thresholds_of(booster):
    """Numeric thresholds of each feature."""
    found = [[] for _ in range(booster.num_feature())]
    for section in booster.model_to_string().split("Tree=")[1:]:
        field = dict(re.findall(r"^(\w+)=(.*)$", section, re.MULTILINE))
        numbers = zip(
            field.get("split_feature", "").split(),
            field.get("threshold", "").split(),
            field.get("decision_type", "").split(),
        )
        for feature, threshold, decision in numbers:
            if not int(decision) & 1:
                found[int(feature)].append(float(threshold))
    return found


def decisive_rows(booster, dtype, n_rows=700, categorical=(), seed=0):
    """Rows of thresholds, their neighbours, special values and categories."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n_rows, booster.num_feature()))
    for column, thresholds in enumerate(thresholds_of(booster)):
        pick = rng.random(n_rows)
        special = rng.choice(SPECIAL, n_rows)
        rows[:, column] = np.where(pick < 0.25, special, rows[:, column])
        if thresholds:
            exact = rng.choice(thresholds, n_rows)
            if dtype == np.float32:
                exact = exact.astype(np.float32)
            beside = np.nextafter(exact, exact.dtype.type(np.inf) * rng.choice([-1, 1], n_rows))
            rows[:, column] = np.where(pick > 0.5, exact, rows[:, column])
            rows[:, column] = np.where(pick > 0.7, beside, rows[:, column])
        if column in categorical:
            rows[:, column] = rng.choice(CATEGORIES, n_rows)
    with np.errstate(over="ignore"):
        return rows.astype(dtype)


def same_bits(ours, theirs):
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype
    both_nan = np.isnan(ours) & np.isnan(theirs)
    unequal = ~both_nan & (ours.view(np.uint64) != theirs.view(np.uint64))
    assert not unequal.any(), (
        f"{unequal.sum()} of {unequal.size} differ; first at {np.argwhere(unequal)[0]}: "
        f"{ours[unequal][0]!r}, LightGBM has {theirs[unequal][0]!r}"
    )


def check(booster, path, categorical=()):
    """Everything that a saved Booster predicts, against LightGBM."""
    booster.save_model(path)
    theirs = lightgbm.Booster(model_file=str(path))
    ours = spinney.load(path)
    assert ours.n_features == theirs.num_feature()
    assert ours.n_trees == theirs.num_trees()
    for dtype in (np.float64, np.float32):
        rows = decisive_rows(theirs, dtype, categorical=categorical)
        raw = theirs.predict(rows, raw_score=True, num_threads=1)
        same_bits(ours.predict_raw(rows), raw)
        same_bits(ours.predict(rows), theirs.predict(rows, num_threads=1))
        leaves = theirs.predict(rows, pred_leaf=True, num_threads=1)
        np.testing.assert_array_equal(ours.predict_leaf(rows), leaves)
        for n in (1, 2, 63, 64, 65, 130):
            same_bits(ours.predict_raw(rows[7 : 7 + n]), raw[7 : 7 + n])


OBJECTIVES = {
    "regression": {},
    "regression_l1": {},
    "huber": {},
    "fair": {},
    "quantile": {"alpha": 0.7},
    "mape": {},
    "poisson": {"kind": "positive"},
    "gamma": {"kind": "positive"},
    "tweedie": {"kind": "positive", "tweedie_variance_power": 1.3},
    "cross_entropy": {"kind": "unit"},
    "cross_entropy_lambda": {"kind": "unit"},
    "binary": {"kind": "binary"},
    "multiclass": {"kind": "multiclass", "num_class": 3},
    "multiclassova": {"kind": "multiclass", "num_class": 3},
    "lambdarank": {"kind": "grade"},
    "rank_xendcg": {"kind": "grade"},
}
BOOSTING = {
    "gbdt": {},
    "dart": {"boosting": "dart", "drop_rate": 0.3},
    "rf": {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6},
    "goss": {"data_sample_strategy": "goss"},
}


def train(parameters, seed=0, categorical=(), n_rounds=25, **more):
    parameters = dict(parameters)
    kind = parameters.pop("kind", "regression")
    x, y = training_data(seed, kind, categorical, parameters.get("num_class", 3))
    group = [50] * 10 if kind == "grade" else None
    data = lightgbm.Dataset(x, y, group=group, categorical_feature=list(categorical))
    settings = {"verbose": -1, "num_threads": 1, "num_leaves": 15, "min_data_in_leaf": 5, "seed": 1}
    return lightgbm.train({**settings, **parameters}, data, n_rounds, **more)
