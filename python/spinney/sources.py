"""What spinney.load is given: a path, the bytes of a file, an open file, or an object."""

from __future__ import annotations

import bz2
import lzma
import os
import zlib

from spinney.exceptions import InvalidInputError, ModelIOError

_PEEK = 64
# JSON and UBJSON, LightGBM's text, CatBoost's cbm, Spinney's own, XGBoost's dumps and its old
# binary format, zip, Treelite's versions: no pickle begins so, and unpickling one would hide what
# the reader said of it.
_OTHER_FORMATS = (
    *(b"{", b"[", b"tree", b"CBM1", b"\x93SPINNEY", b"booster[", b"binf", b"PK\x03\x04"),
    *(b"\x03\0\0\0", b"\x04\0\0\0", b"\x05\0\0\0"),
)


def is_path(source) -> bool:
    return isinstance(source, (str, os.PathLike))


def content(source):
    """(bytes of a model file, what messages call it) of bytes and of open files; else None.

    A file is read from where it stands to its end.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source), "the model"
    read = getattr(source, "read", None)
    if read is None or isinstance(source, type):
        return None
    try:
        data = read()
    except (OSError, UnicodeDecodeError) as error:
        raise ModelIOError(f"{_name(source)} cannot be read: {error}") from error
    if isinstance(data, str):  # JSON or LightGBM's text, opened as such
        data = data.encode()
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise InvalidInputError(
            f"source is a {type(source).__name__} whose read() gives a {type(data).__name__}; "
            "expected bytes"
        )
    return bytes(data), _name(source)


def _name(source):
    name = getattr(source, "name", None)
    return name if isinstance(name, str) and name else f"the {type(source).__name__}"


def may_be_pickled(source, data, format) -> bool:
    """Whether what the native reader refused may be mended by unpickling it.

    data: the bytes, if content() gave some.
    """
    if data is None and not is_path(source):
        return True
    if format not in (None, "pickle", "joblib"):
        return False
    if data is None and os.path.isdir(source):
        return False
    if data is None:
        with open(source, "rb") as file:
            data = file.read(1 << 16)
    return not _expanded(data).lstrip().startswith(_OTHER_FORMATS)


def _expanded(data: bytes) -> bytes:
    """The first bytes of a compressed file's content; of others their own."""
    expand = None
    if data.startswith((b"\x1f\x8b", b"\x78")):
        expand = zlib.decompressobj(zlib.MAX_WBITS | 32).decompress
    elif data.startswith(b"BZh"):
        expand = bz2.BZ2Decompressor().decompress
    elif data.startswith((b"\xfd7zXZ", b"\x5d\x00")):
        expand = lzma.LZMADecompressor().decompress
    try:
        return expand(data[: 1 << 20], _PEEK) if expand else data[:_PEEK]
    except (zlib.error, OSError, ValueError, lzma.LZMAError, EOFError):
        return data[:_PEEK]
