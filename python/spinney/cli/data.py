"""Reading rows from CSV, NPY and Parquet files, chunk by chunk, in bounded memory.

read_chunks(path, model) yields float arrays of shape (rows, n_features). Which columns those are,
and whether a CSV file's first line is a header, is decided in columns.py.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from spinney.cli.batches import from_batch, one_line
from spinney.cli.columns import choose_columns
from spinney.cli.csv_rows import read_csv
from spinney.cli.errors import UserError
from spinney.exceptions import InvalidInputError
from spinney.frames import to_rows
from spinney.tables import Categorical, adopt

_TO_KEEP_CATEGORIES = (
    "make columns of texts categorical before you write Parquet, which keeps those; of categories "
    "that are numbers give the training's codes in a .npy file"
)
CHUNK_VALUES = 4_000_000  # values in a chunk, so that one takes at most 32 MB


@dataclass(frozen=True)
class Reading:
    """How a file is to be read, where it is not to be told by its content.

    by_position: columns in the file's order, whatever they are called. header: whether the first
    line of a CSV file names the columns; None to tell by what is in it.
    """

    by_position: bool = False
    header: bool | None = None


def add_data_arguments(parser):
    """The options of every command that reads a file of rows."""
    parser.add_argument(
        "--by-position", action="store_true", help="take columns in the file's order, not by name"
    )
    header = parser.add_mutually_exclusive_group()
    header.add_argument(
        "--header", action="store_const", const=True, help="the first line of CSV names the columns"
    )
    header.add_argument(
        "--no-header",
        action="store_const",
        const=False,
        dest="header",
        help="the first line of CSV is a row",
    )


def reading_of(arguments):
    """The Reading that those options say."""
    reading = Reading(arguments.by_position, arguments.header)
    if not arguments.data and reading != Reading():
        raise UserError("--by-position, --header and --no-header go with --data")
    return reading


def chunk_rows(n_columns):
    return max(64, min(65_536, CHUNK_VALUES // max(1, n_columns)))


def read_chunks(path, model, progress=None, reading=None):
    """Yields arrays of shape (rows, n_features), float32 or float64, of the file at path.

    progress: called with (bytes read, bytes in all) where that is known. reading: a Reading.
    Raises UserError where the file does not fit the model.
    """
    if not os.path.exists(path):
        raise UserError(f"{path}: no such file")
    suffix = os.path.splitext(path)[1].lower()
    readers = {".csv": _read_csv, ".tsv": _read_csv, ".npy": _read_npy, ".parquet": _read_parquet}
    if suffix not in readers:
        raise UserError(f"{path}: expected a .csv, .tsv, .npy or .parquet file")
    reading = reading or Reading()
    if reading.header is not None and readers[suffix] is not _read_csv:
        raise UserError(f"{path}: --header and --no-header are for .csv and .tsv files")
    return readers[suffix](path, model, progress or (lambda done, total: None), reading)


def _read_csv(path, model, progress, reading):
    return read_csv(path, model, progress, reading, chunk_rows(model.n_features))


def _read_npy(path, model, progress, reading):
    try:
        rows = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        raise UserError(f"{path}: not an array of numbers ({error})") from None
    names = rows.dtype.names
    if rows.ndim != (1 if names else 2) or not (names or rows.shape[1] == model.n_features):
        raise UserError(
            f"{path}: expected an array of shape (rows, {model.n_features}), found {rows.shape}"
        )
    if names:
        columns = choose_columns(path, list(names), model, reading.by_position)
        kept = [names[c] for c in columns]
    kinds = [rows.dtype[name] for name in kept] if names else [rows.dtype]
    for kind in kinds:
        if kind.kind not in "fiub":
            raise UserError(f"{path}: expected numbers, found dtype {kind}")
    step = chunk_rows(model.n_features)
    for first in range(0, len(rows), step):
        part = rows[first : first + step]
        if names:
            part = np.stack([part[name].astype(np.float64) for name in kept], axis=1)
        if part.dtype not in (np.float32, np.float64):
            part = part.astype(np.float64)
        yield np.asarray(part)
        progress(rows.nbytes * (first + len(part)) // len(rows), rows.nbytes)


def _read_parquet(path, model, progress, reading):
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise UserError("Parquet files need pyarrow: pip install 'spinney[cli]'") from None
    try:
        with parquet.ParquetFile(path) as file:
            names = list(file.schema_arrow.names)
            index = _index_names(file.schema_arrow.pandas_metadata)
            columns = choose_columns(path, names, model, reading.by_position, index)
            kept = [names[c] for c in columns]
            total, done = file.metadata.num_rows, 0
            size = os.path.getsize(path)
            for batch in file.iter_batches(chunk_rows(len(kept)), columns=kept):
                yield _in_order(path, model, batch.select(kept))
                done += batch.num_rows
                progress(size * done // max(1, total), size)
    except pyarrow.ArrowInvalid as error:
        raise UserError(f"{path}: not a Parquet file ({one_line(error)})") from None


def _in_order(path, model, batch):
    """The rows of a batch whose columns were chosen in the model's order."""
    if not model.categories:
        return from_batch(batch, path)
    names = model.feature_names or batch.schema.names  # by position they are called otherwise
    table = adopt(batch.rename_columns(list(names)))
    try:
        return to_rows(model, table)
    except InvalidInputError as error:
        reason = str(error)
        kept = sum(isinstance(table.column(i), Categorical) for i in range(len(names)))
        if kept < len(model.categories):
            reason = f"{reason.split(';')[0]}; {_TO_KEEP_CATEGORIES}"
        raise UserError(f"{path}: {reason}") from None


def _index_names(pandas_metadata):
    """Columns that pandas wrote its index into."""
    found = (pandas_metadata or {}).get("index_columns", [])
    return [name for name in found if isinstance(name, str)]
