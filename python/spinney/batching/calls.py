"""Calling the function for a batch: stack, call, check, hand back each entry its own rows."""

from __future__ import annotations

import numpy as np

from spinney.exceptions import ModelFailedError


def call_batch(function, entries, rows_max):
    """What function gives for each entry, in order.

    Arrays are stacked into a new array, which function may change; answers are copies, so that no
    caller sees another's rows. An entry of more than rows_max rows is run in pieces and joined.
    Raises what function raises, and ModelFailedError where it gives a wrong number of rows.
    """
    if entries[0].signature is None:
        return [function(entry.item) for entry in entries]  # entries of no array come one by one
    if len(entries) == 1:
        return [_call_rows(function, entries[0].item, rows_max)]
    answer = _checked(function(np.concatenate([entry.item for entry in entries])), entries)
    answers, first = [], 0
    for entry in entries:
        answers.append(answer[first : first + entry.rows].copy())
        first += entry.rows
    return answers


def _call_rows(function, array, rows_max):
    if len(array) <= rows_max:
        return _checked_rows(function(array.copy()), len(array)).copy()
    pieces = []
    for first in range(0, len(array), rows_max):
        piece = array[first : first + rows_max]
        pieces.append(_checked_rows(function(piece.copy()), len(piece)).copy())
    return np.concatenate(pieces)


def _checked(answer, entries):
    return _checked_rows(answer, sum(entry.rows for entry in entries))


def _checked_rows(answer, rows):
    try:
        array = np.asarray(answer)
    except ValueError as error:
        raise ModelFailedError(f"the function's answer is no array: {error}") from None
    if array.ndim == 0 or len(array) != rows:
        what = f"an array of shape {array.shape}" if array.ndim else f"{answer!r:.80}"
        raise ModelFailedError(
            f"the function gave {what} for {rows} rows; it must give as many rows as it gets"
        )
    return array
