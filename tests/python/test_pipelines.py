"""Pipelines are read natively and answer as scikit-learn's own do."""

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    AdaBoostClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.feature_selection import (
    RFE,
    SelectKBest,
    SequentialFeatureSelector,
    VarianceThreshold,
    f_classif,
)
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import QuantileTransformer
from sklearn.tree import DecisionTreeClassifier

import spinney
from sklearn_cases import assert_same, load, training_data

X, Y, _ = training_data(7, rows=200, classes=3)
ROWS = training_data(8, rows=101)[0]


def tree():
    return DecisionTreeClassifier(max_depth=3, random_state=0)


def forest():
    return RandomForestClassifier(n_estimators=5, max_depth=4, random_state=0)


def check(model, rows=ROWS):
    loaded = load(model)
    for dtype in (np.float32, np.float64):
        for some in (rows.astype(dtype), rows[:1].astype(dtype), rows[:0].astype(dtype)):
            if len(some):
                assert_same(model.predict_proba(some), loaded.predict_proba(some))
                assert_same(model.predict(some), loaded.predict(some))
            else:
                assert len(loaded.predict(some)) == 0
    return loaded


SELECTORS = {
    "variance": lambda: VarianceThreshold(0.5),
    "best": lambda: SelectKBest(f_classif, k=4),
    "all": lambda: SelectKBest(f_classif, k="all"),
    "more": lambda: SelectKBest(f_classif, k=3),
    "rfe": lambda: RFE(tree(), n_features_to_select=3),
    "sequential": lambda: SequentialFeatureSelector(tree(), n_features_to_select=2, cv=2),
}


@pytest.mark.parametrize("name", SELECTORS)
def test_selectors_before_a_forest(name):
    loaded = check(make_pipeline(SELECTORS[name](), forest()).fit(X, Y))
    assert loaded.n_features == X.shape[1]


@pytest.mark.parametrize("final", [tree, forest])
def test_steps_within_steps(final):
    inner = Pipeline([("none", "passthrough"), ("best", SelectKBest(f_classif, k=5))])
    steps = [("inner", inner), ("keep", None), ("rfe", RFE(tree(), n_features_to_select=2))]
    check(Pipeline([*steps, ("model", final())]).fit(X, Y))
    check(Pipeline([("keep", "passthrough"), ("model", final())]).fit(X, Y))


def test_equal_scores_and_nan_keep_the_columns_that_numpy_keeps():
    model = make_pipeline(SelectKBest(f_classif, k=3), tree()).fit(X, Y)
    for scores in ([1, 2, 2, 2], [np.nan, 2, np.nan, 1], [np.inf, -np.inf, 0.0, -0.0]):
        model[0].scores_ = np.resize(np.array(scores, float), X.shape[1])
        check(model)


def test_a_linear_model_sees_the_chosen_columns():
    model = make_pipeline(VarianceThreshold(0.5), LogisticRegression(max_iter=20)).fit(X, Y)
    loaded = load(model)
    np.testing.assert_allclose(loaded.predict_proba(ROWS), model.predict_proba(ROWS), rtol=1e-12)
    np.testing.assert_array_equal(loaded.predict(ROWS), model.predict(ROWS))


@pytest.mark.parametrize("classes", [2, 3])
def test_every_answer_of_the_final_estimator(classes):
    """What it answers to the chosen columns, and by the final estimator's own bounds."""
    x, y, _ = training_data(7, rows=200, classes=classes)
    boosted = HistGradientBoostingClassifier(max_iter=10, random_state=0)
    for final in (boosted, GradientBoostingClassifier(n_estimators=5), forest()):
        model = make_pipeline(SelectKBest(f_classif, k=4), final).fit(x, y)
        ours, bare, chosen = load(model), load(model[-1]), model[:-1].transform(ROWS)
        assert_same(bare.predict_proba(chosen), ours.predict_proba(ROWS))
        assert_same(model.predict_proba(ROWS), ours.predict_proba(ROWS), 16 if classes == 3 else 0)
        assert_same(model.predict(ROWS), ours.predict(ROWS))
        assert_same(bare.predict_raw(chosen), ours.predict_raw(ROWS))
        if hasattr(model, "decision_function"):
            assert_same(bare.decision_function(chosen), ours.decision_function(ROWS))
        else:
            with pytest.raises(spinney.UnsupportedModelError, match="decision_function"):
                ours.decision_function(ROWS)


def test_outliers_and_a_single_class():
    model = make_pipeline(VarianceThreshold(0.5), IsolationForest(n_estimators=5)).fit(X)
    ours, bare, chosen = load(model), load(model[-1]), model[:-1].transform(ROWS)
    for method in ("predict", "score_samples", "decision_function"):
        assert_same(getattr(bare, method)(chosen), getattr(ours, method)(ROWS))
    one = make_pipeline(VarianceThreshold(0.5), AdaBoostClassifier(n_estimators=2))
    one.fit(X, np.zeros(len(X)))
    assert load(one).decision_function(ROWS).shape == one.decision_function(ROWS).shape


def test_pipelines_within_other_estimators():
    def chosen(final):
        return make_pipeline(SelectKBest(f_classif, k=4), final)

    check(CalibratedClassifierCV(chosen(forest()), cv=2).fit(X, Y))
    members = [("a", chosen(forest())), ("b", chosen(tree()))]
    check(VotingClassifier(members, voting="soft").fit(X, Y))
    check(GridSearchCV(chosen(tree()), {"selectkbest__k": [2, 3]}, cv=2).fit(X, Y))
    check(chosen(CalibratedClassifierCV(tree(), cv=2)).fit(X, Y))


@pytest.mark.parametrize("final", ["forest", "line", "xgboost", "lightgbm"])
def test_sparse_rows_stay_sparse(final):
    sparse = pytest.importorskip("scipy.sparse")
    rng = np.random.default_rng(3)
    x = np.where(rng.random((300, 7)) < 0.4, 0, rng.normal(size=(300, 7)))
    y = (x[:, 0] > x[:, 1]).astype(int)
    if final == "xgboost":
        model = pytest.importorskip("xgboost").XGBClassifier(n_estimators=5)
    elif final == "lightgbm":
        model = pytest.importorskip("lightgbm").LGBMClassifier(n_estimators=5, verbose=-1)
    else:
        model = forest() if final == "forest" else LogisticRegression()
    model = make_pipeline(SelectKBest(f_classif, k=4), model).fit(x[:200], y[:200])
    rows = sparse.csr_matrix(x[200:])
    for start, end in zip(rows.indptr, rows.indptr[1:]):  # entries in no order
        rows.indices[start:end] = rows.indices[start:end][::-1].copy()
        rows.data[start:end] = rows.data[start:end][::-1].copy()
    rows.has_sorted_indices = False
    ours = load(model)
    if final == "line":
        assert_same(model.decision_function(rows), ours.decision_function(rows))
    else:
        assert_same(model.predict_proba(rows), ours.predict_proba(rows))
    assert_same(model.predict(rows), ours.predict(rows))


STRICT = {
    "variance": lambda: make_pipeline(VarianceThreshold(0.5), tree()),
    "variance, line": lambda: make_pipeline(VarianceThreshold(0.5), LogisticRegression()),
    "best": lambda: make_pipeline(SelectKBest(f_classif, k=4), tree()),
    "best, boosted": lambda: make_pipeline(
        SelectKBest(f_classif, k=4), HistGradientBoostingClassifier(max_iter=2)
    ),
    "rfe by a tree": lambda: make_pipeline(RFE(tree(), n_features_to_select=3), tree()),
    "rfe by a line": lambda: make_pipeline(
        RFE(LogisticRegression(), n_features_to_select=3), tree()
    ),
    "rfe by a forest": lambda: make_pipeline(
        RFE(ExtraTreesClassifier(2), n_features_to_select=3), tree()
    ),
    "sequential": lambda: make_pipeline(
        SequentialFeatureSelector(
            HistGradientBoostingClassifier(max_iter=2), n_features_to_select=2, cv=2
        ),
        HistGradientBoostingClassifier(max_iter=2),
    ),
}


@pytest.mark.parametrize("name", STRICT)
def test_strict_refuses_what_a_step_refuses(name):
    rng = np.random.default_rng(5)
    x = rng.normal(size=(150, 5)) * [1, 1, 0.1, 3, 1]
    model = STRICT[name]().fit(x, (x[:, 0] > x[:, 1]).astype(int))
    ours = load(model)
    for column in range(5):
        for value in (np.nan, np.inf, -np.inf, 1e39):
            rows = np.full((2, 5), 0.25)
            rows[1, column] = value
            try:
                wanted = model.predict(rows)
            except ValueError:
                with pytest.raises(spinney.InvalidInputError, match=f"column {column}"):
                    ours.predict(rows, strict=True)
                continue
            assert_same(wanted, ours.predict(rows, strict=True))


def test_names_of_a_frame_are_those_that_the_first_step_saw():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=[f"c{i}" for i in range(X.shape[1])])
    model = make_pipeline(SelectKBest(f_classif, k=4), forest()).fit(frame, Y)
    loaded = load(model)
    assert loaded.feature_names == list(frame.columns)
    assert_same(model.predict(frame), loaded.predict(frame))


def test_samplers_of_imbalanced_learn_pass_through():
    pytest.importorskip("imblearn")
    from imblearn.pipeline import make_pipeline as make
    from imblearn.under_sampling import RandomUnderSampler

    model = make(RandomUnderSampler(random_state=0), SelectKBest(f_classif, k=4), forest())
    check(model.fit(X, Y))


def test_an_artifact_keeps_the_pipeline(tmp_path):
    model = make_pipeline(SelectKBest(f_classif, k=4), forest()).fit(X, Y)
    load(model).save(tmp_path / "model.spinney")
    again = spinney.load(tmp_path / "model.spinney")
    assert_same(model.predict_proba(ROWS), again.predict_proba(ROWS))


def test_a_step_without_a_native_path_is_named_with_its_place():
    steps = make_pipeline(Pipeline([("bend", QuantileTransformer(n_quantiles=5))]), forest()).fit(
        X, Y
    )
    with pytest.raises(
        spinney.UnsupportedModelError, match=r"Pipeline → pipeline → bend → .*Quantile"
    ):
        load(steps)
    steps = Pipeline([("best", SelectKBest(k=2)), ("end", "passthrough")]).fit(X, Y)
    with pytest.raises(spinney.UnsupportedModelError, match=r"Pipeline → end"):
        load(steps)


def damaged(change):
    model = make_pipeline(SelectKBest(f_classif, k=4), forest()).fit(X, Y)
    change(model)
    with pytest.raises((spinney.CorruptModelError, spinney.ModelTooLargeError)) as caught:
        load(model)
    return str(caught.value)


def test_damaged_steps_are_errors():
    def holds_itself(model):
        model.steps[0] = ("again", model)

    def ends_with_itself(model):
        model.steps[-1] = ("again", model)

    def holds_itself_often(model):
        model.steps[:1] = [(f"again{i}", model) for i in range(3000)]

    def has_a_long_name_many_times(model):
        model.steps[:1] = [("n" * 10**6, model.steps[0][1])] * 3000

    def has_a_long_name(model):
        model.steps[0] = ("n" * 10**6, model.steps[0][1])
        model[0].n_features_in_ = 3

    for change in (holds_itself, ends_with_itself, holds_itself_often):
        assert "too deeply" in damaged(change)
    assert "nnn… chooses among" in damaged(has_a_long_name)
    assert "chooses among" in damaged(has_a_long_name_many_times)
    assert "no steps" in damaged(lambda model: model.steps.clear())
    assert "no pair" in damaged(lambda model: model.steps.__setitem__(0, (7, None)))
    assert "no pair" in damaged(lambda model: model.steps.__setitem__(0, ("one",)))
    assert "chooses among" in damaged(lambda m: setattr(m[0], "n_features_in_", 10**6))
    assert "chooses among" in damaged(lambda m: setattr(m[0], "scores_", np.ones(3)))
    assert "no columns" in damaged(lambda m: setattr(m[0], "k", 0))
    assert "columns and reads" in damaged(lambda m: setattr(m[0], "k", 5))
    assert "scores_" in damaged(lambda m: delattr(m[0], "scores_"))


def test_many_steps_with_a_long_name_take_no_memory_each():
    """A pickle names one text any number of times for two bytes each."""
    resource = pytest.importorskip("resource")
    model = make_pipeline(VarianceThreshold(0.0), forest()).fit(X, Y)
    model.steps[:1] = [("n" * 10**6, model.steps[0][1])] * 20000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    load(model)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB
