"""Reading rows from JSON: a value a line, values one after the other, or one array of them.

A row is an object, whose names are the columns, or an array, whose columns go by position.
"""

from __future__ import annotations

import codecs
import json

import numpy as np

from spinney.cli.categories import NoSuchValue, TextColumns, codes_of
from spinney.cli.columns import check_count, choose_columns, without_kept
from spinney.cli.encodings import Utf8
from spinney.cli.errors import UserError
from spinney.cli.kept import choose_kept, choose_numbered
from spinney.cli.parts import Part

LONGEST = 64 << 20  # of one value
_NUMBERS = {"NaN": np.nan, "Infinity": np.inf, "-Infinity": -np.inf}  # which JSON has no words for


def read_json(stream, model, progress, reading, step):
    rows = _Rows(stream.name, model, reading)
    text = Utf8(stream, reading.encoding)
    waiting = []
    for line, value in values_of(text):
        several = isinstance(value, list) and value and isinstance(value[0], (list, dict))
        for one in value if several else [value]:
            waiting.append((line, one))
            if len(waiting) >= step:
                yield rows.part(waiting)
                waiting = []
                progress(*stream.done())
        if waiting and not text.ready():
            yield rows.part(waiting)
            waiting = []
    if waiting:
        yield rows.part(waiting)
    progress(*stream.done())


def values_of(text):
    """(line, value) of each value of JSON; elements of an array that spans lines by themselves."""
    decoder, raw = codecs.getincrementaldecoder("utf-8")(), json.JSONDecoder()
    buffer, at, line, ended, array, begun = "", 0, 1, False, False, False
    while True:
        at, line = _skip(buffer, at, line, array)
        if at < len(buffer):
            if not begun and buffer[at] == "[" and _opens_lines(buffer, at, ended):
                array, at, begun = True, at + 1, True
                continue
            if buffer[at] == "]" and array:
                array, at = False, at + 1
                continue
            try:
                value, end = raw.raw_decode(buffer, at)
            except (json.JSONDecodeError, RecursionError) as error:
                problem = error
            else:
                # A number at the end of the buffer may go on.
                if ended or end < len(buffer):
                    yield line, value
                    begun = True
                    line += buffer.count("\n", at, end)
                    at = end
                    continue
                problem = None
            if ended or len(buffer) - at > LONGEST or (problem and _broken(problem, buffer)):
                raise _refusal(text.name, buffer, at, line, problem)
        elif ended:
            if array:
                raise UserError(
                    f"{text.name}, line {line}: the array that begins the file has no end"
                )
            return
        data = text.some(max(1 << 18, len(buffer) - at))
        ended = not data
        try:
            kept = max(buffer.rfind("\n", 0, at) + 1, at - 4096)  # of the line, to count characters
            buffer = buffer[kept:] + decoder.decode(data, ended)
        except UnicodeDecodeError as error:
            where = line + data.count(b"\n", 0, error.start)
            raise UserError(
                f"{text.name}, line {where}: is not UTF-8; say --encoding latin-1, cp1252 or utf-16"
            ) from None
        at -= kept


def _skip(buffer, at, line, array):
    """Behind white space, and behind commas between elements of an array."""
    skipped = " \t\r\n\x1e," if array else " \t\r\n\x1e"
    begin = at
    while at < len(buffer) and buffer[at] in skipped:
        at += 1
    return at, line + buffer.count("\n", begin, at)


def _opens_lines(buffer, at, ended):
    """Whether an array holds the rows, one behind the other: it does not end in its line."""
    end = buffer.find("\n", at)
    if end < 0:
        if not ended and len(buffer) - at < 1 << 16:
            return False
        end = len(buffer)
    try:
        json.JSONDecoder().raw_decode(buffer[at:end])
    except (json.JSONDecodeError, RecursionError):
        return buffer[at + 1 :].lstrip()[:1] in ("{", "[")
    return False


def _broken(problem, buffer):
    """Whether no bytes that follow can mend it: the place is well before the end."""
    if isinstance(problem, RecursionError):
        return True
    return problem.pos < len(buffer) - 4096 and "Unterminated" not in problem.msg


def _refusal(path, buffer, at, line, problem):
    if problem is None or isinstance(problem, RecursionError):
        return UserError(f"{path}, line {line}: a value that is too long or too deep")
    place = problem.pos
    where = line + buffer.count("\n", at, place)
    column = place - buffer.rfind("\n", 0, place)
    return UserError(f"{path}, line {where}, character {column}: is no JSON ({problem.msg})")


class _Rows:
    """Makes Parts of values, which hold the first one's columns."""

    def __init__(self, path, model, reading):
        self.path, self.model, self.reading = path, model, reading
        self.names = self.columns = self.texts = None
        self.kept = {}

    def _begin(self, values):
        first = values[0][1]
        path, model, reading = self.path, self.model, self.reading
        if isinstance(first, dict):
            self.names = list(first)
            self.kept = choose_kept(path, self.names, reading.keep)
            places = choose_columns(
                path, self.names, model, reading.by_position, kept=list(self.kept)
            )
            self.columns = [self.names[c] for c in places]
            self.kept = {self.names[c]: name for c, name in self.kept.items()}
        elif isinstance(first, list):
            self.kept = choose_numbered(path, len(first), reading.keep)
            self.columns = without_kept(list(range(len(first))), self.kept, model)
            check_count(path, len(self.columns), model)
            self.width = len(first)
        else:
            raise self._wrong(values[0][0], f"expected an object or an array, found {first!r:.60}")

        def holds_text(places):
            return [p for p in places if any(isinstance(v, str) for v in self._column(values, p))]

        self.texts = TextColumns(path, model, holds_text)

    def _wrong(self, line, message):
        return UserError(f"{self.path}, line {line}: {message}")

    def _column(self, values, place):
        key = self.columns[place]
        try:
            return [value[key] for _, value in values]
        except (KeyError, IndexError, TypeError):
            return []

    def part(self, values):
        if self.columns is None:
            self._begin(values)
        kind = dict if self.names is not None else list
        for line, value in values:
            if not isinstance(value, kind):
                expected = "an object" if kind is dict else "an array"
                raise self._wrong(line, f"expected {expected} as before, found {value!r:.60}")
            if kind is list and len(value) != self.width:
                raise self._wrong(line, f"has {len(value)} columns, expected {self.width}")
        columns = [self._values(i, key, values) for i, key in enumerate(self.columns)]
        rows = self.texts.rows(self.path, columns, len(values))
        kept = {}
        for key, name in self.kept.items():
            kept[name] = [v.get(key) if kind is dict else v[key] for _, v in values]
        return Part(rows, kept)

    def _title(self, key):
        return repr(key) if self.names is not None else f"column {key + 1}"

    def _values(self, place, key, values):
        try:
            column = [value[key] for _, value in values]
        except KeyError:
            line = next(line for line, value in values if key not in value)
            raise self._wrong(line, f"has no {key!r}; write null where it is missing") from None
        if place in self.texts.places:
            for (line, _), one in zip(values, column):
                if one is not None and not isinstance(one, str):
                    found = f"{self._title(key)}: expected one of the categories, found {one!r:.60}"
                    raise self._wrong(line, found)
            try:
                return self.texts.column(place, *codes_of(column))
            except NoSuchValue as error:
                at = [one and one.strip() for one in column].index(error.value)
                raise self._wrong(values[at][0], f"{self._title(key)}: {error.reason}") from None
        out = np.empty(len(column), np.float64)
        for i, one in enumerate(column):
            if type(one) in (float, int, bool):
                try:
                    out[i] = one
                except OverflowError:
                    out[i] = np.inf if one > 0 else -np.inf
            elif one is None:
                out[i] = np.nan
            elif isinstance(one, str) and one in _NUMBERS:
                out[i] = _NUMBERS[one]
            else:
                found = f"{self._title(key)}: expected a number, found {one!r:.60}"
                raise self._wrong(values[i][0], found)
        return out
