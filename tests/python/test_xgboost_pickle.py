"""Pickled XGBoost objects predict what they predicted, without XGBoost."""

import pickle

import numpy as np
import pytest

import spinney
from xgboost_models import assert_same, bits, data_for, params_for, training_rows, xgb


def assert_wrapper(model, fitted, x):
    """predict, predict_proba and margins of an object as it was pickled."""
    wanted = fitted.predict(x)
    given = model.predict(x)
    assert given.dtype == wanted.dtype
    assert given.shape == wanted.shape
    np.testing.assert_array_equal(given, wanted)
    assert_same(model.predict_raw(x), fitted.predict(x, output_margin=True))
    if not hasattr(fitted, "predict_proba"):
        return
    wanted = fitted.predict_proba(x)
    given = model.predict_proba(x)
    assert given.dtype == wanted.dtype
    assert given.shape == wanted.shape
    if fitted.objective == "multi:softmax":  # scipy's softmax, not XGBoost's
        np.testing.assert_allclose(given, wanted, rtol=1e-6)
    else:
        np.testing.assert_array_equal(bits(given), bits(wanted))


def reload(fitted, tmp_path):
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(fitted))
    model = spinney.load(path)
    assert model.source["kind"] == type(fitted).__name__
    return model


def wrappers():
    few = {"n_estimators": 7, "max_depth": 4, "n_jobs": 1}
    yield "two classes", xgb.XGBClassifier(**few), "two"
    yield "five classes", xgb.XGBClassifier(**few), "five"
    yield "softmax", xgb.XGBClassifier(objective="multi:softmax", **few), "five"
    yield "hinge", xgb.XGBClassifier(objective="binary:hinge", **few), "two"
    yield "logitraw", xgb.XGBClassifier(objective="binary:logitraw", **few), "two"
    yield "multi-label", xgb.XGBClassifier(**few), "labels"
    yield "dart", xgb.XGBClassifier(booster="dart", rate_drop=0.5, **few), "five"
    yield "dart values", xgb.XGBRegressor(booster="dart", rate_drop=0.5, **few), "value"
    yield "linear", xgb.XGBClassifier(booster="gblinear", n_estimators=7, n_jobs=1), "two"
    yield "forest of two", xgb.XGBRFClassifier(**few), "two"
    yield "forest of five", xgb.XGBRFClassifier(**few), "five"
    yield "forest of values", xgb.XGBRFRegressor(**few), "value"
    yield "values", xgb.XGBRegressor(**few), "value"
    yield "missing zero", xgb.XGBRegressor(missing=0.0, **few), "zeros"
    yield "missing 0.1", xgb.XGBRegressor(missing=0.1, **few), "tenths"
    yield "poisson", xgb.XGBRegressor(objective="count:poisson", **few), "count"
    yield "several values", xgb.XGBRegressor(**few), "values"
    trees = {"multi_strategy": "multi_output_tree", "tree_method": "hist", **few}
    yield "vector leaves", xgb.XGBRegressor(**trees), "values"
    yield "vector labels", xgb.XGBClassifier(**trees), "labels"
    yield "vector classes", xgb.XGBClassifier(**trees), "five"


@pytest.mark.parametrize(
    ("fitted", "kind"), [pytest.param(m, k, id=name) for name, m, k in wrappers()]
)
def test_pickled_wrappers(fitted, kind, tmp_path):
    rng = np.random.default_rng(20)
    x, signal = training_rows(rng)
    y = {
        "two": signal > 1,
        "five": np.round(np.abs(signal)).clip(0, 4),
        "labels": np.stack([signal > 1, signal < 0.5, signal > 2], axis=1).astype(int),
        "values": np.stack([signal, signal**2], axis=1),
        "count": np.round(np.abs(signal)),
    }.get(kind, signal)
    if kind in ("zeros", "tenths"):
        x[rng.random(x.shape) < 0.2] = 0.0 if kind == "zeros" else 0.1
    fitted.fit(x, y)
    model = reload(fitted, tmp_path)
    assert_wrapper(model, fitted, x)
    if kind in ("zeros", "tenths"):
        doubles = x.astype(np.float64)
        doubles[np.isclose(doubles, 0.1)] = 0.1
        assert_wrapper(model, fitted, doubles)


@pytest.mark.parametrize("kind", ["two", "five", "forest"])
def test_pickled_wrappers_stop_at_the_best_iteration(kind, tmp_path):
    rng = np.random.default_rng(21)
    x, signal = training_rows(rng)
    n = 5 if kind == "five" else 2
    y = np.round(np.abs(signal)).clip(0, n - 1)
    more = {"num_parallel_tree": 3, "subsample": 0.5} if kind == "forest" else {}
    fitted = xgb.XGBClassifier(
        n_estimators=40, max_depth=4, learning_rate=1.0, early_stopping_rounds=3, n_jobs=1, **more
    )
    noise = np.concatenate([np.arange(n), rng.integers(0, n, len(x) - n)])
    fitted.fit(x, y, eval_set=[(x, noise)], verbose=False)
    booster = fitted.get_booster()
    assert fitted.best_iteration + 1 < booster.num_boosted_rounds()
    model = reload(fitted, tmp_path)
    assert_wrapper(model, fitted, x)
    groups = n if n > 2 else 1
    parallel = more.get("num_parallel_tree", 1)
    assert model.n_trees == (fitted.best_iteration + 1) * groups * parallel
    whole = reload(booster, tmp_path)
    assert_same(whole.predict(x), booster.predict(xgb.DMatrix(x)))


@pytest.mark.parametrize("missing", [0.0, -999.0, 0.1, 1.5])
def test_gblinear_with_its_own_missing_value(missing, tmp_path):
    rng = np.random.default_rng(24)
    x, signal = training_rows(rng)
    x[rng.random(x.shape) < 0.2] = missing
    fitted = xgb.XGBRegressor(booster="gblinear", missing=missing, n_estimators=5, n_jobs=1)
    fitted.fit(x, signal)
    model = reload(fitted, tmp_path)
    doubles = x.astype(np.float64)
    doubles[np.isclose(doubles, missing)] = missing
    for rows in (x, doubles):
        assert_same(model.predict(rows), fitted.predict(rows))
        assert_same(model.predict(rows[:1]), fitted.predict(rows[:1]))
    model.save(tmp_path / "linear.spinney")
    assert_same(spinney.load(tmp_path / "linear.spinney").predict(x), fitted.predict(x))


@pytest.mark.parametrize("kind", ["two", "five", "softmax", "labels"])
def test_classes_of_a_wrapper(kind, tmp_path):
    rng = np.random.default_rng(25)
    x, signal = training_rows(rng)
    two = signal > 1
    y = {"two": two, "labels": np.stack([two, ~two, two], axis=1).astype(int)}.get(
        kind, np.round(np.abs(signal)).clip(0, 4)
    )
    more = {"objective": "multi:softmax"} if kind == "softmax" else {}
    fitted = xgb.XGBClassifier(n_estimators=2, n_jobs=1, **more).fit(x, y)
    given = reload(fitted, tmp_path).classes_
    assert given.dtype == fitted.classes_.dtype
    assert given.tolist() == fitted.classes_.tolist()


def test_pickled_ranker(tmp_path):
    rng = np.random.default_rng(22)
    x, signal = training_rows(rng)
    fitted = xgb.XGBRanker(n_estimators=5, n_jobs=1)
    fitted.fit(x, np.round(np.abs(signal)).clip(0, 4), group=[50] * 8)
    model = reload(fitted, tmp_path)
    assert_same(model.predict(x), fitted.predict(x))


@pytest.mark.parametrize("booster", ["gbtree", "dart"])
def test_pickled_booster(booster, tmp_path):
    rng = np.random.default_rng(23)
    x, signal = training_rows(rng)
    params = params_for("multi:softprob", booster=booster, rate_drop=0.5)
    trained = xgb.train(params, data_for("multi:softprob", x, signal), 6)
    assert_same(reload(trained, tmp_path).predict(x), trained.predict(xgb.DMatrix(x)))


def test_a_wrapper_that_was_never_fitted(tmp_path):
    with pytest.raises(spinney.SpinneyError, match="not fitted"):
        reload(xgb.XGBRegressor(), tmp_path)


def test_strict_refuses_infinity_where_xgboost_does(tmp_path):
    rng = np.random.default_rng(24)
    x, signal = training_rows(rng)
    fitted = xgb.XGBRegressor(n_estimators=3, n_jobs=1).fit(x, signal)
    x[3, 2] = np.inf
    assert_same(reload(fitted, tmp_path).predict(x, strict=True), fitted.predict(x))
    booster = fitted.get_booster()
    with pytest.raises(xgb.core.XGBoostError):
        booster.predict(xgb.DMatrix(x))
    with pytest.raises(spinney.SpinneyError, match="row 3, column 2"):
        reload(booster, tmp_path).predict(x, strict=True)
