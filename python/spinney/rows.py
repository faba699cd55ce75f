"""What is a row and what is a column: one rule for values that carry labels.

One row is one value for each feature. Labels that are text name features, and values are found by
them as a frame's columns are. Labels that are numbers or dates name rows, so that what carries them
is a column, which is never taken for a row. docs/python-api.md has the rule in full.
"""

from __future__ import annotations

import numbers
import sys
from collections import UserDict, deque
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Callable, NamedTuple, Sequence

import numpy as np

from spinney.cells import is_missing
from spinney.exceptions import InvalidInputError
from spinney.frames import listed, to_rows
from spinney.masks import is_masked_array, masked_array_type
from spinney.tables import Labels, Table, adopt

_FOREIGN = ("DataFrame", "Series", "DataArray")
_PLAIN = frozenset([int, float, bool, str, list, tuple, np.ndarray, np.float64, np.float32])
MAPPINGS = (dict, MappingProxyType, UserDict)
LISTS = (list, tuple, deque)


class Row(NamedTuple):
    """One row. name: what it is called itself, such as a Series' name, or None."""

    labels: Sequence[str]
    values: Sequence[Any]
    name: Any = None


class LabelledRows(Table):
    """Rows that bring a label with each value, as a table. single: one row, not a list of rows."""

    what = "row"

    def __init__(self, rows: Sequence[Row], single: bool):
        self.names = [str(label) for label in rows[0].labels]
        self.n_rows = len(rows)
        self.single = single
        self.titles = frozenset(row.name for row in rows if isinstance(row.name, str))
        self._rows = [row.values if single else _in_order(row, rows[0].labels) for row in rows]

    def as_array(self, mixed_type):
        first = self._rows[0]
        if not isinstance(first, np.ndarray) or first.dtype.kind not in "biuf":
            return None
        alike = all(isinstance(r, np.ndarray) and r.dtype == first.dtype for r in self._rows)
        return np.stack(self._rows) if alike else None

    def column(self, i):
        values = [row[i] for row in self._rows]
        return _numbers_or_labels(self.names[i], values)


class Records(Table):
    """A numpy array of named fields."""

    what = "array"

    def __init__(self, array):
        self._array = array
        self.names = list(array.dtype.names)
        self.n_rows = len(array)

    def column(self, i):
        values = self._array[self.names[i]]
        if values.ndim != 1:
            raise InvalidInputError(f"field {self.names[i]!r} holds {values.dtype} arrays")
        return values if values.dtype.kind in "biuf" else _numbers_or_labels(self.names[i], values)


class NamedColumns(Table):
    """A dict of columns by their names."""

    what = "dict"

    def __init__(self, columns):
        _check_names(columns)
        self.names = list(columns)
        self._columns = list(columns.values())
        for name, column in columns.items():
            if not _is_column(column):
                raise InvalidInputError(
                    f"x is a {type(columns).__name__} of columns, and {name!r} is a "
                    f"{type(column).__name__}; give all as columns, or all as one row's values"
                )
        lengths = [len(column) for column in self._columns]
        self.n_rows = lengths[0]
        for name, length in zip(self.names, lengths):
            if length != self.n_rows:
                raise InvalidInputError(
                    f"x is a {type(columns).__name__} of columns that differ in length: "
                    f"{self.names[0]!r} has {self.n_rows} values and {name!r} {length}"
                )

    def column(self, i):
        found = self._columns[i]
        values = found if isinstance(found, (list, tuple)) else np.asarray(found)
        if isinstance(values, np.ndarray):
            if values.ndim != 1:
                raise InvalidInputError(
                    f"column {self.names[i]!r} has shape {values.shape}; one value for each row "
                    "is expected"
                )
            if values.dtype.kind in "biuf" and not is_masked_array(found):
                return values
            values = found.tolist() if is_masked_array(found) else values.tolist()
        return _numbers_or_labels(self.names[i], values)


def _is_column(value) -> bool:
    """Whether a value of a dict is a column: a list or something like an array or a Series."""
    if type(value) in (float, int, str, bool) or value is None:
        return False
    if isinstance(value, (list, tuple)):
        return True
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        return len(shape) > 0
    return hasattr(type(value), "__array__") and hasattr(type(value), "__len__")


def labelled(x) -> LabelledRows | Records | NamedColumns | None:
    """The row, or the list of rows, whose values x gives labels; None if x is nothing of the kind.

    InvalidInputError for a column of any library, and for lists of rows with different labels.
    """
    kind = type(x)
    if isinstance(x, LISTS) and not hasattr(kind, "_fields"):
        return _several(x)
    if isinstance(x, np.ndarray):
        fields = x.dtype.names and x.ndim == 1 and not is_masked_array(x)
        return Records(np.asarray(x)) if fields else None
    if kind in _PLAIN:
        return None
    read = _reader(kind)
    if read is _mapping and any(_is_column(value) for value in x.values()):
        return NamedColumns(x)
    row = read(x) if read else None
    return None if row is None else LabelledRows([row], single=True)


def as_dicts(x):
    """Of a mapping or a list of mappings dicts of the same, for the compiled core; else None."""
    if isinstance(x, MAPPINGS):
        return dict(zip(x, x.values()))
    if not isinstance(x, LISTS) or not all(isinstance(row, MAPPINGS) for row in x):
        return None
    return [dict(zip(row, row.values())) for row in x] or None


def has_labels(x: Sequence[Any]) -> bool:
    """Whether some item of a list needs more than numpy.asarray, which would lose its labels."""
    if _PLAIN.issuperset(map(type, x)):
        return False
    kinds = set(map(type, x)) - _PLAIN
    masked = masked_array_type() or ()
    return any(issubclass(kind, masked) or _reader(kind) for kind in kinds)


def in_order(model, table) -> np.ndarray:
    """The rows of labelled() in the model's order."""
    for title in sorted(table.titles & set(model.feature_names or ())) if table.titles else ():
        raise InvalidInputError(
            f"x is a pandas Series that is named like the feature {title!r}: a column, where a row "
            "is expected; for one row give frame.iloc[[i]]"
        )
    return to_rows(model, table)


def _several(x) -> LabelledRows | None:
    if not has_labels(x):
        return None
    rows = []
    for item in x:
        read = None if type(item) in _PLAIN else _reader(type(item))
        rows.append(read(item) if read else None)
    found = [row for row in rows if row is not None]
    if not found:
        return None
    if len(found) < len(rows):
        raise InvalidInputError("some of the rows have labels and others have none")
    return LabelledRows(found, single=False)


def _in_order(row: Row, labels: Sequence[str]) -> Sequence[Any]:
    """The row's values in the order of these labels."""
    if list(row.labels) == list(labels):
        return row.values
    place = {label: i for i, label in enumerate(row.labels)}
    if len(place) != len(row.labels) or set(place) != set(labels):
        raise InvalidInputError(
            f"the rows have different labels: {listed(list(labels))}, and {listed(row.labels)}"
        )
    if isinstance(row.values, np.ndarray):
        return row.values[[place[label] for label in labels]]
    return [row.values[place[label]] for label in labels]


def _numbers_or_labels(name: str, values: Sequence[Any]):
    """A column's values as numbers, NaN where missing, or as Labels."""
    if any(np.ndim(value) for value in values):
        raise InvalidInputError(f"the value of {name!r} is no single number")
    values = [value.as_py() if hasattr(value, "as_py") else value for value in values]
    kept = [np.nan if is_missing(value) else value for value in values]
    if all(isinstance(value, (numbers.Real, Decimal, np.bool_)) for value in kept):
        array = np.asarray(kept)
        if array.dtype.kind in "biuf":
            return array
        try:
            return array.astype(np.float64)
        except (OverflowError, ValueError):  # beyond all floats; a signalling NaN
            pass
    return Labels([None if is_missing(value) else value for value in values], "object")


# How one object of a type is read: a function of it that gives a Row, or None where it has no
# labels after all, or raises for a column.


def _reader(kind: type) -> Callable[[Any], Row | None] | None:
    for library, names, read in _READERS:
        module = sys.modules.get(library)
        known = (getattr(module, name, None) for name in names)
        if any(isinstance(each, type) and issubclass(kind, each) for each in known):
            return read
    if issubclass(kind, MAPPINGS):
        return _mapping
    if issubclass(kind, np.void):
        return _record
    if hasattr(kind, "_fields") and hasattr(kind, "__len__"):
        return _named_tuple
    return _foreign if kind.__name__ in _FOREIGN or hasattr(kind, "__dataframe__") else None


def _series(x):
    labels = list(x.index)
    if x.index.nlevels > 1 or not all(isinstance(label, str) for label in labels):
        raise InvalidInputError(
            f"x is a pandas Series whose labels are {_some(labels)}: a column, where a row is "
            "expected, whose labels are the features' names; for one row give frame.iloc[[i]], for "
            "one feature series.to_frame(), for values without labels series.to_numpy()"
        )
    return Row(labels, x.to_numpy() if isinstance(x.dtype, np.dtype) else x.tolist(), x.name)


def _some(labels):
    return f"{listed(labels[:3])}" + (" …" if len(labels) > 3 else "") if labels else "none"


def _pandas_values(x):
    raise InvalidInputError(
        f"x is a pandas {type(x).__name__}, the values of a column, where a row is expected; for "
        "one row give frame.iloc[[i]], for values without labels x.to_numpy()"
    )


def _polars_series(x):
    if type(x.dtype).__name__ == "Array":
        return None  # each value is a row
    raise InvalidInputError(
        "x is a polars Series: a column, where a row is expected; for one row give "
        "frame[i], for one feature series.to_frame(), for values without labels x.to_numpy()"
    )


def _arrow_values(x):
    raise InvalidInputError(
        f"x is a pyarrow {type(x).__name__}: a column, where a row is expected; for one row give "
        "table.slice(i, 1), for values without labels x.to_numpy()"
    )


def _arrow_struct(x):
    found = x.as_py()
    return None if found is None else Row(list(found), list(found.values()))


def _foreign(x):
    """Of a library that is not known here: numpy reads its values, and forgets their names."""
    if adopt(x) is not None:
        return None
    raise InvalidInputError(
        f"x is a {type(x).__module__}.{type(x).__name__}, whose names numpy does not keep; give a "
        "pandas frame, such as x.to_pandas(), or for values without names their array"
    )


def _sqlite_row(x):
    return Row(x.keys(), tuple(x))


def _record(x):
    names = x.dtype.names
    return Row(names, [x[name] for name in names]) if names else None


def _named_tuple(x):
    fields = x._fields
    if not isinstance(fields, (tuple, list)) or len(fields) != len(x):
        return None
    return Row(list(fields), tuple(x))


def _check_names(x) -> list[str]:
    labels = list(x)
    if not labels:
        raise InvalidInputError(
            f"x is an empty {type(x).__name__}; expected one row's numbers by the features' names"
        )
    if not all(isinstance(label, str) for label in labels):
        raise InvalidInputError(
            f"x is a {type(x).__name__} whose keys are {_some(labels)}; expected the features' "
            "names"
        )
    return labels


def _mapping(x):
    """A dict of one row's values by the features' names."""
    labels = _check_names(x)
    values = list(x.values())
    if any(_is_column(value) for value in values):
        raise InvalidInputError(
            f"a row is a {type(x).__name__} of columns, where one of a row's values is expected; "
            "give one dict of columns by itself"
        )
    return Row(labels, values)


_READERS = (
    ("pandas", ("Series",), _series),
    ("pandas", ("Index",), _pandas_values),
    ("pandas.api.extensions", ("ExtensionArray",), _pandas_values),
    ("polars", ("Series",), _polars_series),
    ("pyarrow", ("Array", "ChunkedArray"), _arrow_values),
    ("pyarrow", ("StructScalar",), _arrow_struct),
    ("sqlite3", ("Row",), _sqlite_row),
)
