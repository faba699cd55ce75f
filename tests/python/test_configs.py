"""modules.configs: every name of the surface, checks, files, environment, printing."""

from __future__ import annotations

import copy
import heapq
import json
import logging
import pickle
import re
from pathlib import Path

import numpy as np
import pytest

import modules.configs as surface
import spinney
from spinney.configs import (
    BatchProcessorConfig,
    InferenceEngineConfig,
    OptimizationMode,
    PreprocessorConfig,
    QuantizationConfig,
    startup_messages,
)
from spinney.configs.engine import PRESETS
from spinney.configs.reference import with_tables
from spinney.exceptions import (
    ConfigError,
    ConfigTypeError,
    UnsupportedOptionError,
)

CLASSES = [InferenceEngineConfig, BatchProcessorConfig, QuantizationConfig, PreprocessorConfig]

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
    InferenceEngineConfig: """
        enable_batching max_batch_size enable_quantization enable_throttling num_threads
        enable_monitoring enable_warmup model_version set_cpu_affinity enable_model_quantization
        enable_input_quantization quantization_dtype quantization_config
        enable_request_deduplication max_cache_entries cache_ttl_seconds monitoring_window
        monitoring_interval throttle_on_high_cpu cpu_threshold_percent memory_high_watermark_mb
        memory_limit_gb batch_timeout max_concurrent_requests initial_batch_size min_batch_size
        enable_adaptive_batching enable_memory_optimization enable_feature_scaling
        warmup_iterations enable_jit enable_onnx onnx_opset optimization_mode preprocessor_config
        batch_processor_config return_probabilities timeout_ms debug_mode trusted allowed_classes
        in_process""",
    QuantizationConfig: """
        quantization_type quantization_mode per_channel symmetric calibration_samples
        calibration_method percentile skip_layers enable_cache cache_size enable_mixed_precision
        mixed_precision_layers error_on_nan error_on_inf outlier_threshold num_bits buffer_size""",
    BatchProcessorConfig: """
        initial_batch_size min_batch_size max_batch_size max_queue_size batch_timeout max_workers
        enable_priority_queue enable_adaptive_batching processing_strategy max_retries retry_delay
        reduce_batch_on_failure item_timeout min_batch_interval max_batch_memory_mb
        gc_batch_threshold monitoring_window enable_monitoring enable_health_monitoring
        health_check_interval memory_warning_threshold memory_critical_threshold
        queue_warning_threshold queue_critical_threshold enable_memory_optimization debug_mode""",
    PreprocessorConfig: """
        normalization robust_percentiles handle_nan handle_inf nan_strategy nan_fill_value
        inf_strategy inf_buffer detect_outliers outlier_method outlier_handling
        outlier_iqr_multiplier outlier_zscore_threshold outlier_percentiles clip_values clip_min
        clip_max parallel_processing n_jobs chunk_size cache_enabled cache_size dtype epsilon
        enable_input_validation input_size_limit""",
}


@pytest.mark.parametrize("name", ENUMS)
def test_enumerations_have_the_names_of_the_surface(name):
    assert [member.name for member in getattr(surface, name)] == ENUMS[name].split()


def test_enumerations_are_the_package_s_own():
    for name in surface.__all__:
        assert getattr(surface, name) is getattr(spinney.configs, name)
    assert [int(level) for level in surface.BatchPriority] == [0, 1, 2, 3, 4]
    assert surface.BatchPriority.CRITICAL < surface.BatchPriority.LOW
    assert surface.QuantizationType("int8") is surface.QuantizationType.INT8


def test_prioritized_items_order_by_priority_then_age_and_never_compare_items():
    make = surface.PrioritizedItem
    items = [
        make(2, 1.0, {}),
        make(0, 5.0, {}),
        make(2, 0.5, {}),
        make(priority=0, timestamp=4.0, item={}),
    ]
    heapq.heapify(items)
    order = [heapq.heappop(items)[:2] for _ in range(4)]
    assert order == [(0, 4.0), (0, 5.0), (2, 0.5), (2, 1.0)]
    assert make(1, 1.0, {}) <= make(1, 1.0, []) <= make(1, 2.0, None)
    assert make(1, 1.0, {}) >= make(1, 1.0, [])
    assert make(2, 0.0, {}) > make(1, 9.0, {})


@pytest.mark.parametrize("cls", CLASSES)
def test_every_option_of_the_surface_is_there_and_documented(cls):
    assert not set(OPTIONS[cls].split()) - set(cls.option_names())
    for name, kind in cls.option_kinds().items():
        default = cls.defaults()[name]
        assert default is None or kind.accept(name, default) == default, name
    assert cls().changed() == {}
    assert {name: getattr(cls(), name) for name in cls.option_names()} == cls.defaults()


def test_the_defaults_that_programs_rely_on():
    config = InferenceEngineConfig()
    expected = {
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
    }
    assert {name: getattr(config, name) for name in expected} == expected
    quantization = QuantizationConfig()
    assert quantization.quantization_type is surface.QuantizationType.INT8
    assert (quantization.symmetric, quantization.num_bits) == (True, 8)


@pytest.mark.parametrize(
    ("cls", "options", "error", "says"),
    [
        (InferenceEngineConfig, {"max_batch_sze": 3}, ConfigTypeError, "max_batch_size"),
        (InferenceEngineConfig, {"xyz": 3}, ConfigTypeError, "num_threads"),
        (InferenceEngineConfig, {"max_batch_size": True}, ConfigTypeError, "bool"),
        (InferenceEngineConfig, {"max_batch_size": 3.0}, ConfigTypeError, "integer"),
        (InferenceEngineConfig, {"max_batch_size": "3"}, ConfigTypeError, "integer"),
        (InferenceEngineConfig, {"max_batch_size": None}, ConfigTypeError, "integer"),
        (InferenceEngineConfig, {"max_batch_size": 0}, ConfigError, "from 1"),
        (InferenceEngineConfig, {"enable_warmup": 1}, ConfigTypeError, "True or False"),
        (InferenceEngineConfig, {"enable_warmup": "yes"}, ConfigTypeError, "True or False"),
        (InferenceEngineConfig, {"batch_timeout": float("nan")}, ConfigError, "finite"),
        (InferenceEngineConfig, {"batch_timeout": float("inf")}, ConfigError, "finite"),
        (InferenceEngineConfig, {"batch_timeout": -1}, ConfigError, "from 0"),
        (InferenceEngineConfig, {"batch_timeout": 10**400}, ConfigError, "batch_timeout"),
        (InferenceEngineConfig, {"cpu_threshold_percent": 0}, ConfigError, "above 0"),
        (InferenceEngineConfig, {"memory_limit_gb": "4"}, ConfigTypeError, "or None"),
        (InferenceEngineConfig, {"optimization_mode": "quick"}, ConfigError, "MEMORY_SAVING"),
        (InferenceEngineConfig, {"optimization_mode": 3}, ConfigTypeError, "BALANCED"),
        (InferenceEngineConfig, {"quantization_dtype": "int4"}, ConfigError, "float16"),
        (InferenceEngineConfig, {"allowed_classes": "a.B"}, ConfigTypeError, "sequence"),
        (InferenceEngineConfig, {"allowed_classes": [3]}, ConfigTypeError, "item"),
        (InferenceEngineConfig, {"onnx_opset": 13}, ConfigError, "enable_onnx"),
        (
            InferenceEngineConfig,
            {"enable_quantization": False, "enable_model_quantization": True},
            ConfigError,
            "enable_model_quantization=True contradicts enable_quantization=False",
        ),
        (
            InferenceEngineConfig,
            {"quantization_config": {"num_bitz": 4}},
            ConfigTypeError,
            "QuantizationConfig.*num_bits",
        ),
        (
            InferenceEngineConfig,
            {"quantization_config": PreprocessorConfig()},
            ConfigTypeError,
            "QuantizationConfig",
        ),
        (
            BatchProcessorConfig,
            {"min_batch_size": 9, "max_batch_size": 8},
            ConfigError,
            "9.*8",
        ),
        (
            BatchProcessorConfig,
            {"initial_batch_size": 9, "max_batch_size": 8},
            ConfigError,
            "initial_batch_size",
        ),
        (BatchProcessorConfig, {"idempotent": False, "max_retries": 1}, ConfigError, "idempotent"),
        (
            BatchProcessorConfig,
            {"memory_warning_threshold": 90, "memory_critical_threshold": 80},
            ConfigError,
            "memory_warning_threshold",
        ),
        (
            BatchProcessorConfig,
            {"queue_warning_threshold": 90, "queue_critical_threshold": 80},
            ConfigError,
            "queue_warning_threshold",
        ),
        (PreprocessorConfig, {"dtype": "int32"}, ConfigError, "float32 or float64"),
        (PreprocessorConfig, {"dtype": "no such"}, ConfigTypeError, "float32 or float64"),
        (PreprocessorConfig, {"robust_percentiles": (75, 25)}, ConfigError, "below"),
        (PreprocessorConfig, {"robust_percentiles": (1, 2, 3)}, ConfigTypeError, "two numbers"),
        (PreprocessorConfig, {"clip_min": 2, "clip_max": 1}, ConfigError, "clip_min"),
        (PreprocessorConfig, {"custom_scale_func": 3}, ConfigTypeError, "callable"),
        (QuantizationConfig, {"min_percentile": 60, "max_percentile": 40}, ConfigError, "60"),
    ],
)
def test_what_is_wrong_is_named_with_what_is_allowed(cls, options, error, says):
    name = next(iter(options))
    with pytest.raises(error, match=says) as caught:
        cls(**options)
    assert name in str(caught.value) or "num_bits" in str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, TypeError) == (error is ConfigTypeError)


def test_names_stand_for_enumerations_and_mappings_for_configurations():
    config = InferenceEngineConfig(
        optimization_mode="Performance",
        quantization_config={"quantization_type": "UINT8", "quantization_mode": "symmetric"},
        batch_processor_config={"processing_strategy": "greedy"},
        preprocessor_config=PreprocessorConfig(normalization="minmax", dtype=np.float32),
        max_batch_size=np.int64(128),
        batch_timeout=np.float32(0.5),
    )
    assert config.optimization_mode is surface.OptimizationMode.PERFORMANCE
    assert config.quantization_config.quantization_type is surface.QuantizationType.UINT8
    assert config.quantization_config.quantization_mode is surface.QuantizationMode.SYMMETRIC
    assert (
        config.batch_processor_config.processing_strategy is surface.BatchProcessingStrategy.GREEDY
    )
    assert config.preprocessor_config.normalization is surface.NormalizationType.MINMAX
    assert config.preprocessor_config.dtype == np.float32
    assert type(config.max_batch_size) is int
    assert type(config.batch_timeout) is float


def test_defaults_give_way_to_what_is_given():
    assert BatchProcessorConfig(max_batch_size=8).initial_batch_size == 8
    assert BatchProcessorConfig(min_batch_size=32).initial_batch_size == 32
    assert BatchProcessorConfig(min_batch_size=100).max_batch_size == 100
    assert BatchProcessorConfig(initial_batch_size=100).max_batch_size == 100
    small = BatchProcessorConfig(max_queue_size=50)
    assert (small.queue_warning_threshold, small.queue_critical_threshold) == (5, 25)
    assert BatchProcessorConfig(idempotent=False).max_retries == 0
    assert small.replace(max_queue_size=1000) == BatchProcessorConfig()


def test_setting_later_is_checked_and_a_refusal_leaves_all_as_it_was():
    config = BatchProcessorConfig(max_batch_size=8)
    config.max_batch_size = 4
    assert config.initial_batch_size == 4
    before = config.to_dict()
    with pytest.raises(ConfigError, match="min_batch_size"):
        config.min_batch_size = 5
    with pytest.raises(ConfigTypeError, match="max_batch_size"):
        config.max_batch_size = "9"
    with pytest.raises(ConfigTypeError, match="did you mean 'max_batch_size'"):
        config.max_batchsize = 9
    assert config.to_dict() == before


@pytest.mark.parametrize("cls", CLASSES)
def test_copies_are_equal(cls):
    config = cls(cache_size=3) if "cache_size" in cls.option_names() else cls(debug_mode=True)
    for twin in (
        pickle.loads(pickle.dumps(config)),
        copy.deepcopy(config),
        config.replace(),
        cls.from_dict(config.to_dict()),
    ):
        assert twin == config
        assert twin != cls()
    assert json.loads(config.to_json()) == json.loads(json.dumps(config.to_dict()))


def test_printing_shows_what_differs():
    config = InferenceEngineConfig(num_threads=3, quantization_config={"num_bits": 4})
    assert repr(config) == (
        "InferenceEngineConfig(num_threads=3, quantization_config=QuantizationConfig(num_bits=4))"
    )
    lines = config.describe().splitlines()
    assert any(line.split() == ["*", "num_threads", "3"] for line in lines)
    assert any(line.split() == ["*", "num_bits", "4"] for line in lines)
    for name in InferenceEngineConfig.option_names():
        assert any(name in line for line in lines)


def test_no_option_is_ignored_in_silence(caplog):
    assert startup_messages(InferenceEngineConfig()) == []
    assert startup_messages(InferenceEngineConfig(num_threads=2, debug_mode=True)) == []
    for option in ({"enable_jit": True}, {"enable_onnx": True}):
        caplog.clear()
        with caplog.at_level(logging.WARNING), spinney.InferenceEngine(option):
            assert next(iter(option)) in caplog.text
    (_, converts) = startup_messages(InferenceEngineConfig(enable_onnx=True, onnx_opset=17))
    assert "onnx_opset is 17" in converts
    removing = {"detect_outliers": True, "outlier_handling": "remove"}
    with pytest.raises(UnsupportedOptionError, match="outlier_handling"):
        spinney.InferenceEngine({"enable_feature_scaling": True, "preprocessor_config": removing})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_cache_bytes": 5, "max_cache_entries": 0}, "max_cache_bytes is 5, but max_cache_ent"),
        ({"cache_ttl_seconds": 5, "max_cache_entries": 0}, "cache_ttl_seconds is 5.0, but max_ca"),
        ({"batch_timeout": 0.5}, "batch_timeout is 0.5, but acts only with min_batch_size above 1"),
        ({"min_batch_size": 4, "batch_timeout": 0}, "min_batch_size is 4, but batch_timeout=0"),
        ({"min_batch_size": 4, "batch_timeout": 0.5}, None),
        ({"min_batch_size": 4}, None),
        ({"batch_timeout": 0.5, "batch_processor_config": {"min_batch_size": 4}}, None),
        ({"max_cache_entries": 0, "batch_timeout": 0}, None),
    ],
)
def test_an_option_that_the_value_of_another_keeps_from_acting_is_named(options, said):
    told = startup_messages(InferenceEngineConfig(**options))
    assert told == [] if said is None else len(told) == 1 and told[0].startswith(said)


def test_what_the_machine_lacks_is_said(monkeypatch):
    config = InferenceEngineConfig(enable_onnx=True)
    assert "enable_onnx" in startup_messages(config)[0]
    monkeypatch.setattr("spinney.configs.startup.find_spec", lambda name: None)
    assert "onnxruntime is not installed" in startup_messages(config)[0]


def test_the_page_s_tables_are_the_classes_own():
    page = Path(__file__).parents[2] / "docs" / "configuration.md"
    text = page.read_text()
    assert with_tables(text) == text, "run python -m spinney.configs.reference " + str(page)
    for cls in CLASSES:
        for name in cls.option_names():
            assert f"| `{name}` |" in text
            assert f"`{cls.env_prefix}{name.upper()}`" in text


def test_an_optimization_mode_sets_what_is_not_given():
    fast = InferenceEngineConfig(optimization_mode="FULL_UTILIZATION", max_cache_entries=7)
    assert fast.set_cpu_affinity and not fast.enable_memory_optimization
    assert fast.max_cache_entries == 7 and fast.warmup_iterations == 50
    fast.optimization_mode = OptimizationMode.MEMORY_SAVING
    assert not fast.set_cpu_affinity and fast.enable_memory_optimization
    assert fast.max_cache_entries == 7 and fast.cache_ttl_seconds == 60
    fast.optimization_mode = OptimizationMode.BALANCED
    assert fast == InferenceEngineConfig(max_cache_entries=7)
    careful = InferenceEngineConfig(optimization_mode="CONSERVATIVE")
    assert careful.num_threads == 1 and careful.enable_throttling
    assert InferenceEngineConfig.from_dict(careful.to_dict()) == careful
    assert set(PRESETS) == set(OptimizationMode)
    page = (Path(__file__).parents[2] / "docs" / "tuning.md").read_text()
    for mode, chosen in PRESETS.items():
        if chosen:
            (line,) = [line for line in page.splitlines() if line.startswith(f"| `{mode.name}`")]
            assert re.findall(r"`(\w+)=", line) == list(chosen)


def test_what_this_version_cannot_do_is_said():
    config = InferenceEngineConfig(enable_onnx=True, onnx_opset=17, enable_jit=True)
    told = " ".join(startup_messages(config))
    assert all(name in told for name in ("enable_onnx", "onnx_opset is 17", "enable_jit"))
