"""Reading rows from files, pipes and standard input, part by part, in bounded memory.

read_chunks(path, model) yields float arrays of shape (rows, n_features), read_parts(…) the columns
that are passed through besides. Which columns those are, and whether a CSV file's first line is a
header, is decided in columns.py; what a stream holds, in source.py.
"""

from __future__ import annotations

import argparse

from spinney.cli.arrow_rows import read_arrow, read_parquet
from spinney.cli.csv_rows import read_csv
from spinney.cli.dialect import delimiter_of, quote_of
from spinney.cli.encodings import known_encoding
from spinney.cli.errors import UserError
from spinney.cli.json_rows import read_json
from spinney.cli.npy_rows import read_npy
from spinney.cli.parts import Reading
from spinney.cli.source import FORMATS, format_of, open_source

CHUNK_VALUES = 4_000_000  # values in a chunk, so that one takes at most 32 MB


def add_data_arguments(parser):
    """The options of every command that reads a file of rows."""
    group = parser.add_argument_group("how the rows are read, where their content does not say")
    group.add_argument(
        "--by-position", action="store_true", help="take columns in the file's order, not by name"
    )
    header = group.add_mutually_exclusive_group()
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
    group.add_argument("--input-format", choices=FORMATS, help="what the rows are written as")
    group.add_argument("--delimiter", metavar="C", help="between fields of CSV: one of , ; | tab …")
    group.add_argument("--quote", metavar="C", help="around fields of CSV, or none")
    group.add_argument("--decimal", metavar="C", choices=(".", ","), help="the decimal mark in CSV")
    group.add_argument("--encoding", metavar="NAME", help="of text: latin-1, cp1252, utf-16, …")
    parser.set_defaults(header=None)


def reading_of(arguments):
    """The Reading that those options say."""
    given = argparse.Namespace(keep=None)
    given.__dict__.update(vars(arguments))
    reading = Reading(
        by_position=given.by_position,
        header=given.header,
        format=given.input_format,
        encoding=given.encoding and known_encoding(given.encoding),
        delimiter=None if given.delimiter is None else delimiter_of(given.delimiter),
        quote=None if given.quote is None else quote_of(given.quote),
        decimal=given.decimal,
        keep=tuple(given.keep or ()),
    )
    if not arguments.data and reading != Reading():
        raise UserError(
            "--by-position, --header, --no-header, --input-format, --delimiter, --quote, --decimal "
            "and --encoding go with --data"
        )
    return reading


def chunk_rows(n_columns):
    return max(64, min(65_536, CHUNK_VALUES // max(1, n_columns)))


def read_chunks(path, model, progress=None, reading=None):
    """Yields arrays of shape (rows, n_features), float32 or float64, of the file at path.

    progress: called with (bytes read, bytes in all) of the file; the latter is None where nobody
    knows. reading: a Reading. Raises UserError where the file does not fit the model.
    """
    return (part.rows for part in read_parts(path, model, progress, reading))


def read_parts(path, model, progress=None, reading=None):
    """Yields the same as Parts, with the kept columns. path: "-" for standard input."""
    stream = open_source(path)
    reading = reading or Reading()
    kind = format_of(stream, reading.format)
    _refuse_unused(path, kind, reading)
    return _read(stream, kind, model, progress or (lambda done, total: None), reading)


def _read(stream, kind, model, progress, reading):
    step = chunk_rows(model.n_features)
    with stream:
        if kind in ("csv", "tsv"):
            yield from read_csv(stream, model, progress, reading, tabs=kind == "tsv")
        elif kind == "jsonl":
            yield from read_json(stream, model, progress, reading, step)
        else:
            binary = {"npy": read_npy, "parquet": read_parquet, "arrow": read_arrow}[kind]
            yield from binary(stream, model, progress, reading, step)


def _refuse_unused(path, kind, reading):
    """Options that the format leaves nothing to do."""
    only_csv = ("header", "delimiter", "quote", "decimal")
    if kind not in ("csv", "tsv") and any(getattr(reading, name) is not None for name in only_csv):
        raise UserError(
            f"{path}: --header and --no-header are for CSV files, as are --delimiter, --quote and "
            "--decimal"
        )
    if kind not in ("csv", "tsv", "jsonl") and reading.encoding:
        raise UserError(f"{path}: --encoding is for text, CSV and JSON lines")
