"""The specification's import path: re-exports, nothing else.

What is replaced here, as tests do with mock.patch, is what the next InferenceEngine is built of.
"""

from spinney.batching import DynamicBatcher, PredictionRequest
from spinney.configs import (
    BatchPriority,
    EngineState,
    InferenceEngineConfig,
    ModelType,
    OptimizationMode,
)
from spinney.engine import InferenceEngine, PredictionFuture
from spinney.exceptions import (
    EngineError,
    EngineShutDownError,
    ModelFailedError,
    QueueFullError,
    RequestCancelledError,
    RequestExpiredError,
    RequestRefusedError,
    ThrottledError,
)
from spinney.lru_ttl_cache import LRUTTLCache
from spinney.memory_pool import MemoryPool
from spinney.metrics import MetricsManager, PerformanceMetrics
from spinney.preprocessing import DataPreprocessor
from spinney.quantization import Quantizer

__all__ = [
    "BatchPriority",
    "DataPreprocessor",
    "DynamicBatcher",
    "EngineError",
    "EngineShutDownError",
    "EngineState",
    "InferenceEngine",
    "InferenceEngineConfig",
    "LRUTTLCache",
    "MemoryPool",
    "MetricsManager",
    "ModelFailedError",
    "ModelType",
    "OptimizationMode",
    "PerformanceMetrics",
    "PredictionFuture",
    "PredictionRequest",
    "Quantizer",
    "QueueFullError",
    "RequestCancelledError",
    "RequestExpiredError",
    "RequestRefusedError",
    "ThrottledError",
]
