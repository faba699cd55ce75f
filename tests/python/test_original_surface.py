"""Names, parameters, defaults and answers that programs for the original module rely on."""

from __future__ import annotations

import enum
import inspect
import os
import threading
from concurrent.futures import Future

import numpy as np
import pytest

import modules.configs as configs
import modules.engine.batch_processor as batch_door
import modules.engine.data_preprocessor as preprocessor_door
import modules.engine.inference_engine as engine_door
import modules.engine.lru_ttl_cache as cache_door
import modules.engine.quantizer as quantizer_door
import spinney

NORMAL = configs.BatchPriority.NORMAL
NEEDED = inspect.Parameter.empty
SIGNATURES = {
    (engine_door, "InferenceEngine"): {
        "": {"config": None},
        "load_model": {"model_path": NEEDED, "model_type": None, "compile_model": None},
        "predict": {"features": NEEDED},
        "enqueue_prediction": {"features": NEEDED, "priority": NORMAL, "timeout_ms": None},
        "predict_batch": {"features_list": NEEDED, "timeout": None},
        "get_performance_metrics": {},
        "validate_model": {},
        "shutdown": {},
    },
    (engine_door, "DynamicBatcher"): {
        "": {
            "batch_processor": NEEDED,
            "max_batch_size": 64,
            "max_wait_time_ms": 10.0,
            "max_queue_size": 1000,
        },
        "start": {},
        "stop": {"timeout": 2.0},
        "enqueue": {"request": NEEDED},
        "get_stats": {},
    },
    (engine_door, "PredictionRequest"): {
        "": {
            "id": NEEDED,
            "features": NEEDED,
            "priority": 0,
            "timestamp": 0.0,
            "future": None,
            "timeout_ms": None,
        }
    },
    (engine_door, "MemoryPool"): {
        "": {"max_buffers": 32},
        "get_buffer": {"shape": NEEDED, "dtype": np.float32},
        "return_buffer": {"buffer": NEEDED},
        "clear": {},
        "get_stats": {},
    },
    (engine_door, "PerformanceMetrics"): {"": {"window_size": 100}, "get_metrics": {}},
    (batch_door, "BatchProcessor"): {
        "": {"config": NEEDED, "metrics_collector": None},
        "start": {"process_func": NEEDED},
        "stop": {"timeout": 5.0},
        "pause": {},
        "resume": {},
        "enqueue": {"item": NEEDED, "timeout": None, "priority": NORMAL},
        "enqueue_predict": {"item": NEEDED, "timeout": None, "priority": NORMAL},
        "update_batch_size": {"n": NEEDED},
        "get_stats": {},
    },
    (batch_door, "BatchStats"): {
        "": {"window_size": NEEDED},
        "update": {
            "processing_time": NEEDED,
            "batch_size": NEEDED,
            "queue_time": NEEDED,
            "latency": 0.0,
            "queue_length": 0,
        },
        "record_error": {"count": 1},
        "get_stats": {},
    },
    (preprocessor_door, "DataPreprocessor"): {
        "": {"config": None},
        "fit": {"X": NEEDED},
        "transform": {"X": NEEDED, "copy": True},
        "fit_transform": {"X": NEEDED},
        "partial_fit": {"X": NEEDED},
        "reverse_transform": {"X": NEEDED},
        "serialize": {"path": NEEDED},
        "deserialize": {"path": NEEDED},
        "get_statistics": {},
        "get_feature_names": {},
        "get_performance_metrics": {},
        "reset": {},
        "update_config": {"config": NEEDED},
    },
    (quantizer_door, "Quantizer"): {
        "": {"config": None},
        "quantize": {"data": NEEDED, "validate": True, "channel_dim": None, "layer_name": None},
        "dequantize": {"data": NEEDED, "channel_dim": None, "layer_name": None},
        "quantize_dequantize": {
            "data": NEEDED,
            "validate": True,
            "channel_dim": None,
            "layer_name": None,
        },
        "calibrate": {"data": NEEDED},
        "compute_scale_and_zero_point": {"data": NEEDED},
        "get_config": {},
        "update_config": {"config": NEEDED},
        "get_stats": {},
        "reset_stats": {},
        "clear_cache": {},
        "export_import_parameters": {},
        "load_parameters": {"parameters": NEEDED},
        "get_layer_quantization_params": {"name": NEEDED},
        "should_quantize_layer": {"name": NEEDED},
        "hash_array": {"array": NEEDED},
    },
    (cache_door, "LRUTTLCache"): {
        "": {"max_size": 1000, "ttl_seconds": 300, "cleanup_interval": 60},
        "get_or_set": {"key": NEEDED, "function": NEEDED},
        "invalidate": {"key": NEEDED},
        "clear": {},
        "get_stats": {},
    },
}


@pytest.mark.parametrize("door, name", SIGNATURES, ids=[name for _, name in SIGNATURES])
def test_parameters_come_in_this_order_with_these_defaults(door, name):
    cls = getattr(door, name)
    for method, wanted in SIGNATURES[door, name].items():
        function = getattr(cls, method) if method else cls
        found = list(inspect.signature(function).parameters.values())
        found = [each for each in found if each.name != "self"]
        known = [(each.name, each.default) for each in found[: len(wanted)]]
        for (parameter, default), (expected, value) in zip(known, wanted.items()):
            assert parameter == expected, f"{name}.{method}"
            assert default == value or value is NEEDED, f"{name}.{method}"
        assert len(known) == len(wanted)
        for each in found[len(wanted) :]:  # more may be asked for, and need not be given
            keywords = (each.KEYWORD_ONLY, each.VAR_KEYWORD)
            assert each.default is not NEEDED or each.kind in keywords, f"{name}.{method}"


ENUMS = {
    "QuantizationType": "NONE INT8 UINT8 INT16 FLOAT16 MIXED",
    "QuantizationMode": "STATIC DYNAMIC DYNAMIC_PER_BATCH DYNAMIC_PER_CHANNEL SYMMETRIC CALIBRATED",
    "BatchProcessingStrategy": "FIXED ADAPTIVE GREEDY",
    "BatchPriority": "CRITICAL HIGH NORMAL LOW BACKGROUND",
    "NormalizationType": "NONE STANDARD MINMAX ROBUST QUANTILE LOG POWER",
    "ModelType": "SKLEARN XGBOOST LIGHTGBM CUSTOM ENSEMBLE ONNX PYTORCH TENSORFLOW CATBOOST "
    "TREELITE",
    "EngineState": "INITIALIZING READY RUNNING LOADING STOPPING STOPPED ERROR",
    "OptimizationMode": "BALANCED CONSERVATIVE PERFORMANCE FULL_UTILIZATION MEMORY_SAVING",
}
OPTIONS = {
    "InferenceEngineConfig": {
        "enable_batching": True,
        "max_batch_size": 64,
        "enable_quantization": False,
        "enable_throttling": False,
        "num_threads": None,
        "enable_monitoring": True,
        "enable_warmup": True,
        "set_cpu_affinity": False,
        "quantization_dtype": "int8",
        "enable_request_deduplication": True,
        "max_cache_entries": 1000,
        "cache_ttl_seconds": 300,
        "monitoring_window": 100,
        "throttle_on_high_cpu": True,
        "cpu_threshold_percent": 90.0,
        "enable_adaptive_batching": True,
        "enable_memory_optimization": True,
        "enable_feature_scaling": False,
        "warmup_iterations": 10,
        "return_probabilities": False,
        "more": "model_version enable_model_quantization enable_input_quantization "
        "quantization_config monitoring_interval memory_high_watermark_mb memory_limit_gb "
        "batch_timeout max_concurrent_requests initial_batch_size min_batch_size enable_jit "
        "enable_onnx onnx_opset optimization_mode preprocessor_config batch_processor_config "
        "timeout_ms debug_mode",
    },
    "QuantizationConfig": {
        "quantization_type": configs.QuantizationType.INT8,
        "symmetric": True,
        "num_bits": 8,
        "more": "quantization_mode per_channel calibration_samples calibration_method percentile "
        "skip_layers enable_cache cache_size enable_mixed_precision mixed_precision_layers "
        "error_on_nan error_on_inf outlier_threshold buffer_size",
    },
    "BatchProcessorConfig": {
        "more": "initial_batch_size min_batch_size max_batch_size max_queue_size batch_timeout "
        "max_workers enable_priority_queue enable_adaptive_batching processing_strategy "
        "max_retries retry_delay reduce_batch_on_failure item_timeout min_batch_interval "
        "max_batch_memory_mb gc_batch_threshold monitoring_window enable_monitoring "
        "enable_health_monitoring health_check_interval memory_warning_threshold "
        "memory_critical_threshold queue_warning_threshold queue_critical_threshold "
        "enable_memory_optimization debug_mode",
    },
    "PreprocessorConfig": {
        "more": "normalization robust_percentiles handle_nan handle_inf nan_strategy "
        "nan_fill_value inf_strategy inf_buffer detect_outliers outlier_method outlier_handling "
        "outlier_iqr_multiplier outlier_zscore_threshold outlier_percentiles clip_values clip_min "
        "clip_max parallel_processing n_jobs chunk_size cache_enabled cache_size dtype epsilon "
        "enable_input_validation input_size_limit custom_center_func custom_scale_func "
        "custom_transform_func",
    },
}


def test_enumerations_have_these_members():
    for name, members in ENUMS.items():
        found = getattr(configs, name)
        assert issubclass(found, enum.Enum) and list(found.__members__) == members.split()
    assert [level.value for level in configs.BatchPriority] == [0, 1, 2, 3, 4]
    first, later = (configs.PrioritizedItem(1, age, object()) for age in (1.0, 2.0))
    assert first < later and first.priority == 1 and first.timestamp == 1.0


@pytest.mark.parametrize("name", OPTIONS)
def test_configurations_have_these_options(name):
    made = getattr(configs, name)()
    wanted = dict(OPTIONS[name])
    for option in wanted.pop("more").split():
        getattr(made, option)
    for option, default in wanted.items():
        assert getattr(made, option) == default, option


def test_the_doors_name_spinney_s_own():
    assert engine_door.InferenceEngine is spinney.InferenceEngine
    assert quantizer_door.Quantizer is spinney.Quantizer
    for door in (engine_door, batch_door, preprocessor_door, quantizer_door, cache_door):
        assert all(hasattr(door, name) for name in door.__all__)
    errors = ("InputValidationError", "StatisticsError", "SerializationError")
    for name in errors:
        base = preprocessor_door.PreprocessingError
        assert issubclass(getattr(preprocessor_door, name), base)


def test_an_engine_s_answers(model, training_data):
    x = training_data[0]
    with engine_door.InferenceEngine() as engine:
        assert engine.predict(x)[0] is False  # nothing is loaded
        assert engine.load_model(model) is True
        for name in ("state", "model", "model_type", "compiled_model", "config", "memory_pool"):
            getattr(engine, name)
        assert engine.model_info["model_type"] == "LIGHTGBM" and engine.active_requests == 0
        success, result, metadata = engine.predict(x[:3])
        assert success is True and result.shape == (3,)
        named = {"inference_time_ms", "total_time_ms", "batch_size", "compiled_model_used"}
        assert named <= set(metadata)
        cached = engine.predict(x[:3])[2]
        assert cached["cached"] is True and cached["cache_hit"] is True
        success, result, metadata = engine.predict("no rows")
        assert (success, result) == (False, None) and isinstance(metadata["error"], str)
        future = engine.enqueue_prediction(x[:2], configs.BatchPriority.HIGH, 5000)
        assert isinstance(future, Future) and future.result(timeout=30).shape == (2,)
        assert [type(one) for one in engine.predict_batch([x[:1], x[:2]], 30)] == [tuple, tuple]
        checked = engine.validate_model()
        assert checked["valid"] is True and checked["model_type"] == "LIGHTGBM"
        metrics = engine.get_performance_metrics()
        measured = set(engine_door.PerformanceMetrics().get_metrics())
        assert measured <= set(metrics)
        more = {"memory_pool", "cpu_percent", "memory_usage_mb", "threads_count", "cache"}
        assert more <= set(metrics)
        with engine_door.DynamicBatcher(lambda rows: rows) as batcher:
            page = "processed_batches processed_requests current_queue_size avg_batch_size "
            page += "max_observed_queue_size avg_batch_wait_time_ms max_batch_wait_time_ms"
            assert set(page.split()) <= set(metrics["batcher"]) & set(batcher.get_stats())
        assert any(name.startswith("gc") for name in metrics)
    assert engine.state is configs.EngineState.STOPPED


def test_what_parts_answer(tmp_path):
    pool = engine_door.MemoryPool()
    pool.return_buffer(pool.get_buffer((2, 3)))
    assert {"total_buffers", "memory_usage_bytes", "memory_usage_mb", "shape_counts"} <= set(
        pool.get_stats()
    )
    metrics = engine_door.PerformanceMetrics()
    metrics.update_inference(0.1, 2, 0.01, 0.02)
    metrics.update_inference(0.1, batch_size=3, preprocessing_time=0.0, quantization_time=0.0)
    metrics.record_error(), metrics.record_cache_hit(), metrics.record_cache_miss()
    found = metrics.get_metrics()
    assert found["total_requests"] == 5 and found["total_errors"] == 1
    assert metrics.inference_times == [0.1, 0.1]
    stats = batch_door.BatchStats(10)
    stats.record_error()
    assert {"avg_processing_time_ms", "total_processed", "error_rate"} <= set(stats.get_stats())
    assert stats.get_stats()["error_rate"] == 1.0
    processor = batch_door.BatchProcessor(configs.BatchProcessorConfig(), metrics)
    assert isinstance(processor.paused_event, threading.Event)
    assert 0 <= processor.get_stats()["system_load"] <= 1
    processor.start(len)
    assert processor.enqueue("text") is None
    assert processor.enqueue_predict("text", 1.0, configs.BatchPriority.LOW).result(30) == 4
    processor.stop()
    prepared = preprocessor_door.DataPreprocessor().fit(np.eye(3))
    path = os.fspath(tmp_path / "columns")
    assert prepared.serialize(path) is True
    assert type(preprocessor_door.DataPreprocessor.deserialize(path)) is type(prepared)
    cache = cache_door.LRUTTLCache()
    cache.set("a", 1)
    assert cache.get("a") == (True, 1) and cache.get("b")[0] is False and len(cache) == 1
    assert cache.get_or_set("b", lambda: 2) == 2 and cache.invalidate("b") is True
    assert cache.invalidate("b") is False


def test_clipping_comes_last():
    options = {"clip_values": True, "clip_min": -1.0, "clip_max": 1.0}
    x = np.random.default_rng(0).normal(50.0, 10.0, (500, 2))
    found = preprocessor_door.DataPreprocessor(options).fit_transform(x)
    assert found.min() == -1.0 and found.max() == 1.0 and abs(found.mean()) < 0.1
