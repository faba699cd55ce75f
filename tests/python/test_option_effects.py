"""Options whose effect no other test shows: each changes what happens, or what is said at start."""

from __future__ import annotations

import concurrent.futures
import logging
import pickle
import threading
import time
import tracemalloc

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from modules.engine.data_preprocessor import DataPreprocessor
from modules.engine.quantizer import Quantizer
from spinney import InferenceEngine
from spinney.configs import (
    BatchProcessorConfig,
    InferenceEngineConfig,
    QuantizationConfig,
    startup_messages,
)
from spinney.configs.engine import QUEUE_OPTIONS, queue_config
from spinney.engine.parts import unused_details
from spinney.exceptions import ConfigError, QueueFullError

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
        (
            {"enable_quantization": True, "quantization_config": {"quantization_type": "none"}},
            "NONE, which leaves rows as they are",
        ),
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
        batch_processor_config=BatchProcessorConfig(max_batch_size=64, max_workers=1),
    )
    (first,) = unused_details(other)
    assert "max_workers" in first
    alone = other.replace(enable_batching=False)
    assert "max_batch_size act only with enable_batching=True" in unused_details(alone)[1]


def held_queue(options):
    """How many of 5,000 queued rows are taken while the only worker is held, and how many are
    refused."""
    go = threading.Event()

    def score(x):
        go.wait(60)
        return x[:, 0]

    plain = {"enable_request_deduplication": False, "enable_warmup": False, "num_threads": 1}
    with InferenceEngine({**plain, **options}) as engine:
        assert engine.load_model(score, "custom")
        futures = [engine.enqueue_prediction(np.zeros((1, 2))) for _ in range(5000)]
        refused = sum(future.done() for future in futures)
        go.set()
        concurrent.futures.wait(futures, 60)
    return len(futures) - refused


@pytest.mark.parametrize("rows", [999, 1000, 1001])
def test_a_bound_of_the_queue_holds_whether_or_not_it_is_the_default(rows):
    taken = held_queue({"batch_processor_config": {"max_queue_size": rows}, "max_batch_size": 8})
    assert rows <= taken <= rows + 16  # what the worker holds has left the queue


def test_the_bound_of_the_queue_is_in_rows_and_one_request_alone_is_always_taken():
    go = threading.Event()

    def score(x):
        go.wait(60)
        return x[:, 0]

    options = {"batch_processor_config": {"max_queue_size": 10}, "num_threads": 1}
    with InferenceEngine({**options, "enable_warmup": False}) as engine:
        assert engine.load_model(score, "custom")
        running = engine.enqueue_prediction(np.zeros((1, 2)))
        while engine.get_performance_metrics()["batcher"]["current_queue_size"]:
            time.sleep(0.001)
        first = engine.enqueue_prediction(np.ones((50, 2)))
        second = engine.enqueue_prediction(np.full((1, 2), 2.0))
        assert isinstance(second.exception(60), QueueFullError)
        assert "50 rows wait" in str(second.exception())
        assert "10 may not (batch_processor_config.max_queue_size)" in str(second.exception())
        go.set()
        assert len(first.result(60)) == 50 and len(running.result(60)) == 1


@pytest.mark.parametrize("name", sorted(QUEUE_OPTIONS - {"max_queue_size"}))
def test_an_option_of_the_queue_given_in_detail_holds_over_the_engine_s_own(name):
    default = BatchProcessorConfig.defaults()[name]
    other = {
        "batch_timeout": 0.5,
        "enable_adaptive_batching": False,
        "initial_batch_size": 8,
        "max_batch_size": 32,
        "min_batch_size": 4,
    }[name]
    config = InferenceEngineConfig(**{name: other}, batch_processor_config={name: default})
    assert getattr(queue_config(config), name) == default
    config = InferenceEngineConfig(**{name: other}, batch_processor_config={"max_queue_size": 5})
    assert getattr(queue_config(config), name) == other
    config = InferenceEngineConfig(**{name: default}, batch_processor_config={name: other})
    assert getattr(queue_config(config), name) == other
    assert InferenceEngineConfig.defaults()[name] == default


def test_options_of_the_queue_that_contradict_each_other_are_refused():
    with pytest.raises(ConfigError, match=r"min_batch_size \(16\) is above max_batch_size \(8\)"):
        InferenceEngineConfig(min_batch_size=16, batch_processor_config={"max_batch_size": 8})


def test_a_saved_configuration_holds_what_was_given_and_no_more():
    config = InferenceEngineConfig(max_batch_size=32, batch_processor_config={"max_queue_size": 9})
    again = InferenceEngineConfig.from_dict(config.to_dict())
    assert again == config and queue_config(again) == queue_config(config)
    assert queue_config(again)._given == queue_config(config)._given | {*QUEUE_OPTIONS}


class Sizes:
    """A model that records the rows of each call and waits at the first, until told to go."""

    def __init__(self):
        self.sizes, self.go, self.entered = [], threading.Event(), threading.Event()

    def __call__(self, x):
        self.entered.set()
        self.go.wait(60)
        self.sizes.append(len(x))
        return x[:, 0]


def sizes_of(options, requests):
    """The rows of each batch, of requests of so many rows each that are queued behind the first."""
    model = Sizes()
    plain = {"enable_request_deduplication": False, "enable_warmup": False, "num_threads": 1}
    with InferenceEngine({**plain, **options}) as engine:
        assert engine.load_model(model, "custom")
        x = np.arange(2 * max(requests), dtype=np.float64).reshape(-1, 2)
        futures = [engine.enqueue_prediction(x[:1])]
        assert model.entered.wait(60)
        futures += [engine.enqueue_prediction(x[:rows]) for rows in requests]
        model.go.set()
        for rows, future in zip([1, *requests], futures):
            np.testing.assert_array_equal(future.result(60), x[:rows, 0])
    return model.sizes[1:]


def test_without_batching_each_request_is_one_batch():
    requests = [1000, 1, 70, 3]
    assert sizes_of({"enable_batching": False}, requests) == requests
    waits = {"enable_batching": False, "min_batch_size": 8, "batch_timeout": 3600}
    assert sizes_of(waits, [2, 2]) == [2, 2]  # nothing to wait for
    assert sizes_of({}, [1, 1, 1]) == [3]


@pytest.mark.parametrize("batching, batches", [(False, 1), (True, 63)])
def test_a_native_model_s_large_request_is_cut_only_with_batching(tmp_path, batching, batches):
    x = np.random.default_rng(7).normal(size=(1000, 3))
    path = tmp_path / "linear.pkl"
    path.write_bytes(pickle.dumps(LinearRegression().fit(x, x[:, 0])))
    options = {"enable_batching": batching, "enable_adaptive_batching": False, "num_threads": 1}
    with InferenceEngine({**options, "initial_batch_size": 16, "max_batch_size": 16}) as engine:
        assert engine.load_model(str(path))
        assert len(engine.enqueue_prediction(x).result(60)) == 1000
        assert engine.get_performance_metrics()["models"][0]["batches"] == batches


def test_the_first_batches_keep_to_the_initial_batch_size():
    for adaptive in (True, False):
        options = {"initial_batch_size": 4, "enable_adaptive_batching": adaptive}
        sizes = sizes_of({**options, "max_batch_size": 32}, [1] * 200)
        assert sizes[:7] == [4] * 7  # with the one they waited for, eight
        assert max(sizes[7:]) > 4
    assert sizes_of({"initial_batch_size": 32, "max_batch_size": 32}, [1] * 64)[:2] == [32, 32]


def test_the_initial_batch_size_acts_after_a_warm_up_too(tmp_path):
    x = np.random.default_rng(7).normal(size=(200, 3))
    model = LinearRegression().fit(x, x[:, 0])
    path = tmp_path / "linear.pkl"
    path.write_bytes(pickle.dumps(model))
    for first in (2, 16):
        with InferenceEngine({"initial_batch_size": first, "num_threads": 1}) as engine:
            assert engine.load_model(str(path))
            assert engine.get_performance_metrics()["models"][0]["batch_size"] == first
