"""Opening the model file that a command names."""

from __future__ import annotations

import spinney


def load_model(path):
    """The Model in the file; warnings of the loader go to standard error as they come."""
    return spinney.load(path)
