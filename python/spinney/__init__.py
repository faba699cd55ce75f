"""Spinney: the training library's own predictions, several times faster, on CPUs."""

from __future__ import annotations

from spinney._core import Model, __version__
from spinney.configs import EngineState, InferenceEngineConfig, ModelType
from spinney.engine import InferenceEngine
from spinney.exceptions import (
    CorruptModelError,
    InvalidInputError,
    ModelIOError,
    ModelNotFoundError,
    ModelTooLargeError,
    SpinneyError,
    UnsupportedModelError,
)
from spinney.loading import load

__all__ = [
    "CorruptModelError",
    "EngineState",
    "InferenceEngine",
    "InferenceEngineConfig",
    "InvalidInputError",
    "Model",
    "ModelIOError",
    "ModelNotFoundError",
    "ModelTooLargeError",
    "ModelType",
    "SpinneyError",
    "UnsupportedModelError",
    "__version__",
    "load",
]
