"""spinney.Ensemble against numpy, which combines what the members' own libraries predict."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import spinney

sklearn_ensemble = pytest.importorskip("sklearn.ensemble")
from sklearn.linear_model import LinearRegression, LogisticRegression  # noqa: E402
from sklearn.svm import SVC  # noqa: E402

RNG = np.random.default_rng(5)
X = RNG.normal(size=(400, 6)).astype(np.float32)
SCORE = X[:, 0] + 0.5 * X[:, 1] * X[:, 2]
CLASSES = np.digitize(SCORE, [-0.6, 0.6])
ROWS = RNG.normal(size=(150, 6)).astype(np.float32)
WEIGHTS = [1.0, 2.5, 0.25]


def forests(y=CLASSES, kind="Classifier"):
    made = []
    for name, depth in (("RandomForest", 4), ("ExtraTrees", 6), ("RandomForest", 9)):
        estimator = getattr(sklearn_ensemble, name + kind)
        made.append(estimator(n_estimators=20, max_depth=depth, random_state=depth).fit(X, y))
    return made


@pytest.fixture(scope="module")
def classifiers():
    return forests()


@pytest.fixture(scope="module")
def regressors():
    return forests(SCORE, "Regressor")


def same(ours, theirs):
    assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
    np.testing.assert_array_equal(ours, theirs)


def weighted_median(values, weights):
    """By its definition, one cell at a time."""
    found = np.empty(values.shape[1:], dtype=values.dtype)
    for cell in np.ndindex(found.shape):
        pairs = sorted(zip(values[(slice(None), *cell)], weights))
        half, reached = sum(weights) / 2, 0.0
        for value, weight in pairs:
            reached += weight
            if reached >= half:
                found[cell] = value
                break
    return found


def ranked(own, among):
    """The share of `among` below each number and half of what is equal, column by column."""
    less = (among[None] < own[:, None]).mean(axis=1)
    return less + (among[None] == own[:, None]).mean(axis=1) / 2


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("rows", [ROWS, ROWS.astype(np.float64), ROWS.tolist(), ROWS[:1]])
def test_average_of_classifiers(classifiers, weights, rows):
    ensemble = spinney.Ensemble(classifiers, "average", weights)
    assert ensemble.fused is not None
    array = np.asarray(rows)
    theirs = np.average([m.predict_proba(array) for m in classifiers], axis=0, weights=weights)
    same(ensemble.predict_proba(rows), theirs)
    same(ensemble.predict(rows), classifiers[0].classes_[theirs.argmax(axis=1)])


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_average_of_regressors(regressors, weights):
    ensemble = spinney.Ensemble(regressors, "average", weights)
    assert ensemble.fused is not None and ensemble.n_features == 6
    same(ensemble.predict(ROWS), np.average([m.predict(ROWS) for m in regressors], 0, weights))
    with pytest.raises(spinney.UnsupportedModelError):
        ensemble.predict_proba(ROWS)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_vote(classifiers, weights):
    ensemble = spinney.Ensemble(classifiers, "vote", weights)
    said = np.array([m.predict(ROWS) for m in classifiers])
    counts = np.zeros((len(ROWS), 3))
    for own, weight in zip(said, weights or [1, 1, 1]):
        counts[np.arange(len(ROWS)), own] += weight
    same(ensemble.predict(ROWS), classifiers[0].classes_[counts.argmax(axis=1)])
    assert ensemble.fused is not None
    with pytest.raises(spinney.UnsupportedModelError):
        ensemble.predict_proba(ROWS)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_median(classifiers, regressors, weights):
    values = np.array([m.predict(ROWS) for m in regressors])
    theirs = weighted_median(values, weights) if weights else np.median(values, axis=0)
    same(spinney.Ensemble(regressors, "median", weights).predict(ROWS), theirs)
    values = np.array([m.predict_proba(ROWS) for m in classifiers])
    theirs = weighted_median(values, weights) if weights else np.median(values, axis=0)
    theirs = theirs / theirs.sum(axis=1, keepdims=True)
    ensemble = spinney.Ensemble(classifiers, "median", weights)
    same(ensemble.predict_proba(ROWS), theirs)
    same(ensemble.predict(ROWS), theirs.argmax(axis=1))


@pytest.mark.parametrize("reference", [None, X])
def test_rank(classifiers, regressors, reference):
    ensemble = spinney.Ensemble(regressors, "rank", WEIGHTS, reference=reference)
    parts = []
    for member in regressors:
        own = member.predict(ROWS)
        parts.append(ranked(own, own if reference is None else member.predict(reference)))
    np.testing.assert_allclose(
        ensemble.predict(ROWS), np.average(parts, axis=0, weights=WEIGHTS), rtol=1e-13
    )
    if reference is not None:  # then a row's answer is its own
        same(ensemble.predict(ROWS[:7]), ensemble.predict(ROWS)[:7])
    found = spinney.Ensemble(classifiers, "rank", reference=reference).predict_proba(ROWS)
    parts = []
    for member in classifiers:
        own = member.predict_proba(ROWS)
        parts.append(ranked(own, own if reference is None else member.predict_proba(reference)))
    mean = np.mean(parts, axis=0)
    np.testing.assert_allclose(found, mean / mean.sum(axis=1, keepdims=True), rtol=1e-13)


def test_stack(classifiers, regressors):
    columns = np.hstack([m.predict_proba(X) for m in classifiers])
    meta = LogisticRegression(max_iter=500).fit(columns, CLASSES)
    ensemble = spinney.Ensemble(classifiers, "stack", meta=meta)
    ours = np.hstack([m.predict_proba(ROWS) for m in classifiers])
    same(ensemble.predict(ROWS), meta.predict(ours))
    same(ensemble.predict_proba(ROWS), spinney.load(meta).predict_proba(ours))
    two = forests(CLASSES > 0)
    columns = np.stack([m.predict_proba(X)[:, 1] for m in two], axis=1)
    forest = sklearn_ensemble.RandomForestClassifier(10, random_state=0).fit(columns, CLASSES > 0)
    ensemble = spinney.Ensemble(two, "stack", meta=forest)
    ours = np.stack([m.predict_proba(ROWS)[:, 1] for m in two], axis=1)
    same(ensemble.predict_proba(ROWS), forest.predict_proba(ours))
    last = sklearn_ensemble.RandomForestRegressor(10, random_state=0)
    last.fit(np.stack([m.predict(X) for m in regressors], axis=1), SCORE)
    ours = np.stack([m.predict(ROWS) for m in regressors], axis=1)
    same(spinney.Ensemble(regressors, "stack", meta=last).predict(ROWS), last.predict(ours))
    with spinney.InferenceEngine() as engine:
        assert engine.load_model(spinney.Ensemble(regressors, "stack", meta=last))
        same(engine.predict(ROWS)[1], last.predict(ours))


def test_members_of_every_kind(classifiers):
    """A worker process, a function and native models answer together."""
    svc = SVC(random_state=0).fit(X, CLASSES)
    worker = spinney.load(pickle.dumps(svc), allowed_classes=["sklearn.svm._classes.SVC"])
    with worker:
        ensemble = spinney.Ensemble([*classifiers, worker], "vote")
        assert ensemble.fused is None
        said = [m.predict(ROWS) for m in (*classifiers, svc)]
        counts = sum(np.eye(3)[own] for own in said)
        same(ensemble.predict(ROWS), counts.argmax(axis=1))
    odds = np.array([0.2, 0.5, 0.3])
    ensemble = spinney.Ensemble(
        {"forest": classifiers[0], "prior": lambda rows: np.tile(odds, (len(rows), 1))},
        weights=[3, 1],
        classes=[0, 1, 2],
    )
    theirs = np.average(
        [classifiers[0].predict_proba(ROWS), np.tile(odds, (len(ROWS), 1))], 0, [3, 1]
    )
    same(ensemble.predict_proba(ROWS), theirs)


@pytest.mark.parametrize("library", ["xgboost", "lightgbm", "catboost"])
def test_members_of_several_libraries(library, classifiers):
    module = pytest.importorskip(library)
    if library == "xgboost":
        other = module.XGBClassifier(n_estimators=10, max_depth=3, n_jobs=1).fit(X, CLASSES)
    elif library == "lightgbm":
        other = module.LGBMClassifier(n_estimators=10, n_jobs=1, verbose=-1).fit(X, CLASSES)
    else:
        other = module.CatBoostClassifier(iterations=10, verbose=0, thread_count=1).fit(X, CLASSES)
    ensemble = spinney.Ensemble([classifiers[0], other])
    parts = [classifiers[0].predict_proba(ROWS), other.predict_proba(ROWS)]
    same(ensemble.predict_proba(ROWS), np.average(np.asarray(parts), axis=0))


def test_fused_and_asked_one_by_one_are_equal(classifiers):
    """The graph's arithmetic is numpy's, so that a member in Python changes no bit."""
    ensemble = spinney.Ensemble(classifiers, weights=WEIGHTS)
    schema = ensemble._state[0]
    ensemble._state = schema, None
    alone = ensemble.predict_proba(ROWS)
    same(spinney.Ensemble(classifiers, weights=WEIGHTS).predict_proba(ROWS), alone)


def test_labels_are_aligned_by_value():
    names = np.array(["low", "mid", "high"])[CLASSES]
    some = CLASSES != 2
    one = sklearn_ensemble.RandomForestClassifier(10, random_state=0).fit(X, names)
    two = sklearn_ensemble.RandomForestClassifier(10, random_state=1).fit(X[some], names[some])
    whole = np.zeros((len(ROWS), 3))
    whole[:, [1, 2]] = two.predict_proba(ROWS)
    assert list(one.classes_) == ["high", "low", "mid"] and list(two.classes_) == ["low", "mid"]
    theirs = np.average([one.predict_proba(ROWS), whole], axis=0)
    for first, second in ((one, two), (two, one)):
        ensemble = spinney.Ensemble([first, second])
        assert list(ensemble.classes_) == ["high", "low", "mid"]
        same(ensemble.predict_proba(ROWS), theirs)
    ensemble = spinney.Ensemble([one, two], "median")
    np.testing.assert_array_equal(ensemble.classes_, one.classes_)
    median = np.median([one.predict_proba(ROWS), whole], axis=0)
    same(ensemble.predict_proba(ROWS), median / median.sum(axis=1, keepdims=True))


def test_columns_are_found_by_name():
    pandas = pytest.importorskip("pandas")
    names = list("abcdef")
    frame, rows = pandas.DataFrame(X, columns=names), pandas.DataFrame(ROWS, columns=names)
    columns = [["a", "b", "c"], ["c", "a", "f"], ["e", "d"]]
    members = [
        sklearn_ensemble.RandomForestRegressor(10, random_state=i).fit(frame[own], SCORE)
        for i, own in enumerate(columns)
    ]
    theirs = [m.predict(rows[own]) for m, own in zip(members, columns)]
    for method, middle in (("average", np.mean), ("median", np.median)):
        ensemble = spinney.Ensemble(members, method)
        assert ensemble.feature_names == ["a", "b", "c", "f", "e", "d"]
        assert (ensemble.fused is not None) == (method == "average")
        same(ensemble.predict(rows), middle(np.asarray(theirs), axis=0))
        same(ensemble.predict(rows[names[::-1]]), middle(np.asarray(theirs), axis=0))
        in_order = rows[ensemble.feature_names].to_numpy()
        same(ensemble.predict(in_order), middle(np.asarray(theirs), axis=0))
        with pytest.raises(spinney.InvalidInputError, match="'e'"):
            ensemble.predict(rows[["a", "b", "c", "d", "f"]])


def test_an_ensemble_of_ensembles(regressors):
    inner = spinney.Ensemble(regressors[:2], "median")
    ensemble = spinney.Ensemble({"inner": inner, "last": regressors[2]})
    both = np.median([m.predict(ROWS) for m in regressors[:2]], axis=0)
    same(ensemble.predict(ROWS), np.average([both, regressors[2].predict(ROWS)], axis=0))


def test_a_fused_ensemble_is_one_file(classifiers, regressors, tmp_path):
    ensemble = spinney.Ensemble(classifiers, weights=WEIGHTS)
    ensemble.save(tmp_path / "all.spinney")
    same(spinney.load(tmp_path / "all.spinney").predict_proba(ROWS), ensemble.predict_proba(ROWS))
    with pytest.raises(spinney.UnsupportedModelError, match="manifest"):
        spinney.Ensemble(regressors, "median").save(tmp_path / "none.spinney")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"members": []}, "members is empty"),
        ({"members": 3}, "members is a int"),
        ({"members": "a.pkl"}, "members is a str"),
        ({"weights": [1, 2]}, "2 weights for 3 members"),
        ({"weights": [1, -1, 1]}, "weight 1 is -1.0"),
        ({"weights": [1, float("nan"), 1]}, "weight 1 is nan"),
        ({"weights": [1, float("inf"), 1]}, "weight 1 is inf"),
        ({"weights": [0, 0, 0]}, "add up to nothing"),
        ({"weights": ["a", 1, 1]}, "expected numbers"),
        ({"method": "mean"}, "method is 'mean'"),
        ({"method": "stack"}, "stack needs a meta-model"),
        ({"meta": "forest"}, "meta goes with method='stack'"),
        ({"reference": X}, "reference goes with method='rank'"),
        ({"timeout_s": 0}, "timeout_s is 0"),
        ({"timeout_s": float("nan")}, "timeout_s is nan"),
        ({"on_failure": "ignore"}, "on_failure is 'ignore'"),
        ({"members_min": 4}, "members_min is 4"),
        ({"classes": [0, 1]}, "knows 2, which classes= has not"),
        ({"classes": [0, 0, 1, 2]}, "different labels"),
    ],
)
def test_bad_arguments(classifiers, options, message):
    arguments = {"members": classifiers, **options}
    with pytest.raises(spinney.InvalidInputError, match=message):
        spinney.Ensemble(**arguments)


def test_members_that_do_not_fit(classifiers, regressors):
    texts = np.array(["a", "b", "c"])[CLASSES]
    named = sklearn_ensemble.RandomForestClassifier(5).fit(X, texts)
    later = sklearn_ensemble.RandomForestClassifier(5).fit(X, CLASSES + 10)
    narrow = sklearn_ensemble.RandomForestClassifier(5).fit(X[:, :4], CLASSES)
    several = sklearn_ensemble.RandomForestClassifier(5).fit(X, np.stack([CLASSES] * 2, axis=1))
    linear = LinearRegression().fit(X, np.stack([SCORE] * 2, axis=1))
    for other, message in (
        (named, "numbers .* and '1' has texts"),
        (later, "none of those of"),
        (narrow, "differing columns"),
        (regressors[0], "has no classes_"),
    ):
        with pytest.raises(spinney.InvalidInputError, match=message):
            spinney.Ensemble([classifiers[0], other])
    with pytest.raises(spinney.UnsupportedModelError, match="several targets"):
        spinney.Ensemble([classifiers[0], several])
    with pytest.raises(spinney.InvalidInputError, match="vote is for classifiers"):
        spinney.Ensemble(regressors, "vote")
    with pytest.raises(spinney.EnsembleError, match="gave shape"):
        spinney.Ensemble([regressors[0], linear], "median").predict(ROWS)
    with pytest.raises(spinney.InvalidInputError, match=r"takes 6 columns.*give 9"):
        spinney.Ensemble(classifiers, "stack", meta=regressors[0])
    with pytest.raises(spinney.UnsupportedModelError, match="member '1'"):
        spinney.Ensemble([classifiers[0], SVC().fit(X, CLASSES)])
    with pytest.raises(spinney.InvalidInputError, match="two members are called 'a'"):
        spinney.Ensemble([("a", classifiers[0]), ("a", classifiers[1])])
    ensemble = spinney.Ensemble(classifiers)
    for rows in (ROWS[:, :3], ROWS[0], [["text"] * 6]):
        with pytest.raises(spinney.InvalidInputError):
            ensemble.predict(rows)
    with pytest.raises(TypeError, match="manifest"):
        pickle.dumps(ensemble)
