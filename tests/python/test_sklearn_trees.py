"""scikit-learn's trees, forests, boosting and linear models against scikit-learn itself."""

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import (
    BayesianRidge,
    ElasticNet,
    ElasticNetCV,
    HuberRegressor,
    Lars,
    Lasso,
    LassoCV,
    LassoLars,
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    Ridge,
    RidgeCV,
    SGDRegressor,
)
from sklearn.svm import LinearSVR
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)

import spinney

ROW_COUNTS = [1, 2, 3, 17, 63, 64, 65, 130, 1001]
FEATURES = 7


def training_data(seed, rows=500, classes=2):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, FEATURES))
    x[:, 3] = rng.integers(-2, 3, rows)  # many equal values
    x[:, 4] *= 1e-42  # float32 denormals
    x[:, 5] *= 1e30
    score = x[:, 0] + 0.5 * x[:, 1] * x[:, 2] + x[:, 3]
    y = np.digitize(score, np.quantile(score, np.arange(1, classes) / classes))
    return x, y, score


def with_missing(x, seed):
    x = x.copy()
    x[np.random.default_rng(seed).random(x.shape) < 0.15] = np.nan
    return x


def thresholds_of(model):
    """(feature, threshold) of every split of the model's trees."""
    trees = []
    if hasattr(model, "tree_"):
        trees = [model.tree_]
    elif hasattr(model, "estimators_"):
        trees = [m.tree_ for m in np.asarray(model.estimators_, dtype=object).ravel()]
    elif hasattr(model, "_predictors"):
        for predictor in (p for iteration in model._predictors for p in iteration):
            nodes = predictor.nodes[predictor.nodes["is_leaf"] == 0]
            yield from zip(nodes["feature_idx"], nodes["num_threshold"])
    for tree in trees:
        splits = tree.children_left != -1
        yield from zip(tree.feature[splits], tree.threshold[splits])


def hard_rows(model, seed, missing, dtype):
    """Random rows, and rows at each of some thresholds and one ulp to either side."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(1001, FEATURES))
    x[:, 3] = rng.integers(-3, 4, 1001)
    x[:, 4] *= 1e-42
    x[:, 5] *= 1e30
    x[:40] = rng.choice([0.0, -0.0, 1e-45, -1e-45, 5e-324, 3e38, -3e38], size=(40, FEATURES))
    x = x.astype(dtype)
    splits = list(thresholds_of(model))
    rng.shuffle(splits)
    for i, (feature, threshold) in enumerate(splits[:300]):
        exact = np.dtype(dtype).type(threshold)
        beside = [exact, np.nextafter(exact, dtype(np.inf)), np.nextafter(exact, dtype(-np.inf))]
        if np.isfinite(beside).all():
            x[100 + 3 * i : 103 + 3 * i, int(feature)] = beside
    if missing:
        x[rng.random(x.shape) < 0.2] = np.nan
    return x


def raw_of(model, x):
    if hasattr(model, "decision_function"):
        return model.decision_function(x)
    if isinstance(model, HistGradientBoostingRegressor):
        return model._raw_predict(x).ravel()
    if hasattr(model, "predict_proba"):
        return model.predict_proba(x)
    return model.predict(x)


def load(model, protocol=None):
    return spinney.Model.from_bytes(pickle.dumps(model, protocol), "pickle")


def assert_same(expected, given, ulp=0):
    if isinstance(expected, list):
        assert isinstance(given, list)
        for e, g in zip(expected, given, strict=True):
            assert_same(e, g, ulp)
        return
    assert given.dtype == expected.dtype
    assert given.shape == expected.shape
    if ulp:
        np.testing.assert_array_max_ulp(given, expected, ulp)
    else:
        np.testing.assert_array_equal(given, expected)


def check(model, missing=False, proba_ulp=0, raw_ulp=0, seed=1):
    loaded = load(model)
    assert loaded.n_features == FEATURES
    for dtype in (np.float32, np.float64):
        x = hard_rows(model, seed, missing, dtype)
        expected = model.predict(x)
        for n in ROW_COUNTS:
            assert_same(expected[-n:], loaded.predict(x[-n:]), raw_ulp)
        if hasattr(model, "predict_proba"):
            assert_same(model.predict_proba(x), loaded.predict_proba(x), proba_ulp)
        raw = raw_of(model, x)
        if not isinstance(raw, list):
            assert_same(raw.squeeze(), loaded.predict_raw(x), raw_ulp)
    if hasattr(model, "apply") and not isinstance(model, GradientBoostingClassifier):
        leaves = model.apply(x)
        given = loaded.predict_leaf(x)
        np.testing.assert_array_equal(given.reshape(leaves.shape), leaves)


@pytest.mark.parametrize("kind", [DecisionTreeClassifier, ExtraTreeClassifier])
@pytest.mark.parametrize("classes", [2, 3, 9])
@pytest.mark.parametrize("missing", [False, True])
def test_single_classifiers(kind, classes, missing):
    x, y, _ = training_data(classes, classes=classes)
    x = with_missing(x, 5) if missing else x
    check(kind(max_depth=8, random_state=0).fit(x, y), missing)


@pytest.mark.parametrize("kind", [DecisionTreeRegressor, ExtraTreeRegressor])
@pytest.mark.parametrize("missing", [False, True])
def test_single_regressors(kind, missing):
    x, _, y = training_data(3)
    x = with_missing(x, 5) if missing else x
    check(kind(random_state=0).fit(x, y), missing)
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
    forest = kind(23, max_depth=9, random_state=0, class_weight="balanced").fit(x, y)
    check(forest, missing)


@pytest.mark.parametrize("kind", [RandomForestRegressor, ExtraTreesRegressor])
@pytest.mark.parametrize("missing", [False, True])
def test_forest_regressors(kind, missing):
    x, _, y = training_data(4)
    x = with_missing(x, 5) if missing else x
    check(kind(17, random_state=0).fit(x, y), missing)
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
    check(model, proba_ulp=8, raw_ulp=2)
    check(GradientBoostingClassifier(n_estimators=4, init="zero").fit(x, y), proba_ulp=4)


def test_a_boosted_model_on_another_estimator_is_refused_by_name():
    x, y, _ = training_data(6)
    model = GradientBoostingClassifier(init=LogisticRegression(), n_estimators=2).fit(x[:, :4], y)
    with pytest.raises(spinney.UnsupportedModelError, match=r"LogisticRegression.*init=None"):
        load(model)


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize(
    "loss", ["squared_error", "absolute_error", "poisson", "gamma", "quantile"]
)
def test_histogram_regressors(loss, missing):
    x, _, y = training_data(8)
    x = with_missing(x, 5) if missing else x
    options = {"quantile": 0.4} if loss == "quantile" else {}
    model = HistGradientBoostingRegressor(loss=loss, max_iter=25, **options)
    check_histogram(model.fit(x, np.exp(y / 4)), missing)


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("missing", [False, True])
def test_histogram_classifiers(classes, missing):
    x, y, _ = training_data(9, classes=classes)
    x = with_missing(x, 5) if missing else x
    check_histogram(HistGradientBoostingClassifier(max_iter=15).fit(x, y), missing)


def check_histogram(model, missing, rows=None):
    loaded = load(model)
    for dtype in (np.float32, np.float64):
        x = hard_rows(model, 2, missing, dtype) if rows is None else rows.astype(dtype)
        x[3, :2] = np.inf, -np.inf  # these objects take infinities
        raw = model._raw_predict(x)
        assert_same(raw.ravel() if raw.shape[1] == 1 else raw, loaded.predict_raw(x))
        if hasattr(model, "predict_proba"):
            assert_same(model.predict_proba(x), loaded.predict_proba(x), 4)
            assert_same(model.predict(x), loaded.predict(x))
        else:
            assert_same(model.predict(x), loaded.predict(x), 2)


@pytest.mark.parametrize("values", [range(12), [-3, 0, 2, 7.5, 300], [1e9, 2e9, 3e9]])
@pytest.mark.parametrize("missing", [False, True])
def test_histogram_categories(values, missing):
    rng = np.random.default_rng(0)
    x, _, score = training_data(10, rows=800)
    values = np.array(list(values), dtype=np.float64)
    x[:, 2] = values[rng.integers(0, len(values), len(x))]
    x[:, 6] = rng.integers(0, 40, len(x))
    score = score + np.sin(x[:, 2]) * 3 + (x[:, 6] % 3)
    if missing:
        x = with_missing(x, 3)
    rows = x.copy()
    rows[:200, 2] = rng.choice([-1.0, 0.5, 7.4999, 8.0, 256.0, 1e30, -0.0, np.nan], 200)
    rows[:200, 6] = rng.integers(-5, 300, 200) + rng.choice([0, 0, 0.25], 200)
    for model in (
        HistGradientBoostingRegressor(max_iter=20, categorical_features=[2, 6]),
        HistGradientBoostingClassifier(max_iter=20, categorical_features=[6, 2]),
    ):
        target = score if isinstance(model, HistGradientBoostingRegressor) else score > 0
        model.fit(x, target)
        assert any(p.nodes["is_categorical"].any() for it in model._predictors for p in it)
        check_histogram(model, missing, rows)


LINEAR = [
    LinearRegression(),
    LinearRegression(fit_intercept=False),
    Ridge(),
    RidgeCV(),
    Lasso(alpha=0.01),
    LassoCV(),
    ElasticNet(alpha=0.01),
    ElasticNetCV(),
    Lars(),
    LassoLars(alpha=0.01),
    BayesianRidge(),
    HuberRegressor(),
    SGDRegressor(),
    LinearSVR(),
]


def assert_within_the_bound(model, x, given, expected):
    """4 eps sum |w x|, since no BLAS promises an order; n terms and an intercept."""
    weights, bias = np.atleast_2d(model.coef_), np.atleast_1d(model.intercept_)
    bound = 4 * np.finfo(expected.dtype).eps * (np.abs(x) @ np.abs(weights.T) + np.abs(bias))
    assert given.dtype == expected.dtype
    assert given.shape == expected.shape
    assert (np.abs(given - expected) <= bound.reshape(-1, *expected.shape[1:])).all()


@pytest.mark.parametrize("model", LINEAR, ids=lambda m: type(m).__name__)
def test_linear_regressors(model):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 9))
    y = x @ rng.normal(size=9) + 0.1 * rng.normal(size=300)
    model.fit(x, y)
    assert_within_the_bound(model, x, load(model).predict(x), model.predict(x))


@pytest.mark.parametrize("kind", [LinearRegression, Ridge, Lasso, ElasticNet])
@pytest.mark.parametrize("targets", [1, 3])
def test_linear_regressors_of_several_targets(kind, targets):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 9))
    model = kind().fit(x, x @ rng.normal(size=(9, targets)))
    assert_within_the_bound(model, x, load(model).predict(x), model.predict(x))


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("kind", [LogisticRegression, LogisticRegressionCV])
def test_logistic_regression(kind, classes):
    x, y, _ = training_data(11, classes=classes)
    x = x[:, :4]
    model = kind().fit(x, y)
    loaded = load(model)
    assert_within_the_bound(model, x, loaded.predict_raw(x), model.decision_function(x))
    np.testing.assert_allclose(loaded.predict_proba(x), model.predict_proba(x), rtol=1e-13)
    assert_same(model.predict(x), loaded.predict(x))


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
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    x, y, _ = training_data(0)
    x = x[:, :4]
    pipeline = make_pipeline(StandardScaler(), DecisionTreeClassifier()).fit(x, y)
    with pytest.raises(spinney.UnsupportedModelError, match=r"Pipeline .*final step"):
        load(pipeline)
    search = GridSearchCV(DecisionTreeClassifier(), {"max_depth": [1, 2]}).fit(x, y)
    with pytest.raises(spinney.UnsupportedModelError, match="best_estimator_"):
        load(search)
    with pytest.raises(spinney.UnsupportedModelError, match=r"SVC .*allowed_classes"):
        load(SVC().fit(x, y))


def test_an_estimator_that_was_not_fitted_says_so():
    with pytest.raises(spinney.SpinneyError, match="fitted"):
        load(RandomForestClassifier())
