"""The engine: models served at once, or through a queue that batches."""

from spinney.engine.future import PredictionFuture
from spinney.engine.inference_engine import InferenceEngine

__all__ = ["InferenceEngine", "PredictionFuture"]
