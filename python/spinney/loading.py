"""spinney.load: a model file, or a fitted object, becomes a Model."""

from __future__ import annotations

import os

from spinney._core import Model


def load(source, *, format=None):
    """Load a model from a file.

    source: a path (str or os.PathLike).
    format: "json", "ubj", "text", "pickle", "joblib" or "spinney"; None guesses by content.
    """
    return Model.load(os.fspath(source), format)
