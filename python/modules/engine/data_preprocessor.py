"""The specification's import path: re-exports, nothing else."""

from spinney.configs import NormalizationType, PreprocessorConfig
from spinney.preprocessing import (
    DataPreprocessor,
    InputValidationError,
    PreprocessingError,
    SerializationError,
    StatisticsError,
)

__all__ = [
    "DataPreprocessor",
    "InputValidationError",
    "NormalizationType",
    "PreprocessingError",
    "PreprocessorConfig",
    "SerializationError",
    "StatisticsError",
]
