"""Reading rows from numpy's .npy files."""

from __future__ import annotations

import numpy as np

from spinney.cli.columns import choose_columns, keep_hint, without_kept
from spinney.cli.errors import UserError
from spinney.cli.kept import choose_kept, choose_numbered
from spinney.cli.parts import Part


def read_npy(stream, model, progress, reading, step):
    """Parts of an array of numbers, or of named fields, of up to `step` rows."""
    path = stream.name
    with stream.seekable_path() as place:
        try:
            rows = np.load(place, mmap_mode="r", allow_pickle=False)
        except (ValueError, EOFError, OSError) as error:
            raise UserError(f"{path}: not an array of numbers ({error})") from None
        names = rows.dtype.names
        width = len(names) if names else rows.shape[1] if rows.ndim == 2 else None
        if width is None or rows.ndim != (1 if names else 2):
            raise UserError(
                f"{path}: expected an array of shape (rows, {model.n_features}), found {rows.shape}"
            )
        if names:
            kept = choose_kept(path, list(names), reading.keep)
            columns = choose_columns(path, list(names), model, reading.by_position, kept=list(kept))
        else:
            kept = choose_numbered(path, width, reading.keep)
            columns = without_kept(list(range(width)), kept, model)
        if len(columns) != model.n_features:
            raise UserError(
                f"{path}: expected an array of shape (rows, {model.n_features}), found {rows.shape}"
                + keep_hint(len(columns), model)
            )
        fields = [names[c] for c in columns] if names else None
        for kind in [rows.dtype[name] for name in fields] if names else [rows.dtype]:
            if kind.kind not in "fiub":
                raise UserError(f"{path}: expected numbers, found dtype {kind}")
        whole = columns == list(range(width))
        for first in range(0, len(rows), step):
            part = rows[first : first + step]
            passed = {
                name: np.array(part[names[c]] if names else part[:, c]) for c, name in kept.items()
            }
            if names:
                part = np.stack([part[name].astype(np.float64) for name in fields], axis=1)
            elif not whole:
                part = part[:, columns]
            if part.dtype not in (np.float32, np.float64):
                part = part.astype(np.float64)
            yield Part(np.asarray(part), passed)
            progress(first + len(part), len(rows))
