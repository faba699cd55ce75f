"""Reading rows from Parquet, Arrow IPC and Feather files by pyarrow."""

from __future__ import annotations

import numpy as np

from spinney.cli.columns import choose_columns
from spinney.cli.errors import UserError
from spinney.cli.kept import choose_kept
from spinney.cli.parts import Part
from spinney.exceptions import InvalidInputError
from spinney.frames import to_rows
from spinney.tables import Categorical, Labels, adopt, arrow_column

_TO_KEEP_CATEGORIES = (
    "columns of texts are taken as categories; of categories that are numbers give the training's "
    "codes in a .npy file"
)


def _pyarrow(what):
    try:
        import pyarrow

        return pyarrow
    except ImportError:
        raise UserError(f"{what} need pyarrow: pip install pyarrow") from None


def read_parquet(stream, model, progress, reading, step):
    pyarrow = _pyarrow("Parquet files")
    from pyarrow import parquet

    path = stream.name
    try:
        with stream.seekable_path() as place, parquet.ParquetFile(place) as file:
            chosen = _Chosen(path, file.schema_arrow, model, reading)
            total, done = file.metadata.num_rows, 0
            for batch in file.iter_batches(step, columns=chosen.names()):
                yield chosen.part(batch, pyarrow)
                done += batch.num_rows
                progress(done, total)
    except pyarrow.ArrowException as error:
        raise UserError(f"{path}: not a Parquet file ({one_line(error)})") from None
    except OSError as error:
        raise UserError(f"{path}: damaged Parquet ({one_line(error)})") from None


def read_arrow(stream, model, progress, reading, step):
    """Parts of an Arrow IPC file (Feather is one) or of an Arrow stream."""
    pyarrow = _pyarrow("Arrow files")
    path = stream.name
    start = stream.peek(8)
    if start.startswith(b"FEA1"):
        raise UserError(f"{path}: is Feather of the first version; write it again as Feather 2")
    try:
        if not start.startswith(b"ARROW1"):
            with pyarrow.ipc.open_stream(stream) as reader:
                chosen = _Chosen(path, reader.schema, model, reading)
                for batch in reader:
                    yield from chosen.parts(batch, pyarrow, step)
                    progress(*stream.done())
            return
        with stream.seekable_path() as place, pyarrow.memory_map(place) as file:
            reader = pyarrow.ipc.open_file(file)
            chosen = _Chosen(path, reader.schema, model, reading)
            count = reader.num_record_batches
            for i in range(count):
                yield from chosen.parts(reader.get_batch(i), pyarrow, step)
                progress(i + 1, count)
    except pyarrow.ArrowException as error:
        raise UserError(f"{path}: not an Arrow file ({one_line(error)})") from None
    except OSError as error:
        raise UserError(f"{path}: damaged Arrow data ({one_line(error)})") from None


class _Chosen:
    """The columns of a schema that the model reads, and those that are passed through."""

    def __init__(self, path, schema, model, reading):
        self.path, self.model = path, model
        self.all = list(schema.names)
        index = _index_names(schema.pandas_metadata)
        self.kept = choose_kept(path, self.all, reading.keep)
        by_position = reading.by_position
        self.columns = choose_columns(path, self.all, model, by_position, index, list(self.kept))

    def names(self):
        return [self.all[c] for c in dict.fromkeys([*self.columns, *self.kept])]

    def parts(self, batch, pyarrow, step):
        for first in range(0, batch.num_rows, step):
            yield self.part(batch.slice(first, step), pyarrow)

    def part(self, batch, pyarrow):
        batch_names = batch.schema.names
        columns = [batch.column(batch_names.index(self.all[c])) for c in self.columns]
        kept = {name: batch.column(batch_names.index(self.all[c])) for c, name in self.kept.items()}
        if not self.model.categories:
            return Part(self._numbers(columns, batch.num_rows, pyarrow), kept)
        return Part(self._coded(columns, pyarrow), kept)

    def _numbers(self, columns, count, pyarrow):
        rows = np.empty((count, len(columns)), np.float64)
        for i, column in enumerate(columns):
            name = self.all[self.columns[i]]
            try:
                values = arrow_column(column, name, pyarrow)
            except InvalidInputError as error:
                raise UserError(f"{self.path}: {error}") from None
            if isinstance(values, Categorical):
                values = _values_of(values)
            if isinstance(values, Labels) or values is None:
                kind = f", as in {_first(column)!r}" if _first(column) is not None else ""
                raise UserError(f"{self.path}: column {name!r}: expected numbers, found text{kind}")
            rows[:, i] = values
        return rows

    def _coded(self, columns, pyarrow):
        """Rows with the training's codes for categories; texts are categories."""
        kinds = pyarrow.types
        columns = [
            column.dictionary_encode()
            if kinds.is_string(column.type) or kinds.is_large_string(column.type)
            else column
            for column in columns
        ]
        names = self.model.feature_names or [self.all[c] for c in self.columns]
        table = adopt(pyarrow.table(columns, names=list(names)))
        try:
            return to_rows(self.model, table)
        except InvalidInputError as error:
            reason = str(error)
            kept = sum(isinstance(table.column(i), Categorical) for i in range(len(names)))
            if kept < len(self.model.categories):
                reason = f"{reason.split(';')[0]}; {_TO_KEEP_CATEGORIES}"
            raise UserError(f"{self.path}: {reason}") from None


def _values_of(column):
    """Numbers that a file keeps as a dictionary, to be short; None where they are text."""
    try:
        values = np.array([*column.categories, np.nan], np.float64)
    except (TypeError, ValueError):
        return None
    if any(isinstance(value, str) for value in column.categories):
        return None
    return values[column.codes]


def _first(column):
    return next((value for value in column.to_pylist() if value is not None), None)


def _index_names(pandas_metadata):
    """Columns that pandas wrote its index into."""
    found = (pandas_metadata or {}).get("index_columns", [])
    return [name for name in found if isinstance(name, str)]


def one_line(error):
    return (str(error).splitlines() or [type(error).__name__])[0]
