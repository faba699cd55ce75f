"""The specification's import path: re-exports, nothing else."""

from spinney.configs import EngineState, InferenceEngineConfig, ModelType

__all__ = ["EngineState", "InferenceEngineConfig", "ModelType"]
