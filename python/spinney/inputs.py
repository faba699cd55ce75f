"""Rows in any form that is not a plain numpy array become one, or the arrays of a CSR matrix.

The compiled core calls prepare() for what it does not read itself, and decides about shapes and
number types afterwards, so that every form is refused in the same words.
"""

from __future__ import annotations

import sys
from typing import Any, ClassVar

import numpy as np

from spinney import categories, cells, coded, dmatrix, sparse_rows
from spinney.exceptions import InvalidInputError
from spinney.masks import is_masked_array
from spinney.rows import LISTS, MAPPINGS, has_labels, in_order, labelled
from spinney.tables import adopt


class Columns:
    """What is asked here, and by spinney.frames, of a model: the answers of one that takes float64
    and was trained on plain numbers. Models that are not the compiled core's derive from it.
    """

    categories: ClassVar[dict[int, list[Any]]] = {}
    _cast_type = "float64"
    _small_cast_type = "float64"
    _number_coded = frozenset()
    _hashed_columns = ()
    _sums_stored_entries = False
    _reads_cells = True
    _categories_by_position = False
    _takes_cells = False  # whether objects and text go to the model as they are


def prepare(model, x):
    """Rows of `model` as an exact numpy.ndarray, or (values, columns, row_begin, width, by_matrix)
    of a CSR matrix, or (array,) where by_matrix is true.

    by_matrix: XGBoost's wrappers predict in place what they know, and make a DMatrix of other
    forms, which refuses infinity, and before 3.3 rounds DART's trees otherwise.
    Nothing is copied that can be read in place.
    """
    if getattr(model, "_codes_cells", False):
        made = _coded(model, x)
        if made is not None:
            return made
    if type(x) in (list, tuple) and not has_labels(x):
        return _array_like(model, np.asarray, x)
    if is_masked_array(x):
        x = _masked(x)
    if isinstance(x, np.ndarray) and x.dtype.kind != "V":
        return _array(model, np.asarray(x))
    if _is_sparse(x):
        return _sparse(model, x)
    if dmatrix.is_dmatrix(x):
        return dmatrix.read(model, x)
    table = adopt(x)
    if table is None:
        table = labelled(x)
        if table is not None and table.single and not isinstance(x, MAPPINGS):
            raise InvalidInputError(f"x is one row ({_type_name(x)}); give rows, for one row [x]")
    if table is not None:
        return in_order(model, table)
    if isinstance(x, (str, bytes, bytearray, set)) or x is None:
        raise InvalidInputError(_wanted(model, x))
    masked = isinstance(x, LISTS) and has_labels(x)
    return _array_like(model, _unmasked if masked else np.asarray, x)


def _coded(model, x):
    """Rows of a model with categories or a schema; None where they are read as any others."""
    if model._hashed_columns:
        return categories.hashed(model, x)
    made = coded.of_mappings(model, x)
    return coded.prepare(model, x) if made is None and model._has_texts else made


def one_row(model, x):
    """One row that was given by itself, as an array of shape (1, n_features); None if x is none.

    A flat row of numbers goes by position, one whose values have labels by these. Of a model with
    columns of text it is a list of one row.
    """
    if getattr(model, "_has_texts", False):
        return coded.one_row(model, x)
    array = x if type(x) is np.ndarray else None
    if array is None:
        table = labelled(x)
        if table is not None:
            return in_order(model, table) if table.single else None
        try:
            array = _masked(x) if is_masked_array(x) else np.asarray(x)
        except Exception:  # rows of several lengths
            return None
    if array.ndim != 1 or model.n_features not in (None, len(array)):
        return None
    if array.dtype.kind in cells.KINDS and model.n_features is not None:
        array = _array(model, array)
    return array.reshape(1, -1) if array.dtype.kind in "biuf" else None


def by_name(model, x):
    """x as an array in the model's order if its values have names, and x itself otherwise."""
    table = adopt(x)
    if table is None:
        table = labelled(x)
    return x if table is None else in_order(model, table)


def _wanted(model, x):
    columns = "columns" if model.n_features is None else f"{model.n_features} columns"
    return (
        f"expected {columns} of numbers as a 2-D array, a data frame, an arrow table or a scipy "
        f"sparse matrix, but x is a {_type_name(x)}"
    )


def _shape(model):
    return f"(rows, {'columns' if model.n_features is None else model.n_features})"


def _type_name(x):
    kind = type(x)
    return (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}"
    )


def _array(model, array):
    """Of objects and text the numbers, where those are cells of rows; other arrays as they are."""
    if array.dtype.kind not in cells.KINDS or _takes(model, array):
        return array
    return cells.numbers(model, array, f"expected numbers, but x has dtype {array.dtype}")


def _takes(model, array):
    return getattr(model, "_takes_cells", False) and cells.are_plain(array)


def _unmasked(rows):
    """A list of rows some of which are masked, which numpy.asarray would forget."""
    return _masked(np.ma.stack([np.ma.asarray(row) for row in rows]))


def _array_like(model, make, x):
    """Lists, and whatever offers numpy a view of itself (tensors, buffers)."""
    try:
        array = make(x)
    except Exception as error:
        raise InvalidInputError(f"{_wanted(model, x)}, which numpy refuses: {error}") from error
    if array.ndim == 0 and array.dtype == object:
        raise InvalidInputError(_wanted(model, x))
    if array.ndim == 1 and isinstance(x, LISTS):
        if any(isinstance(row, (list, tuple, np.ndarray)) for row in x):  # old numpy's ragged rows
            raise InvalidInputError(f"{_wanted(model, x)} whose rows differ in length")
        raise InvalidInputError(
            f"expected a 2-D array of shape {_shape(model)}, but x is a flat {_type_name(x)} of "
            f"{len(x)} values; for one row give [x]"
        )
    array = np.asarray(array)
    if array.dtype.kind in cells.KINDS:
        if isinstance(x, LISTS) and getattr(model, "_takes_cells", False):
            array = np.asarray(x, dtype=object)  # numbers beside text stay such
        if not _takes(model, array):
            array = cells.numbers(model, array, _wanted(model, x), of_list=isinstance(x, LISTS))
    elif array.dtype.kind in "iu" and isinstance(x, LISTS):
        # scikit-learn makes float32 of lists by way of doubles, and of arrays at once.
        array = array.astype(np.float64) if model.source["library"] == "sklearn" else array
    known = isinstance(x, (list, tuple)) or hasattr(x, "__array_interface__")
    return array if known or model.source["library"] != "xgboost" else (array,)


def _masked(x):
    """Masked cells are missing."""
    if x.dtype.names:
        raise InvalidInputError("expected numbers, but x is a masked array of named fields")
    if not np.ma.is_masked(x):
        return np.asarray(x.data)
    if x.dtype.kind in cells.KINDS:
        return np.where(np.ma.getmaskarray(x), None, np.asarray(x.data).astype(object))
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
            f"expected a sparse matrix of shape {_shape(model)}, but x has shape {x.shape}"
        )
    if x.dtype.kind not in "biuf":
        raise InvalidInputError(f"expected numbers, but x is a sparse matrix of dtype {x.dtype}")
    if x.format != "csr":  # those are looked at as they are read
        sparse_rows.check(x)
    csr = _as_stored(x) if _reads_coo(model, x) else x.tocsr()
    if model.source["library"] == "sklearn" and not sparse_rows.is_canonical(csr):
        csr = _cells_given_twice(model, csr)
    native = csr.dtype in (np.float32, np.float64) and csr.dtype.isnative
    values = np.ascontiguousarray(csr.data, dtype=csr.dtype if native else _type_for(model, csr))
    wide = np.int64 if csr.indptr.dtype.itemsize > 4 or csr.indices.dtype.itemsize > 4 else np.int32
    return (
        np.asarray(values),
        np.ascontiguousarray(csr.indices, dtype=wide),
        np.ascontiguousarray(csr.indptr, dtype=wide),
        csr.shape[1],
        not isinstance(x, sys.modules["scipy.sparse"].csr_matrix),  # not even csr_array
    )


def _type_for(model, x):
    """The type of numbers that are not native floats; numpy counts small ones among float32."""
    small = x.dtype.itemsize <= 2 or x.dtype.str[1:] == "f4"
    return model._small_cast_type if small else model._cast_type


# For scikit-learn's linear classifiers and SGDRegressor scipy makes a CSR of it, which adds up the
# entries of a cell; its other linear models multiply the entries as they come.
_MADE_CSR = ("LogisticRegression", "LogisticRegressionCV", "SGDRegressor")


def _reads_coo(model, x):
    return (
        x.format == "coo"
        and model.source["library"] == "sklearn"
        and model._sums_stored_entries
        and not model._reads_cells
        and model.source["kind"] not in _MADE_CSR
    )


def _as_stored(coo):
    """CSR with each row's entries in the order in which they are stored, none of them added up."""
    order = np.argsort(coo.row, kind="stable")
    begin = np.zeros(coo.shape[0] + 1, dtype=np.int64)
    np.cumsum(np.bincount(coo.row, minlength=coo.shape[0]), out=begin[1:])
    entries = (coo.data[order], coo.col[order], begin)
    return sys.modules["scipy.sparse"].csr_matrix(entries, shape=coo.shape)


def _cells_given_twice(model, csr):
    """What scikit-learn makes of rows that may name a cell twice.

    Of float32 rows the last entry counts to its trees; rows of other types they have scipy convert,
    which adds up. Its linear models multiply and add every entry, so that nothing is changed here.
    """
    if csr.dtype == np.float32 or not model._reads_cells:
        return csr
    if model._cast_type == "float64" and not model._sums_stored_entries and _is_forest(model):
        added = csr.copy()  # histogram boosting takes no sparse rows, but here
        added.sum_duplicates()
        return added
    added = csr.copy().astype(np.float32)  # scipy before 1.11 adds up in the one given
    added.sum_duplicates()
    if not model._sums_stored_entries:
        return added
    if added.nnz != csr.nnz:
        raise InvalidInputError(
            "the sparse rows give a cell twice, which this ensemble's linear models and its other "
            "members take differently; call x.sum_duplicates() first"
        )
    return csr


def _is_forest(model):
    return model.info()["scorer"] == "forest"
