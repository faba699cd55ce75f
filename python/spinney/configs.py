"""States, model types and options of the engine, under the names that programs use."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum, auto
from typing import Sequence


class EngineState(Enum):
    """What an engine is doing."""

    INITIALIZING = auto()
    READY = auto()
    RUNNING = auto()
    LOADING = auto()
    STOPPING = auto()
    STOPPED = auto()
    ERROR = auto()


class ModelType(Enum):
    """Where a model comes from."""

    SKLEARN = auto()
    XGBOOST = auto()
    LIGHTGBM = auto()
    CUSTOM = auto()
    ENSEMBLE = auto()
    ONNX = auto()
    PYTORCH = auto()
    TENSORFLOW = auto()
    CATBOOST = auto()
    TREELITE = auto()


@dataclass
class InferenceEngineConfig:
    """Options of an InferenceEngine. Each does what it says; one that is not known is refused.

    num_threads: threads of one prediction; None means the CPUs that the process may use, where the
        work is worth it.
    return_probabilities: predict gives class probabilities instead of labels.
    enable_warmup, warmup_iterations: rows of zeros that are predicted right after a model is
        loaded, so that the first request finds code and model in the caches.
    trusted, allowed_classes, in_process: handed to spinney.load.
    """

    num_threads: int | None = None
    return_probabilities: bool = False
    enable_warmup: bool = True
    warmup_iterations: int = 10
    trusted: bool = False
    allowed_classes: Sequence[str] | None = None
    in_process: bool = False

    def __post_init__(self):
        if self.num_threads is not None and not 1 <= self.num_threads <= 4096:
            raise ValueError(f"num_threads is {self.num_threads}; give 1 to 4096, or None")
        if self.warmup_iterations < 0:
            raise ValueError(f"warmup_iterations is {self.warmup_iterations}; give 0 or more")


def engine_config(config) -> InferenceEngineConfig:
    """None, a mapping of options or an InferenceEngineConfig as the last."""
    if config is None:
        return InferenceEngineConfig()
    if isinstance(config, InferenceEngineConfig):
        return config
    if not hasattr(config, "keys"):
        raise TypeError(
            f"config is a {type(config).__name__}; expected an InferenceEngineConfig, "
            "a mapping of its options, or None"
        )
    known = [field.name for field in fields(InferenceEngineConfig)]
    unknown = [name for name in config if name not in known]
    if unknown:
        raise TypeError(
            f"the engine of this version has no option {', '.join(map(repr, unknown))}; "
            f"it has {', '.join(known)}"
        )
    return InferenceEngineConfig(**config)
