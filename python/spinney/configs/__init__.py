"""Choices and options of the engine and its parts, under the names that programs use."""

from spinney.configs.base import Config
from spinney.configs.batching import BatchProcessorConfig
from spinney.configs.engine import (
    InferenceEngineConfig,
    chooses_what_to_quantize,
    engine_config,
)
from spinney.configs.enums import (
    BatchPriority,
    BatchProcessingStrategy,
    EngineState,
    ModelType,
    NormalizationType,
    OptimizationMode,
    PrioritizedItem,
    QuantizationMode,
    QuantizationType,
)
from spinney.configs.preprocessor import PreprocessorConfig
from spinney.configs.quantization import QuantizationConfig
from spinney.configs.startup import startup_messages

__all__ = [
    "BatchPriority",
    "BatchProcessingStrategy",
    "BatchProcessorConfig",
    "Config",
    "EngineState",
    "InferenceEngineConfig",
    "ModelType",
    "NormalizationType",
    "OptimizationMode",
    "PreprocessorConfig",
    "PrioritizedItem",
    "QuantizationConfig",
    "QuantizationMode",
    "QuantizationType",
    "chooses_what_to_quantize",
    "engine_config",
    "startup_messages",
]
