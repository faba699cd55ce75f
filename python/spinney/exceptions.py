"""What Spinney raises. Every class is also the built-in that callers would expect to catch."""

from __future__ import annotations


class SpinneyError(Exception):
    """Base of every error that Spinney raises itself."""


class InvalidInputError(SpinneyError, ValueError):
    """Rows, an option or an argument do not fit: shape, dtype, feature names."""


class CorruptModelError(SpinneyError, ValueError):
    """The model contradicts itself or its format: cut short, flipped bits, indices out of range."""


class ModelTooLargeError(SpinneyError, ValueError):
    """A declared or real size is beyond a stated limit."""


class UnsupportedModelError(SpinneyError, NotImplementedError):
    """The model is well formed, but Spinney has no native path for it or for what was asked."""


class ModelNotFoundError(SpinneyError, FileNotFoundError):
    """There is no file at the path given."""


class ModelIOError(SpinneyError, OSError):
    """The operating system refused to read or write."""
