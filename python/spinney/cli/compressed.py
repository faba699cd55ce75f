"""Compression: gzip, bzip2 and xz by Python's own modules, zstd by whichever is there.

For zstd that is Python's own from 3.14 on, the module zstandard, or pyarrow's.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os

from spinney.cli.errors import UserError

COMPRESSED = {".gz": "gzip", ".zst": "zstd", ".zstd": "zstd", ".bz2": "bzip2", ".xz": "xz"}
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"\xfd7zXZ\0": "xz"}


def compression_of(start):
    """How a stream is compressed that begins so, or None."""
    if start[:3] == b"BZh" and start[4:8] == b"1AY&":  # BZh alone may begin a word
        return "bzip2"
    return next((kind for mark, kind in _MAGIC.items() if start.startswith(mark)), None)


def plain_suffix(path):
    """The suffix that says what a file holds, and its compression, "" where it has none."""
    stem, suffix = os.path.splitext(path.lower())
    if suffix in COMPRESSED:
        return os.path.splitext(stem)[1], COMPRESSED[suffix]
    return suffix, ""


def decompressed(name, compression, file):
    if compression == "gzip":
        return gzip.GzipFile(fileobj=io.BufferedReader(file, 1 << 17))
    if compression == "bzip2":
        return bz2.BZ2File(io.BufferedReader(file, 1 << 17))
    if compression == "xz":
        return lzma.LZMAFile(io.BufferedReader(file, 1 << 17))
    try:
        from compression import zstd  # Python 3.14

        return zstd.ZstdFile(io.BufferedReader(file, 1 << 17))
    except ImportError:
        pass
    try:
        import zstandard
    except ImportError:
        pass
    else:
        return io.BufferedReader(_Zstandard(file, zstandard), 1 << 17)
    try:
        import pyarrow

        return pyarrow.CompressedInputStream(file, "zstd")
    except Exception:  # not there, or built without it
        raise UserError(f"{name}: reading zstd needs a module: pip install zstandard") from None


class _Zstandard(io.RawIOBase):
    """Frames, one behind the other; EOFError where one is cut short, which stream_reader hides."""

    def __init__(self, file, zstandard):
        super().__init__()
        self._file, self._new = file, zstandard.ZstdDecompressor
        self._frame, self._ahead = None, b""

    def readable(self):
        return True

    def readinto(self, buffer):
        while not self._ahead:
            data = self._file.read(1 << 17)
            if not data:
                if self._frame is not None:
                    raise EOFError
                return 0
            self._ahead = self._through(data)
        part, self._ahead = self._ahead[: len(buffer)], self._ahead[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)

    def _through(self, data):
        out = []
        while data:
            if self._frame is None:
                self._frame = self._new().decompressobj()
            out.append(self._frame.decompress(data))
            data = b""
            if self._frame.eof:
                data, self._frame = self._frame.unused_data, None
        return b"".join(out)


def compressed(path, file, compression):
    if compression == "gzip":
        return gzip.GzipFile("", "wb", 6, file, mtime=0)  # the same rows are the same file
    if compression == "bzip2":
        return bz2.BZ2File(file, "wb")
    if compression == "xz":
        return lzma.LZMAFile(file, "wb")
    return zstd_writer(path)(file)


def zstd_writer(path):
    """A function that wraps a file in one that compresses."""
    try:
        from compression import zstd  # Python 3.14

        return lambda file: zstd.ZstdFile(file, "wb")
    except ImportError:
        pass
    try:
        import zstandard

        return lambda file: zstandard.ZstdCompressor().stream_writer(file, closefd=False)
    except ImportError:
        pass
    try:
        import pyarrow

        pyarrow.Codec("zstd")
        return lambda file: pyarrow.CompressedOutputStream(_Unclosed(file), "zstd")
    except Exception:  # not there, or built without it
        raise UserError(f"{path}: writing zstd needs a module: pip install zstandard") from None


class _Unclosed:
    """A file that others may close without closing it."""

    closed = False

    def __init__(self, file):
        self.write, self.flush = file.write, file.flush

    def close(self):
        self.flush()
