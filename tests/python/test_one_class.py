"""Classifiers that were trained on a single class answer as their libraries do."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import spinney
from differential import assert_same
from spinney import InferenceEngine

lightgbm = pytest.importorskip("lightgbm")
ensemble = pytest.importorskip("sklearn.ensemble")
tree = pytest.importorskip("sklearn.tree")
X = np.random.default_rng(0).normal(size=(100, 3))
CLASSES = {
    "zero": np.zeros(100, int),
    "number": np.full(100, 7),
    "text": np.full(100, "only"),
    "float": np.full(100, 2.0),
    "boolean": np.full(100, True),
    "object": np.full(100, "only", dtype=object),
}


CLASSIFIERS = {
    "LightGBM": lambda: lightgbm.LGBMClassifier(n_estimators=3, verbose=-1),
    "LightGBM rf": lambda: lightgbm.LGBMClassifier(
        n_estimators=3, verbose=-1, boosting_type="rf", subsample=0.5, subsample_freq=1
    ),
    "histogram": lambda: ensemble.HistGradientBoostingClassifier(max_iter=3),
    "AdaBoost": lambda: ensemble.AdaBoostClassifier(n_estimators=3),
    "AdaBoost of forests": lambda: ensemble.AdaBoostClassifier(
        ensemble.RandomForestClassifier(2), n_estimators=2
    ),
    "Bagging of AdaBoost": lambda: ensemble.BaggingClassifier(
        ensemble.AdaBoostClassifier(n_estimators=2), n_estimators=2
    ),
    "Voting": lambda: ensemble.VotingClassifier(
        [
            ("a", ensemble.HistGradientBoostingClassifier(max_iter=2)),
            ("b", tree.ExtraTreeClassifier()),
        ],
        voting="hard",
    ),
    "forest": lambda: ensemble.RandomForestClassifier(3),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("classes", CLASSES)
@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_one_class(classifier, classes, tmp_path):
    theirs = CLASSIFIERS[classifier]().fit(X, CLASSES[classes])
    model = spinney.load(theirs)
    assert_same(model.classes_, theirs.classes_)
    model.save(tmp_path / "model.spinney")
    others = [spinney.load(pickle.dumps(theirs)), spinney.load(tmp_path / "model.spinney")]
    for each in (model, *others):
        assert_same(each.classes_, theirs.classes_)
        for rows in (X, X[:1]):
            assert_same(each.predict(rows), theirs.predict(rows))
            if hasattr(theirs, "predict_proba"):
                assert_same(each.predict_proba(rows), theirs.predict_proba(rows))
            if classifier in ("histogram", "AdaBoost", "AdaBoost of forests"):
                assert_same(each.decision_function(rows), theirs.decision_function(rows))
    with InferenceEngine() as engine:
        assert engine.load_model(model)
        assert_same(engine.predict(X[:3])[1], theirs.predict(X[:3]))


def test_two_classes_keep_both():
    theirs = lightgbm.LGBMClassifier(n_estimators=3, verbose=-1).fit(X, np.where(X[:, 0] > 0, 5, 7))
    assert spinney.load(theirs).classes_.tolist() == [5, 7]
