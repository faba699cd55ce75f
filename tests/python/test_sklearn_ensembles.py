"""IsolationForest, AdaBoost, Bagging and Voting against scikit-learn itself.

Sums are equal bit for bit. What passes through numpy's vectorized exp or power, whose last bits
depend on the CPU, has a stated bound.
"""

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    GradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier

import spinney
from sklearn_cases import (
    FEATURES,
    ROW_COUNTS,
    adaboost,
    assert_same,
    load,
    training_data,
    with_missing,
)

LABELS = {
    "int": lambda y: y,
    "negative": lambda y: y * 10 - 7,
    "text": lambda y: np.array(["zero", "one", "two", "three", "four"])[y],
    "float": lambda y: y * 2.0,
    "bool": lambda y: y > 0,
}


def rows(seed, missing=False, dtype=np.float32):
    x, _, _ = training_data(seed + 50, rows=1001)
    return (with_missing(x, seed) if missing else x).astype(dtype)


def check(model, missing=False, proba_ulp=0, values_ulp=0):
    loaded = load(model)
    assert loaded.n_features == FEATURES
    for dtype in (np.float32, np.float64):
        x = rows(1, missing, dtype)
        expected = model.predict(x)
        for n in ROW_COUNTS[1:]:
            assert_same(expected[-n:], loaded.predict(x[-n:]), values_ulp)
        assert_same(expected[:1], loaded.predict(x[:1]), max(values_ulp, 1 if values_ulp else 0))
        if hasattr(model, "predict_proba"):
            assert_same(model.predict_proba(x), loaded.predict_proba(x), proba_ulp)
        if hasattr(model, "decision_function") and hasattr(model, "estimator_weights_"):
            assert_same(model.decision_function(x), loaded.predict_raw(x))
    return loaded


@pytest.mark.parametrize("max_features", [1.0, 0.5])
@pytest.mark.parametrize("contamination", ["auto", 0.1])
@pytest.mark.parametrize("max_samples", ["auto", 17, 1.0])
def test_isolation_forest(max_features, contamination, max_samples):
    x, _, _ = training_data(3)
    model = IsolationForest(
        n_estimators=30,
        max_features=max_features,
        contamination=contamination,
        max_samples=max_samples,
        random_state=0,
    ).fit(x)
    loaded = load(model)
    for dtype in (np.float32, np.float64):
        given = rows(2, dtype=dtype)
        samples = model.score_samples(given)
        np.testing.assert_array_max_ulp(loaded.score_samples(given), samples, 2)
        # A difference of 2 ulp in a score near the offset, in absolute terms.
        np.testing.assert_allclose(
            loaded.decision_function(given), model.decision_function(given), rtol=0, atol=1e-15
        )
        clear = np.abs(samples - model.offset_) > 1e-15
        assert_same(model.predict(given)[clear], loaded.predict(given)[clear])
        assert loaded.predict(given).dtype == model.predict(given).dtype


def test_isolation_forest_of_one_sample():
    x, _, _ = training_data(3)
    with np.errstate(all="ignore"):
        model = IsolationForest(n_estimators=3, max_samples=1, random_state=0).fit(x)
    given = rows(2)
    assert_same(model.score_samples(given), load(model).score_samples(given))


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("depth", [1, 3])
def test_adaboost_classifier(labels, classes, depth):
    if labels == "bool" and classes > 2:
        pytest.skip("booleans make no third class")
    x, y, _ = training_data(classes, classes=classes)
    weights = np.random.default_rng(0).random(len(x))
    tree = DecisionTreeClassifier(max_depth=depth)
    model = adaboost(tree, n_estimators=25, learning_rate=0.7, random_state=0)
    check(model.fit(x, LABELS[labels](y), sample_weight=weights), proba_ulp=4)


def test_adaboost_over_forests():
    for classes in (2, 4):
        x, y, _ = training_data(classes, classes=classes)
        model = adaboost(RandomForestClassifier(3, max_depth=2), n_estimators=5)
        check(model.fit(x, y * 3), proba_ulp=4)


@pytest.mark.parametrize("loss", ["linear", "square", "exponential"])
def test_adaboost_regressor(loss):
    x, _, y = training_data(3)
    check(AdaBoostRegressor(n_estimators=30, loss=loss, random_state=0).fit(x, y))
    check(AdaBoostRegressor(RandomForestRegressor(3, max_depth=3), n_estimators=7).fit(x, y))


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("options", [{}, {"max_features": 0.6}, {"bootstrap_features": True}])
def test_bagging_classifier(labels, options):
    classes = 2 if labels == "bool" else 4
    x, y, _ = training_data(1, classes=classes)
    for tree in (DecisionTreeClassifier(max_depth=5), ExtraTreeClassifier(max_depth=6)):
        model = BaggingClassifier(tree, n_estimators=12, max_samples=0.5, random_state=0, **options)
        check(model.fit(x, LABELS[labels](y)))


def test_bagging_over_other_models():
    x, y, values = training_data(1, classes=3)
    check(BaggingClassifier(RandomForestClassifier(4, max_depth=4), max_features=0.7).fit(x, y))
    check(BaggingRegressor(RandomForestRegressor(4, max_depth=4), max_features=0.7).fit(x, values))
    check(BaggingRegressor(GradientBoostingRegressor(n_estimators=5)).fit(x, values))


def test_bagging_regressor():
    x, _, y = training_data(1)
    for options in ({}, {"max_features": 0.6}, {"bootstrap_features": True}):
        tree = DecisionTreeRegressor(max_depth=6)
        check(BaggingRegressor(tree, n_estimators=12, random_state=0, **options).fit(x, y))
        check(BaggingRegressor(tree, n_estimators=5, **options).fit(x, np.c_[y, -y]))


def voters():
    return [
        ("forest", RandomForestClassifier(5, max_depth=4, random_state=0)),
        ("tree", DecisionTreeClassifier(max_depth=6, random_state=0)),
        ("gone", "drop"),
        ("bag", BaggingClassifier(DecisionTreeClassifier(max_depth=3), random_state=0)),
    ]


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("voting", ["hard", "soft"])
@pytest.mark.parametrize("weights", [None, [0.3, 1, 5, 1.7]])
def test_voting_classifier(labels, voting, weights):
    classes = 2 if labels == "bool" else 3
    x, y, _ = training_data(1, classes=classes)
    model = VotingClassifier(voters(), voting=voting, weights=weights).fit(x, LABELS[labels](y))
    check(model)


@pytest.mark.parametrize("weights", [None, [0.3, 1.7]])
def test_voting_regressor(weights):
    x, _, y = training_data(1)
    members = [("a", RandomForestRegressor(5, max_depth=5)), ("b", DecisionTreeRegressor())]
    check(VotingRegressor(members, weights=weights).fit(x, y))


def test_voting_with_linear_models():
    x, y, values = training_data(1, classes=3)
    x[:, 5] /= 1e30
    given = rows(1)
    given[:, 5] /= 1e30
    members = [("a", LogisticRegression(max_iter=200)), ("b", DecisionTreeClassifier(max_depth=3))]
    model = VotingClassifier(members, voting="soft").fit(x, y)
    np.testing.assert_allclose(
        load(model).predict_proba(given), model.predict_proba(given), rtol=1e-5
    )
    members = [("a", LinearRegression()), ("b", DecisionTreeRegressor(max_depth=3))]
    model = VotingRegressor(members).fit(x, values)
    np.testing.assert_allclose(load(model).predict(given), model.predict(given), rtol=1e-4)


def test_voting_with_xgboost():
    xgboost = pytest.importorskip("xgboost")
    x, y, values = training_data(1, classes=3)
    x[:, 5] /= 1e30
    members = [
        ("a", xgboost.XGBClassifier(n_estimators=5)),
        ("b", xgboost.XGBClassifier(n_estimators=3, max_depth=2)),
    ]
    given = rows(1)
    given[:, 5] /= 1e30
    model = VotingClassifier(members, voting="soft").fit(x, y)
    loaded = load(model)
    assert_same(model.predict(given), loaded.predict(given))
    assert_same(model.predict_proba(given), loaded.predict_proba(given), 4)
    members = [("a", xgboost.XGBRegressor(n_estimators=5)), ("b", DecisionTreeRegressor())]
    model = VotingRegressor(members, weights=[1, 2]).fit(x, values)
    assert_same(model.predict(given), load(model).predict(given))


def test_saved_ensembles_answer_the_same(tmp_path):
    x, y, _ = training_data(1, classes=3)
    given = rows(1)
    for model in (
        VotingClassifier(voters()[:2], voting="soft").fit(x, y),
        AdaBoostClassifier(n_estimators=5).fit(x, y),
        IsolationForest(n_estimators=5).fit(x),
    ):
        loaded = load(model)
        loaded.save(tmp_path / "m.spinney")
        again = spinney.load(tmp_path / "m.spinney")
        assert_same(loaded.predict(given), again.predict(given))
        assert_same(loaded.predict_raw(given), again.predict_raw(given))


def test_members_without_a_reader_are_named():
    from sklearn.naive_bayes import GaussianNB

    x, y, _ = training_data(1)
    model = VotingClassifier([("a", DecisionTreeClassifier()), ("b", GaussianNB())]).fit(x, y)
    with pytest.raises(spinney.exceptions.SpinneyError, match=r"member 1.*GaussianNB"):
        load(model)
