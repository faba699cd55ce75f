"""Models of CatBoost with columns of numbers give CatBoost's own answers, bit for bit."""

from __future__ import annotations

import pickle

import joblib
import numpy as np
import pytest

import spinney
from catboost_models import (
    FIXED,
    N_FEATURES,
    catboost,
    check,
    check_everywhere,
    decisive_rows,
    same,
    target_of,
    training_data,
)

REGRESSION = [
    "RMSE", "MAE", "Quantile:alpha=0.3", "MultiQuantile:alpha=0.1,0.5", "Poisson",
    "Tweedie:variance_power=1.4", "RMSEWithUncertainty", "MultiRMSE", "Huber:delta=1", "LogCosh",
    "MAPE", "Lq:q=3", "Expectile:alpha=0.6", "SurvivalAft", "Cox",
]  # fmt: skip
CLASSES = [
    "Logloss", "CrossEntropy", "MultiClass", "MultiClassOneVsAll", "MultiLogloss",
    "MultiCrossEntropy",
]  # fmt: skip
RANKING = ["YetiRank", "PairLogit", "QueryRMSE", "QuerySoftMax", "LambdaMart"]
POLICIES = ["SymmetricTree", "Depthwise", "Lossguide"]


def fit(kind, loss, **more):
    x, signal = training_data()
    options = {"iterations": 12, "depth": 4, **FIXED, **more}
    return kind(loss_function=loss, **options).fit(x, target_of(loss, signal))


@pytest.mark.parametrize("loss", REGRESSION)
def test_regressors(loss, tmp_path):
    ours, from_json, _ = check_everywhere(fit(catboost.CatBoostRegressor, loss), tmp_path)
    assert ours.source["kind"] == from_json.source["kind"] == "CatBoostRegressor"


@pytest.mark.parametrize("loss", CLASSES)
@pytest.mark.parametrize("policy", POLICIES)
def test_classifiers(loss, policy, tmp_path):
    model = fit(catboost.CatBoostClassifier, loss, grow_policy=policy)
    ours, _, _ = check_everywhere(model, tmp_path)
    assert ours.info()["task"] in ("binary", "multiclass")


@pytest.mark.parametrize("loss", RANKING)
def test_rankers(loss, tmp_path):
    x, signal = training_data()
    pool = catboost.Pool(x, np.digitize(signal, [-1, 0, 1]), group_id=np.arange(len(x)) // 10)
    model = catboost.CatBoostRanker(loss_function=loss, iterations=8, depth=4, **FIXED).fit(pool)
    ours, from_json, _ = check_everywhere(model, tmp_path)
    assert ours.info()["task"] == from_json.info()["task"] == "ranking"


@pytest.mark.parametrize("loss", ["RMSE", "Poisson", "Logloss", "MultiClass"])
@pytest.mark.parametrize("policy", POLICIES)
def test_a_bare_catboost_gives_raw_scores(loss, policy, tmp_path):
    x, signal = training_data()
    parameters = {"loss_function": loss, "iterations": 9, "grow_policy": policy, **FIXED}
    model = catboost.CatBoost(parameters).fit(x, target_of(loss, signal))
    rows = decisive_rows(model)
    check(spinney.load(model), model, rows)
    model.save_model(str(tmp_path / "m.cbm"))
    check(spinney.load(tmp_path / "m.cbm", as_booster=True), model, rows)


@pytest.mark.parametrize("mode", ["Min", "Max", "Forbidden"])
@pytest.mark.parametrize("policy", POLICIES)
def test_missing_values(mode, policy, tmp_path):
    x, signal = training_data()
    if mode == "Forbidden":
        x = np.nan_to_num(x)
    model = catboost.CatBoostRegressor(
        iterations=20, depth=5, nan_mode=mode, grow_policy=policy, **FIXED
    ).fit(x, signal)
    check_everywhere(model, tmp_path)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("policy", POLICIES)
def test_random_models(seed, policy, tmp_path):
    rng = np.random.default_rng(seed)
    x, signal = training_data(seed)
    model = catboost.CatBoostRegressor(
        iterations=int(rng.integers(1, 60)),
        depth=int(rng.integers(1, 9)),
        border_count=int(rng.choice([1, 5, 32, 254, 300])),
        learning_rate=0.3,
        grow_policy=policy,
        **FIXED,
    ).fit(x, signal)
    check_everywhere(model, tmp_path, seed)


def test_trees_of_a_single_leaf(tmp_path):
    x, _ = training_data()
    model = catboost.CatBoostRegressor(iterations=3, **FIXED).fit(x, np.arange(len(x)) % 2)
    check_everywhere(model, tmp_path)
    flat = catboost.CatBoostRegressor(iterations=3, depth=1, **FIXED)
    flat.fit(np.arange(20.0).reshape(10, 2), np.arange(10.0))
    rows = np.random.default_rng(0).normal(size=(50, 2)) * 10
    same(spinney.load(flat).predict(rows), flat.predict(rows))


LABELS = {
    "int": [3, 7, -2],
    "bool": [False, True],
    "float": [0.5, 1.0, 2.25],
    "text": ["ant", "bée", "über"],
    "int8": np.array([1, 2, 3], np.int8),
    "digits": ["0", "1", "2"],
}


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_labels_of_every_type(labels, n_classes, tmp_path):
    if n_classes > len(LABELS[labels]):
        pytest.skip("there are two booleans")
    x, signal = training_data()
    names = np.asarray(LABELS[labels])
    cuts = [0.0] if n_classes == 2 else [-0.5, 0.5]
    y = names[np.digitize(signal, cuts)]
    model = catboost.CatBoostClassifier(iterations=5, depth=3, **FIXED).fit(x, y)
    ours, from_json, rows = check_everywhere(model, tmp_path)
    np.testing.assert_array_equal(ours.classes_, model.classes_)
    assert from_json.predict(rows).dtype == model.predict(rows).dtype
    assert list(from_json.classes_) == list(model.classes_)


@pytest.mark.parametrize("threshold", [0.0, 0.1, 0.3, 0.5, 0.77, 1.0])
def test_probability_threshold(threshold, tmp_path):
    model = fit(catboost.CatBoostClassifier, "Logloss")
    model.set_probability_threshold(threshold)
    check_everywhere(model, tmp_path)
    # Scores at the threshold itself, and one step beside it.
    if 0 < threshold < 1:
        border = -np.log(1 / threshold - 1)
        model.set_scale_and_bias(0.0, 0.0)
        for bias in (border, np.nextafter(border, 9), np.nextafter(border, -9)):
            model.set_scale_and_bias(1e-300, float(bias))
            rows = decisive_rows(model, n=5)
            same(spinney.load(model).predict(rows), model.predict(rows))


@pytest.mark.parametrize("loss", ["RMSE", "MultiRMSE", "Logloss"])
def test_scale_and_bias(loss, tmp_path):
    kind = catboost.CatBoostClassifier if loss == "Logloss" else catboost.CatBoostRegressor
    model = fit(kind, loss)
    n = model.predict(training_data()[0][:2], prediction_type="RawFormulaVal").reshape(2, -1)
    model.set_scale_and_bias(1 / 3, [0.1 * (i + 1) for i in range(n.shape[1])])
    check_everywhere(model, tmp_path)


@pytest.mark.parametrize("loss", ["RMSE", "MultiClass"])
@pytest.mark.parametrize("policy", ["SymmetricTree", "Lossguide"])
@pytest.mark.parametrize("trees", [(0, 5), (3, 0), (3, 7), (11, 12), (0, 0)])
def test_some_trees(loss, policy, trees, tmp_path):
    kind = catboost.CatBoostRegressor if loss == "RMSE" else catboost.CatBoostClassifier
    model = fit(kind, loss, grow_policy=policy)
    rows = decisive_rows(model)
    start, end = trees
    # CatBoost takes an end of 0 for that of all trees only where the start is 0.
    theirs = model.predict(
        rows, prediction_type="RawFormulaVal", ntree_start=start, ntree_end=end or 12
    )
    path = tmp_path / "m.cbm"
    model.save_model(str(path))
    chosen = spinney.load(path, ntree_start=start, ntree_end=end)
    same(chosen.predict_raw(rows), theirs)
    whole = spinney.load(path)
    same(whole.predict_raw(rows, ntree_start=start, ntree_end=end), theirs)
    chosen.save(tmp_path / "part.spinney")
    same(spinney.load(tmp_path / "part.spinney").predict_raw(rows), theirs)
    info = chosen.info()
    assert info["n_trees"] == (end or 12) - start
    assert info["n_trees_in_file"] == 12
    assert f"ntree_start={start}" in info["trees_rule"]


@pytest.mark.parametrize("trees", [(0, 13), (13, 0), (5, 5), (7, 3), (-1, 3), (0, -1)])
def test_trees_that_there_are_not(trees, tmp_path):
    model = fit(catboost.CatBoostRegressor, "RMSE")
    path = tmp_path / "m.cbm"
    model.save_model(str(path))
    choice = {"ntree_start": trees[0], "ntree_end": trees[1]}
    with pytest.raises(spinney.InvalidInputError, match="the model has 12 trees"):
        spinney.load(path, **choice)
    with pytest.raises(spinney.InvalidInputError, match="the model has 12 trees"):
        spinney.load(path).predict(decisive_rows(model), **choice)


def test_keywords_of_other_libraries_are_refused(tmp_path, xgboost_model, lightgbm_booster):
    model = fit(catboost.CatBoostRegressor, "RMSE")
    with pytest.raises(spinney.InvalidInputError, match="ntree_start"):
        spinney.load(model, num_iteration=3)
    with pytest.raises(spinney.InvalidInputError, match="ntree_start"):
        spinney.load(model, iteration_range=(0, 3))
    with pytest.raises(spinney.InvalidInputError, match="ntree_end is CatBoost's"):
        xgboost_model.predict(np.zeros((1, 10)), ntree_end=3)
    with pytest.raises(spinney.InvalidInputError, match="ntree_start is CatBoost's"):
        spinney.load(lightgbm_booster, ntree_start=3)
    from sklearn.tree import DecisionTreeRegressor

    tree = DecisionTreeRegressor().fit([[0.0], [1.0]], [0, 1])
    with pytest.raises(spinney.InvalidInputError, match="goes with models of CatBoost"):
        spinney.load(tree, ntree_start=1)


@pytest.mark.parametrize("suffix", ["pkl", "joblib", "joblib.gz"])
def test_pickles(suffix, tmp_path):
    model = fit(catboost.CatBoostClassifier, "Logloss")
    path = tmp_path / f"m.{suffix}"
    if suffix == "pkl":
        path.write_bytes(pickle.dumps(model))
    else:
        joblib.dump(model, path)
    ours = spinney.load(path)
    check(ours, model, decisive_rows(model))
    assert ours.source == {
        "library": "catboost",
        "version": catboost.__version__,
        "kind": "CatBoostClassifier",
        # What joblib writes of an object without arrays is a plain pickle.
        "format": "joblib" if suffix.endswith(".gz") else "pickle",
    }


def test_models_that_are_not_fitted():
    with pytest.raises(spinney.InvalidInputError, match="not fitted"):
        spinney.load(catboost.CatBoostRegressor())


class Mine(catboost.CatBoostRegressor):
    """A class of one's own that answers as CatBoost's."""


def test_classes_of_ones_own():
    x, signal = training_data()
    model = Mine(iterations=3, **FIXED).fit(x, signal)
    same(spinney.load(model).predict(x), model.predict(x))


def test_frames_go_by_name(tmp_path):
    pandas = pytest.importorskip("pandas")
    x, signal = training_data()
    names = ["a", "b c", "ü", "d", "e", "f"]
    model = catboost.CatBoostRegressor(iterations=9, **FIXED)
    model.fit(pandas.DataFrame(x, columns=names), signal)
    rows = decisive_rows(model)
    ours = spinney.load(model)
    assert list(ours.feature_names) == names
    frame = pandas.DataFrame(rows, columns=names)
    same(ours.predict(frame), model.predict(frame))
    same(ours.predict(frame[names[::-1]]), model.predict(frame))
    with pytest.raises(spinney.InvalidInputError, match="lacks 'a'"):
        ours.predict(frame.rename(columns={"a": "z"}))
    model.save_model(str(tmp_path / "m.json"), format="json")
    assert list(spinney.load(tmp_path / "m.json").feature_names) == names


def test_kinds_of_rows():
    scipy_sparse = pytest.importorskip("scipy.sparse")
    model = fit(catboost.CatBoostRegressor, "RMSE")
    ours = spinney.load(model)
    rng = np.random.default_rng(3)
    whole = rng.integers(-3, 4, (200, N_FEATURES))
    same(ours.predict(whole), model.predict(whole))
    same(ours.predict(whole.tolist()), model.predict(whole.tolist()))
    sparse = scipy_sparse.csr_matrix(whole.astype(np.float32))
    same(ours.predict(sparse), model.predict(sparse))
    fortran = np.asfortranarray(whole.astype(np.float64))
    same(ours.predict(fortran), model.predict(fortran))


def test_categorical_text_and_embedding_features_are_refused_by_name(tmp_path):
    x, signal = training_data()
    words = np.array(["a b", "b c d", "e"])[np.digitize(signal, [-1, 1])]
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"number": x[:, 0], "words": words})
    model = catboost.CatBoostClassifier(iterations=2, **FIXED)
    model.fit(frame, (signal > 0).astype(int), text_features=["words"])
    with pytest.raises(spinney.UnsupportedModelError, match='text features, such as "words"'):
        spinney.load(model)


def test_what_a_model_says_of_itself(tmp_path):
    model = fit(catboost.CatBoostClassifier, "Logloss")
    model.save_model(str(tmp_path / "m.cbm"))
    info = spinney.load(tmp_path / "m.cbm").info()
    assert (info["library"], info["kind"], info["format"]) == (
        "catboost", "CatBoostClassifier", "cbm",
    )  # fmt: skip
    assert info["objective"] == "Logloss"
    assert info["version"] == catboost.__version__
    assert info["n_trees"] == info["n_trees_in_file"] == 12
    assert info["predicts"] == "labels"
    assert spinney.load(tmp_path / "m.cbm", format="cbm").n_trees == 12
    data = (tmp_path / "m.cbm").read_bytes()
    assert spinney.load(data).n_trees == 12


def test_members_of_scikit_learns_ensembles():
    ensemble = pytest.importorskip("sklearn.ensemble")
    tree = pytest.importorskip("sklearn.tree")
    x, signal = training_data()
    x = np.nan_to_num(x)
    rows = np.random.default_rng(0).normal(size=(200, N_FEATURES)).astype(np.float32)
    options = {"iterations": 5, "depth": 3, **FIXED}
    for cuts in ([0.0], [-0.5, 0.5]):
        members = [
            ("cats", catboost.CatBoostClassifier(**options)),
            ("tree", tree.DecisionTreeClassifier(max_depth=3)),
        ]
        voting = ensemble.VotingClassifier(members, voting="soft")
        voting.fit(x, np.digitize(signal, cuts))
        ours = spinney.load(voting)
        np.testing.assert_array_equal(ours.predict_proba(rows), voting.predict_proba(rows))
        np.testing.assert_array_equal(ours.predict(rows), voting.predict(rows))
    bagging = ensemble.BaggingRegressor(catboost.CatBoostRegressor(**options), n_estimators=3)
    bagging.fit(x, signal)
    np.testing.assert_array_equal(spinney.load(bagging).predict(rows), bagging.predict(rows))
