"""Spinney: the training library's own predictions, bit for bit and fast, on CPUs under Linux."""

from __future__ import annotations

from spinney._core import Model, __version__
from spinney.configs import BatchPriority, EngineState, InferenceEngineConfig, ModelType
from spinney.engine import InferenceEngine, PredictionFuture
from spinney.exceptions import (
    CorruptModelError,
    EngineError,
    EngineShutDownError,
    ForbiddenClassError,
    InvalidInputError,
    ModelFailedError,
    ModelIOError,
    ModelNotFoundError,
    ModelTooLargeError,
    PythonModelError,
    QuantizationRefusedError,
    QueueFullError,
    RequestCancelledError,
    RequestExpiredError,
    RequestRefusedError,
    SpinneyError,
    ThrottledError,
    UnsupportedModelError,
    WorkerBackoffError,
    WorkerClosedError,
    WorkerDiedError,
    WorkerError,
    WorkerMemoryError,
    WorkerProtocolError,
    WorkerStartError,
    WorkerTimeoutError,
)
from spinney.loading import load
from spinney.quantization import QuantizationReport, Quantizer, quantize_model
from spinney.serving import Server, serve
from spinney.workers import CallableModel, WorkerModel

__all__ = [
    "BatchPriority",
    "CallableModel",
    "CorruptModelError",
    "EngineError",
    "EngineShutDownError",
    "EngineState",
    "ForbiddenClassError",
    "InferenceEngine",
    "InferenceEngineConfig",
    "InvalidInputError",
    "Model",
    "ModelFailedError",
    "ModelIOError",
    "ModelNotFoundError",
    "ModelTooLargeError",
    "ModelType",
    "PredictionFuture",
    "PythonModelError",
    "QuantizationRefusedError",
    "QuantizationReport",
    "Quantizer",
    "QueueFullError",
    "RequestCancelledError",
    "RequestExpiredError",
    "RequestRefusedError",
    "Server",
    "SpinneyError",
    "ThrottledError",
    "UnsupportedModelError",
    "WorkerBackoffError",
    "WorkerClosedError",
    "WorkerDiedError",
    "WorkerError",
    "WorkerMemoryError",
    "WorkerModel",
    "WorkerProtocolError",
    "WorkerStartError",
    "WorkerTimeoutError",
    "__version__",
    "load",
    "quantize_model",
    "serve",
]
