"""Programs written against modules.engine.inference_engine run unchanged, their mocks included."""

from __future__ import annotations

import pickle
import time
from concurrent.futures import Future
from unittest import mock

import numpy as np
import pytest

import spinney
from modules.configs import BatchPriority, EngineState, InferenceEngineConfig, ModelType
from modules.engine import inference_engine as door
from modules.engine.inference_engine import InferenceEngine


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    ensemble = pytest.importorskip("sklearn.ensemble")
    rng = np.random.default_rng(5)
    x = rng.normal(size=(200, 6))
    forest = ensemble.RandomForestRegressor(10, max_depth=4, random_state=0).fit(x, x[:, 0])
    path = tmp_path_factory.mktemp("surface") / "model.pkl"
    path.write_bytes(pickle.dumps(forest))
    return x, forest, str(path)


@pytest.fixture
def engine(saved):
    engine = InferenceEngine(InferenceEngineConfig(num_threads=2))
    assert engine.load_model(saved[2], model_type=ModelType.SKLEARN)
    yield engine
    engine.shutdown()


def test_attributes(engine, saved):
    assert engine.state in (EngineState.READY, EngineState.RUNNING)
    assert engine.model is not None
    assert engine.model_type is ModelType.SKLEARN
    assert engine.model_info["model_type"] == "SKLEARN"
    assert engine.compiled_model is None
    assert engine.active_requests == 0
    assert isinstance(engine.config, InferenceEngineConfig)
    assert isinstance(engine.memory_pool, door.MemoryPool)
    with engine.inference_lock, engine.state_lock:
        assert engine.predict(saved[0][:1])[0]
    engine.state = EngineState.READY  # programs set it


def test_predict_s_metadata_and_the_cache(engine, saved):
    x, forest, _ = saved
    success, result, meta = engine.predict(x[:3])
    assert success and meta["batch_size"] == 3 and "cached" not in meta
    again, same, hit = engine.predict(x[:3])
    assert again and hit["cached"] is True and hit["cache_hit"] is True and hit["batch_size"] == 3
    np.testing.assert_array_equal(result, forest.predict(x[:3]))
    np.testing.assert_array_equal(same, result)
    assert {"inference_time_ms", "total_time_ms", "compiled_model_used"} <= set(hit)
    same[:] = 0  # the kept answer is not this one
    np.testing.assert_array_equal(engine.predict(x[:3])[1], result)
    x32 = x[:3].astype(np.float32)  # other rows, though they print alike
    assert "cached" not in engine.predict(x32)[2]
    assert engine.get_performance_metrics()["cache"]["hits"] >= 2


def test_enqueue_shares_the_cache(engine, saved):
    x, forest, _ = saved
    future = engine.enqueue_prediction(x[5:6], priority=BatchPriority.HIGH, timeout_ms=5000)
    assert isinstance(future, Future)
    np.testing.assert_array_equal(future.result(timeout=5.0), forest.predict(x[5:6]))
    assert engine.predict(x[5:6])[2]["cached"] is True
    hit = engine.enqueue_prediction(x[5:6])
    assert hit.done() and hit.result() == forest.predict(x[5:6])


def test_a_list_s_equal_is_found_too(engine, saved):
    row = saved[0][7].tolist()
    assert "cached" not in engine.predict([row])[2]
    assert engine.predict([row])[2]["cached"] is True
    assert engine.predict(row)[1] == engine.predict([row])[1]


def test_no_cache_without_deduplication(saved):
    with InferenceEngine({"enable_request_deduplication": False}) as engine:
        assert engine.load_model(saved[2])
        for _ in range(3):
            assert "cached" not in engine.predict(saved[0][:1])[2]
        assert engine.get_performance_metrics()["cache"] is None


def test_a_reload_starts_the_cache_anew(engine, saved):
    x = saved[0]
    engine.predict(x[:1])
    assert engine.load_model(saved[2])
    assert "cached" not in engine.predict(x[:1])[2]


def test_answers_are_kept_for_cache_ttl_seconds(saved):
    with InferenceEngine({"cache_ttl_seconds": 0.05}) as engine:
        assert engine.load_model(saved[2])
        engine.predict(saved[0][:1])
        time.sleep(0.1)
        assert "cached" not in engine.predict(saved[0][:1])[2]


def test_the_cache_steps_aside_where_it_never_hits(engine, saved):
    rng = np.random.default_rng(0)
    for _ in range(1001):
        assert engine.predict(rng.normal(size=(1, 6)))[0]
    stats = engine.get_performance_metrics()["cache"]
    assert stats["stepped_aside"] and stats["stepped_aside_count"] == 1
    engine.predict(saved[0][:1])
    assert "cached" not in engine.predict(saved[0][:1])[2]


def test_validate_model(engine, saved):
    found = engine.validate_model()
    assert found["valid"] is True and found["model_type"] == "SKLEARN"
    assert found["output_shape"] == (1,)
    empty = InferenceEngine().validate_model()
    assert empty["valid"] is False and "load_model" in empty["error"]


def test_performance_metrics(engine, saved):
    engine.predict(saved[0])
    engine.enqueue_prediction(saved[0][:1]).result(60)
    metrics = engine.get_performance_metrics()
    for name in ("memory_pool", "cpu_percent", "memory_usage_mb", "threads_count", "batcher"):
        assert metrics[name] is not None, name
    assert metrics["memory_usage_mb"] > 10 and metrics["threads_count"] > 1
    assert metrics["batcher"]["processed_requests"] >= 1
    assert metrics["total_requests"] == 201 and metrics["total_errors"] == 0
    assert metrics["p99_inference_time_ms"] > 0 and metrics["throughput"] > 0
    assert 0.0 <= metrics["cache_hit_rate"] <= 1.0
    assert engine.predict("nonsense")[0] is False
    assert engine.get_performance_metrics()["errors_by_kind"] == {"InvalidInputError": 1}
    text = engine.get_prometheus_metrics()
    assert "spinney_inference_seconds" in text and "nv_inference" in text
    assert metrics["models"][0]["version"] == "1.0"


def test_a_patched_cache_is_used(saved):
    with mock.patch("modules.engine.inference_engine.LRUTTLCache") as cache:
        cache.return_value.get.return_value = (True, np.array([42.0]))
        cache.return_value.get_stats.return_value = {"hits": 1}
        engine = InferenceEngine(InferenceEngineConfig(max_cache_entries=7, cache_ttl_seconds=9))
        cache.assert_called_once_with(max_size=7, ttl_seconds=9)
        assert engine.load_model(saved[2])
        success, result, meta = engine.predict(saved[0][:1])
        assert success and result == [42.0] and meta["cached"] is True
        engine.shutdown()
        cache.return_value.clear.assert_called()


def test_a_bare_mock_of_a_cache_hurts_nothing(saved):
    with mock.patch("modules.engine.inference_engine.LRUTTLCache"):
        engine = InferenceEngine()
        assert engine.load_model(saved[2])
        np.testing.assert_array_equal(engine.predict(saved[0])[1], saved[1].predict(saved[0]))
        engine.shutdown()


def test_a_patched_memory_pool_is_used():
    with mock.patch("modules.engine.inference_engine.MemoryPool") as pool:
        pool.return_value.get_stats.return_value = {"total_buffers": 5}
        engine = InferenceEngine()
        assert engine.memory_pool is pool.return_value
        assert engine.get_performance_metrics()["memory_pool"]["total_buffers"] == 5
        engine.shutdown()
        pool.return_value.clear.assert_called()


def test_a_patched_batcher_is_used(saved):
    with mock.patch("modules.engine.inference_engine.DynamicBatcher") as batcher:
        batcher.return_value.enqueue.side_effect = lambda r: (r.future.set_result("its own"), 1)
        batcher.return_value.get_stats.return_value = {"processed_batches": 3}
        engine = InferenceEngine(InferenceEngineConfig(max_batch_size=8))
        assert batcher.call_args[1]["max_batch_size"] == 8
        batcher.return_value.start.assert_called_once()
        assert engine.load_model(saved[2])
        assert engine.enqueue_prediction(saved[0][:1]).result(60) == "its own"
        request = batcher.return_value.enqueue.call_args[0][0]
        assert isinstance(request, door.PredictionRequest) and request.priority == 2
        assert engine.get_performance_metrics()["batcher"] == {"processed_batches": 3}
        process = batcher.call_args[1]["batch_processor"]
        np.testing.assert_array_equal(process(saved[0]), saved[1].predict(saved[0]))
        batcher.return_value.enqueue.side_effect = None
        batcher.return_value.enqueue.return_value = False
        with pytest.raises(spinney.QueueFullError):
            engine.enqueue_prediction(saved[0][:1]).result(60)
        engine.shutdown()
        batcher.return_value.stop.assert_called_once()


def test_a_subclassed_batcher_serves(saved, monkeypatch):
    class Counted(door.DynamicBatcher):
        pass

    monkeypatch.setattr("modules.engine.inference_engine.DynamicBatcher", Counted)
    with InferenceEngine() as engine:
        assert engine.load_model(saved[2])
        answer = engine.enqueue_prediction(saved[0][:4]).result(60)
        np.testing.assert_array_equal(answer, saved[1].predict(saved[0][:4]))
        assert isinstance(engine.dynamic_batcher, Counted)


def test_preprocessing(saved):
    sklearn = pytest.importorskip("sklearn.preprocessing")
    x, forest, path = saved
    config = {"enable_feature_scaling": True, "preprocessor_config": {"normalization": "STANDARD"}}
    with InferenceEngine(config) as engine:
        assert engine.load_model(path)
        success, _, meta = engine.predict(x)  # not fitted
        assert not success and "fit" in meta["error"]
        engine.preprocessor.fit(x)
        scaled = engine.preprocessor.transform(x)
        np.testing.assert_allclose(
            scaled, sklearn.StandardScaler().fit_transform(x), rtol=1e-5, atol=1e-6
        )
        np.testing.assert_array_equal(engine.predict(x)[1], forest.predict(scaled))
        answer = engine.enqueue_prediction(x).result(60)
        np.testing.assert_array_equal(answer, forest.predict(scaled))
        assert engine.predict(x[0])[1] == forest.predict(scaled[:1])


def test_patched_preprocessor_and_quantizer_are_used(saved):
    config = {
        "enable_feature_scaling": True,
        "enable_quantization": True,
        "enable_input_quantization": True,
    }
    replaced = mock.patch.multiple(
        "modules.engine.inference_engine", DataPreprocessor=mock.DEFAULT, Quantizer=mock.DEFAULT
    )
    with replaced as mocks:
        mocks["DataPreprocessor"].return_value.transform.side_effect = lambda x: x + 1
        mocks["Quantizer"].return_value.quantize_dequantize.side_effect = lambda x: x * 2
        with InferenceEngine(config) as engine:
            assert engine.load_model(saved[2])
            got = engine.predict(saved[0])[1]
    np.testing.assert_array_equal(got, saved[1].predict((saved[0] + 1) * 2))


def test_input_quantization(saved):
    config = {
        "enable_quantization": True,
        "enable_input_quantization": True,
        "quantization_dtype": "int16",
    }
    with InferenceEngine(config) as engine:
        assert engine.load_model(saved[2])
        rows = engine.quantizer.quantize_dequantize(saved[0])
        np.testing.assert_array_equal(engine.predict(saved[0])[1], saved[1].predict(rows))


def test_what_has_no_back_end_says_what_to_do(saved, caplog):
    engine = InferenceEngine()
    for kind in (ModelType.ONNX, ModelType.PYTORCH, "tensorflow"):
        assert engine.load_model(saved[2], kind) is False
        assert "has no back end in this version; " in engine.last_error
    InferenceEngine({"enable_jit": True, "enable_onnx": True})
    assert "enable_jit" in caplog.text and "enable_onnx" in caplog.text


def test_names_of_the_door_are_spinney_s():
    for name in door.__all__:
        assert getattr(spinney, name, getattr(door, name)) is getattr(door, name)


def test_it_is_not_pickled():
    with InferenceEngine() as engine, pytest.raises(TypeError, match="config"):
        pickle.dumps(engine)


def test_without_monitoring(saved):
    with InferenceEngine({"enable_monitoring": False}) as engine:
        assert engine.load_model(saved[2])
        assert engine.predict(saved[0])[0]
        metrics = engine.get_performance_metrics()
        assert "total_requests" not in metrics and metrics["memory_usage_mb"] > 1
        assert engine.get_prometheus_metrics() == ""
