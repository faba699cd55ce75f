"""The specification's import path: re-exports, nothing else."""

from spinney.configs import EngineState, InferenceEngineConfig, ModelType
from spinney.engine import InferenceEngine

__all__ = ["EngineState", "InferenceEngine", "InferenceEngineConfig", "ModelType"]
