"""How far apart two arrays of floating point numbers are, counted in representable numbers."""

from __future__ import annotations

import numpy as np


def ulp_distance(left, right):
    """The number of representable steps between each pair, as uint64; 0 means the same number.

    left, right: arrays of the same shape and of one dtype, float32 or float64.
    Two NaNs are equal; a NaN against a number is as far apart as can be. +0 and -0 are equal.
    """
    left, right = np.asarray(left), np.asarray(right)
    if left.dtype != right.dtype or left.dtype not in (np.float32, np.float64):
        raise TypeError(f"expected two float32 or two float64 arrays: {left.dtype}, {right.dtype}")
    integer = np.int32 if left.dtype == np.float32 else np.int64
    ordered = []
    for array in (left, right):
        bits = np.ascontiguousarray(array).view(integer).astype(np.int64)
        # Negative floats sort backwards by their bits; this lays all of them on one line.
        smallest = np.int64(np.iinfo(integer).min)
        ordered.append(np.where(bits < 0, smallest - bits, bits))
    high = np.maximum(*ordered).astype(np.uint64)
    low = np.minimum(*ordered).astype(np.uint64)
    distance = high - low  # modulo 2^64, hence right whatever the signs
    unordered = np.isnan(left) != np.isnan(right)
    both = np.isnan(left) & np.isnan(right)
    return np.where(both, np.uint64(0), np.where(unordered, ~np.uint64(0), distance))


def largest_difference(left, right):
    """The largest ulp distance as an int, or None where shape, dtype or a label differ.

    Arrays that hold no floating point numbers (labels) are equal or not: 0 or None.
    """
    left, right = np.asarray(left), np.asarray(right)
    if left.shape != right.shape or left.dtype != right.dtype:
        return None
    if left.dtype not in (np.float32, np.float64):
        return 0 if np.array_equal(left, right) else None
    return int(ulp_distance(left, right).max(initial=0))
