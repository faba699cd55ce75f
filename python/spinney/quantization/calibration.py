"""Ranges of values: those that an array has, and those that a calibration method finds best.

The methods, over all finite values v of the calibration arrays:
minmax: [min(v), max(v)].
percentile: from the (100 - p)-th to the p-th percentile.
entropy: the limit T on |v| whose distribution, rounded to the codes there are, has the smallest
    Kullback-Leibler divergence from that of |v| clipped at T (Migacz, 8-bit Inference with
    TensorRT, 2017), over a histogram of 2,048 bins.
mse: the share of [min(v), max(v)] whose codes give the smallest mean squared error, out of 100.
"""

from __future__ import annotations

import numpy as np

from spinney import _core
from spinney.quantization.parameters import STORAGES, code_range

_BINS = 2048
_SHARES = 100
_SEARCH_VALUES = 1 << 16


def array_ranges(x, axis, config):
    """(ranges, nans, infinities) of a C-contiguous float32 array, as the configuration has it.

    ranges: (min, max) of the finite values, 0 and 0 where there are none; a list of one such pair
        a channel where axis is not None.
    """
    if axis is None:
        low, high, nans, infinities = _core.array_range(x)
        return _narrowed(x, (low, high), config), nans, infinities
    found = _core.channel_ranges(x, axis)
    ranges = [(low, high) for low, high, _, _ in found]
    if config.use_percentile or config.outlier_threshold is not None:
        channels = np.moveaxis(x, axis, 0)
        ranges = [_narrowed(part, pair, config) for part, pair in zip(channels, ranges)]
    return ranges, sum(f[2] for f in found), sum(f[3] for f in found)


def _narrowed(x, pair, config):
    """The range without the values that the configuration takes for outliers."""
    if not (config.use_percentile or config.outlier_threshold is not None):
        return pair
    values = finite_values(x)
    if len(values) == 0:
        return pair
    low, high = pair
    if config.use_percentile:
        low, high = _percentiles(values, config.min_percentile, config.max_percentile)
    if config.outlier_threshold is not None:
        mean, deviation = float(values.mean(dtype=np.float64)), float(values.std(dtype=np.float64))
        low = max(low, mean - config.outlier_threshold * deviation)
        high = min(high, mean + config.outlier_threshold * deviation)
    return float(np.float32(low)), float(np.float32(high))


def finite_values(x):
    """The finite values of an array, flat."""
    values = np.ravel(x)
    finite = np.isfinite(values)
    return values if finite.all() else values[finite]


def _percentiles(values, low, high):
    found = np.percentile(values.astype(np.float64), [low, high])
    return float(np.float32(found[0])), float(np.float32(found[1]))


def calibrated_range(values, config, storage, bits, symmetric):
    """The range (min, max) that the configuration's method finds for these finite values."""
    if len(values) == 0:
        return 0.0, 0.0
    method = config.calibration_method
    low, high = float(values.min()), float(values.max())
    if method == "percentile":
        return _percentiles(values, 100.0 - config.percentile, config.percentile)
    if method == "entropy":
        limit = _entropy_limit(values, bits)
        return max(low, -limit), min(high, limit)
    if method == "mse":
        return _mse_range(values, (low, high), storage, bits, symmetric)
    return low, high


def _entropy_limit(values, bits):
    magnitudes = np.abs(values)
    largest = float(magnitudes.max())
    levels = 2 ** (bits - 1)
    if largest == 0 or levels >= _BINS:
        return largest
    counts, edges = np.histogram(magnitudes, _BINS, (0.0, largest))
    best, limit = np.inf, largest
    for n in range(levels, _BINS + 1, max(1, _BINS // 256)):
        divergence = _divergence(counts, n, levels)
        if divergence < best:
            best, limit = divergence, float(np.float32(edges[n]))
    return limit


def _divergence(counts, n, levels):
    """Kullback-Leibler divergence of the first n bins in so many levels from themselves."""
    kept = counts[:n].astype(np.float64)
    reference = kept.copy()
    reference[-1] += counts[n:].sum()  # what lies beyond is clipped
    level = np.arange(n) * levels // n
    filled = kept > 0
    share = np.bincount(level, kept, levels) / np.maximum(np.bincount(level, filled, levels), 1)
    rounded = share[level] * filled
    seen = reference > 0
    total = rounded.sum()
    if total == 0 or np.any(rounded[seen] == 0):
        # A bin that only clipped values reach has no counterpart: as unlikely as one value.
        rounded = np.where(seen & (rounded == 0), 1e-9 * max(total, 1.0), rounded)
        total = rounded.sum()
    p, q = reference[seen] / reference.sum(), rounded[seen] / total
    return float(np.sum(p * np.log(p / q)))


def _mse_range(values, pair, storage, bits, symmetric):
    """Shares of the range are tried on at most 65,536 values, evenly taken, and both ends."""
    step = -(-len(values) // _SEARCH_VALUES)
    sample = np.ascontiguousarray(values[::step], np.float32)
    lowest, highest = code_range(storage, bits)
    best, found = np.inf, pair
    with np.errstate(over="ignore"):
        for i in range(_SHARES, 0, -1):
            low, high = (float(np.float32(end * i / _SHARES)) for end in pair)
            scale, zero = _core.affine_parameters(low, high, lowest, highest, symmetric)
            codes = _core.quantize_tensor(sample, STORAGES[storage], lowest, highest, scale, zero)
            back = _core.dequantize_tensor(codes[0], scale, zero)
            error = float(np.mean((back.astype(np.float64) - sample) ** 2))
            if error < best:
                best, found = error, (low, high)
    return found
