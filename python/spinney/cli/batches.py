"""Arrow's record batches as arrays, and its errors as one line."""

from __future__ import annotations

import numpy as np

from spinney.cli.errors import UserError


def one_line(error):
    return str(error).splitlines()[0]


def from_batch(batch, path):
    """A record batch as a float64 array, nulls as NaN."""
    rows = np.empty((batch.num_rows, batch.num_columns), np.float64)
    for i, column in enumerate(batch.columns):
        values = column.to_numpy(zero_copy_only=False)
        if values.dtype == object:
            values = np.array([np.nan if v is None else v for v in values])
        if values.dtype.kind not in "fiub":
            name = batch.schema.names[i]
            raise UserError(f"{path}: column {name!r}: expected numbers, found text")
        rows[:, i] = values
    return rows
