"""CSV text in blocks of whole records, each with the number of its first line."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass

from spinney.cli.encodings import refuse_other_text
from spinney.cli.errors import UserError

BLOCK = 8 << 20
LONGEST = 64 << 20  # of one record


@dataclass
class Block:
    """data: whole records; line: the number of its first line in the file, from 1."""

    data: bytes
    line: int


def lines_in(data):
    """Ends of lines: of Unix, of Windows, and of old Macs."""
    if b"\r" not in data:
        return data.count(b"\n")
    return data.count(b"\n") + data.count(b"\r") - data.count(b"\r\n")


class Blocks:
    """Iterates over the blocks of text in UTF-8, behind `rest`, which was read before."""

    def __init__(self, text, dialect, rest=b"", line=1):
        self.text, self.dialect, self.rest, self.line = text, dialect, rest, line
        self.ended = False

    def __iter__(self):
        while True:
            if len(self.rest) < BLOCK and not self.ended:
                self._fill(BLOCK)
            cut = self._end_of_block()
            if not cut:
                return
            data, self.rest = self.rest[:cut], self.rest[cut:]
            refuse_other_text(self.text.name, data, lambda place, data=data: self._at(data, place))
            if self.ended and not self.rest:
                self._refuse_endless(data)
            yield Block(data, self.line)
            self.line += lines_in(data)

    def _end_of_block(self):
        while not self.ended:
            cut = self._last_end()
            if cut:
                return cut
            if len(self.rest) > LONGEST:
                self._refuse_endless(self.rest)
                raise UserError(f"{self.text.name}, line {self.line}: has no end; is it CSV?")
            self._fill(2 * len(self.rest) + 1)
        return len(self.rest)

    def _fill(self, size):
        """Up to `size` bytes; fewer where the writer of a pipe keeps us waiting."""
        parts, have, whole = [self.rest], len(self.rest), b"\n" in self.rest
        while have < size and not (whole and not self.text.ready()):
            part = self.text.some(min(1 << 20, size - have))
            if not part:
                self.ended = True
                break
            parts.append(part)
            have += len(part)
            whole = whole or b"\n" in part
        self.rest = b"".join(parts)

    def _last_end(self):
        """Behind the last end of a record, 0 where there is none."""
        data = self.rest
        cut = data.rfind(b"\n") + 1
        if not cut:
            cut = data.rfind(b"\r", 0, max(0, len(data) - 1)) + 1
        quote = self.dialect.quote.encode()
        if not cut or not quote or data.count(quote, 0, cut) % 2 == 0:
            return cut
        opened, spans = self._open_field(data)
        if opened < 0:
            return cut
        cut = data.rfind(b"\n", 0, opened)
        for begin, end in reversed(spans):  # of the same record
            if begin < cut < end:
                cut = data.rfind(b"\n", 0, begin)
        return cut + 1

    def _open_field(self, data):
        """Where the quote stands that opens a field without an end, or -1; and the places of the
        fields before it that hold ends of lines.
        """
        q, d = (re.escape(c.encode()) for c in (self.dialect.quote, self.dialect.delimiter))
        # Quotes open a field only at its beginning; doubled ones belong to it.
        begin, inside = b"(?:^|(?<=[\r\n%b]))%b" % (d, q), b"[^%b]*(?:%b%b[^%b]*)*" % (q, q, q, q)
        spans = []
        for field in re.finditer(b"%b%b(%b?)" % (begin, inside, q), data):
            if not field.group(1):
                return field.start(), spans
            if b"\n" in field.group():
                spans.append(field.span())
        return -1, spans

    def _refuse_endless(self, data):
        quote = self.dialect.quote
        if not quote or data.count(quote.encode()) % 2 == 0:
            return
        opened, _ = self._open_field(data)
        if opened >= 0:
            raise UserError(
                f"{self._at(data, opened)}: the field that {quote} opens has no end; --quote none "
                f"takes {quote} for a character like others"
            )

    def _at(self, data, place):
        """Line and column of a place in a block, for messages."""
        before = data[:place]
        begin = max(before.rfind(b"\n"), before.rfind(b"\r")) + 1
        line = before[begin:].decode("utf-8", "replace").replace("\0", "")
        try:
            column = len(next(iter(self.dialect.reader([line])), ())) or 1
        except csv.Error:
            column = 1
        return f"{self.text.name}, line {self.line + lines_in(before)}, column {column}"
