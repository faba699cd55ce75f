"""Rows in any form as one array of float32 or float64, with the names of its columns."""

from __future__ import annotations

import numpy as np

from spinney.inputs import Columns, prepare
from spinney.preprocessing.errors import InputValidationError, raised_as
from spinney.rows import in_order, labelled
from spinney.tables import adopt

_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


class _Columns(Columns):
    def __init__(self, names, width):
        self.source = {"library": "sklearn"}
        self.feature_names = names or []
        self.n_features = len(self.feature_names) or width or None


def as_array(x, names, width):
    """(array, names of its columns or None).

    x: a 2-D array of numbers, a data frame, an arrow table or nested lists.
    names, width: what was fitted on, or None; a frame's columns are then found by name.
    The array is x itself where x is one of float32 or float64; integers become float64.
    """
    with raised_as(InputValidationError):
        found = None
        if type(x) is not np.ndarray:
            columns = _Columns(names, width)
            table = adopt(x)
            if table is None:
                rows = labelled(x)
                table = None if rows is None or rows.single else rows
            if table is not None:
                found = names or list(table.names)
                x = in_order(columns, table)
            else:
                x = prepare(columns, x)
    if isinstance(x, tuple):
        raise InputValidationError(
            "sparse rows are not supported, since centring fills them; give x.toarray()"
        )
    array = _floats(x)
    if width is not None and array.shape[1] != width:
        raise InputValidationError(
            f"the rows have {array.shape[1]} columns, but the preprocessor was fitted on {width}"
        )
    return array, found


def _floats(array):
    if array.ndim != 2:
        hint = "; for one row give x.reshape(1, -1)" if array.ndim == 1 else ""
        raise InputValidationError(
            f"expected a 2-D array of shape (rows, columns), but x has shape {array.shape}{hint}"
        )
    if array.dtype in _FLOATS and array.dtype.isnative:
        return array
    if array.dtype.kind not in "biuf":
        raise InputValidationError(
            f"expected numbers, but x has dtype {array.dtype}; "
            "if it holds numbers, give x.astype(float)"
        )
    return array.astype(np.float32 if array.dtype == np.float32 else np.float64)


def overlaps(x):
    """Whether values of an array may share memory, so that it cannot be written in place."""
    reach = x.itemsize
    for stride, n in sorted((abs(stride), n) for stride, n in zip(x.strides, x.shape)):
        if n > 1 and stride < reach:
            return True
        reach += stride * max(0, n - 1)
    return False
