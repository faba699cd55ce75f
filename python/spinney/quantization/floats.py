"""Input of any real dtype as C-contiguous float32."""

from __future__ import annotations

from operator import index
from threading import local

import numpy as np

from spinney.exceptions import InvalidInputError
from spinney.masks import is_masked_array

FLOAT32 = np.dtype(np.float32)


class Floats:
    """Converts arrays, in one buffer a thread where its size allows; the buffer is zeroed after
    each use."""

    def __init__(self, buffer_size):
        self._buffer_size = buffer_size
        self._local = local()

    def of(self, data):
        """(x, ours): data itself where it is C-contiguous float32, else a converted copy.

        ours: whether x is memory that this object made, which release must be given back and
        nobody else may keep. Memory that data lends (a Series, an array.array) is never ours.
        Masked values become NaN.
        """
        if is_masked_array(data):
            return _unmasked(data), True
        x = data if isinstance(data, np.ndarray) else _as_array(data)
        if x.dtype.kind not in "fiub":
            raise InvalidInputError(f"an array of {x.dtype} cannot be quantized; give real numbers")
        if x.dtype == FLOAT32 and x.flags.c_contiguous and x.flags.aligned:
            return x, False
        with np.errstate(over="ignore", invalid="ignore"):
            if not 0 < x.size * 4 <= self._buffer_size:
                return np.array(x, dtype=np.float32, order="C"), True
            part = self._buffer()[: x.size].reshape(x.shape)
            np.copyto(part, x, casting="unsafe")
            return part, True

    def copy_of(self, data):
        """(x, ours), as of(), that may be kept: not in the buffer, which the next call reuses."""
        x, ours = self.of(data)
        if not ours or self._buffer_size == 0:
            return x, ours
        kept = x.copy()
        x.fill(0)
        return kept, True

    def _buffer(self):
        buffer = getattr(self._local, "buffer", None)
        if buffer is None:
            buffer = self._local.buffer = np.zeros(self._buffer_size // 4, np.float32)
        return buffer


def release(x, ours):
    """Zero a copy that Floats.of made."""
    if ours:
        x.fill(0)


def _as_array(data):
    try:
        return np.asarray(data)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(
            f"a {type(data).__name__} that numpy cannot make an array of: {error}"
        ) from error


def _unmasked(data):
    if data.dtype.kind not in "fiub":
        raise InvalidInputError(f"an array of {data.dtype} cannot be quantized; give real numbers")
    with np.errstate(over="ignore", invalid="ignore"):
        x = np.array(data.data, dtype=np.float32, order="C")
    x[np.ma.getmaskarray(data)] = np.nan
    return x


def axis_of(ndim, channel_dim, per_channel):
    """The axis of the channels, or None: channel_dim, or axis 1 where channels are asked for."""
    if channel_dim is None:
        return 1 if per_channel and ndim > 1 else None
    try:
        axis = index(channel_dim)
    except TypeError:
        raise InvalidInputError(f"channel_dim is {channel_dim!r}; give an integer") from None
    axis += ndim if axis < 0 else 0
    if not 0 <= axis < ndim:
        raise InvalidInputError(f"channel_dim is {channel_dim} and the array has {ndim} dimensions")
    return axis


def sampled(arrays, rows_max):
    """(at most so many rows, evenly over all arrays; those of these arrays that are copies)."""
    total = sum(len(array) for array in arrays)
    if total <= rows_max:
        return arrays, []
    chosen = np.linspace(0, total - 1, rows_max).astype(np.int64)
    taken, first = [], 0
    for array in arrays:
        own = chosen[(chosen >= first) & (chosen < first + len(array))] - first
        first += len(array)
        if len(own):
            taken.append(np.ascontiguousarray(array[own]))
    return taken, taken
