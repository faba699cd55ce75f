"""Rows and answers as a small description and plain bytes: what crosses between two processes.

Nothing here unpickles. A worker process runs somebody's class and may say anything, so what it
sends is data whose every size is checked: numbers and text as raw arrays, objects as JSON of plain
values. Both processes use this module; it needs numpy alone.
"""

from __future__ import annotations

import json
import re
import sys

import numpy as np

ALIGNMENT = 64
DIMENSIONS_MAX = 8
PARTS_MAX = 1 << 16
HEAD_MAX = 20_000
TEXT_POINTS = 0x110000
TEXT_COST = 16  # bytes of memory that a byte of JSON can become, about
_PLAIN = re.compile(r"[<>|=]?(?:[?b]1?|[biufcSU]\d{1,9}|[mM]8(?:\[\d{0,6}[a-zA-Z]{1,2}\])?)")


def is_plain(dtype):
    """Whether the text of a dtype is of numbers, text, bytes or dates, and no more."""
    return isinstance(dtype, str) and _PLAIN.fullmatch(dtype) is not None


class CodecError(ValueError):
    """A value that cannot cross, or a description that contradicts itself or its bytes."""


def aligned(size):
    return -(-size // ALIGNMENT) * ALIGNMENT


class Packed:
    """A value ready to be written: `head` is its description, `size` the bytes that it takes."""

    def __init__(self, value):
        self.size = 0
        self._arrays = []
        self.head = self._describe(value)

        if len(json.dumps(self.head)) > HEAD_MAX:  # goes among the bytes, for messages are short
            self.head = {"head": self._add(_bytes_of(json.dumps(self.head)))}

    def write(self, buffer):
        """Write the bytes into `buffer`, a writable buffer of at least `size` bytes."""
        for offset, array in self._arrays:
            if array.nbytes:
                target = np.frombuffer(buffer, dtype=np.uint8, count=array.nbytes, offset=offset)
                np.copyto(target.view(array.dtype).reshape(array.shape), array, casting="no")

    def _describe(self, value):
        if isinstance(value, (list, tuple)):
            return {"list": [self._describe(item) for item in value]}
        if isinstance(value, Frame):
            return {
                "frame": value.library,
                "names": [str(name) for name in value.names],
                "columns": [self._describe(column) for column in value.columns],
            }
        if isinstance(value, Sparse):
            parts = [self._describe(np.asarray(part)) for part in value.parts]
            return {"csr": parts, "shape": [int(n) for n in value.shape]}
        if not isinstance(value, np.ndarray):
            raise CodecError(f"a {type(value).__name__} cannot be sent to another process")
        return self._describe_array(value)

    def _describe_array(self, array):
        if array.dtype.hasobject:
            if array.dtype != object:
                raise CodecError(f"arrays of dtype {array.dtype} cannot be sent")
            return {"objects": self._add(_json_bytes(array)), "shape": list(array.shape)}
        kind = array.dtype.str
        if array.dtype.names or not _PLAIN.fullmatch(kind):
            raise CodecError(f"arrays of dtype {array.dtype} cannot be sent")
        order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
        flat = array.T if order == "F" else array
        return {**self._add(flat), "dtype": kind, "shape": list(array.shape), "order": order}

    def _add(self, array):
        offset = self.size
        self.size = aligned(offset + array.nbytes)
        self._arrays.append((offset, array))
        return {"at": offset, "bytes": int(array.nbytes)}


class Frame:
    """A data frame: the library it is of, and its columns one by one."""

    def __init__(self, library, names, columns):
        self.library, self.names, self.columns = library, list(names), list(columns)


class Sparse:
    """The values, columns and row starts of a CSR matrix."""

    def __init__(self, parts, shape):
        self.parts, self.shape = parts, shape


def unpack(head, buffer, copy, text_max=None):
    """The value that `head` describes. copy=False gives views into `buffer`. text_max: the most
    bytes of JSON that are read, of objects and of descriptions; None for all that there are.

    Raises CodecError for whatever does not fit into the buffer or into itself.
    """
    try:
        return _Reader(buffer, copy, text_max).value(head, 0)
    except CodecError:
        raise
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError, RecursionError) as bad:
        raise CodecError(f"its description makes no sense: {bad!r}") from bad


class _Reader:
    def __init__(self, buffer, copy, text_max):
        self.buffer = buffer
        self.copy = copy
        self.text_max = text_max
        self.parts = self.bytes = self.text_bytes = 0

    def value(self, head, depth):
        self.parts += 1
        if depth > 3 or self.parts > PARTS_MAX:
            raise CodecError("it is nested too deeply")
        if "head" in head and depth == 0:
            return self.value(self.text(head["head"]), 1)
        if "list" in head:
            return [self.value(item, depth + 1) for item in head["list"]]
        if "frame" in head:
            columns = [self.value(column, depth + 1) for column in head["columns"]]
            return Frame(str(head["frame"]), [str(name) for name in head["names"]], columns)
        if "csr" in head:
            parts = [self.value(part, depth + 1) for part in head["csr"]]
            return Sparse(parts, tuple(int(n) for n in head["shape"]))
        if "objects" in head:
            return self.objects(head)
        return self.array(head)

    def text(self, head):
        """What JSON says. It becomes many times its size, and nothing else runs meanwhile."""
        raw = self.raw(head)
        self.text_bytes += raw.nbytes
        if self.text_max is not None and self.text_bytes > self.text_max:
            raise CodecError(
                f"objects of {self.text_bytes} bytes of text take too much memory to be read "
                f"(at most {self.text_max} bytes, 1/{TEXT_COST} of result_limit_mb)"
            )
        return json.loads(raw.tobytes().decode("ascii"))

    def raw(self, head):
        at, size = head["at"], head["bytes"]
        if type(at) is not int or type(size) is not int or at < 0 or size < 0:
            raise CodecError("a place is no number")
        self.bytes += size
        if self.bytes > 2 * len(self.buffer):  # its parts, and its description
            raise CodecError("its parts overlap, and would take more memory than they were sent in")
        if at % ALIGNMENT or at + size > len(self.buffer):
            raise CodecError(f"bytes {at} to {at + size} lie outside its {len(self.buffer)} bytes")
        if size == 0:
            return np.empty(0, dtype=np.uint8)
        return np.frombuffer(self.buffer, dtype=np.uint8, count=size, offset=at)

    def array(self, head):
        kind = head["dtype"]
        if not is_plain(kind):
            raise CodecError(f"dtype {kind!r} is not one that may be sent")
        shape = _shape(head["shape"])
        dtype = np.dtype(kind)
        if _product(shape) * dtype.itemsize != head["bytes"]:
            raise CodecError(f"shape {shape} of {dtype} does not take {head['bytes']} bytes")
        raw = self.raw(head)
        raw = raw.copy() if self.copy else raw
        if dtype.itemsize == 0:  # text of no characters, which numpy gives a width when it is made
            if _product(shape) > len(self.buffer):
                raise CodecError(f"shape {shape} of empty text is larger than all that was sent")
            return np.zeros(shape, dtype)
        if head["order"] == "F":
            array = raw.view(dtype).reshape(shape[::-1]).T
        else:
            array = raw.view(dtype).reshape(shape)
        # numpy makes text of any 32-bit number, and Python text refuses most of them much later.
        text = dtype.kind == "U" and array.size
        if text and int(raw.view(f"{dtype.str[0]}u4").max()) >= TEXT_POINTS:
            raise CodecError("its text holds numbers that are no characters")
        return array

    def objects(self, head):
        shape = _shape(head["shape"])
        values = self.text(head["objects"])
        if not isinstance(values, list) or len(values) != _product(shape):
            raise CodecError(f"shape {shape} does not fit its objects")
        array = np.empty(len(values), dtype=object)
        array[:] = [_from_json(value) for value in values]
        return array.reshape(shape)


def _shape(shape):
    if not isinstance(shape, list) or len(shape) > DIMENSIONS_MAX:
        raise CodecError(f"{shape!r} is no shape")
    for n in shape:
        if type(n) is not int or n < 0 or n > sys.maxsize:
            raise CodecError(f"{shape!r} is no shape")
    return tuple(shape)


def _product(shape):
    product = 1
    for n in shape:
        product *= n
    return product


def _json_bytes(array):
    values = [_to_json(value) for value in array.ravel().tolist()]
    return _bytes_of(json.dumps(values))


def _bytes_of(text):
    return np.frombuffer(text.encode("ascii"), dtype=np.uint8)


def _to_json(value):
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return {"int": str(int(value))} if abs(value) >= 1 << 53 else int(value)
    if isinstance(value, float):
        return {"float": float(value).hex()}
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    return _no(value)


def _no(value):
    kind = type(value)
    raise CodecError(
        f"an object array holds a {kind.__module__}.{kind.__qualname__}; only text, bytes, "
        "numbers, booleans and None cross between processes"
    )


def _from_json(value):
    if value is None or isinstance(value, (bool, str, int)):
        return value
    if isinstance(value, dict) and len(value) == 1:
        ((kind, text),) = value.items()
        if kind == "int" and isinstance(text, str) and len(text) <= 400:
            return int(text)
        if kind == "float" and isinstance(text, str):
            return float.fromhex(text)
        if kind == "bytes" and isinstance(text, str):
            return bytes.fromhex(text)
    raise CodecError(f"{value!r} is no object that may be sent")
