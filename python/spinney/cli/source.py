"""Opening what holds rows: a file, a pipe or standard input, compressed or not, read forward only.

What a stream is, and how it is compressed, is told by its first bytes; the name decides where those
leave it open.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import shutil
import stat
import sys
import tempfile

from spinney.cli.compressed import compression_of, decompressed, plain_suffix
from spinney.cli.errors import UserError

SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".npy": "npy",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".arrow": "arrow",
    ".arrows": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
}
FORMATS = ("csv", "tsv", "jsonl", "npy", "parquet", "arrow")
_CONTENTS = {
    b"PAR1": "parquet",
    b"ARROW1": "arrow",
    b"FEA1": "arrow",
    b"\xff\xff\xff\xff": "arrow",  # a stream of Arrow's
    b"\x93NUMPY": "npy",
}
_FOREIGN = {
    b"PK\x03\x04": "a zip archive, such as .xlsx or .npz",
    b"\x89HDF": "an HDF5 file",
    b"\x80\x04\x95": "a pickle",
    b"\x80\x05\x95": "a pickle",
    b"SQLite": "an SQLite file",
    b"Obj\x01": "an Avro file",
    b"ORC": "an ORC file",
    b"%PDF": "a PDF file",
}
_EXPECTED = "expected rows as CSV, TSV, JSON lines, .npy, Parquet or Arrow"


class Stream(io.RawIOBase):
    """Bytes of a file, after decompression: read(), peek(), and how much of the file is read."""

    def __init__(self, name, raw, total, path=None):
        super().__init__()
        self.name, self.total = name, total
        self.path = path  # of a plain file, which may be opened again, or None
        self._raw, self._taken, self._file = raw, 0, None
        self._ahead = b""
        self._file = _Counted(self)
        self.compression = None
        start = self.peek(8)
        self.compression = compression_of(start)
        if self.compression:
            self.path, self._ahead = None, b""
            self._file = decompressed(self.name, self.compression, _Counted(self, start))

    def done(self):
        """Bytes of the file that were taken, and of how many; None where nobody knows."""
        return self._taken, self.total

    def ready(self):
        """Whether more can be had at once: a pipe whose writer is busy has none."""
        return bool(self._ahead) or not self._idle()

    def _idle(self):
        if self.total is not None or self.compression:
            return False
        try:
            return not select.select([self._raw], [], [], 0.02)[0]
        except (OSError, ValueError):  # not a file of the system's
            return False

    def readable(self):
        return True

    def some(self, size):
        """At least one byte and at most `size`, nothing at the end."""
        if self._ahead:
            part, self._ahead = self._ahead[:size], self._ahead[size:]
            return part
        try:
            return self._file.read1(size) if hasattr(self._file, "read1") else self._file.read(size)
        except EOFError:
            raise UserError(f"{self.name}: the {self.compression} stream is cut short") from None
        except IsADirectoryError:
            raise UserError(f"{self.name}: is a folder") from None
        except Exception as error:
            if self.compression is None or isinstance(error, UserError):
                raise
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise UserError(f"{self.name}: damaged {self.compression} ({reason})") from None

    def readinto(self, buffer):
        part = self.some(len(buffer))
        buffer[: len(part)] = part
        return len(part)

    def peek(self, size, least=None):
        """The next `size` bytes, fewer at the end; they stay to be read. least: as many will do
        where a writer keeps us waiting.
        """
        least = size if least is None else least
        while len(self._ahead) < size and not (len(self._ahead) >= least and self._idle()):
            ahead, self._ahead = self._ahead, b""
            part = self.some(size - len(ahead))
            self._ahead = ahead + part
            if not part:
                break
        return self._ahead[:size]

    @contextlib.contextmanager
    def seekable_path(self):
        """A path of the content: the file itself, or a copy on disk of what cannot be sought in."""
        if self.path is not None:
            yield self.path
            return
        with tempfile.NamedTemporaryFile(prefix="spinney-") as copy:
            shutil.copyfileobj(self, copy, 1 << 20)
            copy.flush()
            yield copy.name

    def close(self):
        if not self.closed and self._raw is not None and self.name != "-":
            self._raw.close()
        super().close()


class _Counted(io.RawIOBase):
    """The bytes of the file as they are, counted; `start` comes first and was counted before."""

    def __init__(self, stream, start=b""):
        super().__init__()
        self._stream, self._start = stream, start

    def readable(self):
        return True

    def readinto(self, buffer):
        if self._start:
            part, self._start = self._start[: len(buffer)], self._start[len(buffer) :]
        else:
            part = self._stream._raw.read(len(buffer)) or b""
            self._stream._taken += len(part)
        buffer[: len(part)] = part
        return len(part)


def open_source(path):
    """The Stream of a path, or of standard input for "-"."""
    if path == "-":
        if sys.stdin is None:
            raise UserError("-: standard input is closed")
        raw = getattr(sys.stdin.buffer, "raw", sys.stdin.buffer)
        return Stream("-", raw, _size_of(raw))
    if not os.path.exists(path):
        raise UserError(f"{path}: no such file")
    if os.path.isdir(path):
        raise UserError(f"{path}: is a folder; name a file of rows")
    raw = open(path, "rb", buffering=0)  # noqa: SIM115 - the Stream closes it
    total = _size_of(raw)
    return Stream(path, raw, total, path if total is not None else None)


def _size_of(raw):
    """Bytes of a plain file, None of what is a pipe or a device."""
    try:
        facts = os.fstat(raw.fileno())
    except (OSError, io.UnsupportedOperation):
        return None
    return facts.st_size if stat.S_ISREG(facts.st_mode) else None


def format_of(stream, given=None):
    """What the stream holds: one of FORMATS."""
    if given:
        return given
    start = stream.peek(8)
    for mark, kind in _CONTENTS.items():
        if start.startswith(mark):
            return kind
    for mark, what in _FOREIGN.items():
        if start.startswith(mark):
            raise UserError(f"{stream.name}: is {what}; {_EXPECTED}")
    suffix = plain_suffix(stream.name)[0]
    if suffix in SUFFIXES:
        return SUFFIXES[suffix]
    text = stream.peek(1024, least=8).lstrip(b"\xef\xbb\xbf \t\r\n")
    if text[:1] in (b"{", b"["):
        return "jsonl"
    if b"\0" in text and not start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UserError(f"{stream.name}: is no text; {_EXPECTED} (--input-format says which)")
    return "csv"
