"""Spinney: the training library's own predictions, several times faster, on CPUs."""

from __future__ import annotations

from spinney._core import Model, __version__
from spinney.configs import EngineState, InferenceEngineConfig, ModelType
from spinney.engine import InferenceEngine
from spinney.exceptions import (
    CorruptModelError,
    EngineError,
    EngineShutDownError,
    InvalidInputError,
    ModelFailedError,
    ModelIOError,
    ModelNotFoundError,
    ModelTooLargeError,
    QueueFullError,
    RequestCancelledError,
    RequestExpiredError,
    RequestRefusedError,
    SpinneyError,
    ThrottledError,
    UnsupportedModelError,
)
from spinney.loading import load

__all__ = [
    "CorruptModelError",
    "EngineError",
    "EngineShutDownError",
    "EngineState",
    "InferenceEngine",
    "InferenceEngineConfig",
    "InvalidInputError",
    "Model",
    "ModelFailedError",
    "ModelIOError",
    "ModelNotFoundError",
    "ModelTooLargeError",
    "ModelType",
    "QueueFullError",
    "RequestCancelledError",
    "RequestExpiredError",
    "RequestRefusedError",
    "SpinneyError",
    "ThrottledError",
    "UnsupportedModelError",
    "__version__",
    "load",
]
