"""Sound pickles of other writers and of users' own classes are read, or refused by name."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

import spinney
from differential import assert_same

ensemble = pytest.importorskip("sklearn.ensemble")
linear_model = pytest.importorskip("sklearn.linear_model")
xgboost = pytest.importorskip("xgboost")
lightgbm = pytest.importorskip("lightgbm")
DILL = Path(__file__).parents[1] / "data" / "dill"
ANSWERS = np.load(DILL / "answers.npz")
X = np.random.default_rng(3).normal(size=(120, 3))
Y = X[:, 0] * 2 + X[:, 1]
KINDS = ["forest", "classifier", "boosting", "histogram", "linear", "xgboost", "lightgbm"]


@pytest.mark.parametrize("kind", [*KINDS, "renamed"])
def test_files_of_dill(kind):
    """Written by dill 0.4.1 with recurse=True; `renamed` is of a class of the program's own."""
    model = spinney.load(DILL / f"{kind}.dill")
    if kind == "linear":
        np.testing.assert_allclose(model.predict(ANSWERS["rows"]), ANSWERS[kind], rtol=1e-12)
    else:
        assert_same(model.predict(ANSWERS["rows"]), ANSWERS[kind])
    assert model.info()["kind"] != "Renamed"


def test_a_class_of_dill_that_predicts_by_itself_is_named():
    with pytest.raises(spinney.UnsupportedModelError, match=r"__main__\.Doubled has no native"):
        spinney.load(DILL / "doubled.dill")


class Plain(ensemble.RandomForestRegressor):
    """Of a user's own."""


class Further(Plain):
    colour = "red"

    def __init__(self, n_estimators=3):
        super().__init__(n_estimators, random_state=0)

    def explain(self, x):
        return self.predict(x) - self.predict(x).mean()

    def fit(self, x, y):
        return super().fit(x, y)


class Mixed:
    def report(self):
        return "report"


class Both(Mixed, linear_model.Ridge):
    pass


class Wrapped(xgboost.XGBRegressor):
    def save_report(self):
        return None


class Classified(lightgbm.LGBMClassifier):
    pass


class Doubled(ensemble.RandomForestRegressor):
    def predict(self, x):
        return 2 * super().predict(x)


class Private(ensemble.RandomForestRegressor):
    def _validate_X_predict(self, x):
        return super()._validate_X_predict(np.abs(x))


class Property(xgboost.XGBRegressor):
    best_iteration = 0


class Kept(ensemble.RandomForestRegressor):
    def __getstate__(self):
        return {**super().__getstate__(), "estimators_": self.estimators_[:1]}


class Half(Mixed, ensemble.RandomForestRegressor):
    n_outputs_ = property(lambda self: 1, lambda self, value: None)


ALIKE = {
    "plain": lambda: Plain(3).fit(X, Y),
    "further": lambda: Further().fit(X, Y),
    "mixed": lambda: Both().fit(X, Y),
    "xgboost": lambda: Wrapped(n_estimators=3).fit(X, Y),
    "lightgbm": lambda: Classified(n_estimators=3, verbose=-1).fit(X, Y > 0),
    "member": lambda: ensemble.VotingRegressor([("a", Plain(2)), ("b", Further())]).fit(X, Y),
}
OTHERS = [
    lambda: Doubled(2).fit(X, Y),
    lambda: Private(2).fit(X, Y),
    lambda: Kept(2).fit(X, Y),
    lambda: Half(2).fit(X, Y),
    lambda: Property(n_estimators=3).fit(X, Y),
    lambda: ensemble.VotingRegressor([("a", Doubled(2)), ("b", Plain(2))]).fit(X, Y),
]


def agree(model, theirs):
    if isinstance(theirs, linear_model.Ridge):
        return np.testing.assert_allclose(model.predict(X), theirs.predict(X), rtol=1e-12)
    return assert_same(model.predict(X), theirs.predict(X))


@pytest.mark.parametrize("kind", ALIKE)
def test_objects_of_classes_that_predict_as_their_base(kind):
    theirs = ALIKE[kind]()
    model = spinney.load(theirs)
    agree(model, theirs)
    assert model.source["format"] == "object"
    assert not any(model.source["kind"] == name for name in ("Plain", "Further", "Both"))


@pytest.mark.parametrize("make", OTHERS)
def test_objects_of_classes_that_predict_by_themselves(make):
    theirs = make()
    with pytest.raises(
        spinney.UnsupportedModelError, match=r"\.(Doubled|Private|Kept|Half|Property) has no native"
    ):
        spinney.load(theirs)
    with spinney.load(theirs, trusted=True, in_process=True) as model:
        assert_same(model.predict(X), theirs.predict(X))


def test_an_objective_that_cannot_be_pickled_leaves_arrays_alone():
    def logistic(y, p):
        p = 1 / (1 + np.exp(-p))
        return p - y, p * (1 - p)

    theirs = lightgbm.LGBMClassifier(n_estimators=3, objective=logistic, verbose=-1)
    theirs.fit(X, np.where(Y > 0, "yes", "no"))
    assert_same(spinney.load(theirs).predict(X), theirs.predict(X))


def test_a_plain_pickle_does_not_say_what_its_class_defines():
    data = pickle.dumps(Plain(2).fit(X, Y))
    with pytest.raises(spinney.UnsupportedModelError, match="Plain has no native reader"):
        spinney.load(data)


def by_value(name, base, **attributes):
    """A class that nobody can import, which cloudpickle writes down whole."""
    return type(base)(name, (base,), {"__module__": "__main__", **attributes})


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_classes_that_cloudpickle_writes_down(protocol):
    cloudpickle = pytest.importorskip("cloudpickle")
    forest = ensemble.RandomForestRegressor
    alike = by_value("Alike", forest, explain=lambda self: 1, colour="red")
    deeper = by_value("Deeper", alike, tell=lambda self: 2)
    for kind in (alike, deeper):
        theirs = kind(3).fit(X, Y)
        assert_same(spinney.load(cloudpickle.dumps(theirs, protocol)).predict(X), theirs.predict(X))
    voting = ensemble.VotingRegressor([("a", alike(2)), ("b", deeper(2))]).fit(X, Y)
    assert_same(spinney.load(cloudpickle.dumps(voting, protocol)).predict(X), voting.predict(X))
    changes = {
        "predict": lambda self, x: x[:, 0],
        "__setstate__": lambda self, state: None,
        "__getattr__": lambda self, name: None,
        "_validate_X_predict": lambda self, x: x,
        "estimators_": property(lambda self: []),
        "n_outputs_": 1,
    }
    for name, value in changes.items():
        for base in (forest, alike):
            kind = by_value("Other", base, **{name: value})
            made = kind.__new__(kind)
            state = forest(2).fit(X, Y).__dict__
            made.__dict__.update(state if name != "estimators_" else {})
            with pytest.raises(
                spinney.UnsupportedModelError, match=r"__main__\.Other has no native"
            ):
                spinney.load(cloudpickle.dumps(made, protocol))


def test_cloudpickle_of_known_classes():
    cloudpickle = pytest.importorskip("cloudpickle")
    for theirs in (
        ensemble.RandomForestRegressor(2).fit(X, Y),
        xgboost.XGBRegressor(n_estimators=2).fit(X, Y),
        lightgbm.LGBMRegressor(n_estimators=2, verbose=-1).fit(X, Y),
    ):
        assert_same(spinney.load(cloudpickle.dumps(theirs)).predict(X), theirs.predict(X))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["RandomForestRegressor", "LinearRegression"])
def test_models_of_scikit_learn_intelex_are_named(name):
    """oneDAL predicts with them, and what it keeps is its own."""
    pytest.importorskip("sklearnex")
    import sklearnex.ensemble
    import sklearnex.linear_model

    kind = getattr(sklearnex.ensemble, name, None) or getattr(sklearnex.linear_model, name)
    theirs = kind().fit(X, Y)
    for given in (theirs, pickle.dumps(theirs)):
        with pytest.raises(spinney.UnsupportedModelError, match=rf"{name}.*scikit-learn-intelex"):
            spinney.load(given)
    with spinney.load(theirs, trusted=True, in_process=True) as model:
        np.testing.assert_array_equal(model.predict(X), theirs.predict(X))


@pytest.mark.parametrize("in_process", [False, True])
def test_permission_is_not_blocked_by_the_reader(in_process, monkeypatch):
    """Whatever it says of the file: unsupported, corrupt or too large."""
    data = pickle.dumps(svm().fit(X, Y))
    for error in (spinney.CorruptModelError, spinney.ModelTooLargeError):

        class Model:
            @staticmethod
            def from_bytes(*args, error=error, **kwargs):
                raise error("the reader's word")

        monkeypatch.setattr("spinney.loading.Model", Model)
        for options in ({"trusted": True}, {"allowed_classes": ["sklearn.*"]}):
            with spinney.load(data, in_process=in_process, **options) as model:
                assert model.predict(X).shape == (len(X),)
            with pytest.raises(error, match="the reader's word"):
                spinney.load(b"\x80\x04junk", in_process=in_process, **options)
        with pytest.raises(error, match="the reader's word"):
            spinney.load(data)


def svm():
    from sklearn.svm import SVR

    return SVR()
