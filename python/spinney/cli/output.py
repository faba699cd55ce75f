"""Writing predictions while they are made: to a file, which appears when it is whole, or a pipe.

open_output() chooses; text is written here, arrays and tables in output_binary.py.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys

import numpy as np

from spinney.cli.compressed import compressed, plain_suffix, zstd_writer
from spinney.cli.errors import UserError

SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".npy": "npy",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
}
FORMATS = ("csv", "tsv", "jsonl", "npy", "parquet", "arrow")
_PARTS = set()  # files that are being written, to be removed if the command is ended


def format_of_output(path, given=None):
    """The format and compression of what is written to path; "-" is standard output."""
    if path == "-":
        return given or "csv", ""
    suffix, compression = plain_suffix(path)
    kind = given or SUFFIXES.get(suffix) or ("csv" if _is_special(path) else None)
    if kind is None:
        raise UserError(
            f"{path}: predictions are written as .csv, .tsv, .jsonl, .npy, .parquet or .arrow; "
            "--output-format says which, whatever the name"
        )
    if compression and kind not in ("csv", "tsv", "jsonl"):
        raise UserError(f"{path}: only text is compressed as a whole; write .{kind} itself")
    return kind, compression


def refuse_output(path, given=None):
    """UserError where nothing can be written to path; asked before the work."""
    kind, compression = format_of_output(path, given)
    if kind in ("parquet", "arrow"):
        try:
            import pyarrow  # noqa: F401
        except ImportError:
            raise UserError(f"{path}: {kind} needs pyarrow: pip install pyarrow") from None
    if path == "-":
        if sys.stdout is None:
            raise UserError("standard output is closed")
        if kind in ("npy", "parquet", "arrow") and sys.stdout.isatty():
            raise UserError(f"{kind} is not written to a terminal; name a file with -o")
        return
    if compression == "zstd":
        zstd_writer(path)
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise UserError(f"{path}: there is no folder {folder}")
    if os.path.isdir(path):
        raise UserError(f"{path}: is a folder")


def open_output(path, names, given=None):
    """A writer with write(array of shape (rows, len(names)), kept) and close(failed).

    path: None or "-" for standard output (CSV), else a file whose name says the format, unless
    `given` does. names: what the columns are called. kept: name -> values of columns that go first.
    """
    path = path or "-"
    refuse_output(path, given)
    kind, compression = format_of_output(path, given)
    if kind in ("csv", "tsv"):
        return CsvWriter(path, names, compression, "," if kind == "csv" else "\t")
    if kind == "jsonl":
        return JsonWriter(path, names, compression)
    from spinney.cli import output_binary

    return output_binary.WRITERS[kind](path, names)


def remove_parts():
    """Removes what an end in the middle would leave behind."""
    while _PARTS:
        with contextlib.suppress(OSError):
            os.unlink(_PARTS.pop())


class Writer:
    """Opens the file beside `path`, and renames it at the end; or standard output."""

    def __init__(self, path, names, compression=""):
        self.path, self.names = path, names
        # The file itself is replaced, not a link to it; nor another run's part.
        self.place = os.path.realpath(path)
        self.part = f"{self.place}.{os.getpid()}.part"
        if path == "-" or _is_special(path):
            self.part = None
        self.raw = self._open()
        self.file = compressed(path, self.raw, compression) if compression else self.raw

    def _open(self):
        if self.path == "-":
            return sys.stdout.buffer
        try:
            if self.part is None:
                return open(self.path, "wb")
            _PARTS.add(self.part)
            return open(self.part, "wb")
        except OSError as error:
            _PARTS.discard(self.part)
            raise UserError(f"{self.path}: {error.strerror}") from None

    def finish(self):
        """Writes what only the end knows."""

    def flush(self):
        """Lets whoever reads a pipe have the rows so far."""
        if self.part is None:
            self.file.flush()

    def close(self, failed=False):
        try:
            if not failed:
                self.finish()
            if self.file is not self.raw:
                self.file.close()
            if self.path == "-":
                self.file.flush()
                return
            self.raw.close()
            if not failed and self.part is not None:
                os.replace(self.part, self.place)
                _PARTS.discard(self.part)
        finally:
            if self.part in _PARTS:
                _PARTS.discard(self.part)
                with contextlib.suppress(OSError):
                    os.unlink(self.part)


def _is_special(path):
    """Whether it is a pipe or a device, which is written to and not replaced."""
    return os.path.exists(path) and not os.path.isfile(path)


class CsvWriter(Writer):
    """Numbers in their shortest form that reads back as the same number."""

    def __init__(self, path, names, compression="", delimiter=","):
        super().__init__(path, names, compression)
        self.delimiter, self.begun = delimiter, False

    def _line(self, fields):
        return self.delimiter.join(self._quoted(field) for field in fields) + "\n"

    def _begin(self, kept):
        self.file.write(self._line([*kept, *self.names]).encode())
        self.begun = True

    def write(self, values, kept=None):
        kept = kept or {}
        if not self.begun:
            self._begin(kept)
        # numpy's own conversion to text gives the shortest digits of float32 and float64 alike.
        if values.dtype.kind in "fiub":
            text = values.astype(str).tolist()
        else:
            text = [[self._quoted(v) for v in row] for row in values.tolist()]
        if kept:
            columns = [[self._quoted(v) for v in plain_values(one)] for one in kept.values()]
            text = [[*before, *row] for before, row in zip(zip(*columns), text)]
        join = self.delimiter.join
        self.file.write(("\n".join(join(row) for row in text) + "\n").encode("utf-8", "replace"))
        self.flush()

    def finish(self):
        if not self.begun:
            self._begin({})

    def _quoted(self, value):
        text = "" if value is None else str(value)
        if any(c in text for c in (self.delimiter, '"', "\n", "\r")):
            return '"' + text.replace('"', '""') + '"'
        return text


class JsonWriter(Writer):
    """One object a line; null for NaN, texts for the infinities, which JSON has no words for."""

    def write(self, values, kept=None):
        names = [json.dumps(name, ensure_ascii=False) for name in (*(kept or {}), *self.names)]
        shape = "{" + ", ".join(f"{name.replace('%', '%%')}: %s" for name in names) + "}"
        columns = [[_json(v) for v in plain_values(one)] for one in (kept or {}).values()]
        if values.dtype.kind == "f":
            # The shortest digits that read back as the same number, of float32 as well.
            columns += [[_json_number(text) for text in column.astype(str)] for column in values.T]
        else:
            columns += [[_json(v) for v in column.tolist()] for column in values.T]
        lines = "\n".join(shape % row for row in zip(*columns))
        self.file.write((lines + "\n").encode("utf-8", "replace"))
        self.flush()


_NO_NUMBERS = {"nan": "null", "inf": '"Infinity"', "-inf": '"-Infinity"'}


def _json_number(text):
    return _NO_NUMBERS.get(text, text)


def _json(value):
    if isinstance(value, float) and (value != value or value in (np.inf, -np.inf)):
        return _json_number(str(value))
    return json.dumps(value, ensure_ascii=False, default=str)


def plain_values(column):
    """A kept column as a list of Python's own values."""
    if hasattr(column, "to_pylist"):
        return column.to_pylist()
    return column.tolist() if hasattr(column, "tolist") else column
