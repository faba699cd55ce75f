"""Writing predictions as arrays and tables: .npy, Parquet and Arrow."""

from __future__ import annotations

import shutil
import tempfile

import numpy as np

from spinney.cli.errors import UserError
from spinney.cli.output import Writer


class NpyWriter(Writer):
    """The header is written last: only then is the number of rows known."""

    def __init__(self, path, names):
        super().__init__(path, names)
        self.count, self.dtype, self.header_size = 0, None, 0
        self.body = self.file
        if self.part is None:  # a pipe cannot go back to its beginning
            self.body = tempfile.TemporaryFile(prefix="spinney-")  # noqa: SIM115

    def _write_header(self):
        shape = (self.count,) if len(self.names) == 1 else (self.count, len(self.names))
        descr = np.lib.format.dtype_to_descr(self.dtype)
        text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape!r}, }}"
        # Padded to a length that any number of rows fits in.
        size = -(-(10 + len(text) + 24) // 64) * 64 if not self.header_size else self.header_size
        body = text.ljust(size - 11) + "\n"
        self.body.write(b"\x93NUMPY\x01\x00" + len(body).to_bytes(2, "little") + body.encode())
        self.header_size = size

    def write(self, values, kept=None):
        if kept:
            raise UserError("--keep: a .npy array has no named columns; write CSV, JSON or Parquet")
        if values.dtype == object:
            raise UserError("labels of varying kinds cannot be written as .npy; write .csv")
        if self.dtype is None:
            self.dtype = values.dtype
            self._write_header()
        self.body.write(np.ascontiguousarray(values).tobytes())
        self.count += len(values)

    def finish(self):
        self.dtype = self.dtype or np.dtype(np.float64)
        self.body.seek(0)
        self._write_header()
        if self.body is not self.file:
            self.body.seek(0)
            shutil.copyfileobj(self.body, self.file, 1 << 20)
            self.body.close()


class _TableWriter(Writer):
    """Record batches, one for each part."""

    def __init__(self, path, names):
        import pyarrow

        self.pyarrow, self.writer = pyarrow, None
        super().__init__(path, names)

    def _new(self, schema):
        raise NotImplementedError

    def write(self, values, kept=None):
        kept = kept or {}
        columns = [self._column(name, column) for name, column in kept.items()]
        columns += [self.pyarrow.array(column) for column in np.ascontiguousarray(values.T)]
        table = self.pyarrow.table(columns, names=[*kept, *self.names])
        if self.writer is None:
            self.writer = self._new(table.schema)
            self.schema = table.schema
        try:
            self.writer.write_table(table.cast(self.schema))
        except (self.pyarrow.ArrowInvalid, self.pyarrow.ArrowNotImplementedError, ValueError):
            found = [n for n in table.schema.names if table[n].type != self.schema.field(n).type]
            kinds = " and ".join(f"{self.schema.field(n).type}, {table[n].type}" for n in found)
            raise UserError(
                f"{self.path}: the column {', '.join(found)} changes its kind ({kinds}); write CSV "
                "or JSON lines"
            ) from None
        self.flush()

    def _column(self, name, values):
        try:
            column = self.pyarrow.array(values)
        except (self.pyarrow.ArrowInvalid, self.pyarrow.ArrowTypeError):
            raise UserError(
                f"--keep {name}: holds values of several kinds, which {self.path} cannot; write "
                "CSV or JSON lines"
            ) from None
        if self.pyarrow.types.is_dictionary(column.type):  # whose words differ from part to part
            return column.dictionary_decode()
        return column

    def finish(self):
        if self.writer is None:
            self.write(np.empty((0, len(self.names)), np.float64))
        self.writer.close()


class ParquetWriter(_TableWriter):
    def _new(self, schema):
        from pyarrow import parquet

        return parquet.ParquetWriter(self.file, schema)


class ArrowWriter(_TableWriter):
    """A file of Arrow's IPC format, which is Feather 2 as well; to a pipe, its stream."""

    def _new(self, schema):
        new = self.pyarrow.ipc.new_stream if self.part is None else self.pyarrow.ipc.new_file
        return new(self.file, schema)


WRITERS = {"npy": NpyWriter, "parquet": ParquetWriter, "arrow": ArrowWriter}
