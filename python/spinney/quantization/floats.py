"""Input of any real dtype as C-contiguous float32."""

from __future__ import annotations

from threading import local

import numpy as np

from spinney.exceptions import InvalidInputError

FLOAT32 = np.dtype(np.float32)


class Floats:
    """Converts arrays, in one buffer a thread where its size allows; the buffer is zeroed after
    each use."""

    def __init__(self, buffer_size):
        self._buffer_size = buffer_size
        self._local = local()

    def of(self, data):
        """data itself where it is C-contiguous float32, else a converted copy; see release."""
        x = data if isinstance(data, np.ndarray) else np.asarray(data)
        if x.dtype.kind not in "fiub":
            raise InvalidInputError(f"an array of {x.dtype} cannot be quantized; give real numbers")
        if x.dtype is FLOAT32 and x.flags.c_contiguous and x.flags.aligned:
            return x
        with np.errstate(over="ignore", invalid="ignore"):
            if not 0 < x.size * 4 <= self._buffer_size:
                return np.array(x, dtype=np.float32, order="C")
            part = self._buffer()[: x.size].reshape(x.shape)
            np.copyto(part, x, casting="unsafe")
            return part

    def _buffer(self):
        buffer = getattr(self._local, "buffer", None)
        if buffer is None:
            buffer = self._local.buffer = np.zeros(self._buffer_size // 4, np.float32)
        return buffer

    @staticmethod
    def release(x, data):
        """Zero a copy that of(data) made."""
        if x is not data and not (isinstance(data, np.ndarray) and np.may_share_memory(x, data)):
            x.fill(0)


def axis_of(ndim, channel_dim, per_channel):
    """The axis of the channels, or None: channel_dim, or axis 1 where channels are asked for."""
    if channel_dim is None:
        return 1 if per_channel and ndim > 1 else None
    axis = channel_dim + ndim if channel_dim < 0 else channel_dim
    if not 0 <= axis < ndim:
        raise InvalidInputError(f"channel_dim is {channel_dim} and the array has {ndim} dimensions")
    return axis


def sampled(arrays, rows_max):
    """At most so many rows, evenly over all arrays."""
    total = sum(len(array) for array in arrays)
    if total <= rows_max:
        return arrays
    chosen = np.linspace(0, total - 1, rows_max).astype(np.int64)
    taken, first = [], 0
    for array in arrays:
        own = chosen[(chosen >= first) & (chosen < first + len(array))] - first
        first += len(array)
        if len(own):
            taken.append(np.ascontiguousarray(array[own]))
    return taken
