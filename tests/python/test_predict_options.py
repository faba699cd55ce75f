"""What one call may ask for beside its rows, with each library's own answer."""

from __future__ import annotations

import numpy as np
import pytest

import spinney
from differential import assert_same
from spinney import InferenceEngine

lightgbm = pytest.importorskip("lightgbm")
xgboost = pytest.importorskip("xgboost")
ensemble = pytest.importorskip("sklearn.ensemble")
scipy = pytest.importorskip("scipy.sparse")
_random = np.random.default_rng(5)
X = np.where(_random.random((300, 4)) < 0.1, np.nan, _random.normal(size=(300, 4)))
X = X.astype(np.float32)
Y = np.nan_to_num(X) @ [1.0, 2.0, -1.0, 0.5]
THREE = np.digitize(Y, [-1, 1])
RANGES = [(0, 1), (0, 5), (2, 7), (3, 10), (0, 10), (0, 0), (4, 0), (5, 5)]
XGBOOST = {
    "regression": ({"objective": "reg:squarederror"}, Y),
    "binary": ({"objective": "binary:logistic"}, Y > 0),
    "softprob": ({"objective": "multi:softprob", "num_class": 3}, THREE),
    "softmax": ({"objective": "multi:softmax", "num_class": 3}, THREE),
    "parallel": ({"num_parallel_tree": 3, "subsample": 0.5, "objective": "multi:softprob",
                  "num_class": 3}, THREE),
    "dart": ({"booster": "dart", "rate_drop": 0.5, "one_drop": 1}, Y),
    "vector": ({"multi_strategy": "multi_output_tree", "tree_method": "hist"}, np.c_[Y, -Y]),
}  # fmt: skip


def train(kind):
    parameters, y = XGBOOST[kind]
    return xgboost.train({"nthread": 1, **parameters}, xgboost.DMatrix(X, y), 10)


@pytest.mark.parametrize("kind", XGBOOST)
def test_iteration_range_of_a_booster(kind):
    booster = train(kind)
    model = spinney.load(booster)
    matrix = xgboost.DMatrix(X)
    for wanted in RANGES:
        expected = booster.predict(matrix, iteration_range=wanted)
        assert_same(model.predict(X, iteration_range=wanted), expected, f"{wanted}")
        margins = booster.predict(matrix, iteration_range=wanted, output_margin=True)
        assert_same(model.predict_raw(X, iteration_range=wanted), margins)
        assert_same(
            spinney.load(booster, iteration_range=wanted).predict(X), expected, "as load has it"
        )
    leaves = booster.predict(matrix, iteration_range=(0, 7), pred_leaf=True)
    found = model.predict_leaf(X, iteration_range=(0, 7))
    np.testing.assert_array_equal(found, leaves.reshape(found.shape))
    assert_same(model.predict(X), booster.predict(matrix), "the model itself is as it was")
    with pytest.raises(spinney.InvalidInputError, match="model has 10 iterations"):
        model.predict(X, iteration_range=(0, 11))


def test_iteration_range_of_a_wrapper():
    fitted = xgboost.XGBClassifier(n_estimators=40, early_stopping_rounds=2, learning_rate=1.0)
    fitted.fit(X[:200], THREE[:200], eval_set=[(X[200:], THREE[200:])], verbose=False)
    best = fitted.best_iteration + 1
    assert best < fitted.get_booster().num_boosted_rounds()
    model = spinney.load(fitted)
    for wanted in ((0, best), (0, 0), (0, 1), None):
        assert_same(
            model.predict(X, iteration_range=wanted), fitted.predict(X, iteration_range=wanted)
        )
        proba = fitted.predict_proba(X, iteration_range=wanted)
        assert_same(model.predict_proba(X, iteration_range=wanted), proba)
    with pytest.raises(spinney.InvalidInputError, match=r"best_iteration=.*load it with iteration"):
        model.predict(X, iteration_range=(0, best + 1))
    for wrong in ((-1, 2), (3, 2)):
        with pytest.raises(spinney.InvalidInputError, match="expected 0 <= first <= second"):
            model.predict(X, iteration_range=wrong)
    for wrong in (3, (1,), (1, 2, 3), "ab", (0.5, 1)):
        with pytest.raises(spinney.InvalidInputError, match="iteration_range"):
            model.predict(X, iteration_range=wrong)
    with pytest.raises(spinney.InvalidInputError, match="num_iteration is LightGBM's"):
        model.predict(X, num_iteration=2)


LIGHTGBM = {
    "regression": ({"objective": "regression"}, Y),
    "multiclass": ({"objective": "multiclass", "num_class": 3}, THREE),
    "rf": ({"objective": "regression", "boosting": "rf", "bagging_freq": 1,
            "bagging_fraction": 0.5}, Y),
    "linear": ({"objective": "regression", "linear_tree": True}, Y),
    "dart": ({"objective": "binary", "boosting": "dart"}, Y > 0),
}  # fmt: skip


@pytest.mark.parametrize("kind", LIGHTGBM)
def test_num_iteration_and_start_iteration(kind):
    parameters, y = LIGHTGBM[kind]
    parameters = {"verbose": -1, "num_threads": 1, "num_leaves": 7, **parameters}
    booster = lightgbm.train(parameters, lightgbm.Dataset(X, y), 10)
    model = spinney.load(booster)
    for options in (
        {"num_iteration": 3}, {"num_iteration": 100}, {"num_iteration": -1}, {"num_iteration": 0},
        {"start_iteration": 4}, {"start_iteration": 4, "num_iteration": 3}, {"start_iteration": -2},
        {"num_iteration": 1, "start_iteration": 9}, {"num_iteration": None},
    ):  # fmt: skip
        assert_same(model.predict(X, **options), booster.predict(X, **options), f"{options}")
        raw = booster.predict(X, raw_score=True, **options)
        if kind != "rf":  # whose raw scores are sums here
            assert_same(model.predict_raw(X, **options), raw)
    with pytest.raises(spinney.InvalidInputError, match="iteration_range is XGBoost's"):
        model.predict(X, iteration_range=(0, 1))


def test_what_was_left_out_at_loading_is_named(tmp_path):
    booster = lightgbm.train({"verbose": -1}, lightgbm.Dataset(X, Y), 10)
    booster.best_iteration = 4
    model = spinney.load(booster)
    assert_same(model.predict(X, num_iteration=4), booster.predict(X, num_iteration=4))
    assert_same(model.predict(X, num_iteration=2), booster.predict(X, num_iteration=2))
    with pytest.raises(spinney.InvalidInputError, match=r"best_iteration=4 .* num_iteration=-1"):
        model.predict(X, num_iteration=-1)
    part = spinney.load(train("binary"), iteration_range=(2, 8))
    assert_same(
        part.predict(X, iteration_range=(3, 6)),
        spinney.load(train("binary"), iteration_range=(3, 6)).predict(X),
    )
    with pytest.raises(spinney.InvalidInputError, match="keeps no others"):
        part.predict(X, iteration_range=(0, 6))
    part.save(tmp_path / "part.spinney")
    with pytest.raises(spinney.UnsupportedModelError, match=r"\.spinney"):
        spinney.load(tmp_path / "part.spinney").predict(X, iteration_range=(3, 6))
    forest = spinney.load(ensemble.RandomForestRegressor(2).fit(np.nan_to_num(X), Y))
    with pytest.raises(spinney.InvalidInputError, match="goes with models of XGBoost"):
        forest.predict(X, iteration_range=(0, 1))


@pytest.mark.parametrize("kind", ["regression", "softprob", "dart", "linear"])
@pytest.mark.parametrize("missing", [0.0, -1.0, 2.5, np.nan, None])
def test_missing(kind, missing):
    whole = np.round(np.nan_to_num(X)) / 1.0
    if kind == "linear":
        booster = xgboost.train({"booster": "gblinear"}, xgboost.DMatrix(whole, Y), 5)
    else:
        booster = train(kind)
    model = spinney.load(booster)
    matrix = xgboost.DMatrix(whole, missing=np.nan if missing is None else missing)
    assert_same(model.predict(whole, missing=missing), booster.predict(matrix))
    assert_same(model.predict(whole), booster.predict(xgboost.DMatrix(whole)))
    if missing is not None:
        loaded = spinney.load(booster, missing=missing)
        assert_same(loaded.predict(whole), booster.predict(matrix))
        again = spinney.load(loaded.to_bytes())
        assert_same(again.predict(whole), booster.predict(matrix), "as it was converted")
    lgb = spinney.load(lightgbm.train({"verbose": -1}, lightgbm.Dataset(X, Y), 2))
    with pytest.raises(spinney.InvalidInputError, match="missing is XGBoost's"):
        lgb.predict(X, missing=0)
    with pytest.raises(spinney.InvalidInputError, match="missing=0 goes with models of XGBoost"):
        spinney.load(lgb, missing=0)
    with pytest.raises(
        spinney.InvalidInputError, match="missing is of type str; expected a number"
    ):
        spinney.load(booster).predict(X, missing="none")
    for wrong in ("none", [1]):
        with pytest.raises(spinney.InvalidInputError, match="expected a number"):
            spinney.load(booster, missing=wrong)


@pytest.mark.parametrize("kind", list(XGBOOST))
def test_base_margin(kind):
    booster = train(kind)
    model = spinney.load(booster)
    columns = model.n_outputs
    margin = _random.normal(size=(len(X), columns)).astype(np.float32)
    matrix = xgboost.DMatrix(X, base_margin=margin if columns > 1 else margin.ravel())
    given = [margin, margin.astype(np.float64), margin.tolist()]
    given += [margin.ravel()] if columns == 1 else []
    for base_margin in given:
        assert_same(model.predict(X, base_margin=base_margin), booster.predict(matrix))
        raw = booster.predict(matrix, output_margin=True)
        assert_same(model.predict_raw(X, base_margin=base_margin, num_threads=2), raw)
        few = booster.predict(matrix, iteration_range=(2, 5))
        found = model.predict(X, base_margin=base_margin, iteration_range=(2, 5))
        assert_same(found, few)
    one = model.predict(X[:1], base_margin=margin[:1])
    assert_same(one, model.predict(X, base_margin=margin)[:1])
    many = np.tile(X, (400, 1))
    assert_same(
        model.predict(many, base_margin=np.tile(margin, (400, 1))),
        np.concatenate([booster.predict(matrix)] * 400),
    )
    integers = np.nan_to_num(X).astype(np.int16)
    rows = xgboost.DMatrix(integers, base_margin=margin if columns > 1 else margin.ravel())
    assert_same(model.predict(integers, base_margin=margin), booster.predict(rows))
    with pytest.raises(spinney.InvalidInputError, match=r"base_margin has .* values for 300 rows"):
        model.predict(X, base_margin=margin[:-1])


def test_base_margin_of_a_wrapper():
    for fitted in (
        xgboost.XGBClassifier(n_estimators=5).fit(X, Y > 0),
        xgboost.XGBRegressor(n_estimators=5, booster="dart", rate_drop=0.5).fit(X, Y),
        xgboost.XGBRegressor(n_estimators=5, missing=0.0).fit(np.nan_to_num(X), Y),
    ):
        margin = _random.normal(size=len(X)).astype(np.float32)
        rows = np.nan_to_num(X)
        model = spinney.load(fitted)
        if fitted.booster == "dart":  # its in-place way adds the margin once for each tree
            matrix = xgboost.DMatrix(rows, base_margin=margin)
            theirs = fitted.get_booster().predict(matrix)
            assert_same(model.predict(rows, base_margin=margin), theirs)
            continue
        assert_same(
            model.predict(rows, base_margin=margin), fitted.predict(rows, base_margin=margin)
        )


LINEAR = {
    "regression": ({"objective": "reg:squarederror"}, Y),
    "binary": ({"objective": "binary:logistic"}, Y > 0),
    "poisson": ({"objective": "count:poisson"}, np.abs(Y)),
    "softprob": ({"objective": "multi:softprob", "num_class": 3}, THREE),
    "softmax": ({"objective": "multi:softmax", "num_class": 3}, THREE),
    "base": ({"objective": "reg:squarederror", "base_score": 0.1}, Y),
}


@pytest.mark.parametrize("kind", LINEAR)
def test_base_margin_of_gblinear(kind, tmp_path):
    parameters, y = LINEAR[kind]
    parameters = {"booster": "gblinear", "nthread": 1, **parameters}
    booster = xgboost.train(parameters, xgboost.DMatrix(X, y), 5)
    model = spinney.load(booster)
    margin = _random.normal(size=(len(X), model.n_outputs)).astype(np.float32)
    given = margin if model.n_outputs > 1 else margin.ravel()
    for rows in (X, np.round(X, 1), scipy.csr_matrix(np.nan_to_num(X))):
        for missing in (np.nan, 0.5):
            matrix = xgboost.DMatrix(rows, base_margin=given, missing=missing)
            asked = {"base_margin": given, "missing": missing}
            assert_same(model.predict(rows, **asked), booster.predict(matrix))
            raw = booster.predict(matrix, output_margin=True)
            assert_same(model.predict_raw(rows, **asked), raw)
        assert_same(model.predict(xgboost.DMatrix(rows, base_margin=given)),
                    booster.predict(xgboost.DMatrix(rows, base_margin=given)))  # fmt: skip
    assert_same(model.predict(X[:1], base_margin=given[:1]),
                model.predict(X, base_margin=given)[:1])  # fmt: skip
    assert_same(model.predict(X), booster.predict(xgboost.DMatrix(X)), "and without, as ever")
    with pytest.raises(spinney.InvalidInputError, match=r"base_margin has .* for 300 rows"):
        model.predict(X, base_margin=given[1:])
    model.save(tmp_path / "model.spinney")
    kept = spinney.load(tmp_path / "model.spinney")
    assert_same(kept.predict(X), model.predict(X))
    with pytest.raises(spinney.UnsupportedModelError, match="load the file that XGBoost saved"):
        kept.predict(X, base_margin=given)
    small = spinney.quantize_model(model, "int8")[0]
    with pytest.raises(spinney.UnsupportedModelError, match="no meaning to a quantized"):
        small.predict(X, base_margin=given)


def test_base_margin_of_a_linear_wrapper():
    for fitted in (
        xgboost.XGBClassifier(n_estimators=5, booster="gblinear").fit(X, Y > 0),
        xgboost.XGBRegressor(n_estimators=5, booster="gblinear").fit(X, Y),
    ):
        margin = _random.normal(size=len(X)).astype(np.float32)
        found = spinney.load(fitted).predict(X, base_margin=margin)
        assert_same(found, fitted.predict(X, base_margin=margin))


@pytest.mark.parametrize("objective", ["regression", "binary", "poisson", "multiclass"])
def test_init_score_is_added_to_the_raw_scores(objective):
    """LightGBM's predict leaves it to its users to add what training began with."""
    y = {"regression": Y, "binary": Y > 0, "poisson": np.abs(Y), "multiclass": THREE}[objective]
    parameters = {"objective": objective, "verbose": -1}
    parameters.update({"num_class": 3} if objective == "multiclass" else {})
    booster = lightgbm.train(parameters, lightgbm.Dataset(X, y), 5)
    model = spinney.load(booster)
    start = _random.normal(size=(len(X), model.n_outputs))
    start = start if model.n_outputs > 1 else start.ravel()
    raw = booster.predict(X, raw_score=True) + start
    assert_same(model.predict_raw(X, init_score=start), raw)
    expected = {
        "regression": lambda r: r,
        "binary": lambda r: 1 / (1 + np.exp(-r)),
        "poisson": np.exp,
        "multiclass": lambda r: np.exp(r) / np.exp(r).sum(axis=1, keepdims=True),
    }[objective](raw)
    np.testing.assert_allclose(model.predict(X, init_score=start), expected, rtol=1e-14)
    with pytest.raises(spinney.InvalidInputError, match="base_margin goes with models of xgboost"):
        model.predict(X, base_margin=start)


def test_models_of_other_ranges_are_kept_and_forgotten():
    booster = train("regression")
    model = spinney.load(booster)
    matrix = xgboost.DMatrix(X)
    for _ in range(2):
        for first in range(9):  # one more than are kept
            wanted = (first, first + 1)
            expected = booster.predict(matrix, iteration_range=wanted)
            assert_same(model.predict(X, iteration_range=wanted), expected)


MATRICES = {
    "plain": lambda: xgboost.DMatrix(X),
    "missing": lambda: xgboost.DMatrix(np.round(np.nan_to_num(X)), missing=0.0),
    "narrow": lambda: xgboost.DMatrix(X[:, :2]),
    "margin": lambda: xgboost.DMatrix(X, base_margin=np.arange(len(X)) / 7.0),
    "none": lambda: xgboost.DMatrix(np.zeros((0, 4))),
}


@pytest.mark.parametrize("booster", ["regression", "binary", "dart"])
@pytest.mark.parametrize("matrix", MATRICES)
def test_dmatrix(booster, matrix):
    theirs, given = train(booster), MATRICES[matrix]()
    model = spinney.load(theirs)
    assert_same(model.predict(given), theirs.predict(given))
    assert_same(model.predict_raw(given), theirs.predict(given, output_margin=True))
    with InferenceEngine() as engine:
        assert engine.load_model(model)
        success, found, told = engine.predict(given)
        assert success, told
        assert_same(found, theirs.predict(given))


def test_names_of_a_dmatrix():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcd"))
    theirs = xgboost.train({}, xgboost.DMatrix(frame, Y), 5)
    model = spinney.load(theirs)
    expected = theirs.predict(xgboost.DMatrix(frame))
    assert_same(model.predict(xgboost.DMatrix(frame)), expected)
    assert_same(model.predict(xgboost.DMatrix(frame[list("dbca")])), expected)
    assert_same(model.predict(xgboost.DMatrix(frame.assign(e=1.0)[list("edbca")])), expected)
    with pytest.raises(spinney.InvalidInputError, match="the DMatrix lacks 'd'"):
        model.predict(xgboost.DMatrix(frame[list("abc")]))
    with pytest.raises(spinney.InvalidInputError, match=r"5 columns.*4 features"):
        model.predict(xgboost.DMatrix(np.ones((2, 5))))
    with pytest.raises(spinney.InvalidInputError, match="QuantileDMatrix"):
        model.predict(xgboost.QuantileDMatrix(frame))
    forest = spinney.load(ensemble.RandomForestRegressor(2).fit(np.nan_to_num(X), Y))
    with pytest.raises(spinney.InvalidInputError, match="for models of XGBoost"):
        forest.predict(xgboost.DMatrix(X))
