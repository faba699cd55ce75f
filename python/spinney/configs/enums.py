"""The named choices of the engine and its parts, and the item of a priority queue."""

from __future__ import annotations

from enum import Enum, IntEnum, auto
from typing import Any, NamedTuple


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


class OptimizationMode(str, Enum):
    """What an engine spends and what it saves."""

    BALANCED = "balanced"
    CONSERVATIVE = "conservative"
    PERFORMANCE = "performance"
    FULL_UTILIZATION = "full_utilization"
    MEMORY_SAVING = "memory_saving"


class QuantizationType(Enum):
    """The number format that values are rounded to."""

    NONE = "none"
    INT8 = "int8"
    UINT8 = "uint8"
    INT16 = "int16"
    FLOAT16 = "float16"
    MIXED = "mixed"


class QuantizationMode(Enum):
    """Where the scale of a quantized array comes from."""

    STATIC = "static"
    DYNAMIC = "dynamic"
    DYNAMIC_PER_BATCH = "dynamic_per_batch"
    DYNAMIC_PER_CHANNEL = "dynamic_per_channel"
    SYMMETRIC = "symmetric"
    CALIBRATED = "calibrated"


class NormalizationType(Enum):
    """How columns are brought to one scale."""

    NONE = "none"
    STANDARD = "standard"
    MINMAX = "minmax"
    ROBUST = "robust"
    QUANTILE = "quantile"
    LOG = "log"
    POWER = "power"


class BatchProcessingStrategy(Enum):
    """When a batch is closed and how large it may be.

    FIXED waits, for batch_timeout at the longest, until the current batch size is queued. GREEDY
    takes at once all that is queued, up to max_batch_size. ADAPTIVE takes at once what is queued,
    up to a size that follows the measured throughput.
    """

    FIXED = auto()
    ADAPTIVE = auto()
    GREEDY = auto()


class BatchPriority(IntEnum):
    """How urgent a request is; lower is sooner."""

    CRITICAL = 0
    HIGH = 1
    NORMAL = 2
    LOW = 3
    BACKGROUND = 4


class PrioritizedItem(NamedTuple):
    """An item of a priority queue: by priority (lower first), then by age. Items never compare."""

    priority: int
    timestamp: float
    item: Any

    def __lt__(self, other: tuple[Any, ...]) -> bool:
        return self[:2] < other[:2]

    def __gt__(self, other: tuple[Any, ...]) -> bool:
        return self[:2] > other[:2]

    def __le__(self, other: tuple[Any, ...]) -> bool:
        return self[:2] <= other[:2]

    def __ge__(self, other: tuple[Any, ...]) -> bool:
        return self[:2] >= other[:2]
