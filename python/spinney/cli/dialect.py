"""How a CSV file separates and quotes its fields and writes its numbers, told by its first rows."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass

from spinney.cli.errors import UserError
from spinney.frames import names_to_match

DELIMITERS = ",;\t|"
_NAMES = {"tab": "\t", "\\t": "\t", "space": " ", "comma": ",", "semicolon": ";", "pipe": "|"}
_SHOWN = {"\t": "tab", " ": "space"}
_RECORDS = 40  # of the beginning that are looked at
MISSING = {"", "na", "n/a", "nan", "null", "none", "?"}
TRUTHS = {"true": 1.0, "false": 0.0}  # as pandas and others write columns of booleans
_COMMA_NUMBER = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
_POINT_NUMBER = re.compile(r"[+-]?\d*\.\d+([eE][+-]?\d+)?")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")


@dataclass(frozen=True)
class Dialect:
    """decimal: "." or ",". quote: "" where nothing is quoted."""

    delimiter: str = ","
    quote: str = '"'
    decimal: str = "."

    def reader(self, lines):
        if not self.quote:
            return csv.reader(lines, delimiter=self.delimiter, quoting=csv.QUOTE_NONE)
        return csv.reader(lines, delimiter=self.delimiter, quotechar=self.quote)

    def number(self, text):
        """The number that a field holds, NaN where it is missing; ValueError for text."""
        text = text.strip()
        if "_" in text:
            raise ValueError(text)  # digits that Python's own numbers may hold, and no others'
        if self.decimal == ",":
            if "." in text:
                raise ValueError(text)
            text = text.replace(",", ".")
        word = text.lower()
        if word in MISSING:
            return float("nan")
        return TRUTHS[word] if word in TRUTHS else float(text)

    def pointed(self, field):
        """The field with a decimal point, if it is a number with a decimal comma."""
        if self.decimal == "," and _COMMA_NUMBER.fullmatch(field.strip()):
            return field.replace(",", ".")
        return field


def delimiter_of(text):
    """The argument of --delimiter."""
    one = _NAMES.get(text.lower(), text)
    if len(one) != 1 or one in "\r\n\"'" or one.isalnum() or not one.isascii():
        raise UserError(f"--delimiter: expected one character, or tab or space, found {text!r}")
    return one


def quote_of(text):
    """The argument of --quote."""
    if text.lower() == "none":
        return ""
    if len(text) != 1 or text.isspace() or not text.isascii() or text.isalnum():
        raise UserError(f"--quote: expected one character, or none, found {text!r}")
    return text


def guess(path, text, whole, model, reading, tabs):
    """The Dialect of a file that begins with `text`, in what the user did not say.

    whole: whether the text ends where a line does. tabs: whether the file's name says so.
    """
    quote = _guess_quote(text) if reading.quote is None else reading.quote
    delimiter = reading.delimiter or ("\t" if tabs else None)
    if delimiter is None:
        delimiter = _guess_delimiter(text, whole, model, quote)
    if quote and quote == delimiter:
        raise UserError("--quote and --delimiter are the same character")
    records = _records(Dialect(delimiter, quote), text, whole)
    decimal = reading.decimal or _guess_decimal(path, delimiter, records)
    return Dialect(delimiter, quote, decimal)


def _records(dialect, text, whole):
    """The first records that are complete, without empty ones."""
    reader = dialect.reader(io.StringIO(text, newline=""))
    found = []
    try:
        for fields in reader:
            if fields:
                found.append(fields)
            if len(found) > _RECORDS:
                break
        else:
            if not whole and len(found) > 1:
                found.pop()  # the text ends within it, perhaps
    except csv.Error:
        pass
    return found[:_RECORDS]


def _guess_quote(text):
    """Single quotes where fields begin and end with them and none has double ones."""
    edges = re.compile("(^|[,;\t|])'([^'\r\n]|'')*'(?=[,;\t|]|\r?$)", re.MULTILINE)
    opening = re.compile("(^|[,;\t|])'", re.MULTILINE)
    if re.search('(^|[,;\t|])"', text, re.MULTILINE):
        return '"'
    complete = len(edges.findall(text))
    return "'" if complete and complete == len(opening.findall(text)) else '"'


def _guess_delimiter(text, whole, model, quote):
    """The one that gives the model's names; else rows as wide as the header, of numbers, as many
    as the model reads.
    """
    best, chosen = None, ","
    for delimiter in DELIMITERS:
        records = _records(Dialect(delimiter, quote), text, whole)
        if not records:
            continue
        width = len(records[0])
        wanted, found = names_to_match(model, [name.strip() for name in records[0]])
        named = bool(wanted) and len(set(wanted) & set(found))
        alike = all(len(fields) == width for fields in records)
        body = [field for fields in records[1:] or records for field in fields]
        numbers = sum(_reads_as_number(field, delimiter) for field in body)
        fits = width in (model.n_features, model.n_features + 1)
        score = (named or 0, alike and (width > 1 or fits), numbers == len(body), fits, width > 1)
        score = (*score, numbers / max(1, len(body)))
        if best is None or score > best:
            best, chosen = score, delimiter
    return chosen


def _reads_as_number(field, delimiter):
    field = field.strip()
    if field.lower() in MISSING or field.lower() in TRUTHS:
        return True
    if delimiter != ",":
        field = field.replace(",", ".")
    try:
        float(field)
    except ValueError:
        return False
    return True


def _guess_decimal(path, delimiter, records):
    """A comma where the first rows have numbers with commas, and none with points."""
    if delimiter == ",":
        return "."
    fields = [field.strip() for record in records for field in record]
    commas = [field for field in fields if _COMMA_NUMBER.fullmatch(field)]
    points = [field for field in fields if _POINT_NUMBER.fullmatch(field)]
    grouped = commas and all(_THOUSANDS.fullmatch(field) for field in commas)
    if commas and (points or grouped):
        beside = f" beside {points[0]}" if points else ""
        raise UserError(
            f"{path}: its numbers have commas, as in {commas[0]}{beside}; say --decimal , if those "
            "are decimal commas, --decimal . if they are not"
        )
    return "," if commas else "."


def shown_delimiter(delimiter):
    return _SHOWN.get(delimiter, repr(delimiter))
