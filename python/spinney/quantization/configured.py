"""Quantizer: arrays of real numbers as small integers, or as float16, and back."""

from __future__ import annotations

from threading import local

import numpy as np

from spinney import _core
from spinney.configs import QuantizationMode
from spinney.exceptions import InvalidInputError
from spinney.forks import lock_for
from spinney.quantization.cache import ContentCache
from spinney.quantization.calibration import array_ranges
from spinney.quantization.counts import refuse, refuses
from spinney.quantization.floats import FLOAT32, Floats, axis_of, release
from spinney.quantization.kept import KeptParameters
from spinney.quantization.layers import CODES, HALF, layer_format, layer_kind, matches
from spinney.quantization.parameters import (
    STORAGES,
    Parameters,
    check_axis,
    code_range,
    storage_of,
)

_BLOCK = 1 << 16  # values that quantize_dequantize holds codes of at a time
_KEPT = (QuantizationMode.STATIC, QuantizationMode.CALIBRATED)


class Configured(KeptParameters):
    """What a Quantizer does under one configuration, which never changes.

    counts: shared by all configurations that a Quantizer has had.
    """

    def __init__(self, config, counts):
        self._lock = lock_for(self)
        self.counts = counts
        mode = config.quantization_mode
        self.config = config
        self._storage = storage_of(config.quantization_type)
        self._symmetric = config.symmetric or mode is QuantizationMode.SYMMETRIC
        self._per_channel = config.per_channel or mode is QuantizationMode.DYNAMIC_PER_CHANNEL
        self._cache = ContentCache(config.cache_size) if config.enable_cache else None
        self._floats = Floats(config.buffer_size)
        self._fixed, self._shared, self._last = {}, None, {}
        self._local = local()
        self._fast, self._keeps = None, mode in _KEPT
        integers = self._storage in STORAGES
        self._codes = code_range(self._storage, config.num_bits) if integers else None
        self._plain = not (config.use_percentile or config.outlier_threshold is not None)
        if integers and self._plain and not self._keeps:
            self._fast = (STORAGES[self._storage], *self._codes, self._symmetric)

    # Quantizing

    def quantize(self, data, validate=True, channel_dim=None, layer_name=None):
        """The codes of an array, of the same shape.

        data: numbers of any shape and real dtype.
        validate: False leaves out the checks of error_on_nan and error_on_inf.
        channel_dim: the axis whose channels have scales of their own; None takes axis 1 where
            the configuration asks for channels and the array has two axes or more.
        layer_name: parameters and rules (skip_layers, mixed_precision_layers) of that name.
        Gives int8, uint8, int16 or float16; float32 values as they are for a skipped layer and
        for QuantizationType.NONE. InvalidInputError: no numbers, NaN or infinity where they are
        refused, CALIBRATED before calibrate.
        """
        if layer_name is None and channel_dim is None:
            kept = self._fixed.get(None, self._shared) if self._keeps else None
            if self._quick(kept):
                return self._quantize_plainly(data, validate, kept)[0]
        kind, layer = layer_kind(self.config, layer_name), layer_name
        x, ours = self._floats.of(data)
        try:
            if kind is not CODES:
                return self._as_floats(kind, x, validate, data)
            codes, parameters = self._encode(x, validate, channel_dim, layer)
            self._remember(layer, parameters)
            return codes
        finally:
            release(x, ours)

    def _quick(self, kept):
        """Whether _quantize_plainly will do, for data of no layer; counts the call for the cache.

        kept: the parameters that stay, or None.
        """
        if self._fast is None and (kept is None or self._codes is None):
            return False
        return self._cache is None or not self._cache.active()

    def _quantize_plainly(self, data, validate, kept):
        """(codes, parameters) without rules or a search for a range: the way of a single row.

        kept: the parameters, or None for such as fit the data.
        """
        x, ours = data, False
        if type(x) is not np.ndarray or x.dtype is not FLOAT32 or not x.flags.carray:
            x, ours = self._floats.of(data)
        clipped = 0  # nothing is beyond a range that is the data's own
        try:
            if kept is not None:
                codes, clipped, nans, infinities = kept.quantize(x)
                last = kept
            elif self._per_channel and x.ndim > 1:
                codes, scale, zero, nans, infinities = _core.quantize_channels_dynamic(
                    x, 1, *self._fast
                )
                last = (scale, zero, 1)
            else:
                codes, scale, zero, nans, infinities = _core.quantize_dynamic(x, *self._fast)
                last = (scale, zero)
        finally:
            if ours:
                x.fill(0)
        counts = self.counts
        counts.quantize_calls += 1
        counts.values += codes.size
        if clipped or nans or infinities:
            counts.outside(clipped, nans, infinities)
            if validate:
                refuse(self.config, nans, infinities, codes)
        self._local.last = last
        self._last[None] = last
        return codes, last

    def dequantize(self, data, channel_dim=None, layer_name=None, out=None):
        """The float32 values of codes that quantize gave.

        data: codes; float16 and float32 arrays (what quantize gives without codes) are only
            converted. channel_dim: must be that of quantize, or None.
        out: a float32 array of the same shape to write to and return, instead of a new one.
        InvalidInputError: nothing was quantized, calibrated or loaded, or codes of another dtype.
        """
        codes = np.asarray(data, order="C")
        self.counts.dequantize_calls += 1
        if codes.dtype == np.float16:
            return _core.from_half(codes, out)
        if codes.dtype.kind == "f":
            return _into(out, codes.astype(np.float32))
        if layer_name is None and channel_dim is None and codes.dtype == self._storage:
            last = self._local.__dict__.get("last")
            if type(last) is tuple:
                if len(last) == 2:
                    return _core.dequantize_tensor(codes, *last, out)
                return _core.dequantize_channels(codes, *last, out)
        known = self._known(codes, channel_dim, layer_name)
        return known.dequantize(codes, out)

    def _known(self, codes, channel_dim, layer_name):
        parameters = self._current(layer_name)
        if parameters is None:
            raise InvalidInputError(
                "there are no parameters to dequantize with"
                + (f" for layer {layer_name!r}" if layer_name else "")
                + "; call quantize, calibrate or load_parameters first"
            )
        if codes.dtype != parameters.storage:
            raise InvalidInputError(f"codes are {codes.dtype}; expected {parameters.storage}")
        check_axis(parameters, channel_dim, codes.ndim)
        return parameters

    def quantize_dequantize(self, data, validate=True, channel_dim=None, layer_name=None):
        """The float32 values that are left of an array once quantized.

        With optimize_memory and one scale for all, codes are held of 65,536 values at a time.
        """
        small = type(data) is np.ndarray and data.size <= _BLOCK
        if small and layer_name is None and channel_dim is None:
            kept = self._fixed.get(None, self._shared) if self._keeps else None
            if self._quick(kept):
                codes, parameters = self._quantize_plainly(data, validate, kept)
                return self._restored(codes, parameters)
        kind, layer = layer_kind(self.config, layer_name), layer_name
        x, ours = self._floats.of(data)
        try:
            if kind is not CODES:
                floats = self._as_floats(kind, x, validate, data)
                result = self.dequantize(floats)
                if kind is HALF:
                    floats.fill(0)  # nobody else has them
                return result
            axis = self._axis(x, channel_dim)
            if axis is not None or not self.config.optimize_memory or x.size <= _BLOCK:
                codes, parameters = self._encode(x, validate, channel_dim, layer)
                result = self._restored(codes, parameters)
            else:
                parameters = self._parameters(x, None, validate, layer, channel_dim)
                result = self._through_blocks(x, parameters, validate)
                self.counts.dequantize_calls += 1
            self._remember(layer, parameters)
            return result
        finally:
            release(x, ours)

    def _restored(self, codes, parameters):
        """The values of codes that nobody else has, which are zeroed."""
        if type(parameters) is not tuple:
            result = parameters.dequantize(codes)
        elif len(parameters) == 2:
            result = _core.dequantize_tensor(codes, *parameters)
        else:
            result = _core.dequantize_channels(codes, *parameters)
        codes.fill(0)
        self.counts.dequantize_calls += 1
        return result

    def _through_blocks(self, x, parameters, validate):
        if parameters.channel_dim is not None:
            codes, *outside = parameters.quantize(x)
            self._count(x, outside, validate, codes)
            result = parameters.dequantize(codes)
            codes.fill(0)
            return result
        result = np.empty(x.shape, np.float32)
        flat, out = x.reshape(-1), result.reshape(-1)
        outside = np.zeros(3, np.int64)
        for first in range(0, len(flat), _BLOCK):
            codes, *found = parameters.quantize(flat[first : first + _BLOCK])
            parameters.dequantize(codes, out[first : first + _BLOCK])
            codes.fill(0)
            outside += found
        self._count(x, outside.tolist(), validate, result)
        return result

    def _encode(self, x, validate, channel_dim, layer):
        axis = self._axis(x, channel_dim)

        def make():
            if self._fast is not None:
                if axis is None:
                    codes, scale, zero, *infinite = _core.quantize_dynamic(x, *self._fast)
                    return codes, ((scale, zero), (0, *infinite))
                codes, *found = _core.quantize_channels_dynamic(x, axis, *self._fast)
                return codes, ((*found[:2], axis), (0, *found[2:]))
            parameters = self._parameters(x, axis, validate, layer, channel_dim)
            codes, *outside = parameters.quantize(x)
            return codes, (parameters, outside)

        cache = self._cache
        if cache is not None and cache.active():
            what = (axis, id(self._fixed_for(layer)))
            codes, (parameters, outside) = cache.get_or_make(x, what, make, self._may_be_kept)
        else:
            codes, (parameters, outside) = make()
        self._count(x, outside, validate, codes)
        return codes, parameters

    def _may_be_kept(self, rest):
        return not refuses(self.config, *rest[1][1:])

    def _count(self, x, outside, validate, made=None):
        """made: of x, and zeroed where that is refused."""
        clipped, nans, infinities = outside
        self.counts.quantize_calls += 1
        self.counts.values += x.size
        if clipped or nans or infinities:
            self.counts.outside(clipped, nans, infinities)
            if validate:
                refuse(self.config, nans, infinities, made)

    # Parameters

    def _parameters(self, x, axis, validate, layer, channel_dim):
        """Those kept for the layer, or such as fit x."""
        mode = self.config.quantization_mode
        if mode in _KEPT:
            kept = self._fixed_for(layer)
            if kept is not None:
                check_axis(kept, channel_dim, x.ndim)
                return kept
            if mode is QuantizationMode.CALIBRATED:
                raise InvalidInputError(
                    "the quantizer is not calibrated; call calibrate or load_parameters first"
                )
        made, nans, infinities = self._fitting(x, axis)
        if validate:
            refuse(self.config, nans, infinities)
        if mode is QuantizationMode.STATIC:
            with self._lock:
                made = self._fixed.setdefault(layer, made)
        return made

    def _fitting(self, x, axis):
        """(parameters for the range of x, NaN values, infinite values)."""
        if axis is not None and self._plain:
            low, high = self._codes
            scales, zeros, *outside = _core.channel_parameters(x, axis, low, high, self._symmetric)
            return (Parameters(self._storage, low, high, scales, zeros, axis), *outside)
        ranges, nans, infinities = array_ranges(x, axis, self.config)
        return self._parameters_for(ranges, axis), nans, infinities

    def compute_scale_and_zero_point(self, data, channel_dim=None, layer_name=None):
        """(scale, zero_point) for the range of an array, without quantizing it.

        A float and an int; or a float32 and an int32 array with a number for each channel.
        """
        if layer_kind(self.config, layer_name) is not CODES:
            return 1.0, 0
        x, ours = self._floats.of(data)
        try:
            made, nans, infinities = self._fitting(x, self._axis(x, channel_dim))
        finally:
            release(x, ours)
        refuse(self.config, nans, infinities)
        return made.scale, made.zero_point

    # Layers

    def should_quantize_layer(self, name):
        """False for a layer that a pattern of skip_layers (as of file names) matches."""
        return not matches(name, self.config.skip_layers)

    def get_layer_quantization_params(self, name):
        """What a layer is quantized with, as plain data.

        quantization_type, bits (of a value; num_bits is the same), quantized (False: left as it
        is); and, where there are some already, the parameters: scale, zero_point, channel_dim,
        storage, low and high.
        """
        found = layer_format(self.config, name, self._storage)
        if layer_kind(self.config, name) is CODES:
            parameters = self._current(name)
            found.update({} if parameters is None else parameters.to_dict())
        return found

    # Configuration, statistics, cache

    def get_config(self):
        """The configuration as a dict: each option with its value, enumerations as such.

        config.to_dict() is the same as JSON holds it, enumerations by name.
        """
        return {name: getattr(self.config, name) for name in self.config.option_names()}

    def get_stats(self):
        """Counts since the start or reset_stats.

        quantize_calls, dequantize_calls, calibrations, total_values, clipped_values (finite, but
        beyond the range), nan_values, inf_values, clipped_ratio; cache_hits, cache_misses,
        cache_size, cache_bytes, cache_evictions, cache_paused.
        """
        found = self.counts.to_dict()
        cache = self._cache or ContentCache(1)
        found.update(cache.stats())
        return found

    def reset_stats(self):
        """Set every count to zero."""
        self.counts.reset()
        if self._cache is not None:
            self._cache.reset_stats()

    def clear_cache(self):
        """Forget and zero all cached arrays, and free what was kept for the next large result."""
        if self._cache is not None:
            self._cache.clear()
        _core.trim_results()

    # Input

    def _as_floats(self, kind, x, validate, data):
        if kind is HALF:
            halves, *outside = _core.to_half(x)
            self._count(x, outside, validate, halves)
            return halves
        _, _, nans, infinities = _core.array_range(x)
        self._count(x, (0, nans, infinities), validate)
        return x if x is data else x.copy()

    def _axis(self, x, channel_dim):
        return axis_of(x.ndim, channel_dim, self._per_channel)


def _into(out, values):
    """Floats that were never codes, written to out where there is one."""
    if out is None:
        return values
    if not (isinstance(out, np.ndarray) and out.dtype == FLOAT32 and out.shape == values.shape):
        raise InvalidInputError("out must be a float32 array of the shape of the codes")
    np.copyto(out, values)
    return out
