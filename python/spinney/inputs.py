"""Rows in any form that is not a plain numpy array become one, or the arrays of a CSR matrix.

The compiled core calls prepare() for what it does not read itself, and decides about shapes and
number types afterwards, so that every form is refused in the same words.
"""

from __future__ import annotations

import sys

import numpy as np

from spinney import sparse_rows
from spinney.exceptions import InvalidInputError
from spinney.frames import to_rows
from spinney.tables import adopt


def prepare(model, x):
    """Rows of `model` as an exact numpy.ndarray, or (values, columns, row_begin, width) of a CSR.

    Nothing is copied that can be read in place.
    """
    if isinstance(x, np.ma.MaskedArray):
        return _masked(x)
    if isinstance(x, np.ndarray):
        return np.asarray(x)
    if _is_sparse(x):
        return _sparse(model, x)
    table = adopt(x)
    if table is not None:
        return to_rows(model, table)
    if isinstance(x, (str, bytes, bytearray, dict, set)) or x is None:
        raise InvalidInputError(_wanted(model, x))
    return _array_like(model, x)


def _wanted(model, x):
    return (
        f"expected {model.n_features} columns of numbers as a 2-D array, a data frame, an arrow "
        f"table or a scipy sparse matrix, but x is a {_type_name(x)}"
    )


def _type_name(x):
    kind = type(x)
    return (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}"
    )


def _array_like(model, x):
    """Lists, and whatever offers numpy a view of itself (tensors, buffers)."""
    try:
        array = np.asarray(x)
    except Exception as error:
        raise InvalidInputError(f"{_wanted(model, x)}, which numpy refuses: {error}") from error
    if array.dtype == object and not isinstance(x, (list, tuple)):
        raise InvalidInputError(_wanted(model, x))
    return np.asarray(array)


def _masked(x):
    """Masked cells are missing."""
    if not np.ma.is_masked(x):
        return np.asarray(x.data)
    if x.dtype.kind not in "biuf":
        return np.asarray(x.data)  # refused by its dtype
    real = x.dtype if x.dtype.kind == "f" else np.dtype(np.float64)
    return np.asarray(x.astype(real).filled(np.nan))


def _is_sparse(x):
    sparse = sys.modules.get("scipy.sparse")
    return sparse is not None and sparse.issparse(x)


def _sparse(model, x):
    if x.ndim != 2:
        raise InvalidInputError(
            f"expected a sparse matrix of shape (rows, {model.n_features}), "
            f"but x has shape {x.shape}"
        )
    if x.dtype.kind not in "biuf":
        raise InvalidInputError(f"expected numbers, but x is a sparse matrix of dtype {x.dtype}")
    sparse_rows.check(x)
    csr = x.tocsr()
    if model.source["library"] == "sklearn" and not csr.has_canonical_format:
        csr = csr.copy()  # scikit-learn adds up entries of one cell; to the others the last counts
        csr.sum_duplicates()
    native = csr.dtype in (np.float32, np.float64) and csr.dtype.isnative
    values = np.ascontiguousarray(csr.data, dtype=csr.dtype if native else model._cast_type)
    wide = np.int64 if csr.indptr.dtype.itemsize > 4 or csr.indices.dtype.itemsize > 4 else np.int32
    return (
        np.asarray(values),
        np.ascontiguousarray(csr.indices, dtype=wide),
        np.ascontiguousarray(csr.indptr, dtype=wide),
        csr.shape[1],
    )
