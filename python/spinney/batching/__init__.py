"""Batching for any Python callable: DynamicBatcher for rows, BatchProcessor for rows or objects."""

from spinney.batching.batch_processor import BatchProcessor
from spinney.batching.dynamic_batcher import DynamicBatcher
from spinney.batching.request import BatchQueueFullError, PredictionRequest
from spinney.batching.stats import BatchStats

__all__ = [
    "BatchProcessor",
    "BatchQueueFullError",
    "BatchStats",
    "DynamicBatcher",
    "PredictionRequest",
]
