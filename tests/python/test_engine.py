"""The specification's door: modules.engine.inference_engine."""

from __future__ import annotations

import pickle
import threading

import numpy as np
import pytest

import spinney
from differential import assert_same
from modules.configs import InferenceEngineConfig
from modules.engine.inference_engine import EngineState, InferenceEngine, ModelType


@pytest.fixture(scope="module")
def diabetes(tmp_path_factory):
    """A RandomForestRegressor on ten features, and my_model.pkl that holds it."""
    datasets = pytest.importorskip("sklearn.datasets")
    from sklearn.ensemble import RandomForestRegressor

    x, y = datasets.load_diabetes(return_X_y=True)
    estimator = RandomForestRegressor(30, max_depth=6, random_state=0).fit(x, y)
    path = tmp_path_factory.mktemp("engine") / "my_model.pkl"
    path.write_bytes(pickle.dumps(estimator))
    return x, estimator, path


@pytest.fixture
def engine(diabetes):
    engine = InferenceEngine()
    assert engine.load_model(diabetes[2])
    return engine


def test_the_specification_s_own_test(diabetes, monkeypatch):
    monkeypatch.chdir(diabetes[2].parent)
    engine = InferenceEngine()
    engine.load_model("my_model.pkl")
    success, pred, meta = engine.predict(np.random.rand(1, 10))
    assert success
    assert pred.shape == (1,)
    assert meta["batch_size"] == 1


def test_the_import_paths_lead_to_one_class():
    import modules
    import modules.engine

    assert InferenceEngine is spinney.InferenceEngine
    assert getattr(modules, "__file__", None) is None  # a namespace: a user's own may join it
    assert getattr(modules.engine, "__file__", None) is None


def test_predictions_are_the_estimator_s(engine, diabetes):
    x, estimator, _ = diabetes
    success, result, meta = engine.predict(x)
    assert success
    assert_same(result, estimator.predict(x))
    assert meta["batch_size"] == len(x)
    assert 0 <= meta["inference_time_ms"] <= meta["total_time_ms"] < 10_000
    assert meta["compiled_model_used"] is False


def test_one_flat_row_is_one_row(engine, diabetes):
    x, estimator, _ = diabetes
    for row in (x[3], x[3].tolist(), tuple(x[3])):
        success, result, meta = engine.predict(row)
        assert success
        assert_same(result, estimator.predict(x[3:4]))
        assert meta["batch_size"] == 1


@pytest.mark.parametrize(
    "features",
    [None, "text", np.zeros((2, 3)), np.zeros(9), [[1, 2], [3]], np.zeros((1, 10), complex), 5, {}],
)
def test_bad_input_is_a_failure_not_an_exception(engine, features):
    success, result, meta = engine.predict(features)
    assert (success, result) == (False, None)
    assert list(meta) == ["error"]
    assert "10" in meta["error"] or "numbers" in meta["error"]


def test_states_and_shutdown(diabetes):
    engine = InferenceEngine()
    assert engine.state is EngineState.READY
    assert engine.model is None
    assert engine.predict(np.zeros((1, 10)))[2] == {
        "error": "no model is loaded; call load_model first"
    }
    assert engine.load_model(str(diabetes[2]))
    assert engine.model_type is ModelType.SKLEARN
    assert engine.model_info["model_type"] == "SKLEARN"
    assert engine.model_info["n_features"] == 10
    engine.shutdown()
    engine.shutdown()
    assert engine.state is EngineState.STOPPED
    assert "shut down" in engine.predict(np.zeros((1, 10)))[2]["error"]
    assert engine.load_model(diabetes[2]) is False


def test_a_failed_load_keeps_the_model(engine, tmp_path, caplog):
    broken = tmp_path / "broken.json"
    broken.write_text('{"learner":')
    assert engine.load_model(broken) is False
    assert "broken.json" in caplog.text
    assert engine.last_error
    assert engine.state is EngineState.READY
    assert engine.predict(np.zeros((1, 10)))[0]
    fresh = InferenceEngine()
    assert fresh.load_model(tmp_path / "absent.pkl") is False
    assert fresh.state is EngineState.ERROR


def test_a_model_type_is_insisted_on(diabetes):
    engine = InferenceEngine()
    assert engine.load_model(diabetes[2], ModelType.SKLEARN)
    assert engine.load_model(diabetes[2], "sklearn")
    assert engine.load_model(diabetes[2], ModelType.XGBOOST) is False
    assert "XGBOOST" in engine.last_error
    assert engine.load_model(diabetes[2], "tree") is False
    assert "ONNX" in engine.last_error


def test_a_native_model_that_is_to_be_compiled_stays_native(diabetes):
    x, estimator, path = diabetes
    for config in ({}, {"enable_jit": True}):
        with InferenceEngine(config) as engine:
            assert engine.load_model(path, compile_model=True)
            done, answers, metadata = engine.predict(x)
            assert done and metadata["compiled_model_used"] is False
            np.testing.assert_array_equal(answers, estimator.predict(x))
            assert engine.compiled_model is None
            assert engine.model_info["compiled"] is False
            assert "native kernels serve it" in engine.model_info["why_not_compiled"]


def test_what_runs_in_python_is_not_said_to_be_compiled():
    with InferenceEngine() as engine:
        assert engine.load_model(lambda rows: rows[:, 0], "CUSTOM", compile_model=True) is False
        assert "no native path" in engine.last_error and "compile_model" in engine.last_error
        assert engine.load_model(lambda rows: rows[:, 0], "CUSTOM")
        assert "runs in Python" in engine.model_info["why_not_compiled"]


def test_options_do_what_they_say_or_are_refused(diabetes):
    with pytest.raises(TypeError, match="enable_batching"):
        InferenceEngine({"enable_batchin": True})
    with pytest.raises(TypeError, match="enable_batching"):
        InferenceEngineConfig(enable_batchin=True)
    with pytest.raises(TypeError, match="int"):
        InferenceEngine(3)
    with pytest.raises(ValueError, match="num_threads"):
        InferenceEngine({"num_threads": 0})
    x, estimator, path = diabetes
    engine = InferenceEngine(InferenceEngineConfig(num_threads=2, enable_warmup=False))
    assert engine.load_model(path)
    assert_same(engine.predict(x)[1], estimator.predict(x))
    engine = InferenceEngine({"return_probabilities": True})
    assert engine.load_model(path) is False
    assert "probabilities" in engine.last_error


def test_probabilities(training_data):
    from sklearn.tree import DecisionTreeClassifier

    x, y = training_data
    tree = DecisionTreeClassifier(max_depth=4, random_state=0).fit(np.nan_to_num(x), y)
    engine = InferenceEngine({"return_probabilities": True})
    assert engine.load_model(tree)
    assert_same(engine.predict(np.nan_to_num(x))[1], tree.predict_proba(np.nan_to_num(x)))


def test_threads_share_an_engine(engine, diabetes):
    x, estimator, _ = diabetes
    expected = estimator.predict(x)
    wrong = []

    def work(first):
        for i in range(first, len(x), 4):
            success, result, _ = engine.predict(x[i : i + 1])
            if not success or result[0] != expected[i]:
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
