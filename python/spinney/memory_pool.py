"""MemoryPool: arrays that are used over and over, and zero whenever they change hands."""

from __future__ import annotations

import operator
import os
import sys
import threading
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any, Sequence

import numpy as np

from spinney._core import lend_buffer, wipe_buffer
from spinney.exceptions import InvalidInputError

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

_pools = weakref.WeakSet()


class MemoryPool:
    """Buffers by shape and dtype, of which at most max_buffers are kept for the next user.

    get_buffer gives an array of zeros; return_buffer takes it back and overwrites it with zeros at
    once. It is overwritten again before it is handed out again. The array must not be used after
    it was returned; but one that somebody still refers to (the caller's own variable, a view, a
    memoryview) is never handed to another, so that a late write harms nobody: it waits until the
    last of them is gone.

    Any number of threads may use a pool. What does not come back is wiped and freed when the last
    reference to it goes.

    >>> pool = MemoryPool(max_buffers=8)
    >>> buffer = pool.get_buffer((2, 3))
    >>> buffer[:] = 5
    >>> pool.return_buffer(buffer)
    True
    >>> bool(buffer.any())
    False
    """

    def __init__(self, max_buffers: int = 32) -> None:
        try:
            self.max_buffers: int = operator.index(max_buffers)
        except TypeError:
            raise InvalidInputError(
                f"max_buffers is {max_buffers!r}; give a whole number"
            ) from None
        if self.max_buffers < 0:
            raise InvalidInputError(f"max_buffers is {max_buffers}; give at least 0")
        self._forget()
        self._lent = self._reused = self._refused = 0
        _pools.add(self)

    def _forget(self):
        # Reentrant: a destructor that the garbage collector runs may return its buffers.
        self._lock = threading.RLock()
        self._kept = deque()  # (key, array), the one returned last at the end

    def get_buffer(self, shape: int | Sequence[int], dtype: DTypeLike = np.float32) -> NDArray[Any]:
        """An array of zeros, C-contiguous, that nobody else has.

        shape: a number or a sequence of numbers, all at least 0. dtype: any without Python objects.
        Raises InvalidInputError for others, MemoryError if there is no memory.
        """
        dtype = _plain_dtype(dtype)
        shape = _whole_shape(shape)
        array = self._take((shape, dtype))
        if array is None:
            array = lend_buffer(shape, dtype)
        else:
            wipe_buffer(array)
        return array

    def _take(self, key):
        with self._lock:
            self._lent += 1
            for i in range(len(self._kept) - 1, -1, -1):
                if self._kept[i][0] != key:
                    continue
                if _references(self._kept, i) == _SOLE:
                    array = self._kept[i][1]
                    del self._kept[i]
                    self._reused += 1
                    return array
        return None

    def return_buffer(self, buffer: NDArray[Any]) -> bool:
        """Takes back an array that get_buffer of any pool gave, wiped; True if it was taken.

        False, and nothing is touched: an array that no pool lent, a view of one that was lent, or
        one that is back already. get_stats() counts those as refused. The oldest of the buffers
        kept goes when there are more than max_buffers. TypeError if it is no array.
        """
        if not isinstance(buffer, np.ndarray):
            raise TypeError(f"return_buffer takes an array, not {type(buffer).__name__}")
        with self._lock:
            if any(array is buffer for _, array in list(self._kept)) or not wipe_buffer(buffer):
                self._refused += 1
                return False
            # One that was made read-only or non-contiguous is of no use to the next.
            if buffer.flags.carray:
                self._kept.append(((buffer.shape, buffer.dtype), buffer))
                if len(self._kept) > self.max_buffers:
                    self._kept.popleft()
        return True

    def clear(self) -> None:
        """Frees all buffers that are kept."""
        self.trim(0)

    def trim(self, max_buffers: int) -> int:
        """Frees the oldest until at most so many are kept; how many went."""
        went = []
        with self._lock:
            while len(self._kept) > max(0, max_buffers):
                went.append(self._kept.popleft())
        return len(went)

    def get_stats(self) -> dict[str, Any]:
        """What the pool keeps, as a dict.

        total_buffers: buffers kept for the next user. memory_usage_bytes, memory_usage_mb (2**20
        bytes): of those. shape_counts: how many of each shape, by the shape's text, "(2, 3)"; the
        shape itself finds it too. lent, reused, refused: calls of get_buffer, those served from
        what was kept, and calls of return_buffer that gave False. max_buffers.
        """
        with self._lock:
            kept = [(key[0], array.nbytes) for key, array in list(self._kept)]
            counts = (self._lent, self._reused, self._refused)
        shapes = ShapeCounts()
        for shape, _ in kept:
            shapes[str(shape)] = dict.get(shapes, str(shape), 0) + 1
        total = sum(nbytes for _, nbytes in kept)
        return {
            "total_buffers": len(kept),
            "memory_usage_bytes": total,
            "memory_usage_mb": total / 2**20,
            "shape_counts": shapes,
            "lent": counts[0],
            "reused": counts[1],
            "refused": counts[2],
            "max_buffers": self.max_buffers,
        }


class ShapeCounts(dict):
    """Counts by str(shape), as JSON wants it; a shape given as a tuple finds the same."""

    def __missing__(self, key):
        if isinstance(key, tuple) and dict.__contains__(self, str(key)):
            return dict.__getitem__(self, str(key))
        raise KeyError(key)

    def __contains__(self, key):
        return dict.__contains__(self, str(key) if isinstance(key, tuple) else key)

    def get(self, key, default=None):
        try:
            return self[key]
        except KeyError:
            return default


def _references(kept, i):
    array = kept[i][1]
    return sys.getrefcount(array)


# How many there are of an array that only the pool refers to; it differs between interpreters.
_SOLE = _references([(None, np.empty(0))], 0)


def _plain_dtype(dtype):
    try:
        made = np.dtype(dtype)
    except TypeError as error:
        raise InvalidInputError(f"dtype is {dtype!r}: {error}") from None
    if made.hasobject or made.itemsize == 0 or made.subdtype is not None:
        raise InvalidInputError(f"dtype is {made}; give one of plain numbers")
    return made


def _whole_shape(shape):
    try:
        axes = tuple(shape)
    except TypeError:
        axes = (shape,)
    try:
        axes = tuple(map(operator.index, axes))
    except TypeError:
        raise InvalidInputError(f"shape is {shape!r}; give whole numbers") from None
    if any(axis < 0 or axis >= 2**63 for axis in axes) or len(axes) > 32:
        raise InvalidInputError(f"shape is {shape!r}; give up to 32 numbers, each at least 0")
    return axes


def _forget_after_fork():
    # Another thread may have held the lock; the child's buffers are copies that it can spare.
    for pool in list(_pools):
        pool._forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
