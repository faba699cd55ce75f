"""Searches, FrozenEstimator and SelfTrainingClassifier answer as scikit-learn's own objects do."""

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.ensemble import (
    BaggingClassifier,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingRegressor,
)
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import spinney
from sklearn_cases import FEATURES, assert_same, load, training_data

X, Y, SCORE = training_data(7, rows=300, classes=3)
LABELS = np.array(["low", "middle", "high"])[Y]
ROWS = training_data(8, rows=301)[0]


def frozen(model):
    return pytest.importorskip("sklearn.frozen").FrozenEstimator(model)


def halving(name, *args, **options):
    pytest.importorskip("sklearn.experimental.enable_halving_search_cv")
    import sklearn.model_selection

    return getattr(sklearn.model_selection, name)(*args, **options)


def check(model, methods=("predict", "predict_proba")):
    loaded = load(model)
    for dtype in (np.float32, np.float64):
        rows = ROWS.astype(dtype)
        for method in methods:
            expected = getattr(model, method)(rows)
            assert_same(expected, getattr(loaded, method)(rows))
    if hasattr(model, "classes_"):
        assert loaded.classes_.dtype == model.classes_.dtype
        assert loaded.classes_.tolist() == model.classes_.tolist()
    return loaded


def forest():
    return RandomForestClassifier(n_estimators=5, max_depth=4, random_state=0)


DEPTHS = {"max_depth": [2, 3]}


def test_grid_search():
    loaded = check(GridSearchCV(forest(), DEPTHS, cv=2).fit(X, LABELS))
    assert loaded.source["kind"] == "RandomForestClassifier"
    assert loaded.n_features == FEATURES


def test_randomized_search():
    model = HistGradientBoostingClassifier(max_iter=4)
    found = RandomizedSearchCV(model, DEPTHS, n_iter=1, cv=2, random_state=0).fit(X, Y > 1)
    check(found, ("predict", "predict_proba", "decision_function"))


@pytest.mark.parametrize("name", ["HalvingGridSearchCV", "HalvingRandomSearchCV"])
def test_halving_searches(name):
    model = RandomForestRegressor(n_estimators=4, max_depth=3, random_state=0)
    options = {} if name == "HalvingGridSearchCV" else {"n_candidates": 2}
    found = halving(name, model, DEPTHS, cv=2, random_state=0, **options)
    check(found.fit(X, SCORE), ("predict",))


def test_a_search_that_chooses_by_several_scores():
    scores = {"a": "accuracy", "b": "balanced_accuracy"}
    check(GridSearchCV(forest(), DEPTHS, cv=2, scoring=scores, refit="b").fit(X, Y))


def test_frozen_estimator():
    check(frozen(forest().fit(X, LABELS)))
    outliers = IsolationForest(n_estimators=5, random_state=0).fit(X)
    check(frozen(outliers), ("predict",))


def test_self_training():
    some = Y.copy()
    some[::3] = -1
    model = SelfTrainingClassifier(DecisionTreeClassifier(max_depth=3, random_state=0)).fit(X, some)
    check(model)
    texts = LABELS.astype(object)
    texts[::3] = -1
    check(SelfTrainingClassifier(forest()).fit(X, texts))


def test_what_self_training_held_before_it_was_renamed():
    model = SelfTrainingClassifier(DecisionTreeClassifier(max_depth=3, random_state=0)).fit(X, Y)
    expected = model.predict_proba(ROWS)
    for new, old in (("estimator_", "base_estimator_"), ("estimator", "base_estimator")):
        if hasattr(model, new):
            model.__dict__[old] = model.__dict__.pop(new)
    loaded = spinney.Model.from_bytes(pickle.dumps(model), "pickle")
    assert_same(expected, loaded.predict_proba(ROWS))


def test_self_training_knows_the_columns_and_its_estimator_does_not():
    pandas = pytest.importorskip("pandas")
    names = [f"c{i}" for i in range(FEATURES)]
    frame = pandas.DataFrame(X, columns=names)
    model = SelfTrainingClassifier(forest()).fit(frame, Y)
    loaded = load(model)
    assert loaded.feature_names == names
    shuffled = pandas.DataFrame(ROWS, columns=names)[names[::-1]]
    assert_same(model.predict_proba(shuffled[names]), loaded.predict_proba(shuffled))


def test_one_within_another_three_deep():
    inner = GridSearchCV(DecisionTreeClassifier(random_state=0), DEPTHS, cv=2).fit(X, LABELS)
    outer = GridSearchCV(DecisionTreeClassifier(), DEPTHS, cv=2).fit(X, LABELS)
    outer.best_estimator_ = frozen(inner)
    check(outer)
    check(BaggingClassifier(inner, n_estimators=3, random_state=0).fit(X, LABELS))
    search = GridSearchCV(DecisionTreeRegressor(random_state=0), DEPTHS, cv=2)
    model = VotingRegressor([("s", search), ("r", Ridge()), ("f", RandomForestRegressor(3))])
    loaded = load(model.fit(X[:, :3], SCORE))
    rows = ROWS[:, :3]
    np.testing.assert_allclose(loaded.predict(rows), model.predict(rows), rtol=1e-13)


def test_over_other_libraries_with_their_choices():
    xgboost = pytest.importorskip("xgboost")
    model = xgboost.XGBClassifier(n_estimators=4, max_depth=2)
    found = GridSearchCV(model, {"learning_rate": [0.3]}, cv=2).fit(X, Y)
    loaded = check(found)
    assert loaded.source["library"] == "xgboost"
    booster = found.best_estimator_.get_booster()
    rows = xgboost.DMatrix(ROWS)
    few = spinney.load(frozen(found), as_booster=True, iteration_range=(0, 2))
    assert_same(booster.predict(rows, iteration_range=(0, 2)), few.predict(ROWS))
    lightgbm = pytest.importorskip("lightgbm")
    model = lightgbm.LGBMClassifier(n_estimators=4, num_leaves=4, verbose=-1)
    check(SelfTrainingClassifier(model).fit(X, Y))


def test_a_search_without_a_best_estimator():
    found = GridSearchCV(DecisionTreeClassifier(), DEPTHS, cv=2, refit=False).fit(X, Y)
    with pytest.raises(spinney.UnsupportedModelError, match=r"refit=False.*best_params_"):
        spinney.load(found)
    with pytest.raises(spinney.UnsupportedModelError, match="fitted before it was saved"):
        spinney.load(GridSearchCV(DecisionTreeClassifier(), DEPTHS))
    with pytest.raises(spinney.InvalidInputError, match=r"as_booster.*DecisionTreeClassifier"):
        spinney.load(
            GridSearchCV(DecisionTreeClassifier(), DEPTHS, cv=2).fit(X, Y), as_booster=True
        )


def test_one_that_holds_what_has_no_reader():
    from sklearn.svm import SVC

    found = GridSearchCV(SVC(), {"C": [1, 2]}, cv=2).fit(X, Y)
    with pytest.raises(spinney.UnsupportedModelError, match=r"best_estimator_: .*SVC has no nat"):
        spinney.load(found)


def test_one_that_holds_itself():
    model = GridSearchCV(DecisionTreeClassifier(), DEPTHS, cv=2).fit(X, Y)
    model.best_estimator_ = model
    with pytest.raises(spinney.ModelTooLargeError, match="too deeply"):
        spinney.Model.from_bytes(pickle.dumps(model), "pickle")
    with pytest.raises(spinney.SpinneyError):
        spinney.Model.from_bytes(pickle.dumps(model), "pickle", as_booster=True)
