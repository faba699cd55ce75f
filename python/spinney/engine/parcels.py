"""Rows of any kind for a model that runs in Python, through a queue that carries floats.

float32 and float64 rows are the queue's own, which puts those of one batch together. Anything else
that predict takes (integers, text, dates, frames, sparse rows) stays here as a Parcel, and a token
of three numbers a row is queued for it. The function that answers batches puts parcels of one
number type together; what cannot be put together is answered alone. So the model sees the very
rows that predict would show it, whatever is in its batch.
"""

from __future__ import annotations

import os
import weakref
from bisect import bisect_right
from itertools import count

import numpy as np

from spinney.workers.codec import Frame, Sparse

_TOKEN = 3  # numbers in a row of a token: two that nobody can guess, and the parcel's
_numbers = count(1)
_parcels = weakref.WeakValueDictionary()  # the queue's request holds each


def _secret():
    """Two NaNs of 51 random bits each, which no row of numbers has by accident."""
    bits = np.frombuffer(os.urandom(16), dtype=np.uint64) | np.uint64(0x7FF8 << 48)
    return bits & np.uint64(2**63 - 1)


_SECRET = _secret()


class Parcel:
    """Rows of one request, copied. The queue holds it as long as any batch may read its rows."""

    __slots__ = ("__weakref__", "count", "number", "rows")

    def __init__(self, rows, rows_count):
        self.rows, self.count = _copied(rows), rows_count
        self.number = next(_numbers)
        _parcels[self.number] = self

    def token(self):
        """Rows for the queue: as many as are in here."""
        words = np.empty((self.count, _TOKEN), dtype=np.uint64)
        words[:, :2] = _SECRET
        words[:, 2] = self.number
        return words.view(np.float64)


class CutAnswers:
    """Answers to a batch of several requests, each of which is cut out by its rows."""

    def __init__(self, length):
        self._length = length
        self._firsts, self._answers = [], []

    def put(self, first, answer):
        place = bisect_right(self._firsts, first)
        self._firsts.insert(place, first)
        self._answers.insert(place, answer)

    def __len__(self):
        return self._length

    def __getitem__(self, rows):
        place = bisect_right(self._firsts, rows.start) - 1
        first = self._firsts[place]
        return self._answers[place][rows.start - first : rows.stop - first]


def opened(rows):
    """[(first row, how many, the rows)] of a batch: a token's are those of its parcel, and rows of
    numbers between tokens are themselves. None if there is no token.
    """
    if rows.dtype != np.float64 or rows.shape[1] != _TOKEN:
        return None
    words = rows.view(np.uint64)
    marked = (words[:, :2] == _SECRET).all(axis=1)
    if not marked.any():
        return None
    found, first = [], 0
    while first < len(words):
        if not marked[first]:
            end = first + 1
            while end < len(words) and not marked[end]:
                end += 1
            found.append((first, end - first, rows[first:end]))
            first = end
            continue
        parcel = _parcels[int(words[first, 2])]  # which the batch that asks holds
        found.append((first, parcel.count, parcel.rows))
        first += parcel.count
    return found


def answer(predict, opened_rows, length):
    """CutAnswers, by predict(rows, how many) -> an array; few calls, by the kinds of rows."""
    groups = {}
    for one in opened_rows:
        rows = one[2]
        plain = isinstance(rows, np.ndarray) and not rows.dtype.hasobject
        kind = (rows.dtype, rows.shape[1]) if plain else one[0]
        groups.setdefault(kind, []).append(one)
    parts = CutAnswers(length)
    for group in groups.values():
        first, count_of_it, rows = group[0]
        if len(group) == 1:
            parts.put(first, predict(rows, count_of_it))
            continue
        together = np.concatenate([rows for _, _, rows in group])
        answers, at = predict(together, len(together)), 0
        for first, count_of_it, _ in group:
            parts.put(first, answers[at : at + count_of_it])
            at += count_of_it
    return parts


def _copied(rows):
    if isinstance(rows, Frame):
        return Frame(rows.library, rows.names, [column.copy() for column in rows.columns])
    if isinstance(rows, Sparse):
        return Sparse(tuple(part.copy() for part in rows.parts), rows.shape)
    return rows.copy()
