"""Rows of any kind for a model that runs in Python.

float32 and float64 rows are the queue's own. Anything else that predict takes (integers, text,
dates, frames, sparse rows) goes through it as a Parcel, which the queue does not look into. Arrays
of one number type and width share batches; everything else is answered alone. So the model sees the
very rows that predict would show it, whatever is in the queue.
"""

from __future__ import annotations

from itertools import count

import numpy as np

from spinney.workers.codec import Frame, Sparse

_KINDS_MAX = 1000
_numbers = count()
_kinds = {}  # of arrays that go together: their number


class Parcel:
    """Rows of one request, copied; never changed, since they may be compared and run again.

    own: the array that the rows are, if nothing else is needed to tell them from others. kind: the
    number of those that it goes together with, or None.
    """

    __slots__ = ("__weakref__", "count", "kind", "own", "rows")

    def __init__(self, rows, rows_count):
        plain = type(rows) is np.ndarray and not rows.dtype.hasobject
        self.rows = rows.copy("C") if plain else _copied(rows)
        self.count = rows_count
        self.own = self.rows if plain else None
        self.kind = _kind_of(rows) if plain else None


class Targets:
    """A list of arrays, one a target, as a sequence of rows: a slice is the list of these rows of
    each, copied, so that no request keeps another's answer alive.
    """

    def __init__(self, arrays):
        self._arrays = arrays

    def __len__(self):
        return len(self._arrays[0])

    def __getitem__(self, rows):
        return [array[rows].copy() for array in self._arrays]


def answer_parcels(predict, parcels):
    """The answer to each, by predict(rows, how many), called once: an array or Targets."""
    rows = together(parcels)
    answers, at, found = predict(rows, sum(parcel.count for parcel in parcels)), 0, []
    for parcel in parcels:
        part = answers[at : at + parcel.count]
        found.append(part if isinstance(part, list) else part.copy())  # that none keeps another's
        at += parcel.count
    return found


def together(parcels):
    """The rows of parcels that share a batch, for a model that may write into them."""
    if parcels[0].own is None:
        return parcels[0].rows
    return np.concatenate([parcel.rows for parcel in parcels])


def _kind_of(rows):
    key = (rows.dtype, rows.shape[1])
    kind = _kinds.get(key)
    if kind is None:
        if len(_kinds) >= _KINDS_MAX:  # numbers are not used again
            _kinds.clear()
        kind = _kinds.setdefault(key, next(_numbers))
    return kind


def _copied(rows):
    if isinstance(rows, Frame):
        return Frame(rows.library, rows.names, [column.copy() for column in rows.columns])
    if isinstance(rows, Sparse):
        return Sparse(tuple(part.copy() for part in rows.parts), rows.shape)
    return rows.copy()
