"""Pickled LightGBM Boosters and wrappers give what they gave themselves, bit for bit."""

from __future__ import annotations

import pickle

import joblib
import numpy as np
import pytest

import spinney
from lightgbm_models import (
    BOOSTING,
    decisive_rows,
    lightgbm,
    same_bits,
    train,
    training_data,
)


def same_answers(ours, theirs, rows):
    """predict, predict_proba and raw scores of a wrapper or Booster."""
    labels = theirs.predict(rows)
    got = ours.predict(rows)
    assert got.dtype == labels.dtype
    assert got.shape == labels.shape
    np.testing.assert_array_equal(got, labels)
    same_bits(ours.predict_raw(rows), theirs.predict(rows, raw_score=True))
    if hasattr(theirs, "predict_proba"):
        same_bits(ours.predict_proba(rows), np.ascontiguousarray(theirs.predict_proba(rows)))


def check_object(estimator, tmp_path, rows=None):
    booster = getattr(estimator, "booster_", estimator)
    if rows is None:
        rows = decisive_rows(booster, np.float64)
    for protocol in (2, 4, 5):
        path = tmp_path / "model.pkl"
        path.write_bytes(pickle.dumps(estimator, protocol))
        same_answers(spinney.load(path), estimator, rows)
    joblib.dump(estimator, tmp_path / "model.joblib", compress=3)
    ours = spinney.load(tmp_path / "model.joblib")
    same_answers(ours, estimator, rows)
    same_answers(spinney.load(estimator), estimator, rows)
    assert ours.n_features == booster.num_feature()
    return ours


LABELS = {
    "int64": lambda y: y.astype(np.int64),
    "shifted": lambda y: y.astype(np.int32) * 3 - 4,
    "float": lambda y: y * 2.0 + 1.0,
    "strings": lambda y: np.array(["zebra", "ant", "mole"])[y.astype(int)],
    "objects": lambda y: np.array(["zebra", "ant", "mole"], dtype=object)[y.astype(int)],
}


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_classifier(labels, kind, tmp_path):
    x, y = training_data(3, kind)
    estimator = lightgbm.LGBMClassifier(n_estimators=8, verbose=-1, n_jobs=1)
    estimator.fit(x, LABELS[labels](y))
    ours = check_object(estimator, tmp_path)
    assert list(ours.classes_) == list(estimator.classes_)
    assert ours.classes_.dtype == estimator.classes_.dtype


def test_classifier_of_booleans(tmp_path):
    x, y = training_data(3, "binary")
    estimator = lightgbm.LGBMClassifier(n_estimators=8, verbose=-1, n_jobs=1).fit(x, y == 1)
    assert check_object(estimator, tmp_path).classes_.dtype == bool


@pytest.mark.parametrize("objective", ["multiclassova", "cross_entropy", "regression"])
def test_classifier_with_another_objective(objective, tmp_path):
    x, y = training_data(3, "multiclass" if objective == "multiclassova" else "binary")
    estimator = lightgbm.LGBMClassifier(objective=objective, n_estimators=8, verbose=-1, n_jobs=1)
    check_object(estimator.fit(x, y), tmp_path)


def softmax_like_loss(y, scores):
    return scores - y, np.ones_like(scores)


def test_classifier_with_own_objective_gives_raw_scores(tmp_path):
    x, y = training_data(3, "binary")
    estimator = lightgbm.LGBMClassifier(objective=softmax_like_loss, n_estimators=8, verbose=-1)
    estimator.fit(x, y)
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(estimator))
    rows = decisive_rows(estimator.booster_, np.float64)
    ours = spinney.load(path)
    same_bits(ours.predict(rows), estimator.predict(rows))
    with pytest.raises(spinney.UnsupportedModelError):
        ours.predict_proba(rows)


@pytest.mark.parametrize("objective", ["regression", "poisson", "quantile", None])
def test_regressor(objective, tmp_path):
    x, y = training_data(3, "positive")
    estimator = lightgbm.LGBMRegressor(objective=objective, n_estimators=8, verbose=-1, n_jobs=1)
    ours = check_object(estimator.fit(x, y), tmp_path)
    with pytest.raises(spinney.UnsupportedModelError):
        ours.predict_proba(x)


def test_ranker(tmp_path):
    x, y = training_data(3, "grade")
    estimator = lightgbm.LGBMRanker(n_estimators=8, verbose=-1, n_jobs=1)
    check_object(estimator.fit(x, y.astype(int), group=[50] * 10), tmp_path)


@pytest.mark.parametrize("boosting", ["rf", "dart"])
def test_boosting_of_wrappers(boosting, tmp_path):
    x, y = training_data(3, "multiclass")
    estimator = lightgbm.LGBMClassifier(
        boosting_type=boosting, subsample=0.7, subsample_freq=1, n_estimators=9, verbose=-1
    )
    check_object(estimator.fit(x, y), tmp_path)


@pytest.mark.parametrize("boosting", ["gbdt", "rf"])
def test_wrappers_and_boosters_stop_at_the_best_iteration(boosting, tmp_path):
    x, y = training_data(0, "multiclass")
    booster = train(
        {"objective": "multiclass", "num_class": 3, "kind": "multiclass", **BOOSTING[boosting]}
    )
    booster.best_iteration = 7
    rows = decisive_rows(booster, np.float64)
    ours = check_object(booster, tmp_path, rows)
    assert ours.n_trees == 21
    estimator = lightgbm.LGBMClassifier(n_estimators=200, learning_rate=0.7, verbose=-1)
    valid = training_data(1, "multiclass")
    stop = lightgbm.early_stopping(5, verbose=False)
    estimator.fit(x, y, eval_set=[valid], callbacks=[stop])
    assert 0 < estimator.best_iteration_ < 200
    check_object(estimator, tmp_path)


def test_linear_trees_stop_at_the_best_iteration(tmp_path):
    booster = train({"objective": "regression", "linear_tree": True})
    booster.best_iteration = 4
    assert check_object(booster, tmp_path).n_trees == 4


def test_unfitted_and_early_stopping_predictors_are_refused(tmp_path):
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(lightgbm.LGBMClassifier()))
    with pytest.raises(spinney.UnsupportedModelError, match="not fitted"):
        spinney.load(path)
    x, y = training_data(3, "binary")
    estimator = lightgbm.LGBMClassifier(n_estimators=3, verbose=-1, pred_early_stop=True)
    path.write_bytes(pickle.dumps(estimator.fit(x, y)))
    with pytest.raises(spinney.UnsupportedModelError, match="pred_early_stop"):
        spinney.load(path)


def booster_pickle(state):
    """Bytes of a pickled Booster with any state."""
    body = pickle.dumps(state, 2)[2:-1]
    return b"\x80\x02clightgbm.basic\nBooster\n)\x81" + body + b"b."


def test_any_state_of_a_booster_is_read_or_refused(tmp_path):
    text = train({"objective": "regression"}, n_rounds=3).model_to_string()
    path = tmp_path / "model.pkl"
    for state, trees in [
        ({"_handle": text}, 3),
        ({"handle": text, "best_iteration": -1}, 3),
        ({"handle": text, "best_iteration": 2}, 2),
        ({"handle": text, "best_iteration": 2**62}, 3),
        ({"handle": text, "best_iteration": None}, 3),
        ({"handle": text, "best_iteration": True}, 1),
    ]:
        path.write_bytes(booster_pickle(state))
        assert spinney.load(path).n_trees == trees, state
    for state in [
        {},
        {"_handle": None},
        {"_handle": 5},
        {"_handle": b"tree\n"},
        {"_handle": ""},
        {"_handle": text[:700]},
        {"_handle": text, "best_iteration": "two"},
        {"_handle": text, "best_iteration": 2**70},
        {"_handle": text, "best_iteration": [2]},
        [text],
        None,
    ]:
        path.write_bytes(booster_pickle(state))
        with pytest.raises(spinney.CorruptModelError, match="Booster"):
            spinney.load(path)
