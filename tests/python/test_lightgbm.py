"""Models that LightGBM saved give LightGBM's own answers, bit for bit."""

from __future__ import annotations

import pickle
import re

import joblib
import numpy as np
import pytest

import spinney

lightgbm = pytest.importorskip("lightgbm")

N_FEATURES = 6
TINY = float(np.float32(1e-35))  # LightGBM's kZeroThreshold
SPECIAL = [
    np.nan, np.inf, -np.inf, 0.0, -0.0, TINY, -TINY, np.nextafter(TINY, 1), np.nextafter(-TINY, -1),
    1e-36, -1e-36, 1e-40, -1e-40, 5e-324, -5e-324, 1e300, -1e300, 0.5, -0.5, -0.999, -1.0, 1.0, 2.0,
]  # fmt: skip
CATEGORIES = [*range(-2, 70), -0.5, 0.5, 3.9, 2147483646.0, 2147483647.0, 2147483648.0,
              4294967297.0, -2147483649.0, 1e10, 1e19, np.nan, np.inf, -np.inf]  # fmt: skip


def training_data(seed, kind="regression", categorical=(), n_classes=3):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((500, N_FEATURES))
    x[:, 1] = np.round(x[:, 1])  # zeros, and few distinct values
    x[rng.random(x.shape) < 0.1] = np.nan
    for column in categorical:
        x[:, column] = rng.integers(0, 40, len(x))
    signal = np.nan_to_num(x[:, 0] + x[:, 1] * x[:, 2]) + np.isnan(x[:, 3])
    for column in categorical:
        signal = signal + (x[:, column] % 3)
    signal = signal + rng.standard_normal(len(x)) * 0.3
    if kind == "binary":
        return x, (signal > np.median(signal)).astype(float)
    if kind == "multiclass":
        cuts = np.quantile(signal, np.linspace(0, 1, n_classes + 1)[1:-1])
        return x, np.digitize(signal, cuts).astype(float)
    if kind == "positive":
        return x, np.exp(signal / 4)
    if kind == "unit":
        return x, 1 / (1 + np.exp(-signal))
    if kind == "grade":
        return x, np.digitize(signal, [0.0, 1.0, 2.0]).astype(float)
    return x, signal


def thresholds_of(booster):
    """Numeric thresholds of each feature."""
    found = [[] for _ in range(booster.num_feature())]
    for section in booster.model_to_string().split("Tree=")[1:]:
        field = dict(re.findall(r"^(\w+)=(.*)$", section, re.MULTILINE))
        numbers = zip(
            field.get("split_feature", "").split(),
            field.get("threshold", "").split(),
            field.get("decision_type", "").split(),
            strict=True,
        )
        for feature, threshold, decision in numbers:
            if not int(decision) & 1:
                found[int(feature)].append(float(threshold))
    return found


def decisive_rows(booster, dtype, n_rows=700, categorical=(), seed=0):
    """Rows of thresholds, their neighbours, special values and categories."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n_rows, booster.num_feature()))
    for column, thresholds in enumerate(thresholds_of(booster)):
        pick = rng.random(n_rows)
        special = rng.choice(SPECIAL, n_rows)
        rows[:, column] = np.where(pick < 0.25, special, rows[:, column])
        if thresholds:
            exact = rng.choice(thresholds, n_rows)
            if dtype == np.float32:
                exact = exact.astype(np.float32)
            beside = np.nextafter(exact, exact.dtype.type(np.inf) * rng.choice([-1, 1], n_rows))
            rows[:, column] = np.where(pick > 0.5, exact, rows[:, column])
            rows[:, column] = np.where(pick > 0.7, beside, rows[:, column])
        if column in categorical:
            rows[:, column] = rng.choice(CATEGORIES, n_rows)
    with np.errstate(over="ignore"):
        return rows.astype(dtype)


def same_bits(ours, theirs):
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype
    both_nan = np.isnan(ours) & np.isnan(theirs)
    unequal = ~both_nan & (ours.view(np.uint64) != theirs.view(np.uint64))
    assert not unequal.any(), (
        f"{unequal.sum()} of {unequal.size} differ; first at {np.argwhere(unequal)[0]}: "
        f"{ours[unequal][0]!r}, LightGBM has {theirs[unequal][0]!r}"
    )


def check(booster, path, categorical=()):
    """Everything that a saved Booster predicts, against LightGBM."""
    booster.save_model(path)
    theirs = lightgbm.Booster(model_file=str(path))
    ours = spinney.load(path)
    assert ours.n_features == theirs.num_feature()
    assert ours.n_trees == theirs.num_trees()
    for dtype in (np.float64, np.float32):
        rows = decisive_rows(theirs, dtype, categorical=categorical)
        raw = theirs.predict(rows, raw_score=True, num_threads=1)
        same_bits(ours.predict_raw(rows), raw)
        same_bits(ours.predict(rows), theirs.predict(rows, num_threads=1))
        leaves = theirs.predict(rows, pred_leaf=True, num_threads=1)
        np.testing.assert_array_equal(ours.predict_leaf(rows), leaves)
        for n in (1, 2, 63, 64, 65, 130):
            same_bits(ours.predict_raw(rows[7 : 7 + n]), raw[7 : 7 + n])


OBJECTIVES = {
    "regression": {},
    "regression_l1": {},
    "huber": {},
    "fair": {},
    "quantile": {"alpha": 0.7},
    "mape": {},
    "poisson": {"kind": "positive"},
    "gamma": {"kind": "positive"},
    "tweedie": {"kind": "positive", "tweedie_variance_power": 1.3},
    "cross_entropy": {"kind": "unit"},
    "cross_entropy_lambda": {"kind": "unit"},
    "binary": {"kind": "binary"},
    "multiclass": {"kind": "multiclass", "num_class": 3},
    "multiclassova": {"kind": "multiclass", "num_class": 3},
    "lambdarank": {"kind": "grade"},
    "rank_xendcg": {"kind": "grade"},
}
BOOSTING = {
    "gbdt": {},
    "dart": {"boosting": "dart", "drop_rate": 0.3},
    "rf": {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6},
    "goss": {"data_sample_strategy": "goss"},
}


def train(parameters, seed=0, categorical=(), n_rounds=25, **more):
    parameters = dict(parameters)
    kind = parameters.pop("kind", "regression")
    x, y = training_data(seed, kind, categorical, parameters.get("num_class", 3))
    group = [50] * 10 if kind == "grade" else None
    data = lightgbm.Dataset(x, y, group=group, categorical_feature=list(categorical))
    settings = {"verbose": -1, "num_threads": 1, "num_leaves": 15, "min_data_in_leaf": 5, "seed": 1}
    return lightgbm.train({**settings, **parameters}, data, n_rounds, **more)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("boosting", BOOSTING)
def test_objectives(objective, boosting, tmp_path):
    parameters = {"objective": objective, **OBJECTIVES[objective], **BOOSTING[boosting]}
    check(train(parameters), tmp_path / "m.txt")


@pytest.mark.parametrize(
    "objective", ["regression", "regression_l1", "fair", "quantile", "huber", "poisson"]
)
def test_square_root_of_the_target(objective, tmp_path):
    kind = "positive" if objective == "poisson" else "regression"
    check(train({"objective": objective, "reg_sqrt": True, "kind": kind}), tmp_path / "m.txt")


@pytest.mark.parametrize("sigmoid", [0.5, 0.7, 1.23, 2, 0.123456789, 17.3, 1e-3, 1234567])
@pytest.mark.parametrize("objective", ["binary", "multiclassova"])
def test_sigmoid_parameter(objective, sigmoid, tmp_path):
    parameters = {"objective": objective, **OBJECTIVES[objective], "sigmoid": sigmoid}
    check(train(parameters, n_rounds=5), tmp_path / "m.txt")


MISSING = {
    "nan": {},
    "zero": {"zero_as_missing": True},
    "none": {"use_missing": False},
}


@pytest.mark.parametrize("missing", MISSING)
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("tree", ["plain", "linear", "categorical", "both"])
def test_missing_rules(missing, seed, tree, tmp_path):
    if missing == "zero" and tree in ("linear", "both"):
        pytest.skip("LightGBM trains no linear trees with zero_as_missing")
    categorical = (1, 4) if tree in ("categorical", "both") else ()
    parameters = {"objective": "regression", "linear_tree": tree in ("linear", "both")}
    booster = train({**parameters, **MISSING[missing]}, seed, categorical)
    check(booster, tmp_path / "m.txt", categorical)


def test_onehot_and_large_categories(tmp_path):
    parameters = {"objective": "binary", "kind": "binary", "max_cat_to_onehot": 100}
    check(train(parameters, categorical=(0, 5)), tmp_path / "m.txt", (0, 5))
    parameters["max_cat_to_onehot"] = 1
    check(train(parameters, categorical=(0, 5)), tmp_path / "m.txt", (0, 5))


def test_many_leaves_and_classes(tmp_path):
    parameters = {"objective": "regression", "num_leaves": 255, "min_data_in_leaf": 1}
    check(train(parameters, n_rounds=10), tmp_path / "m.txt")
    parameters = {"objective": "multiclass", "num_class": 40, "kind": "multiclass"}
    check(train(parameters, n_rounds=3), tmp_path / "m.txt")


def test_constant_target_gives_single_leaves(tmp_path):
    x, _ = training_data(0)
    booster = lightgbm.train({"verbose": -1}, lightgbm.Dataset(x, np.full(len(x), 3.25)), 3)
    check(booster, tmp_path / "m.txt")


def test_no_trees(tmp_path):
    x, y = training_data(0, "multiclass")
    parameters = {"verbose": -1, "objective": "multiclass", "num_class": 3}
    booster = lightgbm.Booster(parameters, lightgbm.Dataset(x, y))
    check(booster, tmp_path / "m.txt")


def test_own_objective(tmp_path):
    x, y = training_data(0, "multiclass")

    def gradient(scores, data):
        onehot = np.eye(3)[y.astype(int)]
        p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        return p - onehot, p * (1 - p)

    parameters = {"verbose": -1, "objective": gradient, "num_class": 3, "num_leaves": 7}
    booster = lightgbm.train(parameters, lightgbm.Dataset(x, y), 5)
    check(booster, tmp_path / "m.txt")


def test_best_iteration_is_where_a_saved_booster_ends(tmp_path):
    x, y = training_data(0)
    valid = lightgbm.Dataset(*training_data(1))
    booster = lightgbm.train(
        {"verbose": -1, "learning_rate": 0.9, "num_leaves": 60},
        lightgbm.Dataset(x, y),
        100,
        valid_sets=[valid],
        keep_training_booster=True,
        callbacks=[lightgbm.early_stopping(5, verbose=False)],
    )
    assert 0 < booster.best_iteration < booster.current_iteration()
    check(booster, tmp_path / "m.txt")
    rows = decisive_rows(booster, np.float64)
    same_bits(spinney.load(tmp_path / "m.txt").predict(rows), booster.predict(rows))


def test_thread_counts_agree(tmp_path):
    booster = train({"objective": "binary", "kind": "binary"})
    booster.save_model(tmp_path / "m.txt")
    rows = decisive_rows(booster, np.float64, n_rows=5000)
    model = spinney.load(tmp_path / "m.txt")
    one = model.predict_raw(rows, num_threads=1)
    same_bits(model.predict_raw(rows, num_threads=2), one)
    same_bits(one, booster.predict(rows, raw_score=True, num_threads=1))


def test_a_cut_file_is_refused(tmp_path):
    booster = train({"objective": "regression"})
    text = booster.model_to_string()
    path = tmp_path / "cut.txt"
    for share in (0.1, 0.5, 0.7):
        path.write_text(text[: int(share * text.index("end of trees"))])
        with pytest.raises(spinney.CorruptModelError):
            spinney.load(path)


def same_answers(ours, theirs, rows):
    """predict, predict_proba and raw scores of a wrapper or Booster."""
    labels = theirs.predict(rows)
    got = ours.predict(rows)
    assert got.dtype == labels.dtype
    assert got.shape == labels.shape
    np.testing.assert_array_equal(got, labels)
    same_bits(ours.predict_raw(rows), theirs.predict(rows, raw_score=True))
    if hasattr(theirs, "predict_proba"):
        same_bits(ours.predict_proba(rows), np.ascontiguousarray(theirs.predict_proba(rows)))


def check_object(estimator, tmp_path, rows=None):
    booster = getattr(estimator, "booster_", estimator)
    if rows is None:
        rows = decisive_rows(booster, np.float64)
    for protocol in (2, 4, 5):
        path = tmp_path / "model.pkl"
        path.write_bytes(pickle.dumps(estimator, protocol))
        same_answers(spinney.load(path), estimator, rows)
    joblib.dump(estimator, tmp_path / "model.joblib", compress=3)
    ours = spinney.load(tmp_path / "model.joblib")
    same_answers(ours, estimator, rows)
    same_answers(spinney.load(estimator), estimator, rows)
    assert ours.n_features == booster.num_feature()
    return ours


LABELS = {
    "int64": lambda y: y.astype(np.int64),
    "shifted": lambda y: y.astype(np.int32) * 3 - 4,
    "float": lambda y: y * 2.0 + 1.0,
    "strings": lambda y: np.array(["zebra", "ant", "mole"])[y.astype(int)],
    "objects": lambda y: np.array(["zebra", "ant", "mole"], dtype=object)[y.astype(int)],
}


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_classifier(labels, kind, tmp_path):
    x, y = training_data(3, kind)
    estimator = lightgbm.LGBMClassifier(n_estimators=8, verbose=-1, n_jobs=1)
    estimator.fit(x, LABELS[labels](y))
    ours = check_object(estimator, tmp_path)
    assert list(ours.classes_) == list(estimator.classes_)
    assert ours.classes_.dtype == estimator.classes_.dtype


def test_classifier_of_booleans(tmp_path):
    x, y = training_data(3, "binary")
    estimator = lightgbm.LGBMClassifier(n_estimators=8, verbose=-1, n_jobs=1).fit(x, y == 1)
    assert check_object(estimator, tmp_path).classes_.dtype == bool


@pytest.mark.parametrize("objective", ["multiclassova", "cross_entropy", "regression"])
def test_classifier_with_another_objective(objective, tmp_path):
    x, y = training_data(3, "multiclass" if objective == "multiclassova" else "binary")
    estimator = lightgbm.LGBMClassifier(objective=objective, n_estimators=8, verbose=-1, n_jobs=1)
    check_object(estimator.fit(x, y), tmp_path)


def softmax_like_loss(y, scores):
    return scores - y, np.ones_like(scores)


def test_classifier_with_own_objective_gives_raw_scores(tmp_path):
    x, y = training_data(3, "binary")
    estimator = lightgbm.LGBMClassifier(objective=softmax_like_loss, n_estimators=8, verbose=-1)
    estimator.fit(x, y)
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(estimator))
    rows = decisive_rows(estimator.booster_, np.float64)
    ours = spinney.load(path)
    same_bits(ours.predict(rows), estimator.predict(rows))
    with pytest.raises(spinney.UnsupportedModelError):
        ours.predict_proba(rows)


@pytest.mark.parametrize("objective", ["regression", "poisson", "quantile", None])
def test_regressor(objective, tmp_path):
    x, y = training_data(3, "positive")
    estimator = lightgbm.LGBMRegressor(objective=objective, n_estimators=8, verbose=-1, n_jobs=1)
    ours = check_object(estimator.fit(x, y), tmp_path)
    with pytest.raises(spinney.UnsupportedModelError):
        ours.predict_proba(x)


def test_ranker(tmp_path):
    x, y = training_data(3, "grade")
    estimator = lightgbm.LGBMRanker(n_estimators=8, verbose=-1, n_jobs=1)
    check_object(estimator.fit(x, y.astype(int), group=[50] * 10), tmp_path)


@pytest.mark.parametrize("boosting", ["rf", "dart"])
def test_boosting_of_wrappers(boosting, tmp_path):
    x, y = training_data(3, "multiclass")
    estimator = lightgbm.LGBMClassifier(
        boosting_type=boosting, subsample=0.7, subsample_freq=1, n_estimators=9, verbose=-1
    )
    check_object(estimator.fit(x, y), tmp_path)


@pytest.mark.parametrize("boosting", ["gbdt", "rf"])
def test_wrappers_and_boosters_stop_at_the_best_iteration(boosting, tmp_path):
    x, y = training_data(0, "multiclass")
    booster = train(
        {"objective": "multiclass", "num_class": 3, "kind": "multiclass", **BOOSTING[boosting]}
    )
    booster.best_iteration = 7
    rows = decisive_rows(booster, np.float64)
    ours = check_object(booster, tmp_path, rows)
    assert ours.n_trees == 21
    estimator = lightgbm.LGBMClassifier(n_estimators=200, learning_rate=0.7, verbose=-1)
    valid = training_data(1, "multiclass")
    stop = lightgbm.early_stopping(5, verbose=False)
    estimator.fit(x, y, eval_set=[valid], callbacks=[stop])
    assert 0 < estimator.best_iteration_ < 200
    check_object(estimator, tmp_path)


def test_linear_trees_stop_at_the_best_iteration(tmp_path):
    booster = train({"objective": "regression", "linear_tree": True})
    booster.best_iteration = 4
    assert check_object(booster, tmp_path).n_trees == 4


def test_unfitted_and_early_stopping_predictors_are_refused(tmp_path):
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(lightgbm.LGBMClassifier()))
    with pytest.raises(spinney.UnsupportedModelError, match="not fitted"):
        spinney.load(path)
    x, y = training_data(3, "binary")
    estimator = lightgbm.LGBMClassifier(n_estimators=3, verbose=-1, pred_early_stop=True)
    path.write_bytes(pickle.dumps(estimator.fit(x, y)))
    with pytest.raises(spinney.UnsupportedModelError, match="pred_early_stop"):
        spinney.load(path)
