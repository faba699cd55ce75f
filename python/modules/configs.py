"""The specification's import path: re-exports, nothing else."""

from spinney.configs import (
    BatchPriority,
    BatchProcessingStrategy,
    BatchProcessorConfig,
    EngineState,
    InferenceEngineConfig,
    ModelType,
    NormalizationType,
    OptimizationMode,
    PreprocessorConfig,
    PrioritizedItem,
    QuantizationConfig,
    QuantizationMode,
    QuantizationType,
)

__all__ = [
    "BatchPriority",
    "BatchProcessingStrategy",
    "BatchProcessorConfig",
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
]
