"""Rows of models that say what their columns are: text, numbers or booleans (`Model.columns`).

The compiled core codes cells, and reads dicts, lists and arrays of objects by itself; here columns
of frames and tables are found and handed to it.
"""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np

from spinney.exceptions import InvalidInputError
from spinney.masks import is_masked_array
from spinney.tables import Categorical, Labels, Table, adopt


def prepare(model, x) -> np.ndarray:
    """x, as spinney.inputs.prepare is given it, as float64 rows of a model with columns of text."""
    from spinney import rows

    table = adopt(x)
    if table is None and not is_masked_array(x):
        table = rows.labelled(x)
    if table is not None:
        return rows.in_order(model, table)
    made = None
    if isinstance(x, np.ndarray) and x.ndim == 2 and x.dtype.kind in "UST":
        made = model._placed_rows(np.asarray(x).astype(object))
    if made is None:
        named = f"{type(x).__module__}.{type(x).__qualname__}".replace("builtins.", "")
        kind = f" of {x.dtype}" if isinstance(x, np.ndarray) else ""
        raise InvalidInputError(
            f"x is a {named}{kind}, and the model has columns of text, which such rows do not "
            "hold; give a frame, a dict or a list of dicts, or an array of objects"
        )
    return made


def of_mappings(model, x) -> np.ndarray | None:
    """The rows of mappings, each of which may lack other keys; None if x is something else."""
    from spinney import rows

    dicts = rows.as_dicts(x)
    return None if dicts is None else model._named_rows(dicts)


def one_row(model, x) -> list | None:
    """One row that was given by itself, as a list of one, whose cells are still to be coded; None
    if x is none.
    """
    from spinney import rows

    table = rows.labelled(x)
    if table is not None:
        return [x] if table.single else None
    if isinstance(x, np.ndarray):
        cells = x.tolist() if x.ndim == 1 and x.dtype.kind == "O" else None
    else:
        cells = list(x) if isinstance(x, (list, tuple)) else None
    if cells is None or len(cells) != model.n_features or any(map(_is_nested, cells)):
        return None
    return [cells]


def _is_nested(cell) -> bool:
    return not isinstance(cell, (str, bytes)) and hasattr(type(cell), "__len__")


class WithGaps(Table):
    """A row's values, and missing ones where it lacks some of these names."""

    what = "row"

    def __init__(self, table: Table, names: Sequence[str]):
        self._table = table
        self.n_rows, self.single, self.titles = table.n_rows, table.single, table.titles
        self.names = [*table.names, *(name for name in names if name not in set(table.names))]

    def column(self, i):
        if i < len(self._table.names):
            return self._table.column(i)
        return Labels([None] * self.n_rows, "object")


def rows_of(model, table: Table, order: Sequence[int] | None) -> np.ndarray:
    """The table's columns, in the order of the model's, as rows."""
    order = list(range(len(table.names))) if order is None else order
    if len(order) != model.n_features:
        raise InvalidInputError(
            f"the {table.what} has {len(order)} columns, but the model was trained on "
            f"{model.n_features} features"
        )
    made = np.empty((table.n_rows, len(order)), dtype=np.float64)
    plain = model._plain_columns
    for place, i in enumerate(order):
        column = table.column(i)
        if isinstance(column, Categorical):
            made[:, place] = _of_categories(model, place, column)
        elif isinstance(column, Labels):
            made[:, place] = model._code_column(place, list(column.values))
        elif place in plain:
            made[:, place] = column
        else:
            made[:, place] = model._code_column(place, column.tolist())
    return made


def _of_categories(model, place: int, column: Categorical) -> np.ndarray:
    """Each category that is used is coded once."""
    codes = np.asarray(column.codes)
    categories: list[Any] = [*column.categories, None]  # -1 is missing
    used, inverse = np.unique(codes, return_inverse=True)
    try:
        return model._code_column(place, [categories[code] for code in used])[inverse.reshape(-1)]
    except InvalidInputError:  # said again of the row that holds it
        return model._code_column(place, [categories[code] for code in codes])
