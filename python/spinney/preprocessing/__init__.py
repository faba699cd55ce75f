"""Preprocessing of raw columns: see DataPreprocessor and docs/preprocessing.md."""

from __future__ import annotations

from spinney.preprocessing.errors import (
    InputValidationError,
    PreprocessingError,
    SerializationError,
    StatisticsError,
)
from spinney.preprocessing.preprocessor import DataPreprocessor

__all__ = [
    "DataPreprocessor",
    "InputValidationError",
    "PreprocessingError",
    "SerializationError",
    "StatisticsError",
]
