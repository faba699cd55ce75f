"""scikit-learn's trees, forests and boosting against scikit-learn itself."""

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn")

import sklearn
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)

import spinney
from sklearn_cases import FEATURES, check, fitted, load, training_data, with_missing

# Of numpy, on sums over rows with infinities of both signs.
pytestmark = pytest.mark.filterwarnings("ignore:invalid value encountered in reduce:RuntimeWarning")


@pytest.mark.parametrize("kind", [DecisionTreeClassifier, ExtraTreeClassifier])
@pytest.mark.parametrize("classes", [2, 3, 9])
@pytest.mark.parametrize("missing", [False, True])
def test_single_classifiers(kind, classes, missing):
    x, y, _ = training_data(classes, classes=classes)
    x = with_missing(x, 5) if missing else x
    check(fitted(kind(max_depth=8, random_state=0), x, y), missing)


@pytest.mark.parametrize("kind", [DecisionTreeRegressor, ExtraTreeRegressor])
@pytest.mark.parametrize("missing", [False, True])
def test_single_regressors(kind, missing):
    x, _, y = training_data(3)
    x = with_missing(x, 5) if missing else x
    check(fitted(kind(random_state=0), x, y), missing)
    check(kind(random_state=0, max_depth=4).fit(x, np.c_[y, -y, y**2]), missing)
    check(kind(random_state=0, max_depth=1).fit(x, y[:, None]), missing)


def test_a_tree_of_one_leaf():
    x, _, _ = training_data(0)
    check(DecisionTreeRegressor().fit(x, np.full(len(x), -0.25)))
    check(DecisionTreeClassifier().fit(x, np.zeros(len(x), dtype=int)))


@pytest.mark.parametrize("kind", [RandomForestClassifier, ExtraTreesClassifier])
@pytest.mark.parametrize("classes", [2, 3, 12])
@pytest.mark.parametrize("missing", [False, True])
def test_forest_classifiers(kind, classes, missing):
    x, y, _ = training_data(classes, classes=classes)
    x = with_missing(x, 5) if missing else x
    forest = kind(23, max_depth=9, random_state=0, class_weight="balanced")
    check(fitted(forest, x, y), missing)


@pytest.mark.parametrize("kind", [RandomForestRegressor, ExtraTreesRegressor])
@pytest.mark.parametrize("missing", [False, True])
def test_forest_regressors(kind, missing):
    x, _, y = training_data(4)
    x = with_missing(x, 5) if missing else x
    check(fitted(kind(17, random_state=0), x, y), missing)
    check(kind(5, max_depth=5, random_state=0).fit(x, np.c_[y, y**2]), missing)


LABELS = {
    "str": np.array(["no", "maybe", "yes, é中"]),
    "object": np.array(["no", "maybe", "yes"], dtype=object),
    "bool": np.array([False, True]),
    "int32": np.array([-7, 3, 12], dtype=np.int32),
    "uint8": np.array([0, 5, 255], dtype=np.uint8),
    "float32": np.array([-1.0, 0.0, 2.0], dtype=np.float32),
    "float64": np.array([0.0, 1.0, 7.0]),
}


@pytest.mark.parametrize("kind", LABELS)
def test_labels_of_every_type(kind):
    names = LABELS[kind]
    x, y, _ = training_data(0, classes=len(names))
    y = names[y]
    for model in (
        DecisionTreeClassifier(max_depth=3),
        RandomForestClassifier(3, max_depth=3),
        GradientBoostingClassifier(n_estimators=2),
        HistGradientBoostingClassifier(max_iter=2),
        LogisticRegression(),
    ):
        model.fit(x[:, :4], y)
        loaded = load(model)
        expected, given = model.predict(x[:, :4]), loaded.predict(x[:, :4])
        assert given.dtype == expected.dtype
        np.testing.assert_array_equal(given, expected)
        np.testing.assert_array_equal(loaded.classes_, model.classes_)


def test_several_outputs_of_different_classes():
    x, y, score = training_data(0, classes=3)
    several = np.c_[y, score > 0, np.digitize(score, [-2, -1, 0, 1, 2])]
    for model in (
        DecisionTreeClassifier(max_depth=6),
        RandomForestClassifier(7, max_depth=6),
        ExtraTreesClassifier(7, max_depth=6),
    ):
        check(model.fit(x, several))


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber", "quantile"])
def test_boosted_regressors(loss):
    x, _, y = training_data(5)
    check(GradientBoostingRegressor(loss=loss, n_estimators=30, random_state=0).fit(x, y))


@pytest.mark.parametrize(
    "init", ["zero", DummyRegressor(strategy="quantile", quantile=0.3), DummyRegressor()]
)
def test_boosted_regressors_starting_elsewhere(init):
    x, _, y = training_data(5)
    check(GradientBoostingRegressor(init=init, n_estimators=9, learning_rate=0.37).fit(x, y))


@pytest.mark.parametrize("loss", ["log_loss", "exponential"])
@pytest.mark.parametrize(
    "init",
    [
        None,
        "zero",
        DummyClassifier(strategy="uniform"),
        DummyClassifier(strategy="most_frequent"),
    ],
)
def test_boosted_binary_classifiers(loss, init):
    x, y, _ = training_data(6)
    model = GradientBoostingClassifier(loss=loss, init=init, n_estimators=20, random_state=0)
    check(model.fit(x, y))


def test_boosted_classifiers_of_many_classes():
    x, y, _ = training_data(7, classes=5)
    model = GradientBoostingClassifier(n_estimators=11, random_state=0).fit(x, y)
    # The start is log(p / gmean(p)) by numpy's own vectorized exp, which may differ by an ulp.
    check(model, proba_ulp=16, raw_ulp=2)
    check(GradientBoostingClassifier(n_estimators=4, init="zero").fit(x, y), proba_ulp=16)


def test_a_boosted_model_on_another_estimator_is_refused_by_name():
    x, y, _ = training_data(6)
    model = GradientBoostingClassifier(init=LogisticRegression(), n_estimators=2).fit(x[:, :4], y)
    with pytest.raises(spinney.UnsupportedModelError, match=r"LogisticRegression.*init=None"):
        load(model)


def test_feature_names_and_version_are_kept():
    pandas = pytest.importorskip("pandas")
    sklearn = pytest.importorskip("sklearn")
    x, y, _ = training_data(0)
    frame = pandas.DataFrame(x, columns=[f"column {i}" for i in range(FEATURES)])
    model = RandomForestClassifier(2, max_depth=2).fit(frame, y)
    loaded = load(model)
    assert list(loaded.feature_names) == list(frame.columns)
    assert loaded.source["version"] == sklearn.__version__
    assert loaded.source["kind"] == "RandomForestClassifier"


def test_strict_refuses_what_scikit_learn_refuses():
    x, y, _ = training_data(0)
    row = np.zeros((1, FEATURES))
    row[0, 2] = np.inf
    loaded = load(RandomForestClassifier(2, max_depth=2).fit(x, y))
    loaded.predict(row)
    with pytest.raises(spinney.InvalidInputError, match="column 2"):
        loaded.predict(row, strict=True)


def test_composites_say_what_to_save_instead():
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    x, y, _ = training_data(0)
    x = x[:, :4]
    pipeline = make_pipeline(StandardScaler(), DecisionTreeClassifier()).fit(x, y)
    with pytest.raises(spinney.UnsupportedModelError, match=r"Pipeline .*final step"):
        load(pipeline)
    with pytest.raises(spinney.UnsupportedModelError, match=r"SVC .*allowed_classes"):
        load(SVC().fit(x, y))


def test_an_estimator_that_was_not_fitted_says_so():
    with pytest.raises(spinney.SpinneyError, match="fitted"):
        load(RandomForestClassifier())


@pytest.mark.parametrize("version, eps", [(b"1.7.2", 2.0**-23), (b"1.8.0", 2.0**-52)])
def test_the_start_of_boosting_is_bounded_as_by_the_version_that_trained(version, eps, tmp_path):
    """Since scikit-learn 1.8 by the eps of float64, before by that of float32."""
    x, y, _ = training_data(6)
    init = DummyClassifier(strategy="most_frequent")
    model = GradientBoostingClassifier(init=init, n_estimators=3, random_state=0).fit(x, y)
    path = tmp_path / "model.pkl"
    written = sklearn.__version__.encode()
    if len(written) != len(version):
        pytest.skip("this version's name has another length")
    path.write_bytes(pickle.dumps(model).replace(written, version))
    trees = sum(0.1 * stage[0].predict(x) for stage in model.estimators_)
    sign = 1 if np.mean(y) > 0.5 else -1
    start = sign * -np.log(eps / (1 - eps))
    np.testing.assert_allclose(spinney.load(path).predict_raw(x), start + trees, rtol=1e-12)
