"""Whether a model's kept answers go by ranks of its rows, or by their bytes."""

from __future__ import annotations

from time import perf_counter

import numpy as np

from spinney._core import RankKey

WORTH = 10  # a prediction must cost so many keys, which rows that never come back pay for nothing
_ROUNDS = 7


_ROW_BYTES_MAX = 128 << 20  # as in the engine's own warm-up


def row_to_try(model):
    """Rows to try a model with: one of zeros, or of a model with columns of text one of the first
    text of each. None if it does not say how long one is, or claims more than is worth trying: a
    file of a few bytes may say that it has billions of columns."""
    n_features = model.n_features
    if n_features is None or not 0 <= n_features <= _ROW_BYTES_MAX // 4:
        return None
    if getattr(model, "_has_texts", False):
        return [[_first(column) for column in model.columns]]
    return np.zeros((1, n_features), dtype=np.float32)


def _first(column):
    if column["kind"] != "text":
        return 0.0
    if column["values"]:
        return column["values"][0]
    return None if column["missing"] == "allowed" else ""


def rank_key_for(model):
    """A RankKey where one is exact and costs a tenth of predicting one row at the most; else None.

    Rows between the same thresholds have equal answers, so that a reading that comes back a little
    off is found as well.
    """
    key = RankKey.make(model)
    if key is None or not key.row_bytes:
        return None
    row = row_to_try(model)
    return key if row is not None and worth(key, model, row) else None


def worth(key, model, row):
    return _best(model.predict, row) > WORTH * _best(key.of, row)


def _best(function, row):
    best = float("inf")
    for _ in range(_ROUNDS):
        began = perf_counter()
        for _ in range(4):
            function(row)
        best = min(best, perf_counter() - began)
    return best
