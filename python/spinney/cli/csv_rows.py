"""Reading rows from CSV: by pyarrow's reader where it is installed, by Python's own otherwise."""

from __future__ import annotations

import csv
import itertools
import os
from dataclasses import dataclass

import numpy as np

from spinney.cli.batches import from_batch, one_line
from spinney.cli.columns import (
    MISSING,
    as_pandas_names,
    check_count,
    choose_columns,
    has_header,
    number,
    refuse_names,
)
from spinney.cli.errors import UserError


def _records(file, delimiter):
    """Records of an open CSV file that are not empty; file.tell() stands behind the last one."""
    reader = csv.reader(iter(file.readline, ""), delimiter=delimiter)
    return (fields for fields in reader if fields)


@dataclass(frozen=True)
class _Start:
    """What the beginning of a CSV file says: columns to read, and where rows begin."""

    columns: list
    width: int
    header: bool
    offset: int


def _read_start(path, delimiter, model, reading):
    with open(path, newline="", encoding="utf-8-sig") as file:
        records = _records(file, delimiter)
        first = next(records, None)
        if not first:
            raise UserError(f"{path}: is empty")
        offset = file.tell()
        header = reading.header
        if header is None:
            header = has_header(path, first, next(records, None), model)
    if header:
        columns = choose_columns(path, as_pandas_names(first), model, reading.by_position)
    else:
        check_count(path, len(first), model)
        refuse_names(path, first)
        columns = list(range(len(first)))
    return _Start(columns, len(first), header, offset if header else 0)


def read_csv(path, model, progress, reading, step):
    """The chunks of a .csv or .tsv file, of up to `step` rows where pyarrow does not choose."""
    if model.categories:
        raise UserError(
            f"{path}: the model was trained on categorical columns, and a text file does not say "
            "whether its numbers are their values or codes; give the training's codes as a .npy "
            "file, or categories that are texts in a Parquet file"
        )
    try:
        delimiter = "\t" if path.lower().endswith(".tsv") else ","
        start = _read_start(path, delimiter, model, reading)
        fast = _read_fast(path, delimiter, start, progress)
        yield from _read_plain(path, delimiter, start, progress, step) if fast is None else fast
    except csv.Error as error:
        raise UserError(f"{path}: not a CSV file ({error})") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not text in UTF-8 ({error})") from None


def _read_plain(path, delimiter, start, progress, step):
    total = os.path.getsize(path)
    with open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file, delimiter=delimiter)
        if start.header:
            next(fields for fields in reader if fields)
        while True:
            line = reader.line_num + 1
            lines = list(itertools.islice(reader, step))
            if not lines:
                return
            lines = [fields for fields in lines if fields]
            if lines:
                yield _parse(path, lines, line, start)
            progress(file.buffer.tell(), total)


def _read_fast(path, delimiter, start, progress):
    """The same by pyarrow's reader, which is several times faster; None where it is not there."""
    try:
        import pyarrow
        from pyarrow import csv as arrow_csv
    except ImportError:
        return None
    names = [f"c{i}" for i in range(start.width)]
    kept = [names[c] for c in start.columns]
    nulls = sorted({form for word in MISSING for form in (word, word.upper(), word.title())})
    nulls.append("NaN")

    def chunks():
        total = os.path.getsize(path)
        with open(path, "rb") as file:
            file.seek(start.offset)
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
                    yield from_batch(batch, path)
                    progress(min(file.tell(), total), total)
            except pyarrow.ArrowInvalid as error:
                if "Empty CSV" in str(error):
                    return
                raise UserError(f"{path}: {one_line(error)}") from None

    return chunks()


def _parse(path, lines, first_line, start):
    columns, width = start.columns, start.width
    try:
        if all(len(fields) == width for fields in lines):
            return np.array([[number(fields[c]) for c in columns] for fields in lines], np.float64)
    except ValueError:
        pass
    for place, fields in enumerate(lines, first_line):  # find the culprit, to name it
        if len(fields) != width:
            raise UserError(f"{path}, line {place}: has {len(fields)} columns, expected {width}")
        for c in columns:
            try:
                number(fields[c])
            except ValueError:
                where = f"{path}, line {place}, column {c + 1}"
                raise UserError(f"{where}: expected a number, found {fields[c]!r}") from None
    raise UserError(f"{path}: could not be read")
