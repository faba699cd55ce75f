"""Training data, hard rows and comparisons that the scikit-learn tests share."""

import pickle

import numpy as np
import pytest
from sklearn.ensemble import (
    AdaBoostClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingRegressor,
)

import spinney

ROW_COUNTS = [1, 2, 3, 17, 63, 64, 65, 130, 1001]
FEATURES = 7


def training_data(seed, rows=500, classes=2):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, FEATURES))
    x[:, 3] = rng.integers(-2, 3, rows)  # many equal values
    x[:, 4] *= 1e-42  # float32 denormals
    x[:, 5] *= 1e30
    score = x[:, 0] + 0.5 * x[:, 1] * x[:, 2] + x[:, 3]
    y = np.digitize(score, np.quantile(score, np.arange(1, classes) / classes))
    return x, y, score


def with_missing(x, seed):
    x = x.copy()
    x[np.random.default_rng(seed).random(x.shape) < 0.15] = np.nan
    return x


def fitted(model, x, y):
    """model.fit(x, y); skips where this scikit-learn's model takes no NaN."""
    try:
        return model.fit(x, y)
    except ValueError as error:
        if "NaN" in str(error) and np.isnan(x).any():
            pytest.skip(f"this scikit-learn's {type(model).__name__} takes no NaN")
        raise


def adaboost(estimator, **options):
    """An AdaBoostClassifier that adds votes; where the default is SAMME.R, which adds logarithms,
    tests of `verify` hold to their bound."""
    if AdaBoostClassifier().get_params().get("algorithm") == "SAMME.R":
        options["algorithm"] = "SAMME"
    return AdaBoostClassifier(estimator, **options)


def thresholds_of(model):
    """(feature, threshold) of every split of the model's trees."""
    trees = []
    if hasattr(model, "tree_"):
        trees = [model.tree_]
    elif hasattr(model, "estimators_"):
        trees = [m.tree_ for m in np.asarray(model.estimators_, dtype=object).ravel()]
    elif hasattr(model, "_predictors"):
        for predictor in (p for iteration in model._predictors for p in iteration):
            nodes = predictor.nodes[predictor.nodes["is_leaf"] == 0]
            yield from zip(nodes["feature_idx"], nodes["num_threshold"])
    for tree in trees:
        splits = tree.children_left != -1
        yield from zip(tree.feature[splits], tree.threshold[splits])


def hard_rows(model, seed, missing, dtype):
    """Random rows, and rows at each of some thresholds and one ulp to either side."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(1001, FEATURES))
    x[:, 3] = rng.integers(-3, 4, 1001)
    x[:, 4] *= 1e-42
    x[:, 5] *= 1e30
    x[:40] = rng.choice([0.0, -0.0, 1e-45, -1e-45, 5e-324, 3e38, -3e38], size=(40, FEATURES))
    x = x.astype(dtype)
    splits = list(thresholds_of(model))
    rng.shuffle(splits)
    for i, (feature, threshold) in enumerate(splits[:300]):
        exact = np.dtype(dtype).type(threshold)
        beside = [exact, np.nextafter(exact, dtype(np.inf)), np.nextafter(exact, dtype(-np.inf))]
        if np.isfinite(beside).all():
            x[100 + 3 * i : 103 + 3 * i, int(feature)] = beside
    if missing:
        x[rng.random(x.shape) < 0.2] = np.nan
    return x


def raw_of(model, x):
    if hasattr(model, "decision_function"):
        return model.decision_function(x)
    if isinstance(model, HistGradientBoostingRegressor):
        return model._raw_predict(x).ravel()
    if hasattr(model, "predict_proba"):
        return model.predict_proba(x)
    return model.predict(x)


def load(model, protocol=None):
    return spinney.Model.from_bytes(pickle.dumps(model, protocol), "pickle")


def assert_same(expected, given, ulp=0):
    if isinstance(expected, list):
        assert isinstance(given, list)
        assert len(given) == len(expected)
        for e, g in zip(expected, given):
            assert_same(e, g, ulp)
        return
    assert given.dtype == expected.dtype
    assert given.shape == expected.shape
    if ulp:
        np.testing.assert_array_max_ulp(given, expected, ulp)
    else:
        np.testing.assert_array_equal(given, expected)
        if expected.dtype.kind == "f":
            zeros = expected == 0
            np.testing.assert_array_equal(np.signbit(given[zeros]), np.signbit(expected[zeros]))


def check(model, missing=False, proba_ulp=0, raw_ulp=0, seed=1):
    loaded = load(model)
    assert loaded.n_features == FEATURES
    for dtype in (np.float32, np.float64):
        x = hard_rows(model, seed, missing, dtype)
        expected = model.predict(x)
        for n in ROW_COUNTS:
            assert_same(expected[-n:], loaded.predict(x[-n:]), raw_ulp)
        if hasattr(model, "predict_proba"):
            assert_same(model.predict_proba(x), loaded.predict_proba(x), proba_ulp)
        raw = raw_of(model, x)
        if not isinstance(raw, list):
            assert_same(raw.squeeze(), loaded.predict_raw(x), raw_ulp)
    if hasattr(model, "apply") and not isinstance(model, GradientBoostingClassifier):
        leaves = model.apply(x)
        given = loaded.predict_leaf(x)
        np.testing.assert_array_equal(given.reshape(leaves.shape), leaves)
