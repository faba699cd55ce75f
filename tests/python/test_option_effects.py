"""Options whose effect no other test shows: each changes what happens, or what is said at start."""

from __future__ import annotations

import logging
import tracemalloc

import numpy as np
import pytest

from modules.engine.data_preprocessor import DataPreprocessor
from modules.engine.quantizer import Quantizer
from spinney import InferenceEngine
from spinney.configs import (
    BatchProcessorConfig,
    InferenceEngineConfig,
    QuantizationConfig,
    startup_messages,
)
from spinney.engine.parts import unused_details

COLUMN = np.r_[np.random.default_rng(1).normal(0, 1, 500), [40.0, -60.0]].reshape(-1, 1)


@pytest.mark.parametrize(
    "method, option, loose, tight",
    [
        ("iqr", "outlier_iqr_multiplier", 3.0, 0.5),
        ("zscore", "outlier_zscore_threshold", 15.0, 0.1),
        ("percentile", "outlier_percentiles", (0.5, 99.5), (10.0, 90.0)),
    ],
)
def test_thresholds_of_outliers(method, option, loose, tight):
    def marked(value):
        options = {"detect_outliers": True, "outlier_method": method, option: value}
        return int(DataPreprocessor(options).fit(COLUMN).outlier_rows(COLUMN).sum())

    default = {"detect_outliers": True, "outlier_method": method}
    usual = int(DataPreprocessor(default).fit(COLUMN).outlier_rows(COLUMN).sum())
    assert 0 < marked(loose) < usual < marked(tight)


def test_the_least_scale_and_the_number_of_quantiles():
    x = np.array([[1.0], [1.0 + 1e-6], [1.0 - 1e-6]])
    assert np.abs(DataPreprocessor().fit_transform(x)).max() > 1.0
    assert np.abs(DataPreprocessor({"epsilon": 1e-3}).fit_transform(x)).max() < 1e-5
    curved = np.random.default_rng(2).lognormal(size=(3000, 1))
    two = DataPreprocessor({"normalization": "quantile", "n_quantiles": 2}).fit(curved)
    span = curved.max() - curved.min()  # of two quantiles, the curve is a line
    np.testing.assert_allclose(two.transform(curved), (curved - curved.min()) / span, atol=1e-9)
    many = DataPreprocessor({"normalization": "quantile"}).fit(curved)
    assert abs(np.median(many.transform(curved)) - 0.5) < 0.01


def test_the_size_of_a_sketch():
    x = np.random.default_rng(3).lognormal(size=(60_000, 1))

    def error(size):
        options = {"normalization": "quantile", "sketch_size": size}
        return DataPreprocessor(options).partial_fit(x).get_statistics()["rank_error_max"][0]

    assert error(64) > 2 * error(1024)


def test_threads_and_chunks_of_a_preprocessor(monkeypatch):
    """Neither changes a bit of an answer, so what reaches the core is looked at."""
    seen = []
    x = np.random.default_rng(4).normal(size=(50, 3))
    for options in (
        {},
        {"n_jobs": 3},
        {"parallel_processing": True, "n_jobs": 3},
        {"chunk_size": 7},
    ):
        ours = DataPreprocessor({**options, "input_size_limit": 50}).fit(x)  # not the short way
        inner = ours._serving.fitted

        class Watched:
            def __getattr__(self, name, inner=inner):
                return getattr(inner, name)

            def transform(self, rows, out, threads, chunk, inner=inner):
                seen.append((threads, chunk))
                return inner.transform(rows, out, threads, chunk)

        ours._serving.fitted = Watched()
        ours.transform(x)
    assert seen == [(1, 0), (1, 0), (3, 0), (1, 7)]


def test_validation_of_a_preprocessor_s_input():
    x = np.random.default_rng(5).normal(size=(20, 3))
    masked = np.ma.masked_array(x, mask=x > 0)
    strict = DataPreprocessor().fit(x)
    filled = strict.transform(np.where(x > 0, np.nan, x))
    np.testing.assert_array_equal(strict.transform(masked), filled)
    loose = DataPreprocessor({"enable_input_validation": False}).fit(x)  # takes arrays as they are
    np.testing.assert_array_equal(loose.transform(masked), strict.transform(x))


def test_memory_that_quantizing_and_back_takes():
    x = np.random.default_rng(6).normal(size=4_000_000).astype(np.float32)
    peaks = []
    for sparing in (True, False):
        quantizer = Quantizer({"optimize_memory": sparing, "enable_cache": False})
        quantizer.quantize_dequantize(x[:10])
        tracemalloc.start()
        quantizer.quantize_dequantize(x)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[0] + x.size // 2 < peaks[1]  # a byte a code less


@pytest.mark.parametrize(
    "options, said",
    [
        ({"enable_quantization": True}, "quantizes nothing"),
        ({"enable_throttling": True, "throttle_on_high_cpu": False}, "throttles nothing"),
        ({"cpu_threshold_percent": 50}, "enable_throttling=True"),
        ({"preprocessor_config": {}}, "enable_feature_scaling=True"),
        ({"quantization_dtype": "int16"}, "enable_quantization=True"),
        ({"enable_warmup": False, "warmup_iterations": 3}, "enable_warmup=True"),
        ({"enable_monitoring": False, "monitoring_window": 3}, "enable_monitoring=True"),
        (
            {"enable_request_deduplication": False, "max_cache_entries": 7},
            "enable_request_deduplication=True",
        ),
        (
            {
                "enable_quantization": True,
                "enable_model_quantization": True,
                "quantization_config": {"num_bits": 4},
            },
            "num_bits concern rows",
        ),
        (
            {
                "enable_quantization": True,
                "enable_input_quantization": True,
                "quantization_dtype": "int16",
                "quantization_config": {},
            },
            "rows take the quantization_type of quantization_config",
        ),
    ],
)
def test_an_option_that_another_keeps_from_acting_is_named(options, said, caplog):
    with caplog.at_level(logging.WARNING), InferenceEngine(options):
        pass
    (line,) = [record.getMessage() for record in caplog.records if said in record.getMessage()]
    assert next(iter(options)) in line or list(options)[-1] in line


def test_modes_and_sensible_options_say_nothing():
    for mode in ("BALANCED", "CONSERVATIVE", "PERFORMANCE", "MEMORY_SAVING"):
        assert startup_messages(InferenceEngineConfig(optimization_mode=mode)) == []
    both = InferenceEngineConfig(
        enable_quantization=True,
        enable_input_quantization=True,
        quantization_dtype="int16",
        quantization_config=QuantizationConfig(quantization_type="int16"),
    )
    assert startup_messages(both) == []


def test_details_of_the_queue_that_do_not_act_are_named():
    small = InferenceEngineConfig(batch_processor_config=BatchProcessorConfig(max_queue_size=100))
    assert unused_details(small) == []  # thresholds that fit themselves were not asked for
    other = InferenceEngineConfig(
        max_batch_size=32,
        batch_processor_config=BatchProcessorConfig(max_batch_size=64, max_workers=2),
    )
    first, second = unused_details(other)
    assert "max_workers" in first
    assert "max_batch_size is 64, its default, so the engine's own max_batch_size (32)" in second
