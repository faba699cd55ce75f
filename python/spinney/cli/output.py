"""Writing predictions as CSV, NPY or Parquet while they are made.

A file is written beside its place and renamed when whole, so that a failure leaves none.
"""

from __future__ import annotations

import os
import sys

import numpy as np

from spinney.cli.errors import UserError


def open_output(path, names):
    """A writer with write(array of shape (rows, len(names))) and close(failed).

    path: None or "-" for standard output (CSV), else a .csv, .npy or .parquet file.
    names: what the columns are called.
    """
    if path is None or path == "-":
        return CsvWriter(None, names)
    suffix = os.path.splitext(path)[1].lower()
    kinds = {".csv": CsvWriter, ".npy": NpyWriter, ".parquet": ParquetWriter}
    if suffix not in kinds:
        raise UserError(f"{path}: predictions are written as .csv, .npy or .parquet")
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise UserError(f"{path}: there is no folder {folder}")
    return kinds[suffix](path, names)


class _Writer:
    """Opens the file beside `path`, and renames it at the end."""

    def __init__(self, path, names):
        self.path, self.names = path, names
        self.part = None if path is None else f"{path}.part"
        self.file = sys.stdout.buffer if path is None else self._open()

    def _open(self):
        try:
            return open(self.part, "wb")
        except OSError as error:
            raise UserError(f"{self.path}: {error.strerror}") from None

    def finish(self):
        """Writes what only the end knows."""

    def close(self, failed=False):
        if not failed:
            self.finish()
        if self.path is None:
            self.file.flush()
            return
        self.file.close()
        if failed:
            os.unlink(self.part)
        else:
            os.replace(self.part, self.path)


class CsvWriter(_Writer):
    """Numbers in their shortest form that reads back as the same number."""

    def __init__(self, path, names):
        super().__init__(path, names)
        self.file.write((",".join(map(_quoted, names)) + "\n").encode())

    def write(self, values):
        # numpy's own conversion to text gives the shortest digits of float32 and float64 alike.
        if values.dtype.kind in "fiub":
            text = values.astype(str)
        else:
            text = np.array([[_quoted(v) for v in row] for row in values.tolist()], dtype=object)
        self.file.write(("\n".join(",".join(row) for row in text.tolist()) + "\n").encode())


def _quoted(value):
    text = str(value)
    if any(c in text for c in ',"\n\r'):
        return '"' + text.replace('"', '""') + '"'
    return text


class NpyWriter(_Writer):
    """The header is written last: only then is the number of rows known."""

    def __init__(self, path, names):
        super().__init__(path, names)
        self.count, self.dtype, self.header_size = 0, None, 0

    def _write_header(self):
        shape = (self.count,) if len(self.names) == 1 else (self.count, len(self.names))
        descr = np.lib.format.dtype_to_descr(self.dtype)
        text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape!r}, }}"
        # Padded to a length that any number of rows fits in.
        size = -(-(10 + len(text) + 24) // 64) * 64 if not self.header_size else self.header_size
        body = text.ljust(size - 11) + "\n"
        self.file.write(b"\x93NUMPY\x01\x00" + len(body).to_bytes(2, "little") + body.encode())
        self.header_size = size

    def write(self, values):
        if values.dtype == object:
            raise UserError("labels of varying kinds cannot be written as .npy; write .csv")
        if self.dtype is None:
            self.dtype = values.dtype
            self._write_header()
        self.file.write(np.ascontiguousarray(values).tobytes())
        self.count += len(values)

    def finish(self):
        self.dtype = self.dtype or np.dtype(np.float64)
        self.file.seek(0)
        self._write_header()


class ParquetWriter(_Writer):
    def __init__(self, path, names):
        try:
            import pyarrow.parquet
        except ImportError:
            raise UserError("Parquet files need pyarrow: pip install 'spinney[cli]'") from None
        self.pyarrow, self.writer = pyarrow, None
        super().__init__(path, names)

    def write(self, values):
        columns = [self.pyarrow.array(column) for column in np.ascontiguousarray(values.T)]
        table = self.pyarrow.table(columns, names=self.names)
        if self.writer is None:
            self.writer = self.pyarrow.parquet.ParquetWriter(self.file, table.schema)
        self.writer.write_table(table)

    def finish(self):
        if self.writer is None:
            self.write(np.empty((0, len(self.names)), np.float64))
        self.writer.close()
