"""Keywords of Model.predict for one call, through every way into an engine."""

from __future__ import annotations

import asyncio
import inspect

import numpy as np
import pytest

import spinney
from differential import assert_same
from spinney import InferenceEngine
from spinney.engine.asked import NAMES

lightgbm = pytest.importorskip("lightgbm")
xgboost = pytest.importorskip("xgboost")
_random = np.random.default_rng(7)
X = np.round(_random.normal(size=(300, 4)), 1).astype(np.float32)
Y = X @ [1.0, 2.0, -1.0, 0.5]
LONG = 60
MARGIN = _random.normal(size=len(X)).astype(np.float32)
BOOSTER = xgboost.train({"nthread": 1}, xgboost.DMatrix(X, Y), 10)
LINEAR = xgboost.train({"booster": "gblinear"}, xgboost.DMatrix(X, Y), 5)
OTHER = lightgbm.train({"verbose": -1, "num_threads": 1}, lightgbm.Dataset(X, Y), 10)
ASKED = {
    "iteration_range": (BOOSTER, {"iteration_range": (2, 7)}),
    "missing": (BOOSTER, {"missing": 0.5}),
    "base_margin": (BOOSTER, {"base_margin": MARGIN}),
    "several": (BOOSTER, {"base_margin": MARGIN, "iteration_range": (0, 3), "missing": 0.0}),
    "num_iteration": (OTHER, {"num_iteration": 4}),
    "start_iteration": (OTHER, {"start_iteration": 3, "num_iteration": 2}),
    "init_score": (OTHER, {"init_score": MARGIN.astype(np.float64)}),
    "linear": (LINEAR, {"base_margin": MARGIN}),
}


def ways(engine, rows, **asked):
    yield engine.predict(rows, **asked)
    future = engine.enqueue_prediction(rows, **asked)
    assert future.done()  # the queue's batches are for all alike
    yield True, future.result(LONG), future.metadata
    yield True, asyncio.run(engine.predict_async(rows, **asked)), {}


@pytest.mark.parametrize("options", [{}, {"enable_request_deduplication": False}])
@pytest.mark.parametrize("name", ASKED)
def test_every_way_in_answers_as_the_model_does(name, options):
    booster, asked = ASKED[name]
    model = spinney.load(booster)
    with InferenceEngine(options) as engine:
        assert engine.load_model(model)
        expected = model.predict(X, **asked)
        plain = model.predict(X)
        assert (expected != plain).any()
        for _ in range(2):
            for success, found, metadata in ways(engine, X, **asked):
                assert success, metadata
                assert_same(found, expected)
                assert "cached" not in metadata
            assert_same(engine.predict(X)[1], plain, "and without, as ever")
            assert_same(engine.enqueue_prediction(X).result(LONG), plain)
        assert_same(engine.predict(X.tolist(), **asked)[1], model.predict(X.tolist(), **asked))
        nothing = dict.fromkeys(asked)
        assert_same(engine.predict(X, **nothing)[1], plain)
        assert_same(engine.enqueue_prediction(X, **nothing).result(LONG), plain)
        counted = engine.get_performance_metrics()
        assert counted["total_errors"] == 0 and counted["request_success"] == 13
        assert metadata_of_rows(engine, X[:7], name, asked) == 7


def metadata_of_rows(engine, rows, name, asked):
    few = {key: value[:7] if np.ndim(value) and len(value) == 300 else value
           for key, value in asked.items()}  # fmt: skip
    return engine.predict(rows, **few)[2]["batch_size"]


def test_the_keywords_are_those_of_model_predict():
    own = list(inspect.signature(spinney.Model.predict).parameters)
    assert sorted(NAMES) == sorted(set(own) - {"self", "x", "num_threads", "strict"})


def test_trees_of_catboost():
    catboost = pytest.importorskip("catboost")
    fitted = catboost.CatBoostRegressor(iterations=9, verbose=False, allow_writing_files=False)
    model = spinney.load(fitted.fit(X, Y))
    with InferenceEngine() as engine:
        assert engine.load_model(model), engine.last_error
        for _, found, _ in ways(engine, X, ntree_start=2, ntree_end=7):
            assert_same(found, fitted.predict(X, ntree_start=2, ntree_end=7))


def test_one_flat_row_and_a_margin_of_its_own():
    model = spinney.load(BOOSTER)
    with InferenceEngine() as engine:
        assert engine.load_model(model)
        expected = model.predict(X[:1], base_margin=[0.25])
        for margin in (0.25, [0.25], np.float32(0.25)):
            assert_same(engine.predict(X[0], base_margin=margin)[1], expected)
        assert_same(engine.predict(X[0].tolist(), iteration_range=(0, 2))[1],
                    model.predict(X[:1], iteration_range=(0, 2)))  # fmt: skip


def test_probabilities_and_prepared_rows():
    y = np.digitize(Y, [-1, 1])
    model = spinney.load(xgboost.XGBClassifier(n_estimators=8).fit(X, y))
    with InferenceEngine({"return_probabilities": True}) as engine:
        assert engine.load_model(model)
        expected = model.predict_proba(X, iteration_range=(0, 3))
        assert_same(engine.predict(X, iteration_range=(0, 3))[1], expected)
    scaled = {"enable_feature_scaling": True, "enable_input_quantization": True}
    with InferenceEngine({**scaled, "quantization_dtype": "int16"}) as engine:
        engine.preprocessor.fit(X)
        assert engine.load_model(model)
        rows = engine.quantizer.quantize_dequantize(engine.preprocessor.transform(X))
        for _, found, metadata in list(ways(engine, X, iteration_range=(0, 3)))[:2]:
            assert_same(found, model.predict(rows, iteration_range=(0, 3)))
            assert metadata["quantized"] == "rows"


def test_what_a_model_does_not_take_is_refused_in_its_words():
    with InferenceEngine() as engine:
        assert engine.load_model(BOOSTER)
        assert engine.load_model(OTHER, name="lightgbm")
        assert engine.load_model(lambda rows: rows[:, 0], name="function")
        for model, asked, said in (
            (None, {"num_iteration": 2}, "num_iteration is LightGBM's"),
            (None, {"iteration_range": (0, 99)}, "model has 10 iterations"),
            (None, {"base_margin": [1.0, 2.0]}, "base_margin has 2 values for 300 rows"),
            ("lightgbm", {"missing": 0}, "missing is XGBoost's"),
            ("function", {"missing": 0}, "missing goes with a model that is read natively"),
        ):
            success, _, metadata = engine.predict(X, model, **asked)
            assert not success and said in metadata["error"]
            error = engine.enqueue_prediction(X, model=model, **asked).exception(LONG)
            assert isinstance(error, spinney.InvalidInputError) and said in str(error)
            with pytest.raises(spinney.InvalidInputError, match=said):
                asyncio.run(engine.predict_async(X, model=model, **asked))
        metrics = engine.get_performance_metrics()
        assert metrics["errors_by_kind"] == {"InvalidInputError": 15}
        for method in (engine.predict, engine.enqueue_prediction):
            with pytest.raises(TypeError, match="'iteration_ranges'; it takes iteration_range"):
                method(X, iteration_ranges=(0, 1))
        with pytest.raises(TypeError, match="iteration_ranges"):
            asyncio.run(engine.predict_async(X, iteration_ranges=(0, 1)))


def test_a_cache_of_the_program_s_own_is_not_asked(monkeypatch):
    import modules.engine.inference_engine as door

    class Kept(door.LRUTTLCache):
        pass

    monkeypatch.setattr(door, "LRUTTLCache", Kept)
    model = spinney.load(BOOSTER)
    with InferenceEngine() as engine:
        assert engine.load_model(model)
        for _ in range(2):
            assert_same(engine.predict(X)[1], model.predict(X))
            found = engine.predict(X, iteration_range=(0, 2))[1]
            assert_same(found, model.predict(X, iteration_range=(0, 2)))
