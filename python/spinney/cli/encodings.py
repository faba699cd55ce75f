"""Text in UTF-8 from bytes of any encoding, and a word on what is not that."""

from __future__ import annotations

import codecs

from spinney.cli.errors import UserError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16's, which begins alike
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class Utf8:
    """some(size) gives the stream's text in UTF-8, without a mark; ready() as the stream's.

    encoding: its name; None for UTF-8 or what a mark at the beginning says. Without an encoding
    nothing is decoded here: who reads blocks of whole lines says where one is not UTF-8.
    """

    def __init__(self, stream, encoding=None):
        self.stream, self.name, self.ready = stream, stream.name, stream.ready
        start = stream.peek(4)
        mark, marked = next((one for one in _MARKS if start.startswith(one[0])), (b"", None))
        wanted = codecs.lookup(encoding).name if encoding else marked or "utf-8"
        if marked and wanted in (marked, marked[:6], "utf-8-sig"):
            stream.read(len(mark))
            wanted = marked
        self.encoding = wanted
        self._decoder = None
        if wanted not in ("utf-8", "utf-8-sig"):
            self._decoder = codecs.getincrementaldecoder(wanted)()

    def some(self, size):
        while True:
            data = self.stream.some(size)
            if self._decoder is None:
                return data
            try:
                text = self._decoder.decode(data, final=not data)
            except UnicodeError as error:
                reason = getattr(error, "reason", error)
                raise UserError(
                    f"{self.name}: is not text in {self.encoding} ({reason}); --encoding names "
                    "another"
                ) from None
            if text or not data:
                return text.encode("utf-8", "replace")


def refuse_other_text(path, block, where):
    """UserError where a block of whole lines is no text in UTF-8; where(place) names the place."""
    place = block.find(b"\0")
    if place >= 0:
        raise UserError(
            f"{where(place)}: holds a zero byte; if it is UTF-16, say --encoding utf-16"
        )
    if block.isascii():
        return
    try:
        block.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{where(error.start)}: the byte 0x{block[error.start]:02x} is not UTF-8; say what the "
            "file is written in, such as --encoding latin-1, cp1252 or utf-16"
        ) from None


def known_encoding(text):
    """The argument of --encoding."""
    try:
        info = codecs.lookup(text)
        if not getattr(info, "_is_text_encoding", True):
            raise LookupError
    except (LookupError, ValueError):
        raise UserError(
            f"--encoding: {text!r} is none that is known; try utf-8, latin-1, cp1252 or utf-16"
        ) from None
    return text
