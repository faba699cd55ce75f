"""spinney.load's keywords that choose among a model's answers; what files mean without them."""

import pickle
from pathlib import Path

import numpy as np
import pytest

import spinney
from xgboost_models import assert_same, bits, training_rows, xgb

VERSION = tuple(map(int, xgb.__version__.split(".")[:2]))
FEW = {"n_estimators": 12, "max_depth": 3, "learning_rate": 1.0, "n_jobs": 1}


def wrappers():
    yield "classifier", xgb.XGBClassifier(**FEW), "two"
    yield "five classes", xgb.XGBClassifier(**FEW), "five"
    yield "softmax", xgb.XGBClassifier(objective="multi:softmax", **FEW), "five"
    yield "labels", xgb.XGBClassifier(**FEW), "labels"
    yield "hinge", xgb.XGBClassifier(objective="binary:hinge", **FEW), "two"
    yield "logitraw", xgb.XGBClassifier(objective="binary:logitraw", **FEW), "two"
    yield "parallel", xgb.XGBClassifier(num_parallel_tree=3, subsample=0.5, **FEW), "five"
    yield "forest classifier", xgb.XGBRFClassifier(n_estimators=7, max_depth=3, n_jobs=1), "five"
    yield "forest regressor", xgb.XGBRFRegressor(n_estimators=7, max_depth=3, n_jobs=1), "value"
    yield "regressor", xgb.XGBRegressor(**FEW), "value"
    yield "targets", xgb.XGBRegressor(**FEW), "values"
    yield "ranker", xgb.XGBRanker(**FEW), "five"
    yield "dart", xgb.XGBRegressor(booster="dart", rate_drop=0.5, base_score=0.7, **FEW), "value"
    yield "linear", xgb.XGBRegressor(booster="gblinear", n_estimators=4, n_jobs=1), "value"
    yield "linear classes", xgb.XGBClassifier(booster="gblinear", n_estimators=4, n_jobs=1), "five"
    trees = {"multi_strategy": "multi_output_tree", "tree_method": "hist", **FEW}
    yield "vector leaves", xgb.XGBClassifier(**trees), "five"


def fitted_with(wrapper, kind, stopped):
    """(the fitted wrapper, its training rows)"""
    rng = np.random.default_rng(31)
    x, signal = training_rows(rng)
    y = {
        "two": (signal > 1).astype(int),
        "five": np.round(np.abs(signal)).clip(0, 4).astype(int),
        "labels": np.stack([signal > 1, signal < 0.5, signal > 2], axis=1).astype(int),
        "values": np.stack([signal, signal**2], axis=1),
    }.get(kind, signal)
    options = {}
    if isinstance(wrapper, xgb.XGBRanker):
        options["group"] = [50] * (len(x) // 50)
    if stopped:
        wrapper.set_params(early_stopping_rounds=2)
        options["eval_set"] = [(x, rng.permutation(y))]
        options["verbose"] = False
        if "group" in options:
            options["eval_group"] = [options["group"]]
    return wrapper.fit(x, y, **options), x


def assert_answers(model, wrapper, x, **options):
    """Labels or values, margins and probabilities of a wrapper."""
    wanted, given = wrapper.predict(x, **options), model.predict(x)
    assert given.dtype == wanted.dtype and given.shape == wanted.shape
    np.testing.assert_array_equal(given, wanted)
    assert_same(model.predict_raw(x), wrapper.predict(x, output_margin=True, **options))
    if not hasattr(wrapper, "predict_proba"):
        with pytest.raises(spinney.UnsupportedModelError):
            model.predict_proba(x)
        return
    wanted, given = wrapper.predict_proba(x, **options), model.predict_proba(x)
    assert given.dtype == wanted.dtype and given.shape == wanted.shape
    if wrapper.objective == "multi:softmax":  # scipy's softmax, not XGBoost's
        np.testing.assert_allclose(given, wanted, rtol=1e-6)
    else:
        np.testing.assert_array_equal(bits(given), bits(wanted))
    np.testing.assert_array_equal(model.classes_, wrapper.classes_)
    assert model.classes_.dtype == wrapper.classes_.dtype


@pytest.mark.parametrize("stopped", [False, True], ids=["all trees", "stopped"])
@pytest.mark.parametrize("form", ["json", "ubj"])
@pytest.mark.parametrize(
    ("wrapper", "kind"), [pytest.param(w, k, id=name) for name, w, k in wrappers()]
)
def test_a_wrapper_s_file_answers_as_the_wrapper(wrapper, kind, form, stopped, tmp_path):
    if stopped and "RF" in type(wrapper).__name__:
        pytest.skip("random forests of one iteration do not stop early")
    wrapper = type(wrapper)(**wrapper.get_params())
    fitted, x = fitted_with(wrapper, kind, stopped)
    path = tmp_path / f"model.{form}"
    fitted.save_model(path)
    again = type(fitted)()
    again.load_model(path)
    model = spinney.load(path)
    assert model.source["kind"] in (type(fitted).__name__, type(fitted).__name__.replace("RF", ""))
    assert_answers(model, again, x)
    model.save(tmp_path / "model.spinney")
    kept = spinney.load(tmp_path / "model.spinney")
    assert_answers(kept, again, x)
    assert kept.info()["trees_rule"] == model.info()["trees_rule"]
    for source in (path, fitted):  # the bare Booster of a file and of an object
        booster = spinney.load(source, as_booster=True)
        bare = xgb.Booster(model_file=path)
        assert booster.source["kind"] == "Booster"
        assert_same(booster.predict(x), bare.predict(xgb.DMatrix(x)))
        assert_same(booster.predict_raw(x), bare.predict(xgb.DMatrix(x), output_margin=True))
    if stopped and fitted.booster != "gblinear":
        info = model.info()
        assert info["trees_rule"] == f"best_iteration={fitted.best_iteration}"
        assert info["n_trees"] < info["n_trees_in_file"] == booster.n_trees


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """An early-stopped classifier of several trees an iteration, its file and its rows."""
    wrapper = xgb.XGBClassifier(num_parallel_tree=2, subsample=0.5, **FEW)
    fitted, x = fitted_with(wrapper, "five", True)
    path = tmp_path_factory.mktemp("stopped") / "model.json"
    fitted.save_model(path)
    return fitted, path, x


RANGES = [(0, 0), (0, 1), (1, 2), (0, 3), (1, 3), (2, 0), (2, 2)]


@pytest.mark.parametrize("pair", RANGES)
def test_iteration_range_of_a_wrapper(stopped, pair, tmp_path):
    fitted, path, x = stopped
    for source in (path, fitted):
        model = spinney.load(source, iteration_range=pair)
        assert_answers(model, fitted, x, iteration_range=pair)
    model.save(tmp_path / "model.spinney")
    kept = spinney.load(tmp_path / "model.spinney")
    assert_answers(kept, fitted, x, iteration_range=pair)
    if pair[1]:
        assert kept.info()["trees_rule"] == f"iteration_range={pair}"
        assert kept.n_trees == (pair[1] - pair[0]) * 2 * 5


@pytest.mark.parametrize("pair", RANGES)
def test_iteration_range_of_a_booster(stopped, pair):
    fitted, path, x = stopped
    booster = xgb.Booster(model_file=path)
    for model in (
        spinney.load(path, as_booster=True, iteration_range=pair),
        spinney.load(fitted.get_booster(), iteration_range=np.array(pair)),
    ):
        assert_same(model.predict(x), booster.predict(xgb.DMatrix(x), iteration_range=pair))


@pytest.mark.parametrize("pair", [(0, 10**6), (5, 2), (-1, 2), (0, -1), (10**6, 0)])
def test_ranges_that_are_not_there(stopped, pair):
    fitted, path, x = stopped
    if pair == (0, 10**6):  # XGBoost reads beyond its arrays for the others
        with pytest.raises(xgb.core.XGBoostError):
            fitted.predict(x, iteration_range=pair)
    with pytest.raises(spinney.InvalidInputError, match=r"iteration_range.*\(" + str(pair[0])):
        spinney.load(path, as_booster=True, iteration_range=pair)


def test_gblinear_has_no_ranges(tmp_path):
    fitted, x = fitted_with(xgb.XGBRegressor(booster="gblinear", n_estimators=4), "value", False)
    model = spinney.load(fitted, iteration_range=(1, 2))
    assert_same(model.predict(x), fitted.predict(x, iteration_range=(1, 2)))
    booster = fitted.get_booster()
    with pytest.raises(xgb.core.XGBoostError):
        booster.predict(xgb.DMatrix(x), iteration_range=(1, 2))
    with pytest.raises(spinney.InvalidInputError, match="gblinear"):
        spinney.load(booster, iteration_range=(1, 2))
    whole = spinney.load(booster, iteration_range=(0, 2))
    assert_same(whole.predict(x), booster.predict(xgb.DMatrix(x), iteration_range=(0, 2)))


def test_a_booster_s_file_stays_a_booster(tmp_path):
    fitted, x = fitted_with(xgb.XGBClassifier(**FEW), "two", True)
    fitted.get_booster().save_model(tmp_path / "model.json")
    for options in ({}, {"as_booster": True}):
        model = spinney.load(tmp_path / "model.json", **options)
        assert model.source["kind"] == "Booster"
        assert_same(model.predict(x), fitted.get_booster().predict(xgb.DMatrix(x)))
        assert model.info()["trees_rule"] == "all"


def test_an_attribute_that_is_no_wrapper_s(tmp_path):
    fitted, _ = fitted_with(xgb.XGBRegressor(**FEW), "value", False)
    booster = fitted.get_booster()
    for text in ("mine", '{"_estimator_type": "clusterer"}', '{"type": "Mine"}'):
        booster.set_attr(scikit_learn=text)
        booster.save_model(tmp_path / "model.json")
        with pytest.raises(spinney.SpinneyError, match="as_booster=True"):
            spinney.load(tmp_path / "model.json")
        assert spinney.load(tmp_path / "model.json", as_booster=True).source["kind"] == "Booster"


@pytest.fixture(scope="module")
def lightgbm_models():
    lightgbm = pytest.importorskip("lightgbm")
    rng = np.random.default_rng(5)
    x = rng.normal(size=(400, 5))
    y = np.round(np.abs(x[:, 0] + x[:, 1] ** 2)).clip(0, 2)
    few = {"n_estimators": 20, "num_leaves": 5, "verbose": -1, "n_jobs": 1}
    stop = lightgbm.early_stopping(2, verbose=False)
    noise = [(x, rng.permutation(y))]
    models = {
        "stopped": lightgbm.LGBMClassifier(**few).fit(x, y, eval_set=noise, callbacks=[stop]),
        "whole": lightgbm.LGBMClassifier(**few).fit(x, y),
        "linear": lightgbm.LGBMRegressor(linear_tree=True, **few).fit(x, y),
        "forest": lightgbm.LGBMRegressor(
            boosting_type="rf", bagging_freq=1, bagging_fraction=0.5, **few
        ).fit(x, y),
    }
    return models, x


CHOICES = [
    {"num_iteration": 3},
    {"start_iteration": 2},
    {"start_iteration": 1, "num_iteration": 2},
    {"num_iteration": 0},
    {"num_iteration": -1},
    {"num_iteration": 1000},
    {"start_iteration": -3},
    {"start_iteration": -3, "num_iteration": 2},
    {"start_iteration": 19},
    {"start_iteration": 1, "num_iteration": 1000},
]


@pytest.mark.parametrize("choice", CHOICES, ids=str)
@pytest.mark.parametrize("name", ["stopped", "whole", "linear", "forest"])
def test_lightgbm_s_iterations(lightgbm_models, name, choice, tmp_path):
    fitted, x = lightgbm_models[0][name], lightgbm_models[1]
    model = spinney.load(fitted, **choice)
    wanted = fitted.predict(x, raw_score=True, **choice)
    assert model.predict_raw(x).tobytes() == wanted.tobytes()
    np.testing.assert_array_equal(model.predict(x), fitted.predict(x, **choice))
    fitted.booster_.save_model(tmp_path / "model.txt", num_iteration=-1)
    booster = type(fitted.booster_)(model_file=tmp_path / "model.txt")
    from_text = spinney.load(tmp_path / "model.txt", **choice)
    assert from_text.predict(x).tobytes() == booster.predict(x, **choice).tobytes()
    model.save(tmp_path / "model.spinney")
    kept = spinney.load(tmp_path / "model.spinney")
    assert kept.predict_raw(x).tobytes() == wanted.tobytes()
    for key, value in choice.items():
        assert f"{key}={value}" in kept.info()["trees_rule"]


def test_the_booster_of_a_lightgbm_wrapper(lightgbm_models, tmp_path):
    models, x = lightgbm_models
    fitted = models["stopped"]
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(fitted))
    for source in (fitted, tmp_path / "model.pkl"):
        model = spinney.load(source, as_booster=True)
        assert model.source["kind"] == "Booster"
        assert model.predict(x).tobytes() == fitted.booster_.predict(x).tobytes()
        assert model.info()["trees_rule"] == f"best_iteration={fitted.best_iteration_}"


def test_keywords_of_the_wrong_library(stopped, lightgbm_models, tmp_path):
    _, path, _ = stopped
    wrong = spinney.InvalidInputError
    with pytest.raises(wrong, match=r"num_iteration is LightGBM's.*iteration_range"):
        spinney.load(path, num_iteration=3)
    with pytest.raises(wrong, match=r"start_iteration is LightGBM's.*iteration_range"):
        spinney.load(path, start_iteration=3)
    with pytest.raises(wrong, match=r"iteration_range is XGBoost's.*num_iteration"):
        spinney.load(lightgbm_models[0]["whole"], iteration_range=(0, 3))
    tree = pytest.importorskip("sklearn.tree").DecisionTreeRegressor().fit([[1.0]], [1.0])
    for choice in (
        {"as_booster": True},
        {"iteration_range": (0, 1)},
        {"start_iteration": 1},
        {"num_iteration": 1},
    ):
        (name,) = choice
        with pytest.raises(wrong, match=f"{name} goes with.*DecisionTreeRegressor"):
            spinney.load(tree, **choice)
        spinney.load(tree).save(tmp_path / "tree.spinney")
        with pytest.raises(wrong, match=f"{name} goes with.*converted"):
            spinney.load(tmp_path / "tree.spinney", **choice)
        with pytest.raises(wrong, match=f"{name} goes with"):
            spinney.load(spinney.load(tree), **choice)
    for bad in (3, (1, 2, 3), (0.5, 2), ("a", "b"), (0, 2**40)):
        with pytest.raises(wrong, match="iteration_range"):
            spinney.load(path, iteration_range=bad)
    with pytest.raises(wrong, match="num_iteration"):
        spinney.load(lightgbm_models[0]["whole"], num_iteration=1.5)


def test_a_model_that_runs_in_python_has_none():
    neighbors = pytest.importorskip("sklearn.neighbors")
    fitted = neighbors.KNeighborsRegressor(1).fit([[1.0]], [1.0])
    with pytest.raises(spinney.InvalidInputError, match=r"as_booster.*KNeighborsRegressor"):
        spinney.load(fitted, trusted=True, in_process=True, as_booster=True)


def test_members_of_an_ensemble_answer_as_wrappers():
    ensemble = pytest.importorskip("sklearn.ensemble")
    rng = np.random.default_rng(31)
    x, signal = training_rows(rng)
    voting = ensemble.VotingRegressor([("a", xgb.XGBRegressor(**FEW))]).fit(x, signal)
    with pytest.raises(spinney.InvalidInputError, match="VotingRegressor"):
        spinney.load(voting, iteration_range=(0, 1))
    np.testing.assert_array_equal(spinney.load(voting).predict(x), voting.predict(x))


def test_the_engine_passes_them_on(stopped):
    fitted, path, x = stopped
    engine = spinney.InferenceEngine()
    try:
        assert engine.load_model(str(path))
        assert engine.predict(x[:5])[1].tolist() == fitted.predict(x[:5]).tolist()
        assert engine.load_model(str(path), iteration_range=(0, 3))
        wanted = fitted.predict(x, iteration_range=(0, 3))
        assert engine.predict(x)[1].tolist() == wanted.tolist()
        assert engine.load_model(str(path), as_booster=True)
        wanted = xgb.Booster(model_file=path).predict(xgb.DMatrix(x))
        np.testing.assert_array_equal(engine.predict(x)[1], wanted)
        assert not engine.load_model(str(path), num_iteration=3)
        assert "iteration_range" in engine.last_error
        assert not engine.load_model(lambda rows: rows[:, 0], as_booster=True)
        assert "as_booster" in engine.last_error
        assert engine.load_model(str(path), missing=1.5)
        holed = np.where(np.arange(x.size).reshape(x.shape) % 3 == 0, np.nan, x)
        filled = np.where(np.isnan(holed), 1.5, holed)
        assert engine.predict(filled)[1].tolist() == fitted.predict(holed).tolist()
        assert not engine.load_model(lambda rows: rows[:, 0], missing=1.5)
        assert "missing goes with a model" in engine.last_error
    finally:
        engine.shutdown()


SPARSE = ["csr", "csc", "coo", "lil", "dok", "bsr"]


@pytest.mark.parametrize("kind", ["value", "five"])
def test_dart_s_two_roundings(kind, tmp_path):
    """Before 3.3 wrappers predict csr in place, and other forms by a DMatrix."""
    sparse = pytest.importorskip("scipy.sparse")
    wrapper = (xgb.XGBRegressor if kind == "value" else xgb.XGBClassifier)(
        booster="dart", rate_drop=0.5, base_score=0.7 if kind == "value" else None, **FEW
    )
    fitted, x = fitted_with(wrapper, kind, False)
    rows = sparse.csr_matrix(np.nan_to_num(x))
    fitted.save_model(tmp_path / "model.ubj")
    again = type(fitted)()
    again.load_model(tmp_path / "model.ubj")
    model = spinney.load(fitted)
    model.save(tmp_path / "model.spinney")
    forms = {form: rows.asformat(form) for form in SPARSE}
    forms.update(array=sparse.csr_array(rows), dense=x)
    for name, given in forms.items():
        wanted = fitted.predict(given, output_margin=True)
        for kept in (model, spinney.load(tmp_path / "model.spinney")):
            assert_same(kept.predict_raw(given), wanted)
            np.testing.assert_array_equal(kept.predict(given), fitted.predict(given), name)
        assert_same(
            spinney.load(tmp_path / "model.ubj").predict_raw(given),
            again.predict(given, output_margin=True),
        )
    if VERSION < (3, 3) and kind == "value":
        assert (model.predict(forms["csr"]) != model.predict(forms["csc"])).any()


def test_strict_where_a_wrapper_makes_a_dmatrix():
    """inplace_predict takes infinities, a DMatrix does not."""
    sparse = pytest.importorskip("scipy.sparse")
    fitted, x = fitted_with(xgb.XGBRegressor(**FEW), "value", False)
    x = np.nan_to_num(x)
    x[3, 2] = np.inf
    model = spinney.load(fitted)
    for form in SPARSE:
        rows = sparse.csr_matrix(x).asformat(form)
        try:
            wanted = fitted.predict(rows)
        except xgb.core.XGBoostError:
            with pytest.raises(spinney.InvalidInputError, match="row 3, column 2"):
                model.predict(rows, strict=True)
            continue
        assert form == "csr"
        assert_same(model.predict(rows, strict=True), wanted)


def test_artifacts_of_the_version_before():
    """They hold neither the rule nor the number of the file's trees."""
    folder = Path(__file__).parent.parent / "fuzz" / "corpus" / "artifact"
    for name in ("forest", "linear", "ensemble", "quantized_forest"):
        model = spinney.load(folder / f"{name}.spinney")
        assert model.info()["trees_rule"] == "all"
        assert model.info()["n_trees_in_file"] == model.n_trees
        x = np.zeros((2, model.n_features))
        again = spinney.Model.from_bytes(model.to_bytes())
        np.testing.assert_array_equal(again.predict(x), model.predict(x))


def test_a_mean_of_no_trees_is_the_callers_mistake():
    """LightGBM gives NaN for each row; the file itself is sound."""
    path = Path(__file__).parent.parent / "data" / "lightgbm" / "4.0.0_forest.txt"
    assert spinney.load(path, start_iteration=1).n_trees > 0
    with pytest.raises(spinney.InvalidInputError, match="none is left with start_iteration=1000"):
        spinney.load(path, start_iteration=1000)
