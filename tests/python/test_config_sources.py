"""Configurations from files and from the environment, and what goes over what."""

from __future__ import annotations

import logging
import sys

import pytest

import modules.configs as surface
from spinney.configs import (
    BatchProcessorConfig,
    InferenceEngineConfig,
    QuantizationConfig,
    engine_config,
)
from spinney.exceptions import ConfigError, ConfigNotFoundError, ConfigTypeError


def test_files(tmp_path):
    path = tmp_path / "engine.json"
    config = InferenceEngineConfig(
        max_batch_size=32, batch_processor_config={"max_workers": 2}, allowed_classes=["a.B"]
    )
    path.write_text(config.to_json())
    assert InferenceEngineConfig.from_file(path) == config
    assert InferenceEngineConfig.from_json(str(path)) == config
    assert engine_config(path) == config
    assert engine_config(str(path)) == config
    path.write_text('{"max_batch_size": NaN}')
    with pytest.raises(ConfigError, match=r"engine\.json.*NaN"):
        InferenceEngineConfig.from_file(path)
    path.write_text('{"max_batch_size": 1, "max_batch_size": 2}')
    with pytest.raises(ConfigError, match="twice"):
        InferenceEngineConfig.from_file(path)
    path.write_text('{"max_batch_sizes": 1}')
    with pytest.raises(ConfigTypeError, match=r"engine\.json.*did you mean 'max_batch_size'"):
        InferenceEngineConfig.from_file(path)
    for text in ("{", "[]", "[" * 100_000, "3"):
        path.write_text(text)
        with pytest.raises(ConfigError, match=r"engine\.json"):
            InferenceEngineConfig.from_file(path)
    path.write_bytes(b"\xff\xfe{}")
    with pytest.raises(ConfigError, match="read"):
        InferenceEngineConfig.from_file(path)
    path.write_text('{"model_version": "' + "x" * (1 << 20) + '"}')
    with pytest.raises(ConfigError, match="larger"):
        InferenceEngineConfig.from_file(path)
    with pytest.raises(ConfigNotFoundError, match="absent"):
        InferenceEngineConfig.from_file(tmp_path / "absent.json")
    with pytest.raises(ConfigError, match=r"\.toml"):
        InferenceEngineConfig.from_file(tmp_path / "engine.ini")


def test_toml(tmp_path, monkeypatch):
    path = tmp_path / "engine.toml"
    path.write_text('max_batch_size = 32\n[quantization_config]\nquantization_type = "int16"\n')
    if sys.version_info >= (3, 11):
        config = InferenceEngineConfig.from_file(path)
        assert config.max_batch_size == 32
        assert config.quantization_config.quantization_type is surface.QuantizationType.INT16
        assert InferenceEngineConfig.from_toml(path) == config
        path.write_text("max_batch_size = \n")
        with pytest.raises(ConfigError, match="TOML"):
            InferenceEngineConfig.from_file(path)
    monkeypatch.setitem(sys.modules, "tomllib", None)
    monkeypatch.setitem(sys.modules, "tomli", None)
    with pytest.raises(ConfigError, match=r"pip install 'spinney-engine\[toml\]'"):
        InferenceEngineConfig.from_file(path)


def test_the_environment():
    read = InferenceEngineConfig.from_env
    config = read(
        {
            "SPINNEY_NUM_THREADS": "3",
            "SPINNEY_ENABLE_WARMUP": "no",
            "SPINNEY_MEMORY_LIMIT_GB": "none",
            "SPINNEY_ALLOWED_CLASSES": "a.B, c.D",
            "SPINNEY_OPTIMIZATION_MODE": "memory_saving",
            "SPINNEY_QUANTIZATION_CONFIG": '{"num_bits": 5, "symmetric": false}',
            "SPINNEY_QUANTIZATION__NUM_BITS": "6",
            "SPINNEY_PREPROCESSOR__ROBUST_PERCENTILES": "10,90",
            "SPINNEY_ISA": "scalar",
            "PATH": "/bin",
        }
    )
    assert config == InferenceEngineConfig(
        num_threads=3,
        enable_warmup=False,
        allowed_classes=("a.B", "c.D"),
        optimization_mode="memory_saving",
        quantization_config={"num_bits": 6, "symmetric": False},
        preprocessor_config={"robust_percentiles": (10, 90)},
    )
    same = QuantizationConfig.from_env({"SPINNEY_QUANTIZATION__NUM_BITS": "6"})
    assert same == QuantizationConfig(num_bits=6)
    assert BatchProcessorConfig.from_env({"X_MAX_WORKERS": "2"}, prefix="X_").max_workers == 2


@pytest.mark.parametrize(
    ("variable", "text", "says"),
    [
        ("SPINNEY_NUM_THREADS", "many", "SPINNEY_NUM_THREADS.*integer"),
        ("SPINNEY_NUM_THREADS", "0", "SPINNEY_NUM_THREADS.*from 1"),
        ("SPINNEY_ENABLE_WARMUP", "perhaps", "true or false"),
        ("SPINNEY_BATCH_TIMEOUT", "nan", "SPINNEY_BATCH_TIMEOUT"),
        ("SPINNEY_NUM_THREDS", "3", "did you mean SPINNEY_NUM_THREADS"),
        ("SPINNEY_QUANTIZATION__BITS", "3", "SPINNEY_QUANTIZATION__NUM_BITS"),
        ("SPINNEY_QUANTIZATION_CONFIG", "{", "JSON"),
        ("SPINNEY_PREPROCESSOR__CUSTOM_SCALE_FUNC", "max", "program"),
        ("SPINNEY_PREPROCESSOR__ROBUST_PERCENTILES", "10", "two numbers"),
    ],
)
def test_a_wrong_variable_is_named(variable, text, says):
    with pytest.raises(ConfigError, match=says):
        InferenceEngineConfig.from_env({variable: text})


def test_a_variable_that_is_nobody_s_is_logged(caplog):
    with caplog.at_level(logging.WARNING):
        assert InferenceEngineConfig.from_env({"SPINNEY_XQ": "1"}) == InferenceEngineConfig()
    assert "SPINNEY_XQ" in caplog.text


def test_keywords_go_over_the_environment_over_the_file(tmp_path, monkeypatch):
    path = tmp_path / "engine.json"
    path.write_text(
        '{"max_batch_size": 8, "num_threads": 2, "warmup_iterations": 1,'
        ' "quantization_config": {"num_bits": 4, "symmetric": false}}'
    )
    environ = {
        "SPINNEY_NUM_THREADS": "3",
        "SPINNEY_WARMUP_ITERATIONS": "2",
        "SPINNEY_QUANTIZATION__NUM_BITS": "5",
        "SPINNEY_CONFIG": str(path),
    }
    expected = InferenceEngineConfig(
        max_batch_size=8,
        num_threads=3,
        warmup_iterations=9,
        quantization_config={"num_bits": 5, "symmetric": False},
    )
    load = InferenceEngineConfig.load
    assert load(environ=environ, warmup_iterations=9) == expected
    del environ["SPINNEY_CONFIG"]
    assert load(path, environ=environ, warmup_iterations=9) == expected
    monkeypatch.setenv("SPINNEY_CONFIG", str(path))
    monkeypatch.setenv("SPINNEY_NUM_THREADS", "5")
    assert engine_config(None).num_threads == 5
    assert engine_config({}).num_threads is None
