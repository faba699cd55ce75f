"""Quantized models and rows, and scaled rows, in an engine."""

from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest

import spinney
from spinney import InferenceEngine
from spinney.configs import InferenceEngineConfig, startup_messages
from spinney.exceptions import ConfigError, UnsupportedOptionError
from spinney.preprocessing import DataPreprocessor

MODEL = {"enable_quantization": True, "enable_model_quantization": True}
INPUT = {"enable_quantization": True, "enable_input_quantization": True}
SCALING = {"enable_feature_scaling": True, "preprocessor_config": {}}


def test_a_quantized_model_is_served_and_reported(model, training_data):
    x = training_data[0]
    with InferenceEngine({**MODEL, "quantization_dtype": "int16"}) as engine:
        assert engine.load_model(model, calibration=x), engine.last_error
        told = engine.model_info["quantization"]
        assert told["dtype"] == "int16" and told["rows"] == len(x)
        assert 0 < told["measured_error"] <= told["proven_bound"]
        success, result, metadata = engine.predict(x)
        assert success and metadata["model_quantization"] == "int16"
        expected = spinney.quantization.quantize_model(model, "int16")[0].predict(x)
        np.testing.assert_array_equal(result, expected)
        assert np.abs(result - model.predict(x)).max() <= told["proven_bound"]
        assert engine.list_models()[0]["quantization"]["dtype"] == "int16"
        future = engine.enqueue_prediction(x[:3])
        np.testing.assert_array_equal(future.result(timeout=10), expected[:3])


def test_too_large_an_error_fails_the_load_and_the_old_model_stays(model, training_data):
    x = training_data[0]
    config = {**MODEL, "quantization_config": {"max_error": 1e-2}, "quantization_dtype": "int16"}
    with InferenceEngine(config) as engine:
        assert engine.load_model(model, calibration=x)
        before = engine.predict(x[:5])[1]
        engine.config.quantization_config.max_error = 1e-12
        assert not engine.load_model(model, calibration=x)
        assert "max_error" in engine.last_error and "measured" in engine.last_error
        assert not engine.load_model(model)
        assert "proven" in engine.last_error
        np.testing.assert_array_equal(engine.predict(x[:5])[1], before)


@pytest.mark.parametrize("dtype", ["uint8", "float16"])
def test_a_format_that_a_forest_has_not_fails_the_load(model, dtype):
    with InferenceEngine({**MODEL, "quantization_dtype": dtype}) as engine:
        assert not engine.load_model(model)
        assert dtype in engine.last_error


def test_a_function_cannot_be_quantized():
    with InferenceEngine(MODEL) as engine:
        assert not engine.load_model(lambda rows: rows[:, 0])
        assert "cannot be quantized" in engine.last_error


def test_a_quantized_row_s_metadata_says_what_was_lost(model, training_data):
    x = np.nan_to_num(training_data[0][:50])
    with InferenceEngine(INPUT) as engine:
        assert engine.load_model(model)
        for _ in range(2):  # the second is kept
            _, result, metadata = engine.predict(x)
            restored = engine.quantizer.quantize_dequantize(x)
            np.testing.assert_array_equal(result, model.predict(restored))
            assert metadata["quantization_max_error"] == np.abs(x - restored).max() > 0
            assert 0 < metadata["quantization_mean_error"] < metadata["quantization_max_error"]
        assert "quantization_max_error" in engine.predict(x[0])[2]


def test_every_way_in_says_what_quantizing_lost(model, training_data):
    x = np.nan_to_num(training_data[0][:50])
    both = {**INPUT, "enable_model_quantization": True}
    lost = {"quantization_max_error", "quantization_mean_error"}
    for config, wanted in ((INPUT, lost), (both, lost | {"model_quantization"})):
        with InferenceEngine(config) as engine:
            assert engine.load_model(model), engine.last_error
            for rows in (x, x[:1], x[:0], x):  # the last is kept
                future = engine.enqueue_prediction(rows)
                future.result(timeout=30)
                batched = engine.predict_batch([rows], 30)[0][2]
                expected = engine.predict(rows)[2]
                for found in (future.metadata, batched):
                    assert {name: found[name] for name in wanted} == {
                        name: expected[name] for name in wanted
                    }
                    assert found["batch_size"] == expected["batch_size"] == len(rows)
            assert future.metadata["cached"] and "cached" not in engine.predict(x[:7])[2]


def test_either_option_implies_the_one_for_both():
    for name in ("enable_model_quantization", "enable_input_quantization"):
        config = InferenceEngineConfig(**{name: True})
        assert config.enable_quantization
        setattr(config, name, False)
        assert not config.enable_quantization
        with pytest.raises(ConfigError, match=f"{name}=True contradicts enable_quantization=False"):
            InferenceEngineConfig(**{name: True, "enable_quantization": False})
    assert InferenceEngineConfig.from_dict(config.to_dict()) == config


def test_the_format_of_quantization_config_is_the_model_s_too_unless_one_is_given():
    wide = {"quantization_config": {"quantization_type": "INT16"}}
    assert InferenceEngineConfig(**wide).quantization_dtype == "int16"
    assert InferenceEngineConfig(**wide, quantization_dtype="int8").quantization_dtype == "int8"
    mixed = {"quantization_config": {"quantization_type": "MIXED"}}
    assert InferenceEngineConfig(**mixed).quantization_dtype == "int8"
    both = InferenceEngineConfig(**wide, enable_model_quantization=True)
    assert startup_messages(both) == []
    assert InferenceEngineConfig.from_dict(both.to_dict()) == both


def every_answer(engine, x, **which):
    """The answer and the metadata of each way in."""
    _, result, metadata = engine.predict(x, **which)
    yield result, metadata
    future = engine.enqueue_prediction(x, **which)
    yield future.result(timeout=30), future.metadata
    yield engine.predict_batch([x], 30, **which)[0][1:]
    yield asyncio.run(engine.predict_async(x, **which)), None


@pytest.mark.parametrize("dtype", ["int8", "int16"])
def test_quantization_alone_quantizes_the_model_where_it_can_be(model, training_data, dtype):
    x = training_data[0][:50]
    with InferenceEngine({"enable_quantization": True, "quantization_dtype": dtype}) as engine:
        assert engine.load_model(model, calibration=x), engine.last_error
        assert engine.model_info["quantized"] == "model"
        assert engine.model_info["quantization"]["dtype"] == dtype
        assert engine.list_models()[0]["quantized"] == "model"
        expected = spinney.quantize_model(model, dtype)[0].predict(x)
        assert (expected != model.predict(x)).any()
        for result, metadata in every_answer(engine, x):
            np.testing.assert_array_equal(result, expected)
            if metadata is not None:
                assert metadata["quantized"] == "model"
                assert metadata["model_quantization"] == dtype
                assert "quantization_max_error" not in metadata
        assert engine.quantizer.get_stats()["quantize_calls"] == 0


def test_quantization_alone_quantizes_the_rows_of_other_models(model, training_data):
    x = np.nan_to_num(training_data[0][:50])
    small = spinney.quantize_model(model, "int8")[0]
    with InferenceEngine({"enable_quantization": True}) as engine:
        assert engine.load_model(lambda rows: rows[:, :2].sum(axis=1), name="function")
        assert engine.model_info["quantized"] == "rows"
        assert "quantization" not in engine.model_info
        restored = engine.quantizer.quantize_dequantize(x)
        assert (restored != x).any()
        for result, metadata in every_answer(engine, x, model="function"):
            np.testing.assert_array_equal(result, restored[:, :2].sum(axis=1))
            if metadata is not None:
                assert metadata["quantized"] == "rows" and "model_quantization" not in metadata
                assert metadata["quantization_max_error"] > 0
        # Beside it one that can be quantized, and one that is so already.
        for given, name in ((model, "forest"), (small, "small")):
            assert engine.load_model(given, name=name), engine.last_error
            for result, metadata in every_answer(engine, x, model=name):
                np.testing.assert_array_equal(result, small.predict(x))
                assert metadata is None or metadata["model_quantization"] == "int8"


def test_a_format_that_a_model_has_not_is_for_its_rows(model, training_data):
    x = np.nan_to_num(training_data[0][:50])
    with InferenceEngine({"enable_quantization": True, "quantization_dtype": "float16"}) as engine:
        assert engine.load_model(model), engine.last_error
        assert engine.model_info["quantized"] == "rows"
        halves = x.astype(np.float16).astype(np.float32)
        np.testing.assert_array_equal(engine.predict(x)[1], model.predict(halves))
    nothing = {"enable_quantization": True, "quantization_config": {"quantization_type": "NONE"}}
    with InferenceEngine(nothing) as engine:
        assert engine.load_model(model)
        assert engine.model_info["quantized"] is None
        np.testing.assert_array_equal(engine.predict(x)[1], model.predict(x))


def test_quantization_alone_keeps_to_max_error(model, training_data):
    strict = {"enable_quantization": True, "quantization_config": {"max_error": 1e-12}}
    with InferenceEngine(strict) as engine:
        assert not engine.load_model(model, calibration=training_data[0])
        assert "max_error" in engine.last_error


def test_what_is_quantized_is_said_of_chosen_ways_too(model, training_data):
    x = np.nan_to_num(training_data[0][:5])
    for config, what in (
        (MODEL, "model"),
        (INPUT, "rows"),
        ({**MODEL, **INPUT}, "model and rows"),
        ({}, None),
    ):
        with InferenceEngine(config) as engine:
            assert engine.load_model(model)
            assert engine.model_info["quantized"] == what
            assert engine.predict(x)[2].get("quantized") == what


def test_a_preprocessor_that_fails_is_a_failed_future(model, training_data):
    with InferenceEngine(SCALING) as engine:
        assert engine.load_model(model)

        class Broken:
            def transform(self, rows):
                raise ZeroDivisionError("no rows")

        engine.preprocessor = Broken()
        assert engine.predict(training_data[0])[2] == {"error": "no rows"}
        future = engine.enqueue_prediction(training_data[0])
        assert isinstance(future.exception(timeout=10), ZeroDivisionError)
        assert future.metadata == {"error": "no rows"}


def test_a_preprocessor_that_removes_rows_is_refused():
    removing = {"detect_outliers": True, "outlier_handling": "remove"}
    with pytest.raises(UnsupportedOptionError, match="outlier_handling is 'remove'"):
        InferenceEngine({"enable_feature_scaling": True, "preprocessor_config": removing})
    with InferenceEngine(SCALING) as engine:
        with pytest.raises(spinney.InvalidInputError, match="removes rows"):
            engine.preprocessor = DataPreprocessor(removing)
        assert not engine.preprocessor.config.detect_outliers  # the one before stays
    unused = {"outlier_handling": "remove"}  # nothing looks for outliers
    InferenceEngine({"enable_feature_scaling": True, "preprocessor_config": unused}).shutdown()


def test_a_preprocessor_that_makes_other_rows_fails_the_prediction(model, training_data):
    x = training_data[0]
    with InferenceEngine(SCALING) as engine:
        assert engine.load_model(model)

        class Halves:
            def transform(self, rows):
                return rows[::2]

        engine.preprocessor = Halves()
        success, _, metadata = engine.predict(x[:4])
        assert not success and "2 rows of 4" in metadata["error"]
        with pytest.raises(spinney.InvalidInputError, match="2 rows of 4"):
            engine.enqueue_prediction(x[:4]).result(timeout=10)


def test_rows_of_every_kind_are_scaled(model, training_data):
    x = training_data[0]
    with InferenceEngine(SCALING) as engine:
        engine.preprocessor.fit(x)
        assert engine.load_model(model)
        expected = model.predict(engine.preprocessor.transform(x[:1]))
        for row in (x[:1], x[0], x[:1].tolist(), x[0].tolist()):
            success, result, metadata = engine.predict(row)
            assert success, metadata
            if isinstance(row, np.ndarray):  # others are float64 numbers
                np.testing.assert_array_equal(result, expected)
        assert engine.get_performance_metrics()["avg_preprocessing_time_ms"] > 0


def test_scaling_adds_little_to_one_row(model, training_data):
    row = training_data[0][:1].copy()
    options = {"enable_request_deduplication": False}
    with InferenceEngine(options) as plain, InferenceEngine({**options, **SCALING}) as scaling:
        scaling.preprocessor.fit(training_data[0])
        assert plain.load_model(model) and scaling.load_model(model)
        best = {plain: 1.0, scaling: 1.0}
        for _ in range(200):
            for engine in best:
                began = time.perf_counter()
                for _ in range(20):
                    engine.predict(row)
                best[engine] = min(best[engine], (time.perf_counter() - began) / 20)
        assert best[scaling] - best[plain] < 5e-6  # ten times what benchmarks/engine.py shows
