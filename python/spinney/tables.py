"""One view of pandas and polars frames and arrow tables: named columns, one after the other."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from typing import Any, NamedTuple, Sequence

import numpy as np

from spinney.exceptions import InvalidInputError


class Categorical(NamedTuple):
    """A column of codes into `categories`; -1 is missing."""

    codes: np.ndarray
    categories: Sequence[Any]


class Labels(NamedTuple):
    """A column of values that are no numbers, such as text."""

    values: Sequence[Any]
    dtype: str


class Table(ABC):
    """What to_rows() asks of a frame, whichever library it is from."""

    what = "frame"  # what messages call it
    single = False  # whether it is one row that was given by itself
    titles: frozenset[str] = frozenset()  # names of the rows themselves
    is_numbered = False  # whether the columns are called 0, 1, 2 … for want of names
    names: list[str]
    n_rows: int

    def __len__(self):
        return self.n_rows

    @abstractmethod
    def column(self, i: int):
        """A numeric array with NaN for missing, a Categorical or Labels."""

    def as_array(self, mixed_type) -> np.ndarray | None:
        """All columns as one array, if the frame can make one by itself.

        Columns of one number type keep it and are not copied where they lie together; others
        become mixed_type, or what numpy.result_type finds for them.
        """
        return None

    def number_type(self, columns: Sequence[np.ndarray]) -> np.dtype:
        """The type in which scikit-learn reads columns that column() gave."""
        return np.result_type(*columns)

    def of_columns(self, order: Sequence[int]) -> Table:
        """A table of some of the columns, in this order."""
        return _Chosen(self, order)


class _Chosen(Table):
    def __init__(self, table: Table, order: Sequence[int]):
        self._table, self._order = table, order
        self.what, self.n_rows = table.what, table.n_rows
        self.names = [table.names[i] for i in order]

    def column(self, i):
        return self._table.column(self._order[i])

    def number_type(self, columns):
        return self._table.number_type(columns)


def adopt(x) -> Table | None:
    """x as a Table, or None if it is no frame. Imports no library that x is not from."""
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(x, pandas.DataFrame):
        return PandasTable(x, pandas)
    polars = sys.modules.get("polars")
    if polars is not None and isinstance(x, polars.DataFrame):
        return PolarsTable(x, polars)
    if polars is not None and isinstance(x, polars.LazyFrame):
        raise InvalidInputError("x is a polars LazyFrame; give x.collect()")
    pyarrow = sys.modules.get("pyarrow")
    if pyarrow is not None and isinstance(x, (pyarrow.Table, pyarrow.RecordBatch)):
        return ArrowTable(x, pyarrow)
    return x if isinstance(x, Table) else None


class PandasTable(Table):
    def __init__(self, frame, pandas):
        self._frame, self._pandas = frame, pandas
        self._columns = None
        names = list(frame.columns)
        if frame.columns.nlevels > 1:  # as XGBoost writes them, the one that keeps such names
            names = [" ".join(map(str, levels)) for levels in names]
        self.names = [str(name) for name in names]
        self.is_numbered = all(type(name) is int for name in names) and names == list(
            range(len(names))
        )
        self.n_rows = len(frame)

    def of_columns(self, order):
        return PandasTable(self._frame.iloc[:, list(order)], self._pandas)

    def as_array(self, mixed_type):
        dtypes = set(self._frame.dtypes)
        if not dtypes or not all(isinstance(t, np.dtype) and t.kind in "biuf" for t in dtypes):
            return None
        mixed = len(dtypes) > 1 and (mixed_type or np.result_type(*dtypes))
        return self._frame.to_numpy(dtype=mixed or None)

    def number_type(self, columns):
        # scikit-learn makes a frame with nullable or arrow columns float64 as a whole.
        plain = (np.dtype, self._pandas.SparseDtype)
        if all(isinstance(dtype, plain) for dtype in self._frame.dtypes):
            return super().number_type(columns)
        return np.dtype(np.float64)

    def column(self, i):
        if self._columns is None:
            self._columns = [series for _, series in self._frame.items()]
        series = self._columns[i]
        dtype = series.dtype
        if isinstance(dtype, np.dtype):
            if dtype.kind in "biuf":
                return series.to_numpy()
            return self._labels(series)
        if isinstance(dtype, self._pandas.CategoricalDtype):
            return Categorical(series.cat.codes.to_numpy(), list(series.cat.categories))
        kinds = self._pandas.api.types
        if kinds.is_numeric_dtype(dtype) or kinds.is_bool_dtype(dtype):  # nullable, arrow, sparse
            if series.isna().any():
                return series.to_numpy(dtype=np.float64, na_value=np.nan)
            return np.asarray(
                series.to_numpy(dtype=dtype.type if _is_number(dtype) else np.float64)
            )
        return self._labels(series)

    def _labels(self, series):
        if series.dtype.kind in "mM":
            raise InvalidInputError(
                f"column {str(series.name)!r} has dtype {series.dtype}; expected numbers or "
                "categories"
            )
        return Labels(series.tolist(), str(series.dtype))


def _is_number(dtype) -> bool:
    kind = getattr(dtype, "type", None)
    return isinstance(kind, type) and issubclass(kind, (np.number, np.bool_))


class ArrowTable(Table):
    def __init__(self, table, pyarrow):
        self._pyarrow = pyarrow
        if isinstance(table, pyarrow.RecordBatch):
            table = pyarrow.Table.from_batches([table])
        self._table = table.unify_dictionaries()
        self.names = [str(name) for name in table.column_names]
        self.n_rows = table.num_rows

    def column(self, i):
        return arrow_column(self._table.column(i), self.names[i], self._pyarrow)


def arrow_column(column, name, pyarrow):
    """One arrow column as Table.column() gives it."""
    kinds = pyarrow.types
    if isinstance(column, pyarrow.ChunkedArray):
        column = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
        if isinstance(column, pyarrow.ChunkedArray):  # no rows
            column = pyarrow.array([], type=column.type)
    kind = column.type
    if kinds.is_dictionary(kind):
        codes = column.indices.cast(pyarrow.int64()).fill_null(-1)  # polars has unsigned ones
        return Categorical(codes.to_numpy(zero_copy_only=False), column.dictionary.to_pylist())
    if kinds.is_null(kind):
        return np.full(len(column), np.nan)
    if kinds.is_decimal(kind):
        column = column.cast(pyarrow.float64())
    elif not (kinds.is_integer(kind) or kinds.is_floating(kind) or kinds.is_boolean(kind)):
        if kinds.is_string(kind) or kinds.is_large_string(kind):
            return Labels(column.to_pylist(), str(kind))
        raise InvalidInputError(f"column {name!r} has type {kind}; expected numbers or categories")
    if column.null_count == 0:
        return column.to_numpy(zero_copy_only=False)
    missing = column.is_null().to_numpy(zero_copy_only=False)
    filled = column.fill_null(False if kinds.is_boolean(kind) else 0)
    return _with_missing(filled.to_numpy(zero_copy_only=False), missing)


def _with_missing(values: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Numbers as floats, NaN where missing; float32 stays, since it holds all its values."""
    real = values.astype(values.dtype if values.dtype.kind == "f" else np.float64)
    real[missing] = np.nan
    return real


class PolarsTable(Table):
    def __init__(self, frame, polars):
        self._frame, self._polars = frame, polars
        self.names = list(frame.columns)
        self.n_rows = frame.height

    def column(self, i):
        series = self._frame.to_series(i)
        dtype = series.dtype
        polars = self._polars
        if isinstance(dtype, (polars.Categorical, polars.Enum)):
            import pyarrow

            return arrow_column(series.to_arrow(), series.name, pyarrow)
        if dtype == polars.String:
            return Labels(series.to_list(), str(dtype))
        if dtype == polars.Null:
            return np.full(self.n_rows, np.nan)
        if isinstance(dtype, polars.Decimal):
            series = series.cast(polars.Float64)
        elif not (dtype.is_numeric() or dtype == polars.Boolean):
            raise InvalidInputError(
                f"column {series.name!r} has dtype {dtype}; expected numbers or categories"
            )
        if series.null_count() == 0:
            return series.to_numpy()
        missing = series.is_null().to_numpy()
        filled = series.fill_null(False if dtype == polars.Boolean else 0)
        return _with_missing(filled.to_numpy(), missing)
