"""Wrappers of scikit-learn that compute, over anything native, against scikit-learn itself.

Arithmetic is equal bit for bit. What passes through numpy's vectorized exp and log, whose last bits
depend on the CPU, has a stated bound; so has what a linear model sums in no fixed order.
"""

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn import calibration, ensemble, model_selection, multiclass, multioutput
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import PowerTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import spinney
from sklearn_cases import FEATURES, ROW_COUNTS, assert_same, load, training_data

CLASSIFIERS = {
    "forest": lambda: RandomForestClassifier(5, max_depth=3, random_state=0),
    "boosting": lambda: GradientBoostingClassifier(n_estimators=4, max_depth=2, random_state=0),
    "histogram": lambda: HistGradientBoostingClassifier(max_iter=4, max_depth=3),
    "tree": lambda: DecisionTreeClassifier(max_depth=4, random_state=0),
    "adaboost": lambda: AdaBoostClassifier(n_estimators=4, random_state=0),
    "voting": lambda: VotingClassifier(
        [("f", RandomForestClassifier(3, max_depth=2)), ("t", DecisionTreeClassifier(max_depth=3))],
        voting="soft",
    ),
}
REGRESSORS = {
    "forest": lambda: RandomForestRegressor(5, max_depth=3, random_state=0),
    "boosting": lambda: GradientBoostingRegressor(n_estimators=4, max_depth=2, random_state=0),
    "histogram": lambda: HistGradientBoostingRegressor(max_iter=4, max_depth=3),
    "tree": lambda: DecisionTreeRegressor(max_depth=4, random_state=0),
}
LABELS = {
    "int": lambda y: y * 3 - 1,
    "text": lambda y: np.array(["zero", "one", "two", "three"])[y],
}


def data(classes, labels="int", seed=0):
    x, y, _ = training_data(seed + classes, classes=classes)
    return x, LABELS[labels](y)


def rows(dtype=np.float64):
    return training_data(77, rows=1001)[0].astype(dtype)


def check(model, raw=None, proba_ulp=0, values_ulp=0, dtypes=(np.float32, np.float64)):
    """Every answer of the loaded model is the object's, for any number of rows; so are those of
    the model that was written and read again."""
    loaded = load(model)
    assert loaded.n_features == FEATURES
    again = spinney.load(loaded.to_bytes())
    for dtype in dtypes:
        x = rows(dtype)
        expected = model.predict(x)
        for given in (loaded, again):
            for n in ROW_COUNTS[1:]:
                assert_same(expected[-n:], given.predict(x[-n:]), values_ulp)
            if hasattr(model, "predict_proba"):
                same_probabilities(model.predict_proba(x), given.predict_proba(x), proba_ulp)
            if raw:
                assert_same(getattr(model, raw)(x), given.predict_raw(x), proba_ulp)
    return loaded


def same_probabilities(expected, given, ulp):
    if not isinstance(expected, list):
        return assert_same(expected, given, ulp)
    assert len(expected) == len(given)
    for one, other in zip(expected, given):
        assert_same(one, other, ulp)


@pytest.mark.parametrize("inner", CLASSIFIERS)
@pytest.mark.parametrize("classes", [2, 3, 4])
@pytest.mark.parametrize("method", ["sigmoid", "isotonic", "temperature"])
def test_calibrated(inner, classes, method):
    x, y = data(classes, "text" if classes == 3 else "int")
    try:
        model = calibration.CalibratedClassifierCV(CLASSIFIERS[inner](), method=method, cv=3)
        model.fit(x, y)
    except (ValueError, RuntimeError) as error:
        pytest.skip(f"scikit-learn itself does not fit it: {error}")
    # sigmoid over what is the exp of numpy's already, and temperature's own exp and log
    loose = method == "temperature" or inner in ("adaboost", "boosting", "histogram")
    check(model, proba_ulp=16 if loose else 0)


@pytest.mark.parametrize("share", [True, False])
def test_calibrated_ensemble_or_not(share):
    x, y = data(3)
    model = calibration.CalibratedClassifierCV(
        RandomForestClassifier(4, max_depth=3, random_state=0), ensemble=share, cv=3
    )
    check(model.fit(x, y))


def test_calibrated_over_float32_probabilities():
    xgboost = pytest.importorskip("xgboost")
    for classes in (2, 3):
        for method in ("sigmoid", "isotonic"):
            x, y, _ = training_data(classes, classes=classes)
            inner = xgboost.XGBClassifier(n_estimators=5, max_depth=3)
            model = calibration.CalibratedClassifierCV(inner, method=method, cv=3).fit(x, y)
            check(model)


@pytest.mark.parametrize("passthrough", [False, True])
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("final", ["forest", "boosting", "histogram"])
def test_stacking_classifier(passthrough, classes, final):
    x, y = data(classes, "text")
    members = [(name, make()) for name, make in CLASSIFIERS.items() if name != "histogram"]
    model = ensemble.StackingClassifier(
        members, CLASSIFIERS[final](), cv=3, passthrough=passthrough
    ).fit(x, y)
    check(model, "decision_function" if final != "forest" else None, proba_ulp=4)


@pytest.mark.parametrize("method", ["predict", "decision_function"])
def test_stacking_by_other_methods(method):
    x, y = data(3)
    names = ["boosting", "histogram"]
    model = ensemble.StackingClassifier(
        [(name, CLASSIFIERS[name]()) for name in names],
        CLASSIFIERS["tree"](),
        stack_method=method,
        cv=3,
    )
    check(model.fit(x, y))


@pytest.mark.parametrize("passthrough", [False, True])
def test_stacking_regressor(passthrough):
    x, _, z = training_data(1)
    members = [(name, make()) for name, make in REGRESSORS.items()]
    model = ensemble.StackingRegressor(
        [*members, ("dropped", "drop")], REGRESSORS["boosting"](), cv=3, passthrough=passthrough
    )
    check(model.fit(x, z))


@pytest.mark.parametrize("inner", CLASSIFIERS)
@pytest.mark.parametrize("classes", [2, 3, 4])
def test_one_vs_rest(inner, classes):
    x, y = data(classes, "text" if classes == 4 else "int")
    model = multiclass.OneVsRestClassifier(CLASSIFIERS[inner]()).fit(x, y)
    raw = "decision_function" if hasattr(model, "decision_function") else None
    check(model, raw, proba_ulp=4 if inner in ("adaboost", "boosting", "histogram") else 0)


@pytest.mark.parametrize("inner", ["forest", "boosting"])
def test_one_vs_rest_of_several_labels(inner):
    x, y, _ = training_data(5, classes=4)
    several = np.c_[y > 0, y % 2, y == 3].astype(int)
    model = multiclass.OneVsRestClassifier(CLASSIFIERS[inner]()).fit(x, several)
    check(model, proba_ulp=4)


@pytest.mark.parametrize("inner", CLASSIFIERS)
@pytest.mark.parametrize("classes", [2, 3, 4])
def test_one_vs_one(inner, classes):
    x, y = data(classes, "text" if classes == 4 else "int")
    model = multiclass.OneVsOneClassifier(CLASSIFIERS[inner]()).fit(x, y)
    check(model, "decision_function")


FUNCTIONS = {
    "expm1": (np.log1p, np.expm1),
    "exp": (np.log, np.exp),
    "square": (np.sqrt, np.square),
    "sqrt": (np.square, np.sqrt),
    "none": (None, None),
}


@pytest.mark.parametrize("inner", REGRESSORS)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_transformed_target(inner, function):
    x, _, z = training_data(1)
    there, back = FUNCTIONS[function]
    model = TransformedTargetRegressor(REGRESSORS[inner](), func=there, inverse_func=back)
    check(model.fit(x, np.abs(z) + 1), values_ulp=2 if function.startswith("exp") else 0)


@pytest.mark.parametrize("options", [{}, {"with_mean": False}, {"with_std": False}])
def test_scaled_target(options):
    x, _, z = training_data(1)
    scaler = StandardScaler(**options)
    for target in (z, z[:, None]):
        model = TransformedTargetRegressor(REGRESSORS["tree"](), transformer=scaler)
        check(model.fit(x, target * 7 + 3))


def test_targets_of_other_functions_are_refused_by_name():
    x, _, z = training_data(1)
    tree = REGRESSORS["tree"]()
    model = TransformedTargetRegressor(tree, func=np.sinh, inverse_func=np.arcsinh).fit(x, z)
    with pytest.raises(spinney.UnsupportedModelError, match=r"numpy.arcsinh.*exp, expm1"):
        load(model)
    model = TransformedTargetRegressor(tree, transformer=PowerTransformer()).fit(x, z)
    with pytest.raises(spinney.UnsupportedModelError, match="PowerTransformer; FunctionTransf"):
        load(model)


threshold = pytest.mark.skipif(
    not hasattr(model_selection, "FixedThresholdClassifier"), reason="since scikit-learn 1.5"
)


@threshold
@pytest.mark.parametrize("inner", CLASSIFIERS)
@pytest.mark.parametrize("labels", LABELS)
def test_fixed_threshold(inner, labels):
    x, y = data(2, labels)
    fitted = CLASSIFIERS[inner]().fit(x, y)
    methods = ["auto", "predict_proba"]
    methods += ["decision_function"] if hasattr(fitted, "decision_function") else []
    for method in methods:
        for level in ("auto", 0.3, 0.0):
            for positive in np.unique(y):
                model = model_selection.FixedThresholdClassifier(
                    CLASSIFIERS[inner](),
                    threshold=level,
                    pos_label=positive,
                    response_method=method,
                )
                exp = inner in ("adaboost", "boosting", "histogram")
                check(model.fit(x, y), proba_ulp=4 if exp else 0, dtypes=(np.float64,))


@threshold
@pytest.mark.parametrize("inner", ["forest", "histogram"])
def test_tuned_threshold(inner):
    x, y, _ = training_data(2)
    model = model_selection.TunedThresholdClassifierCV(CLASSIFIERS[inner](), cv=3).fit(x, y)
    check(model, proba_ulp=4 if inner == "histogram" else 0)


@pytest.mark.parametrize("inner", CLASSIFIERS)
def test_multi_output_classifier(inner):
    x, y, _ = training_data(5, classes=4)
    model = multioutput.MultiOutputClassifier(CLASSIFIERS[inner]()).fit(x, np.c_[y, y % 2, y * 2])
    check(model, proba_ulp=4)


@pytest.mark.parametrize("inner", REGRESSORS)
@pytest.mark.parametrize("targets", [1, 3])
def test_multi_output_regressor(inner, targets):
    x, _, z = training_data(5)
    y = np.c_[z, z**2, x[:, 0]][:, :targets]
    check(multioutput.MultiOutputRegressor(REGRESSORS[inner]()).fit(x, y))


@pytest.mark.parametrize("inner", REGRESSORS)
@pytest.mark.parametrize("order", [None, [2, 0, 1]])
def test_regressor_chain(inner, order):
    x, _, z = training_data(5)
    model = multioutput.RegressorChain(REGRESSORS[inner](), order=order)
    check(model.fit(x, np.c_[z, z**2, x[:, 0]]))


@pytest.mark.parametrize("inner", CLASSIFIERS)
@pytest.mark.parametrize("order", [None, [2, 0, 1]])
def test_classifier_chain(inner, order):
    x, y, _ = training_data(5, classes=4)
    model = multioutput.ClassifierChain(CLASSIFIERS[inner](), order=order)
    check(model.fit(x, np.c_[y > 0, y % 2, y == 3].astype(int)), proba_ulp=4)


def test_chain_by_probabilities():
    x, y, _ = training_data(5, classes=4)
    try:
        model = multioutput.ClassifierChain(
            RandomForestClassifier(4, max_depth=3, random_state=0), chain_method="predict_proba"
        )
    except TypeError:
        pytest.skip("since scikit-learn 1.5")
    check(model.fit(x, np.c_[y > 0, y % 2, y == 3].astype(int)))


def test_decisions_that_have_no_path_are_refused():
    x, y = data(2)
    linear = BaggingClassifier(LogisticRegression(), 3).fit(x[:, :3], y)
    model = calibration.CalibratedClassifierCV(linear, cv=3).fit(x[:, :3], y)
    with pytest.raises(spinney.UnsupportedModelError, match="decision_function of a Bagging"):
        load(model)


def nested(rng, depth, classes):
    """A classifier of random wrappers within each other."""
    if depth == 0:
        return CLASSIFIERS[rng.choice(["forest", "boosting", "tree", "histogram"])]()
    inner = nested(rng, depth - 1, classes)
    choice = rng.integers(6)
    if choice == 0:
        method = rng.choice(["sigmoid", "isotonic"])
        return calibration.CalibratedClassifierCV(inner, method=method, cv=2)
    if choice == 1:
        return multiclass.OneVsRestClassifier(inner)
    if choice == 2:
        return BaggingClassifier(inner, 2, max_features=0.7, random_state=0)
    if choice == 3:
        other = nested(rng, depth - 1, classes)
        return VotingClassifier([("a", inner), ("b", other)], voting="soft", weights=[0.3, 0.7])
    if choice == 4:
        final = CLASSIFIERS[rng.choice(["forest", "boosting"])]()
        return ensemble.StackingClassifier(
            [("a", inner), ("t", CLASSIFIERS["tree"]())],
            final,
            cv=2,
            passthrough=bool(rng.integers(2)),
        )
    return multiclass.OneVsOneClassifier(CLASSIFIERS["forest"]()) if depth == 1 else inner


@pytest.mark.parametrize("seed", range(24))
def test_random_nestings_three_deep(seed):
    rng = np.random.default_rng(seed)
    classes = int(rng.integers(2, 5))
    x, y = data(classes, rng.choice(list(LABELS)), seed)
    try:
        model = nested(rng, 3, classes).fit(x, y)
        model.predict(rows())
    except (AttributeError, ValueError) as error:
        pytest.skip(f"scikit-learn itself does not take it: {error}")
    try:
        loaded = load(model)
    except spinney.UnsupportedModelError as error:
        assert "decision_function" in str(error)
        return
    given = rows()
    expected = model.predict(given)
    if not hasattr(model, "predict_proba"):
        assert_same(expected, loaded.predict(given))
        return
    wanted = model.predict_proba(given)
    answer = loaded.predict_proba(given)
    np.testing.assert_allclose(answer, wanted, rtol=0, atol=1e-14)
    ordered = np.sort(wanted, axis=1)
    clear = ordered[:, -1] - ordered[:, -2] > 1e-12
    assert clear.mean() > 0.5
    assert_same(expected[clear], loaded.predict(given)[clear])
