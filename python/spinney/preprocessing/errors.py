"""What a DataPreprocessor raises, beside ConfigError for options that are not allowed."""

from __future__ import annotations

from contextlib import contextmanager

from spinney.exceptions import InvalidInputError, SpinneyError


class PreprocessingError(SpinneyError):
    """Base of the errors of a DataPreprocessor; raised itself for calls out of order."""


class InputValidationError(PreprocessingError, InvalidInputError):
    """The rows do not fit: shape, width, names, dtype, size."""


class StatisticsError(PreprocessingError, ValueError):
    """Statistics cannot be computed from the rows given, or not in the way asked for."""


class SerializationError(PreprocessingError, ValueError):
    """A preprocessor cannot be written, or a file is damaged or of another kind."""


@contextmanager
def raised_as(kind):
    """Errors of the core and of the input's adapters as those of this package."""
    try:
        yield
    except PreprocessingError:
        raise
    except SpinneyError as error:
        raise kind(str(error)) from None
