"""A program that uses the whole public surface; type checkers read it, and it runs.

The types that a user relies on are stated by assert_type; nothing here may need an `ignore`.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_type

import spinney
from modules.configs import InferenceEngineConfig as OriginalConfig
from modules.engine.batch_processor import BatchProcessor as OriginalProcessor
from modules.engine.data_preprocessor import DataPreprocessor as OriginalPreprocessor
from modules.engine.inference_engine import InferenceEngine as OriginalEngine
from modules.engine.lru_ttl_cache import LRUTTLCache as OriginalCache
from modules.engine.quantizer import Quantizer as OriginalQuantizer
from spinney import batching, configs, metrics, preprocessing, quantization, workers
from spinney.engine import InferenceEngine, PredictionFuture
from spinney.lru_ttl_cache import LRUTTLCache
from spinney.memory_pool import MemoryPool

ROWS: NDArray[np.float64] = np.zeros((4, 2))
FAILURES: tuple[type[spinney.SpinneyError], ...] = (
    spinney.CorruptModelError,
    spinney.EngineError,
    spinney.EngineShutDownError,
    spinney.EnsembleError,
    spinney.ForbiddenClassError,
    spinney.InvalidInputError,
    spinney.MemberLateError,
    spinney.ModelFailedError,
    spinney.ModelIOError,
    spinney.ModelNotFoundError,
    spinney.ModelTooLargeError,
    spinney.PythonModelError,
    spinney.QuantizationRefusedError,
    spinney.QueueFullError,
    spinney.RequestCancelledError,
    spinney.RequestExpiredError,
    spinney.RequestRefusedError,
    spinney.ThrottledError,
    spinney.UnsupportedModelError,
    spinney.WorkerBackoffError,
    spinney.WorkerClosedError,
    spinney.WorkerDiedError,
    spinney.WorkerError,
    spinney.WorkerMemoryError,
    spinney.WorkerProtocolError,
    spinney.WorkerStartError,
    spinney.WorkerTimeoutError,
)


def mean(rows: NDArray[Any]) -> NDArray[Any]:
    answers: NDArray[Any] = np.asarray(rows).mean(axis=1)
    return answers


def models(path: Path, folder: Path) -> spinney.Model:
    model = spinney.load(path)
    assert_type(model, spinney.Model)
    assert_type(model.predict(ROWS, num_threads=1), NDArray[Any])
    assert_type(model.predict_raw(ROWS), NDArray[Any])
    assert_type(model.predict_leaf(ROWS.tolist()), NDArray[Any])
    assert_type(model.n_features, int)
    assert_type(model.feature_names, list[str])
    assert_type(model.source, dict[str, str])
    assert_type(model.info(), dict[str, Any])
    model.save(folder / "model.spinney")
    again = spinney.Model.load(folder / "model.spinney", copy=False)
    assert_type(spinney.Model.from_bytes(again.to_bytes(), "spinney"), spinney.Model)
    chosen = spinney.load(path.read_bytes(), format="text", num_iteration=1)
    assert_type(chosen.n_trees, int)
    try:
        spinney.load(folder / "absent.pkl", trusted=True)
    except spinney.ModelNotFoundError as error:
        print(error.filename)
    return model


def python_models() -> None:
    with spinney.CallableModel(mean, n_features=2) as model:
        answers = model.predict(ROWS)
        assert_type(answers, NDArray[Any] | list[NDArray[Any]])
        assert_type(model.n_features, int | None)
        assert_type(model.info(), dict[str, Any])
    assert issubclass(workers.WorkerModel, workers.PythonModel)
    assert issubclass(workers.LocalModel, workers.PythonModel)
    try:
        spinney.WorkerModel(b"", allowed_classes=["sklearn.svm.*"], environment={"A": "b"})
    except spinney.WorkerError as error:
        print(error)


def together(model: spinney.Model) -> None:
    ensemble = spinney.Ensemble({"a": model, "b": model}, "average", [1, 3], timeout_s=5)
    assert_type(ensemble.members, list[str])
    assert_type(ensemble.fused, spinney.Model | None)
    answer = ensemble.ask(ROWS)
    assert isinstance(answer, spinney.EnsembleAnswer)
    assert_type(answer.left_out, dict[str, str])
    ensemble.reload("b", model)
    report = ensemble.validate(ROWS, np.arange(4) % 2, intervals=10)
    assert isinstance(report, spinney.ValidationReport)
    assert_type(report.valid, bool)
    assert_type(report.chart(), str)
    with InferenceEngine() as engine:
        assert engine.load_model(ensemble, "ensemble")
        assert_type(engine.reload_member("a"), bool)
        checked = engine.validate_ensemble(ROWS, np.arange(4) % 2, intervals=10)
        assert_type(checked, spinney.ValidationReport)


def served(model: spinney.Model) -> None:
    config = spinney.InferenceEngineConfig(
        num_threads=1,
        optimization_mode=configs.OptimizationMode.BALANCED,
        batch_processor_config=configs.BatchProcessorConfig(max_batch_size=32),
        allowed_classes=["sklearn.svm.*"],
        timeout_ms=5000.0,
    )
    assert_type(config.max_batch_size, int)
    assert_type(config.replace(max_batch_size=8), spinney.InferenceEngineConfig)
    assert_type(spinney.InferenceEngineConfig.from_dict({"num_threads": 1}).num_threads, int | None)
    config.min_batch_size = 1
    with InferenceEngine(config) as engine:
        assert_type(engine, InferenceEngine)
        assert engine.load_model(model, spinney.ModelType.LIGHTGBM, name="a", version="1")
        assert engine.load_model(mean, "custom", name="b", idempotent=True)
        good, result, metadata = engine.predict(ROWS, "a")
        assert_type(good, bool)
        assert_type(metadata, dict[str, Any])
        print(good, result)
        engine.predict(ROWS, "a", num_iteration=1, start_iteration=None)
        engine.enqueue_prediction(ROWS, model="a", num_iteration=1).result(timeout=30)
        future = engine.enqueue_prediction(ROWS, spinney.BatchPriority.HIGH, model="a")
        assert_type(future, PredictionFuture)
        kept: Future[Any] = future
        print(kept.result(5.0), future.metadata)
        print(asyncio.run(engine.predict_async(ROWS, timeout_ms=5000, model="b")))
        print(asyncio.run(engine.predict_async(ROWS, model="a", init_score=ROWS[:, 0])))
        assert_type(
            engine.predict_batch([ROWS, ROWS], model="a"), list[tuple[bool, Any, dict[str, Any]]]
        )
        assert_type(engine.get_performance_metrics(), dict[str, Any])
        assert_type(engine.get_prometheus_metrics(), str)
        assert_type(engine.list_models(), list[dict[str, Any]])
        assert_type(engine.validate_model("a"), dict[str, Any])
        assert_type(engine.state, spinney.EngineState)
        assert_type(engine.last_error, str | None)
        assert_type(engine.active_requests, int)
        assert_type(engine.memory_pool, MemoryPool)
        assert_type(engine.preprocessor, preprocessing.DataPreprocessor | None)
        assert engine.unload_model("b")
        engine.shutdown(timeout=1.0)


def over_http(model: spinney.Model) -> None:
    with spinney.serve(model, name="a", port=0, threads=1) as server:
        assert_type(server, spinney.Server)
        assert_type(server.url, str)
        assert_type(server.port, int)
        server.load("b", model, version="2")
        server.unload("b")
        assert_type(server.stop(timeout=1.0), bool)


def batches() -> None:
    with batching.DynamicBatcher(mean, max_batch_size=8, row_shape=(2,)) as batcher:
        request = batching.PredictionRequest(id=1, features=ROWS, timeout_ms=5000.0)
        assert_type(batcher.enqueue(request), bool)
        assert_type(request.future, Future[Any] | None)
        assert_type(batcher.get_stats(), dict[str, Any])
    config = configs.BatchProcessorConfig(
        processing_strategy=configs.BatchProcessingStrategy.GREEDY, item_timeout=None
    )
    with batching.BatchProcessor(config, metrics.PerformanceMetrics()) as processor:
        processor.start(mean)
        answer = processor.enqueue_predict(ROWS, priority=spinney.BatchPriority.LOW)
        assert_type(answer, Future[Any])
        answer.result(5.0)
        processor.pause()
        processor.resume()
        processor.update_batch_size(4)
        assert_type(processor.current_batch_size, int)
        try:
            processor.enqueue(ROWS, timeout=1.0)
        except batching.BatchQueueFullError as error:
            print(error)
        assert_type(processor.stats, batching.BatchStats)
        assert_type(processor.stop(1.0), bool)
    first = configs.PrioritizedItem(0, 0.0, "a")
    print(first < configs.PrioritizedItem(1, 0.0, "b"))


def caches() -> None:
    cache = LRUTTLCache(max_size=8, ttl_seconds=None)
    cache.set("a", 1)
    found, value = cache.get("a")
    assert_type(found, bool)
    print(value)
    assert_type(cache.get_or_set("b", lambda: 2.5), float)
    assert_type(cache.invalidate("a"), bool)
    assert_type(len(cache), int)
    print("b" in cache, cache.get_stats(), cache.ttl_seconds)
    cache.clear()
    pool = MemoryPool(max_buffers=2)
    buffer = pool.get_buffer((2, 3), np.float64)
    assert_type(buffer, NDArray[Any])
    assert_type(pool.return_buffer(buffer), bool)
    assert_type(pool.get_stats(), dict[str, Any])


def measured() -> None:
    window = metrics.PerformanceMetrics(window_size=10)
    window.update_inference(0.001, batch_size=4)
    window.record_error()
    assert_type(window.inference_times, list[float])
    manager = metrics.MetricsManager(interval=60.0, labels={"service": "a"})
    manager.record_stage("queue_wait", 0.001)
    manager.add_source("mine", lambda: {"count": 1}, bytes_of=lambda: 10)
    manager.add_memory_watermark(1e6, print)
    manager.start()
    assert_type(manager.get_metrics(), dict[str, Any])
    assert_type(manager.to_prometheus(), str)
    manager.stop()


def prepared(folder: Path) -> None:
    config = configs.PreprocessorConfig(
        normalization=configs.NormalizationType.MINMAX, feature_range=(0.0, 2.0), dtype="float32"
    )
    preprocessor = preprocessing.DataPreprocessor(config)
    rows = np.arange(8.0).reshape(4, 2)
    assert_type(preprocessor.fit(rows), preprocessing.DataPreprocessor)
    assert_type(preprocessor.transform(rows), NDArray[Any])
    assert_type(preprocessor.get_feature_names(), list[str])
    preprocessor.serialize(folder / "steps.bin")
    again = preprocessing.DataPreprocessor.deserialize(folder / "steps.bin")
    assert_type(again.reverse_transform(rows), NDArray[Any])
    try:
        again.transform(np.zeros((1, 9)))
    except preprocessing.InputValidationError as error:
        print(error)
    print(
        preprocessing.PreprocessingError,
        preprocessing.SerializationError,
        preprocessing.StatisticsError,
    )


def quantized(model: spinney.Model) -> None:
    quantizer = spinney.Quantizer({"quantization_type": "INT8"})
    codes = quantizer.quantize(ROWS, layer_name="a")
    assert_type(codes, NDArray[Any])
    assert_type(quantizer.dequantize(codes, layer_name="a"), NDArray[Any])
    assert_type(quantizer.get_stats(), dict[str, Any])
    assert_type(quantizer.should_quantize_layer("a"), bool)
    assert_type(quantizer.config, configs.QuantizationConfig)
    quantizer.update_config(
        configs.QuantizationConfig(
            quantization_type=configs.QuantizationType.INT16,
            quantization_mode=configs.QuantizationMode.SYMMETRIC,
            skip_layers=["a*"],
        )
    )
    smaller, report = spinney.quantize_model(model, "int16", calibration=ROWS, max_error=10.0)
    assert_type(smaller, spinney.Model)
    assert_type(report, spinney.QuantizationReport)
    assert_type(report.measured_error, float | None)
    assert_type(quantization.Quantizer.hash_array(ROWS), str)


def moved() -> None:
    """The import paths of programs that were written before there was a package spinney."""
    engine: spinney.InferenceEngine = OriginalEngine(OriginalConfig(num_threads=1))
    engine.shutdown()
    others: list[type[Any]] = [
        OriginalCache,
        OriginalPreprocessor,
        OriginalProcessor,
        OriginalQuantizer,
    ]
    assert_type(OriginalQuantizer().quantize(ROWS), NDArray[Any])
    print(others, spinney.__version__)


def behind_an_address(model: spinney.Model) -> None:
    with spinney.serve(model, name="served", version="1", port=0, threads=1) as server:
        assert_type(server, spinney.Server)
        server.load("other", model, version="2")
        server.unload("other")
        assert_type(server.url, str)
        assert_type(server.port, int)
    assert_type(server.stop(timeout=1), bool)


def main(path: Path, folder: Path) -> None:
    print(len(FAILURES))
    model = models(path, folder)
    python_models()
    together(model)
    served(model)
    over_http(model)
    behind_an_address(model)
    batches()
    caches()
    measured()
    prepared(folder)
    quantized(model)
    moved()
