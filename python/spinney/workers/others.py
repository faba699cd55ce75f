"""Rows that are no arrays of numbers: texts and dicts, for Python models that take such."""

from __future__ import annotations

import importlib.util

import numpy as np

from spinney.exceptions import InvalidInputError
from spinney.frames import listed
from spinney.workers.codec import Frame

DICTS = "dicts"  # what a Frame of keys, values and counts is called


def read(x, names, n_features):
    """What the object gets of a column of texts or a list of dicts; None if x is neither.

    names: the model's features, or none; n_features: how many it says to have, or None.
    """
    if n_features is None and not names:
        texts = _texts(x)
        if texts is not None:
            return texts
    if not isinstance(x, (list, tuple)) or not x or not all(isinstance(row, dict) for row in x):
        return None
    for row in x:
        if not all(isinstance(key, str) for key in row):
            raise InvalidInputError(
                f"x is a dict whose keys are {listed(list(row))}; expected the features' names"
            )
    if names:
        return _frame(x, names)
    return _dicts(x) if n_features is None else None


def _texts(x):
    if hasattr(x, "to_numpy") and getattr(x, "ndim", len(getattr(x, "shape", ()))) == 1:
        x = x.to_numpy()  # a column of pandas or polars
    if isinstance(x, np.ndarray):
        x = x.tolist() if x.ndim == 1 and x.dtype.kind in "OUT" else None
    if not isinstance(x, (list, tuple)) or not x or not all(isinstance(text, str) for text in x):
        return None
    texts = np.empty(len(x), dtype=object)
    texts[:] = x
    return texts


def _frame(rows, names):
    """The rows as a data frame, which finds its columns by name as in training."""
    lacking = [name for name in names if not all(name in row for row in rows)]
    if lacking:
        raise InvalidInputError(f"some of the rows lack {', '.join(map(repr, lacking[:6]))}")
    columns = [_column([row[name] for row in rows]) for name in names]
    if importlib.util.find_spec("pandas") is not None:
        return Frame("pandas", names, columns)
    if all(column.dtype.kind in "biuf" for column in columns):
        return np.column_stack(columns)
    raise InvalidInputError("rows of text by the names of features need pandas; it is not there")


def _column(values):
    numbers = [np.nan if value is None else value for value in values]
    if all(isinstance(value, (bool, int, float, np.number, np.bool_)) for value in numbers):
        array = np.asarray(numbers)
        if array.dtype.kind in "biuf":
            return array
    return _objects(values)


def _objects(values):
    array = np.empty(len(values), dtype=object)
    for i, value in enumerate(values):
        array[i] = value
    return array


def _dicts(rows):
    keys = _objects([key for row in rows for key in row])
    values = _objects([value for row in rows for value in row.values()])
    counts = np.array([len(row) for row in rows], dtype=np.int64)
    return Frame(DICTS, ["keys", "values", "counts"], [keys, values, counts])
