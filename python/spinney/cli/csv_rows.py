"""Reading rows from CSV: by pyarrow's reader where it is installed, by Python's own otherwise.

Python's reader says what a file means. pyarrow's is several times faster and reads the same blocks;
a block that it does not take is read again by Python's, which either can, or names line and column.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass

import numpy as np

from spinney.cli import csv_fast
from spinney.cli.blocks import LONGEST, Block, Blocks, lines_in
from spinney.cli.categories import NoSuchValue, TextColumns, codes_of
from spinney.cli.columns import (
    as_pandas_names,
    check_count,
    choose_columns,
    has_header,
    refuse_names,
    without_kept,
)
from spinney.cli.dialect import Dialect, guess, shown_delimiter
from spinney.cli.encodings import Utf8, refuse_other_text
from spinney.cli.errors import UserError
from spinney.cli.kept import choose_kept, choose_numbered
from spinney.cli.parts import Part, Reading

_HEAD = 1 << 16
_ENOUGH = 1 << 20
_TWO_LINES = re.compile(rb"\s*\S[^\r\n]*[\r\n]\s*\S[^\r\n]*[\r\n]")


@dataclass(frozen=True)
class Layout:
    """What the beginning of a file says.

    columns: places in the file of the model's features; kept: place -> name of those that are
    passed through; names: of all columns, or None; texts: the TextColumns.
    """

    path: str
    model: object
    dialect: Dialect
    width: int
    columns: list
    kept: dict
    names: list
    texts: TextColumns

    def title(self, place):
        """A column as messages call it, by number and name."""
        return f"column {place + 1}" + (f" ({self.names[place]!r})" if self.names else "")


def read_csv(stream, model, progress, reading, tabs=False):
    """Rows and kept columns of a stream of CSV, block by block; tabs: where its name says so."""
    text = Utf8(stream, reading.encoding)
    path = stream.name
    head, ended = _head(text)
    start = _Start(path, head, ended, model, reading, tabs)
    layout = start.layout
    behind = Blocks(text, layout.dialect, head[start.offset :], 1 + lines_in(head[: start.offset]))
    behind.ended = ended
    fast = csv_fast.reader(layout)
    for block in behind:
        found = fast.read(block) if fast else None
        if found is None:
            found = read_plain(block, layout)
        if len(found.rows):
            yield found
        progress(*stream.done())


def _head(text):
    """The beginning of the text, two whole records of it at least, and whether that is all."""
    head = b""
    while True:
        part = text.some(max(_HEAD, len(head)))
        head += part
        if not part:
            return head, True
        two = _TWO_LINES.match(head)
        whole = two and (len(head) >= _HEAD or not text.ready())
        # A quote that is open may have ended neither line.
        if whole and (head.count(b'"', 0, two.end()) % 2 == 0 or len(head) >= _ENOUGH):
            return head, False
        if len(head) >= LONGEST:
            return head, False


class _Start:
    """Reads the beginning of a file: dialect, header, columns; offset: where rows begin."""

    def __init__(self, path, head, ended, model, reading, tabs):
        self.path, self.model, self.reading = path, model, reading
        refuse_other_text(path, head if ended else head[: head.rfind(b"\n") + 1], self._at(head))
        text = head.decode("utf-8", "replace")
        dialect = guess(path, text, ended, model, reading, tabs)
        first, offset, sample = self._records(text, dialect, ended)
        if first is None:
            raise UserError(f"{path}: is empty")
        following = sample[0] if sample else None
        header = reading.header
        plain = [dialect.pointed(field) for field in first]
        if header is None:
            pointed = following and [dialect.pointed(field) for field in following]
            header = has_header(path, plain, pointed, model)
        names = as_pandas_names(first) if header else None
        self.offset = len(text[:offset].encode("utf-8", "replace")) if header else 0
        if names:
            kept = choose_kept(path, names, reading.keep)
            columns = self._columns(names, kept, text, ended)
        else:
            sample = [first, *sample]
            kept = choose_numbered(path, len(first), reading.keep)
            columns = without_kept(list(range(len(first))), kept, model)
            check_count(path, len(columns), model)
        texts = TextColumns(path, model, lambda places: _texts(sample, columns, places, dialect))
        if not names:
            refuse_names(path, plain, {columns[place] for place in texts.places} | set(kept))
        self.layout = Layout(path, model, dialect, len(first), columns, kept, names, texts)

    def _columns(self, names, kept, text, ended):
        by_position = self.reading.by_position
        try:
            return choose_columns(self.path, names, self.model, by_position, kept=list(kept))
        except UserError as error:
            likely = guess(self.path, text, ended, self.model, Reading(decimal="."), False)
            hint = ""
            if self.reading.delimiter not in (None, likely.delimiter):
                hint = f" (its fields seem to be separated by {shown_delimiter(likely.delimiter)})"
            elif len(names) == 1:
                hint = " (all is one column; --delimiter says what separates its fields)"
            raise UserError(f"{error}{hint}") from None

    def _records(self, text, dialect, ended):
        """The first record, where it ends, and those that follow."""
        file = io.StringIO(text, newline="")
        reader = dialect.reader(iter(file.readline, ""))
        try:
            first = next((fields for fields in reader if fields), None)
            offset = file.tell()
            following = []
            for fields in reader:
                if fields:
                    following.append(fields)
                if len(following) == 100:
                    break
        except csv.Error as error:
            where = f"{self.path}, line {reader.line_num}"
            raise UserError(f"{where}: is no CSV ({error})") from None
        if not ended and len(following) < 100:
            following = following[:-1]  # which may end in the middle
        return first, offset, following

    def _at(self, head):
        return lambda place: f"{self.path}, line {1 + lines_in(head[:place])}"


def _texts(sample, columns, places, dialect):
    """Those places of features that hold text in the first rows."""
    found = []
    for place in places:
        for fields in sample:
            if columns[place] < len(fields):
                try:
                    dialect.number(fields[columns[place]])
                except ValueError:
                    found.append(place)
                    break
    return found


def read_plain(block: Block, layout: Layout):
    """A block by Python's reader; UserError with line and column where it does not fit."""
    number, texts = layout.dialect.number, layout.texts.places
    numbers = [(i, c) for i, c in enumerate(layout.columns) if i not in texts]
    parsed, strings = [], {i: [] for i in texts}
    kept = {c: [] for c in layout.kept}
    lines = []
    reader = layout.dialect.reader(io.StringIO(block.data.decode("utf-8"), newline=""))
    line = fields = c = None
    try:
        line = 1
        for fields in reader:
            if fields:
                c = None
                if len(fields) != layout.width:
                    raise ValueError
                values = []
                for _, c in numbers:
                    values.append(number(fields[c]))
                parsed.append(values)
                for i, column in strings.items():
                    column.append(fields[layout.columns[i]])
                for c, column in kept.items():
                    column.append(fields[c])
                lines.append(line)
            line = reader.line_num + 1
    except ValueError:
        raise _refusal(layout, block.line + line - 1, fields, c) from None
    except csv.Error as error:
        where = f"{layout.path}, line {block.line + reader.line_num}"
        raise UserError(f"{where}: is no CSV ({error})") from None
    array = np.array(parsed, np.float64).reshape(len(lines), len(numbers))
    columns = [None] * len(layout.columns)
    for k, (i, _) in enumerate(numbers):
        columns[i] = array[:, k]
    try:
        for i, values in strings.items():
            columns[i] = layout.texts.column(i, *codes_of(values))
    except NoSuchValue as error:
        row = [value.strip() for value in strings[error.place]].index(error.value)
        where = f"{layout.path}, line {block.line + lines[row] - 1}"
        title = layout.title(layout.columns[error.place])
        raise UserError(f"{where}, {title}: {error.reason}") from None
    rows = layout.texts.rows(layout.path, columns, len(lines))
    named = {layout.kept[c]: values for c, values in kept.items()}
    return Part(rows, named)


def _refusal(layout, line, fields, column):
    where = f"{layout.path}, line {line}"
    if column is None:
        found = f"has {len(fields)} column{'s' * (len(fields) != 1)}, expected {layout.width}"
        return UserError(f"{where}: {found} (as the first line has)")
    text = fields[column].strip()
    hint = ""
    if layout.dialect.decimal == "." and "," in text and text.replace(",", "").isdigit():
        hint = "; say --decimal , if its numbers have decimal commas"
    if layout.dialect.decimal == "," and "." in text and _is_float(text):
        hint = "; say --decimal . if its numbers have decimal points"
    found = f"expected a number, found {fields[column]!r}"
    return UserError(f"{where}, {layout.title(column)}: {found}{hint}")


def _is_float(text):
    try:
        float(text)
    except ValueError:
        return False
    return True
