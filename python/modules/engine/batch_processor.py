"""The specification's import path: re-exports, nothing else."""

from spinney.batching import BatchProcessor, BatchQueueFullError, BatchStats
from spinney.configs import (
    BatchPriority,
    BatchProcessingStrategy,
    BatchProcessorConfig,
    PrioritizedItem,
)

__all__ = [
    "BatchPriority",
    "BatchProcessingStrategy",
    "BatchProcessor",
    "BatchProcessorConfig",
    "BatchQueueFullError",
    "BatchStats",
    "PrioritizedItem",
]
