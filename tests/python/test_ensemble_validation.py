"""Ensemble.validate against scikit-learn's metrics and scipy's non-negative least squares."""

from __future__ import annotations

import json
import pickle
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

import spinney
from spinney.ensemble import scoring

sklearn_ensemble = pytest.importorskip("sklearn.ensemble")
from sklearn import metrics  # noqa: E402

RNG = np.random.default_rng(4)
X = RNG.normal(size=(600, 5)).astype(np.float32)
SCORE = X[:, 0] + 0.5 * X[:, 1] + RNG.normal(0, 0.4, 600)
CLASSES = np.digitize(SCORE, [-0.6, 0.6])
TRAIN, TEST = slice(0, 300), slice(300, 600)


def fit(kind, y):
    return {
        f"depth{depth}": getattr(sklearn_ensemble, "RandomForest" + kind)(
            10, max_depth=depth, random_state=depth
        ).fit(X[TRAIN], y[TRAIN])
        for depth in (1, 3, 6)
    }


@pytest.fixture(scope="module")
def classifiers():
    return fit("Classifier", CLASSES)


@pytest.fixture(scope="module")
def regressors():
    return fit("Regressor", SCORE)


def test_metrics_are_scikit_learn_s(classifiers, regressors):
    ensemble = spinney.Ensemble(classifiers)
    found = ensemble.validate(X[TEST], CLASSES[TEST])
    for name, member in (*classifiers.items(), ("ensemble", ensemble)):
        told = found.members.get(name, found.ensemble)
        said, odds = member.predict(X[TEST]), member.predict_proba(X[TEST])
        assert told["accuracy"][0] == pytest.approx(metrics.accuracy_score(CLASSES[TEST], said))
        loss = metrics.log_loss(CLASSES[TEST], odds)
        assert told["log_loss"][0] == pytest.approx(loss, rel=1e-6)
    ensemble = spinney.Ensemble(regressors)
    found = ensemble.validate(X[TEST], SCORE[TEST])
    for name, member in (*regressors.items(), ("ensemble", ensemble)):
        told, said = found.members.get(name, found.ensemble), member.predict(X[TEST])
        square = metrics.mean_squared_error(SCORE[TEST], said)
        assert told["rmse"][0] == pytest.approx(np.sqrt(square))
        assert told["mae"][0] == pytest.approx(metrics.mean_absolute_error(SCORE[TEST], said))
    assert found.sources == dict.fromkeys(regressors, "equal") and found.valid
    assert found.rows == 300


def test_intervals(regressors):
    ensemble = spinney.Ensemble(regressors)
    found = ensemble.validate(X[TEST], SCORE[TEST], intervals=400, seed=3, confidence=0.9)
    value, (low, high) = found.ensemble["rmse"]
    assert low < value < high
    rng, own = np.random.default_rng(3), (ensemble.predict(X[TEST]) - SCORE[TEST]) ** 2
    samples = [np.sqrt(own[rng.integers(0, 300, 300)].mean()) for _ in range(400)]
    assert (low, high) == pytest.approx(tuple(np.quantile(samples, [0.05, 0.95])))
    again = ensemble.validate(X[TEST], SCORE[TEST], intervals=400, seed=3, confidence=0.9)
    assert again.ensemble == found.ensemble
    other = ensemble.validate(X[TEST], SCORE[TEST], intervals=400, seed=4, confidence=0.9)
    assert other.ensemble["rmse"][1] != (low, high)
    none = ensemble.validate(X[TEST], SCORE[TEST], intervals=0)
    assert none.ensemble["rmse"] == (value, None) and "bootstrap" not in str(none)


@pytest.mark.parametrize("method", ["average", "median", "rank", "vote"])
def test_contribution_is_what_leaving_one_out_costs(classifiers, method):
    found = spinney.Ensemble(classifiers, method, [1, 2, 3]).validate(X[TEST], CLASSES[TEST])
    for i, name in enumerate(classifiers):
        others = {key: value for key, value in classifiers.items() if key != name}
        weights = [weight for j, weight in enumerate([1, 2, 3]) if j != i]
        said = spinney.Ensemble(others, method, weights).predict(X[TEST])
        without = metrics.accuracy_score(CLASSES[TEST], said)
        assert found.contribution[name] == pytest.approx(found.ensemble["accuracy"][0] - without)


def test_correlation(regressors, classifiers):
    found = spinney.Ensemble(regressors).validate(X[TEST], SCORE[TEST])
    theirs = np.corrcoef([m.predict(X[TEST]) for m in regressors.values()])
    np.testing.assert_allclose(found.correlation, theirs, rtol=1e-12)
    votes = spinney.Ensemble(classifiers, "vote").validate(X[TEST], CLASSES[TEST])
    first, second = list(classifiers.values())[:2]
    alike = (first.predict(X[TEST]) == second.predict(X[TEST])).mean()
    assert votes.correlation[0, 1] == pytest.approx(alike)


def test_weights_are_fitted_on_other_rows_than_they_are_measured_on(regressors):
    ensemble = spinney.Ensemble(regressors)
    found = ensemble.validate(X[TEST], SCORE[TEST], fit_weights=True, holdout=0.4, seed=1).fitted
    assert found["rows"] == 120 and found["measured_on"] == 180
    order = np.random.default_rng(1).permutation(300)
    on, off = order[:120], order[120:]
    weights = np.array(list(found["weights"].values()))
    assert (weights >= 0).all() and weights.sum() == pytest.approx(1)
    parts = np.array([m.predict(X[TEST]) for m in regressors.values()])

    def loss(shares, rows):
        return ((shares @ parts[:, rows] - SCORE[TEST][rows]) ** 2).mean()

    best = loss(weights, on)
    rng = np.random.default_rng(0)
    for shares in rng.dirichlet(np.ones(3), 2000):  # nothing else is better
        assert best <= loss(shares, on) + 1e-9
    assert found["fitted"]["rmse"] == pytest.approx(np.sqrt(loss(weights, off)))
    assert found["given"]["rmse"] == pytest.approx(np.sqrt(loss(np.ones(3) / 3, off)))


def test_fitted_weights_of_probabilities(classifiers):
    found = spinney.Ensemble(classifiers).validate(X[TEST], CLASSES[TEST], fit_weights=True)
    assert sum(found.fitted["weights"].values()) == pytest.approx(1)
    assert "weights fitted on 150 rows" in str(found)
    with pytest.raises(spinney.InvalidInputError, match="'vote'"):
        spinney.Ensemble(classifiers, "vote").validate(X, CLASSES, fit_weights=True)


def test_best_weights_find_what_is_there():
    parts = [RNG.normal(size=200) for _ in range(4)]
    wanted = np.array([0.5, 0.0, 0.2, 0.3])
    found = scoring.best_weights(parts, wanted @ np.array(parts), False)
    np.testing.assert_allclose(found, wanted, atol=1e-9)


def test_a_member_that_differs_from_its_library_is_found(regressors, tmp_path):
    """The file is another model's by the time that it is compared."""
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(regressors["depth3"]))
    ensemble = spinney.Ensemble(
        {"a": path, "b": regressors["depth1"], "c": lambda rows: rows[:, 0]}
    )
    found = ensemble.validate(X[TEST], SCORE[TEST])
    assert "trusted=True was not said" in found.sources["a"] and found.valid
    assert "runs in Python" in found.sources["c"]
    found = ensemble.validate(X[TEST], SCORE[TEST], trusted=True)
    assert found.sources["a"] == "equal" and found.sources["b"] == "equal"
    path.write_bytes(pickle.dumps(regressors["depth6"]))
    found = ensemble.validate(X[TEST], SCORE[TEST], trusted=True)
    assert found.sources["a"].startswith("different: predict") and not found.valid


def test_the_table_and_the_chart(classifiers, tmp_path):
    named = {f"<{name}>": member for name, member in classifiers.items()}
    ensemble = spinney.Ensemble({**named, "gone": "none.pkl"}, on_failure="leave_out")
    found = ensemble.validate(X[TEST], CLASSES[TEST])
    lines = str(found).splitlines()
    assert lines[1].split() == ["accuracy", "log_loss", "contribution", "own", "library"]
    assert [line.split()[0] for line in lines[2:6]] == [*named, "ensemble"]
    assert "gone is left out" in str(found) and not found.valid
    found.save_chart(tmp_path / "chart.svg")
    drawn = ElementTree.parse(tmp_path / "chart.svg").getroot()
    assert sum(1 for one in drawn if one.tag.endswith("rect")) == 4
    texts = [one.text for one in drawn if one.tag.endswith("text")]
    assert "<depth3>" in texts and "ensemble" in texts
    assert json.loads(json.dumps(found.to_dict()))["rows"] == 300
    with pytest.raises(spinney.InvalidInputError, match=r"\.svg"):
        found.save_chart(tmp_path / "chart.png")
    with pytest.raises(spinney.ModelIOError, match="cannot be written"):
        found.save_chart(tmp_path / "none" / "chart.svg")


def test_the_engine_validates(classifiers):
    with spinney.InferenceEngine() as engine:
        assert engine.load_model(spinney.Ensemble(classifiers), name="all")
        assert engine.validate_model("all")["model_type"] == "ENSEMBLE"
        found = engine.validate_ensemble(X[TEST], CLASSES[TEST], "all", intervals=10)
        assert found.rows == 300 and found.intervals == 10
        engine.load_model(classifiers["depth1"], name="one")
        for model, message in (("one", "no ensemble"), ("two", "no model 'two'")):
            with pytest.raises(spinney.InvalidInputError, match=message):
                engine.validate_ensemble(X, CLASSES, model)


@pytest.mark.parametrize(
    ("y", "options", "message"),
    [
        (CLASSES[:10], {}, "X has 600 rows, and y 10"),
        (CLASSES + 1, {}, "y has 3"),
        (np.stack([CLASSES] * 2, axis=1), {}, "a label for each row"),
        ([0], {}, "two rows or more"),
        (CLASSES, {"intervals": -1}, "intervals is -1"),
        (CLASSES, {"intervals": 1.5}, "intervals is 1.5"),
        (CLASSES, {"confidence": 1}, "confidence is 1"),
        (CLASSES, {"confidence": "a"}, "confidence is 'a'"),
        (CLASSES, {"holdout": 0}, "holdout is 0"),
    ],
)
def test_bad_input(classifiers, y, options, message):
    with pytest.raises(spinney.InvalidInputError, match=message):
        spinney.Ensemble(classifiers).validate(X, y, **options)


def test_bad_values(regressors):
    with pytest.raises(spinney.InvalidInputError, match="finite numbers"):
        spinney.Ensemble(regressors).validate(X, np.full(600, np.nan))
    with pytest.raises(spinney.InvalidInputError, match="y has shape"):
        spinney.Ensemble(regressors).validate(X, np.ones((600, 2)))
