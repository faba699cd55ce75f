"""Rows of models that know categories by the hashes of their texts (CatBoost).

A text is taken as it is, a whole number by its digits, a boolean as 0 or 1. Floats and missing
values are no categories to CatBoost, which refuses them, and so are they here.
"""

from __future__ import annotations

import sys

import numpy as np

from spinney import _core
from spinney.exceptions import InvalidInputError
from spinney.masks import is_masked_array
from spinney.tables import Categorical, Labels, Table, adopt


def hashed(model, x) -> np.ndarray:
    """x as float64 rows, categories as hashes. x: what spinney.inputs.prepare is given."""
    from spinney import rows

    table = adopt(x)
    if table is None and not is_masked_array(x):
        table = rows.labelled(x)
    if table is not None:
        return rows.in_order(model, table)
    sparse = sys.modules.get("scipy.sparse")
    if is_masked_array(x) or (sparse is not None and sparse.issparse(x)):
        raise InvalidInputError(
            f"x is a {type(x).__name__}, and the model has categories, which such rows do not "
            "hold; give a frame, an array of objects or lists"
        )
    made = _core._hash_rows(model, _cells(model, x))
    if made is None:
        raise InvalidInputError(
            f"expected rows of {model.n_features} values as a frame, an array of objects or lists, "
            f"but x is a {type(x).__name__}"
        )
    return made


def _cells(model, x):
    """An array of objects in two dimensions."""
    if not isinstance(x, np.ndarray):
        try:
            x = np.asarray(x, dtype=object)
        except ValueError as error:
            raise InvalidInputError(f"x cannot be made rows of: {error}") from error
    if x.ndim != 2:
        raise InvalidInputError(
            f"expected a 2-D array of shape (rows, {model.n_features}), but x has shape {x.shape}"
        )
    if x.dtype.kind not in "biuOUS":
        raise InvalidInputError(
            f"x has dtype {x.dtype}, and the model has categories, which are texts, whole numbers "
            "or booleans; give a frame, an array of objects or lists"
        )
    return np.asarray(x).astype(object)


def rows_of(model, table: Table, order) -> np.ndarray:
    """The table's columns, in the order of the model's, as rows."""
    categories = set(model._hashed_columns)
    made = np.empty((table.n_rows, len(order)), dtype=np.float64)
    for place, i in enumerate(order):
        column = table.column(i)
        take = _hashes if place in categories else _numbers
        made[:, place] = take(table.names[i], column)
    return made


def _hashes(name, column):
    if isinstance(column, Categorical):
        codes = np.asarray(column.codes)
        if (codes < 0).any():
            raise InvalidInputError(
                f"column {name!r} has missing values, which are no category to CatBoost"
            )
        return _hash(name, list(column.categories))[codes]
    if isinstance(column, Labels):
        return _hash(name, list(column.values))
    if column.dtype.kind not in "biu":
        raise InvalidInputError(
            f"column {name!r} has dtype {column.dtype}, and the model has categories there, which "
            "are texts, whole numbers or booleans"
        )
    known, places = np.unique(column, return_inverse=True)
    return _hash(name, known.tolist())[places.reshape(-1)]


def _hash(name, cells):
    try:
        return _core._hash_column(cells)
    except InvalidInputError as error:
        raise InvalidInputError(f"column {name!r}: {error}") from None


def _numbers(name, column):
    if isinstance(column, Labels):
        try:
            cells = [np.nan if value is None else float(value) for value in column.values]
            return np.array(cells, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise InvalidInputError(f"column {name!r} holds what is no number: {error}") from None
    if isinstance(column, Categorical):
        raise InvalidInputError(
            f"column {name!r} is categorical, but the model was trained on numbers there"
        )
    return column
