"""Reading rows from CSV, NPY and Parquet files, chunk by chunk, in bounded memory.

read_chunks(path, model) yields float arrays of shape (rows, n_features). Columns are matched by the
model's feature names where the file and the model both have them, and by position otherwise.
"""

from __future__ import annotations

import csv
import itertools
import os

import numpy as np

from spinney.cli.errors import UserError

CHUNK_VALUES = 4_000_000  # values in a chunk, so that one takes at most 32 MB
MISSING = {"", "na", "n/a", "nan", "null", "none", "?"}


def chunk_rows(n_columns):
    return max(64, min(65_536, CHUNK_VALUES // max(1, n_columns)))


def read_chunks(path, model, progress=None):
    """Yields arrays of shape (rows, n_features), float32 or float64, of the file at path.

    progress: called with (bytes read, bytes in all) where that is known.
    Raises UserError where the file does not fit the model.
    """
    if not os.path.exists(path):
        raise UserError(f"{path}: no such file")
    suffix = os.path.splitext(path)[1].lower()
    readers = {".csv": _read_csv, ".npy": _read_npy, ".parquet": _read_parquet}
    readers[".tsv"] = _read_csv
    if suffix not in readers:
        raise UserError(f"{path}: expected a .csv, .tsv, .npy or .parquet file")
    return readers[suffix](path, model, progress or (lambda done, total: None))


def choose_columns(path, names, model):
    """Indices of the file's columns that the model reads, in the model's order."""
    wanted = list(model.feature_names or ())
    if wanted and set(wanted) <= set(names):
        return [names.index(name) for name in wanted]
    if len(names) == model.n_features:
        return list(range(len(names)))
    message = f"{path}: expected {model.n_features} columns, found {len(names)}"
    absent = [name for name in wanted if name not in names]
    if absent and len(absent) < len(wanted):
        message += f"; features without a column: {', '.join(absent[:5])}"
        message += f" and {len(absent) - 5} more" if len(absent) > 5 else ""
    raise UserError(message)


def _read_npy(path, model, progress):
    try:
        rows = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        raise UserError(f"{path}: not an array of numbers ({error})") from None
    if rows.ndim != 2 or rows.shape[1] != model.n_features:
        raise UserError(
            f"{path}: expected an array of shape (rows, {model.n_features}), found {rows.shape}"
        )
    if rows.dtype.kind not in "fiub":
        raise UserError(f"{path}: expected numbers, found dtype {rows.dtype}")
    step = chunk_rows(rows.shape[1])
    for first in range(0, len(rows), step):
        part = rows[first : first + step]
        if part.dtype not in (np.float32, np.float64):
            part = part.astype(np.float64)
        yield np.asarray(part)
        progress((first + len(part)) * rows.dtype.itemsize * rows.shape[1], rows.nbytes)


def _number(text):
    text = text.strip()
    return float("nan") if text.lower() in MISSING else float(text)


def _is_header(fields):
    try:
        for field in fields:
            _number(field)
    except ValueError:
        return True
    return False


def _parse(path, lines, first_line, columns):
    try:
        return np.array([[_number(fields[c]) for c in columns] for fields in lines], np.float64)
    except (ValueError, IndexError):
        pass
    for number, fields in enumerate(lines, first_line):  # find the culprit, to name it
        for c in columns:
            if c >= len(fields):
                raise UserError(f"{path}, line {number}: has only {len(fields)} columns")
            try:
                _number(fields[c])
            except ValueError:
                where = f"{path}, line {number}, column {c + 1}"
                raise UserError(f"{where}: expected a number, found {fields[c]!r}") from None
    raise UserError(f"{path}: could not be read")


def _read_csv(path, model, progress):
    total = os.path.getsize(path)
    delimiter = "\t" if path.lower().endswith(".tsv") else ","
    with open(path, newline="", encoding="utf-8-sig") as file:
        first = next(csv.reader([file.readline()], delimiter=delimiter), None)
        if not first:
            raise UserError(f"{path}: is empty")
        header = _is_header(first)
        names = [name.strip() for name in first] if header else [""] * len(first)
        columns = choose_columns(path, names, model)
        offset = file.tell()
    fast = _read_csv_fast(path, delimiter, offset if header else 0, len(first), columns, progress)
    if fast is not None:
        yield from fast
        return
    with open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file, delimiter=delimiter)
        if header:
            next(reader)
        while True:
            start = reader.line_num + 1
            lines = [line for line in itertools.islice(reader, chunk_rows(len(columns))) if line]
            if not lines:
                return
            yield _parse(path, lines, start, columns)
            progress(file.buffer.tell(), total)


def _read_csv_fast(path, delimiter, skip, n_columns, columns, progress):
    """The same by pyarrow's reader, which is several times faster; None where it is not there."""
    try:
        import pyarrow
        from pyarrow import csv as arrow_csv
    except ImportError:
        return None
    names = [f"c{i}" for i in range(n_columns)]
    kept = [names[c] for c in columns]
    nulls = sorted({form for word in MISSING for form in (word, word.upper(), word.title())})
    nulls.append("NaN")

    def chunks():
        total = os.path.getsize(path)
        with open(path, "rb") as file:
            file.seek(skip)
            try:
                reader = arrow_csv.open_csv(
                    file,
                    arrow_csv.ReadOptions(column_names=names, block_size=8 << 20),
                    arrow_csv.ParseOptions(delimiter=delimiter),
                    arrow_csv.ConvertOptions(
                        column_types={name: pyarrow.float64() for name in kept},
                        include_columns=kept,
                        null_values=nulls,
                        strings_can_be_null=True,
                    ),
                )
                for batch in reader:
                    yield _from_batch(batch)
                    progress(min(file.tell(), total), total)
            except pyarrow.ArrowInvalid as error:
                if "Empty CSV" in str(error):
                    return
                raise UserError(f"{path}: {_first_line(error)}") from None

    return chunks()


def _first_line(error):
    return str(error).splitlines()[0]


def _from_batch(batch):
    """A record batch as a float64 array, nulls as NaN."""
    rows = np.empty((batch.num_rows, batch.num_columns), np.float64)
    for i, column in enumerate(batch.columns):
        values = column.to_numpy(zero_copy_only=False)
        if values.dtype == object:
            values = np.array([np.nan if v is None else v for v in values])
        if values.dtype.kind not in "fiub":
            raise UserError(f"column {batch.schema.names[i]!r}: expected numbers, found text")
        rows[:, i] = values
    return rows


def _read_parquet(path, model, progress):
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise UserError("Parquet files need pyarrow: pip install 'spinney[cli]'") from None
    try:
        with parquet.ParquetFile(path) as file:
            names = list(file.schema_arrow.names)
            kept = [names[c] for c in choose_columns(path, names, model)]
            total, done = file.metadata.num_rows, 0
            size = os.path.getsize(path)
            for batch in file.iter_batches(chunk_rows(len(kept)), columns=kept):
                yield _from_batch(batch.select(kept))
                done += batch.num_rows
                progress(size * done // max(1, total), size)
    except pyarrow.ArrowInvalid as error:
        raise UserError(f"{path}: not a Parquet file ({_first_line(error)})") from None
