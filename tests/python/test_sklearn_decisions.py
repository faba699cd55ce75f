"""OutputCodeClassifier, what stands for classes that a training did not tell apart, and the
decision_function of wrappers, against scikit-learn itself."""

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn import calibration, ensemble, model_selection, multiclass, multioutput
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

import spinney
from sklearn_cases import ROW_COUNTS, assert_same, load, training_data

CLASSIFIERS = {
    "forest": lambda: RandomForestClassifier(5, max_depth=3, random_state=0),
    "boosting": lambda: GradientBoostingClassifier(n_estimators=4, max_depth=2, random_state=0),
    "histogram": lambda: HistGradientBoostingClassifier(max_iter=4, max_depth=3),
    "tree": lambda: DecisionTreeClassifier(max_depth=2, random_state=0),
}
DECIDING = {
    "boosting": CLASSIFIERS["boosting"],
    "histogram": CLASSIFIERS["histogram"],
    "adaboost": lambda: AdaBoostClassifier(n_estimators=4, random_state=0),
}
ROWS = training_data(77, rows=1001)[0]
TEXTS = np.array([f"class {c}" for c in range(40)])


def both(model):
    """The model, and the one that was written and read again."""
    loaded = load(model)
    return loaded, spinney.load(loaded.to_bytes())


@pytest.mark.parametrize("inner", CLASSIFIERS)
@pytest.mark.parametrize("classes", [2, 3, 5, 12])
@pytest.mark.parametrize("size", [0.7, 1.5, 4])
def test_output_codes(inner, classes, size):
    x, y, _ = training_data(classes, classes=classes)
    model = multiclass.OutputCodeClassifier(
        CLASSIFIERS[inner](), code_size=size, random_state=classes
    )
    model.fit(x, TEXTS[y] if classes == 5 else y * 2)
    constants = [type(one).__name__ == "_ConstantPredictor" for one in model.estimators_]
    if all(constants):
        with pytest.raises(spinney.UnsupportedModelError, match="constants alone"):
            load(model)
        return
    for loaded in both(model):
        assert loaded.classes_.tolist() == model.classes_.tolist()
        for dtype in (np.float32, np.float64):
            rows = ROWS.astype(dtype)
            expected = model.predict(rows)
            for n in ROW_COUNTS:
                assert_same(expected[-n:], loaded.predict(rows[-n:]))
        assert loaded.predict_raw(ROWS).shape == (len(ROWS), classes)
        for method in ("predict_proba", "decision_function"):
            assert not hasattr(model, method)
            with pytest.raises(spinney.UnsupportedModelError):
                getattr(loaded, method)(ROWS)


def test_output_codes_of_linear_models_and_sparse_rows():
    sparse = pytest.importorskip("scipy.sparse")
    x, y, _ = training_data(3, classes=6)
    x = x[:, :4]
    model = multiclass.OutputCodeClassifier(LogisticRegression(), code_size=3, random_state=1)
    model.fit(sparse.csr_matrix(x), y)
    loaded = load(model)
    rows = ROWS[:, :4]
    assert_same(model.predict(rows), loaded.predict(rows))
    rows = sparse.csr_matrix(np.where(np.abs(rows) < 0.5, 0, rows))
    assert_same(model.predict(rows), loaded.predict(rows))


def test_output_codes_within_others():
    x, y, _ = training_data(3, classes=4)
    codes = multiclass.OutputCodeClassifier(CLASSIFIERS["tree"](), random_state=0)
    model = VotingClassifier([("c", codes), ("f", CLASSIFIERS["forest"]())]).fit(x, y)
    assert_same(model.predict(ROWS), load(model).predict(ROWS))
    model = BaggingClassifier(codes, 3, random_state=0).fit(x, y)
    assert_same(model.predict(ROWS), load(model).predict(ROWS))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda model: setattr(model, "code_book_", model.code_book_[:, 1:]),
        lambda model: setattr(model, "code_book_", model.code_book_[1:]),
        lambda model: setattr(model, "code_book_", model.code_book_ * np.nan),
        lambda model: setattr(model, "code_book_", None),
        lambda model: setattr(model, "estimators_", []),
        lambda model: model.estimators_.pop(),
        lambda model: setattr(model, "classes_", model.classes_[:0]),
    ],
)
def test_codes_that_do_not_fit_are_refused(spoil):
    x, y, _ = training_data(3, classes=4)
    model = multiclass.OutputCodeClassifier(CLASSIFIERS["tree"](), random_state=0).fit(x, y)
    spoil(model)
    with pytest.raises(spinney.SpinneyError, match=r"code_book_|estimators_|classes"):
        load(model)


@pytest.mark.filterwarnings("ignore:Label")
@pytest.mark.parametrize("inner", ["forest", "boosting", "histogram"])
def test_labels_that_all_or_none_of_the_rows_had(inner):
    x, y, _ = training_data(5, classes=4)
    for order in ([0, 1, 2, 3], [3, 0, 2, 1], [1, 3, 0, 2]):
        several = np.c_[y > 0, y % 2, y >= 0, y < 0].astype(int)[:, order]
        model = multiclass.OneVsRestClassifier(CLASSIFIERS[inner]()).fit(x, several)
        for loaded in both(model):
            for rows in (ROWS, ROWS[:1], ROWS.astype(np.float32)):
                assert_same(model.predict(rows), loaded.predict(rows))
                assert_same(model.predict_proba(rows), loaded.predict_proba(rows), 4)
            if inner in DECIDING:
                assert_same(model.decision_function(ROWS), loaded.decision_function(ROWS))


@pytest.mark.filterwarnings("ignore:Label")
def test_a_constant_that_is_none():
    x, y, _ = training_data(5, classes=4)
    several = np.c_[y > 0, y >= 0].astype(int)
    model = multiclass.OneVsRestClassifier(CLASSIFIERS["tree"]()).fit(x, several)
    for said in (np.array([0.5]), np.array([1, 0]), np.array([np.nan]), None, "1"):
        model.estimators_[1].y_ = said
        with pytest.raises(spinney.SpinneyError, match="y_"):
            load(model)


def same_decisions(model, ulp=0):
    for loaded in both(model):
        for rows in (ROWS, ROWS.astype(np.float32), ROWS[:1]):
            expected = model.decision_function(rows)
            assert_same(expected, loaded.decision_function(rows), ulp)
            assert_same(expected, loaded.predict_raw(rows), ulp)


def without_decisions(model):
    assert not hasattr(model, "decision_function")
    with pytest.raises(spinney.UnsupportedModelError, match="has no decision_function"):
        load(model).decision_function(ROWS)


@pytest.mark.parametrize("inner", DECIDING)
@pytest.mark.parametrize("classes", [2, 3])
def test_decisions_of_wrappers(inner, classes):
    x, y, _ = training_data(classes, classes=classes)
    make = DECIDING[inner]
    members = [("a", CLASSIFIERS["forest"]()), ("b", CLASSIFIERS["tree"]())]
    for model in (
        multiclass.OneVsRestClassifier(make()),
        multiclass.OneVsOneClassifier(make()),
        ensemble.StackingClassifier(members, make(), cv=2),
        model_selection.GridSearchCV(make(), {"random_state": [0]}, cv=2),
        multiclass.OneVsRestClassifier(multiclass.OneVsRestClassifier(make())),
    ):
        same_decisions(model.fit(x, y))
    if classes == 2 and hasattr(model_selection, "FixedThresholdClassifier"):
        for method in ("predict_proba", "decision_function"):
            model = model_selection.FixedThresholdClassifier(make(), response_method=method)
            same_decisions(model.fit(x, y))
        same_decisions(model_selection.TunedThresholdClassifierCV(make(), cv=2).fit(x, y))


@pytest.mark.parametrize("inner", DECIDING)
@pytest.mark.parametrize("order", [None, [2, 0, 1]])
def test_decisions_of_chains(inner, order):
    x, y, _ = training_data(5, classes=4)
    model = multioutput.ClassifierChain(DECIDING[inner](), order=order)
    model.fit(x, np.c_[y > 0, y % 2, y == 3].astype(int))
    same_decisions(model)
    for loaded in both(model):
        assert_same(model.predict(ROWS), loaded.predict(ROWS))
        assert_same(model.predict_proba(ROWS), loaded.predict_proba(ROWS), 4)


def test_decisions_that_there_are_none_of():
    x, y, _ = training_data(3, classes=3)
    forest = CLASSIFIERS["forest"]
    members = [("a", forest()), ("b", CLASSIFIERS["boosting"]())]
    for model in (
        forest(),
        multiclass.OneVsRestClassifier(forest()),
        VotingClassifier(members, voting="soft"),
        VotingClassifier(members),
        calibration.CalibratedClassifierCV(CLASSIFIERS["boosting"](), cv=2),
        ensemble.StackingClassifier(members, forest(), cv=2),
    ):
        without_decisions(model.fit(x, y))
    # Each of its votes is a decision.
    same_decisions(multiclass.OneVsOneClassifier(forest()).fit(x, y))
    model = multioutput.ClassifierChain(forest()).fit(x, np.c_[y > 0, y > 1].astype(int))
    without_decisions(model)
    xgboost = pytest.importorskip("xgboost")
    without_decisions(xgboost.XGBClassifier(n_estimators=2).fit(x, y))


def test_decisions_of_a_bagging_are_refused_by_name():
    x, y, _ = training_data(2)
    model = BaggingClassifier(CLASSIFIERS["boosting"](), 2, random_state=0).fit(x, y)
    assert hasattr(model, "decision_function")
    loaded = load(model)
    assert_same(model.predict_proba(ROWS), loaded.predict_proba(ROWS), 4)
    with pytest.raises(spinney.UnsupportedModelError, match="decision_function of a Bagging"):
        loaded.decision_function(ROWS)
    with pytest.raises(spinney.UnsupportedModelError, match="no decision_function"):
        load(BaggingClassifier(CLASSIFIERS["forest"](), 2).fit(x, y)).decision_function(ROWS)
