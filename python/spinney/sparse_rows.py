"""Whether a scipy matrix's arrays are what scipy's own code takes them for.

It follows offsets and indices wherever they point when it converts, sorts or adds up entries.
"""

from __future__ import annotations

import numpy as np

from spinney.exceptions import InvalidInputError


def check(x) -> None:
    """Raises InvalidInputError where a matrix's offsets or indices lie outside its own arrays."""
    if x.format in ("csr", "csc", "bsr"):
        shape = x.shape if x.format != "csc" else x.shape[::-1]
        rows, columns = x.blocksize if x.format == "bsr" else (1, 1)
        _check_offsets(x, shape[0] // rows)
        if x.format != "csr":  # whose columns are looked at as they are read
            _check_indices(x.indices, shape[1] // columns)
    elif x.format == "coo":
        if not len(x.row) == len(x.col) == len(x.data):
            raise InvalidInputError("sparse rows: rows, columns and values differ in number")
        _check_indices(x.row, x.shape[0])
        _check_indices(x.col, x.shape[1])


def is_canonical(csr) -> bool:
    """Whether each cell has one entry, in order: scipy knows, or looks where offsets are sound."""
    known = vars(csr)
    if known.get("_has_canonical_format") and known.get("_has_sorted_indices", True):
        return True
    check(csr)
    return csr.has_canonical_format


def _check_offsets(x, count: int) -> None:
    begin, entries = x.indptr, min(len(x.indices), len(x.data))
    if begin.ndim != 1 or begin.dtype.kind != "i" or len(begin) != count + 1:
        raise InvalidInputError(f"sparse rows: {count} rows or columns need {count + 1} offsets")
    if begin[0] != 0 or (begin[1:] < begin[:-1]).any() or begin[-1] > entries:
        raise InvalidInputError(
            f"sparse rows: the offsets do not ascend from 0 to the {entries} entries that there are"
        )


def _check_indices(indices, count: int) -> None:
    if len(indices) and (
        indices.dtype.kind != "i" or np.min(indices) < 0 or np.max(indices) >= count
    ):
        raise InvalidInputError(f"sparse rows: an entry lies outside the {count} rows or columns")
