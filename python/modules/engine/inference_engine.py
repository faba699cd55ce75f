"""The specification's import path: re-exports, nothing else."""

from spinney.batching import DynamicBatcher, PredictionRequest
from spinney.configs import EngineState, InferenceEngineConfig, ModelType
from spinney.engine import InferenceEngine

__all__ = [
    "DynamicBatcher",
    "EngineState",
    "InferenceEngine",
    "InferenceEngineConfig",
    "ModelType",
    "PredictionRequest",
]
