"""Quantizer: arrays of real numbers as small integers, or as float16, and back."""

from __future__ import annotations

import hashlib
from fnmatch import fnmatchcase
from threading import Lock, local

import numpy as np

from spinney import _core
from spinney.configs import QuantizationConfig, QuantizationMode, QuantizationType
from spinney.exceptions import InvalidInputError
from spinney.quantization.cache import ContentCache
from spinney.quantization.calibration import array_ranges, calibrated_range, finite_values
from spinney.quantization.parameters import (
    STORAGES,
    Parameters,
    code_range,
    parameters_for,
    storage_of,
)

_FLOAT32 = np.dtype(np.float32)
_BLOCK = 1 << 16  # values that quantize_dequantize holds codes of at a time
_KEPT = (QuantizationMode.STATIC, QuantizationMode.CALIBRATED)
_UNCHANGED, _HALF, _CODES = "unchanged", "float16", "codes"


class Quantizer:
    """Quantizes arrays as ONNX's QuantizeLinear does, bit for bit; safe from many threads.

    code = saturate(round_half_even(x / scale) + zero_point), in float32 and with a true division;
    NaN becomes zero_point unless error_on_nan refuses it, infinities the lowest or highest code
    unless error_on_inf does. Values of other dtypes are rounded to float32 first.

    >>> quantizer = Quantizer({"quantization_type": "INT8"})
    >>> codes = quantizer.quantize(np.float32([-1.0, 0.0, 0.5, 1.0]))
    >>> codes
    array([-127,    0,   64,  127], dtype=int8)
    >>> float(abs(quantizer.dequantize(codes) - [-1.0, 0.0, 0.5, 1.0]).max()) < 0.004
    True

    What dequantize, scale and zero_point go by are the parameters of the same thread's last
    quantize (of that layer), or else of any thread's.
    """

    def __init__(self, config=None):
        """config: a QuantizationConfig, a mapping of its options, or None for the defaults."""
        self._lock = Lock()
        self.reset_stats()
        self._configure(_as_config(config))

    def _configure(self, config):
        mode = config.quantization_mode
        self.config = config
        self._storage = storage_of(config.quantization_type)
        self._symmetric = config.symmetric or mode is QuantizationMode.SYMMETRIC
        self._per_channel = config.per_channel or mode is QuantizationMode.DYNAMIC_PER_CHANNEL
        self._cache = ContentCache(config.cache_size) if config.enable_cache else None
        self._fixed, self._shared, self._last = {}, None, {}
        self._local = local()
        self._fast = None
        integers = self._storage in STORAGES
        if integers:
            self._codes = code_range(self._storage, config.num_bits)
        plain = not (config.use_percentile or config.outlier_threshold is not None)
        if integers and plain and not self._per_channel and mode not in _KEPT:
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
        if self._fast is not None and layer_name is None and channel_dim is None:
            cache = self._cache
            if cache is None or not cache.active():
                return self._quantize_plainly(data, validate)
        kind, x, layer = self._prepare(data, layer_name)
        try:
            if kind is not _CODES:
                return self._as_floats(kind, x, validate, data)
            codes, parameters = self._encode(x, validate, channel_dim, layer)
            self._remember(layer, parameters)
            return codes
        finally:
            self._release(x, data)

    def _quantize_plainly(self, data, validate):
        """One range, one scale, no rules: the way of a single row."""
        x = data
        if type(x) is not np.ndarray or x.dtype is not _FLOAT32 or not x.flags.c_contiguous:
            x = self._as_float32(data)
        codes, scale, zero, nans, infinities = _core.quantize_dynamic(x, *self._fast)
        if nans or infinities:
            self._count_outside(0, nans, infinities)
            if validate:
                self._refuse(nans, infinities)
        self._local.last = last = (scale, zero)
        self._last[None] = last
        self._calls += 1
        self._values += codes.size
        if x is not data:
            self._release(x, data)
        return codes

    def dequantize(self, data, channel_dim=None, layer_name=None):
        """The float32 values of codes that quantize gave.

        data: codes; float16 and float32 arrays (what quantize gives without codes) are only
            converted. channel_dim: must be that of quantize, or None.
        InvalidInputError: nothing was quantized, calibrated or loaded, or codes of another dtype.
        """
        codes = np.asarray(data, order="C")
        self._dequantize_calls += 1
        if codes.dtype == np.float16:
            return _core.from_half(codes)
        if codes.dtype.kind == "f":
            return codes.astype(np.float32)
        return self._known(codes, channel_dim, layer_name).dequantize(codes)

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
        _check_axis(parameters, channel_dim, codes.ndim)
        return parameters

    def quantize_dequantize(self, data, validate=True, channel_dim=None, layer_name=None):
        """The float32 values that are left of an array once quantized.

        With optimize_memory and one scale for all, codes are held of 65,536 values at a time.
        """
        kind, x, layer = self._prepare(data, layer_name)
        try:
            if kind is not _CODES:
                return self.dequantize(self._as_floats(kind, x, validate, data))
            axis = self._axis(x, channel_dim)
            if axis is not None or not self.config.optimize_memory or x.size <= _BLOCK:
                codes, parameters = self._encode(x, validate, channel_dim, layer)
                result = parameters.dequantize(codes)
            else:
                parameters = self._parameters(x, None, validate, layer, channel_dim)
                result = self._through_blocks(x, parameters, validate)
            self._remember(layer, parameters)
            self._dequantize_calls += 1
            return result
        finally:
            self._release(x, data)

    def _through_blocks(self, x, parameters, validate):
        if parameters.channel_dim is not None:
            codes, *outside = parameters.quantize(x)
            self._count(x, outside, validate)
            return parameters.dequantize(codes)
        result = np.empty(x.shape, np.float32)
        flat, out = x.reshape(-1), result.reshape(-1)
        outside = np.zeros(3, np.int64)
        for first in range(0, len(flat), _BLOCK):
            codes, *found = parameters.quantize(flat[first : first + _BLOCK])
            out[first : first + _BLOCK] = parameters.dequantize(codes)
            codes.fill(0)
            outside += found
        self._count(x, outside.tolist(), validate)
        return result

    def _encode(self, x, validate, channel_dim, layer):
        axis = self._axis(x, channel_dim)

        def make():
            parameters = self._parameters(x, axis, validate, layer, channel_dim)
            codes, *outside = parameters.quantize(x)
            return codes, (parameters, outside)

        cache = self._cache
        if cache is not None and cache.active():
            what = (axis, id(self._fixed_for(layer)))
            codes, (parameters, outside) = cache.get_or_make(x, what, make)
        else:
            codes, (parameters, outside) = make()
        self._count(x, outside, validate)
        return codes, parameters

    def _count(self, x, outside, validate):
        clipped, nans, infinities = outside
        self._calls += 1
        self._values += x.size
        if clipped or nans or infinities:
            self._count_outside(clipped, nans, infinities)
            if validate:
                self._refuse(nans, infinities)

    def _count_outside(self, clipped, nans, infinities):
        with self._lock:
            self._clipped += clipped
            self._nans += nans
            self._infinities += infinities

    def _refuse(self, nans, infinities):
        if nans and self.config.error_on_nan:
            raise InvalidInputError(f"{nans} values are NaN, which error_on_nan refuses")
        if infinities and self.config.error_on_inf:
            raise InvalidInputError(f"{infinities} values are infinite, which error_on_inf refuses")

    # Parameters

    def _parameters(self, x, axis, validate, layer, channel_dim):
        """Those kept for the layer, or such as fit x."""
        mode = self.config.quantization_mode
        if mode in _KEPT:
            kept = self._fixed_for(layer)
            if kept is not None:
                _check_axis(kept, channel_dim, x.ndim)
                return kept
            if mode is QuantizationMode.CALIBRATED:
                raise InvalidInputError(
                    "the quantizer is not calibrated; call calibrate or load_parameters first"
                )
        ranges, nans, infinities = array_ranges(x, axis, self.config)
        if validate:
            self._refuse(nans, infinities)
        made = self._parameters_for(ranges, axis)
        if mode is QuantizationMode.STATIC:
            with self._lock:
                made = self._fixed.setdefault(layer, made)
        return made

    def _parameters_for(self, ranges, axis):
        return parameters_for(ranges, axis, self._storage, self.config.num_bits, self._symmetric)

    def _fixed_for(self, layer):
        return self._fixed.get(layer, self._shared)

    def compute_scale_and_zero_point(self, data, channel_dim=None, layer_name=None):
        """(scale, zero_point) for the range of an array, without quantizing it.

        A float and an int; or a float32 and an int32 array with a number for each channel.
        """
        kind, x, _ = self._prepare(data, layer_name)
        if kind is not _CODES:
            return 1.0, 0
        axis = self._axis(x, channel_dim)
        ranges, nans, infinities = array_ranges(x, axis, self.config)
        self._refuse(nans, infinities)
        made = self._parameters_for(ranges, axis)
        return made.scale, made.zero_point

    def calibrate(self, data, channel_dim=None, layer_name=None):
        """Find the range of values in a list of arrays by calibration_method, and keep it.

        STATIC and CALIBRATED quantize with it from then on: for every layer without parameters of
        its own, or with layer_name for that layer. At most calibration_samples rows (elements of
        the first axis) are looked at, evenly taken from all that there are.
        """
        arrays = [data] if isinstance(data, np.ndarray) else list(data)
        arrays = [np.atleast_1d(self._as_float32(array)) for array in arrays]
        arrays = [array for array in arrays if array.size]
        if not arrays:
            raise InvalidInputError("calibration needs at least one array that is not empty")
        if self._storage not in STORAGES:
            return
        arrays = _sampled(arrays, self.config.calibration_samples)
        for array in arrays:
            _, _, nans, infinities = _core.array_range(array)
            self._refuse(nans, infinities)
        axis = self._axis(arrays[0], channel_dim)
        if axis is None:
            values = np.concatenate([finite_values(array) for array in arrays])
            ranges = self._calibrated(values)
        else:
            if len({array.shape[axis] for array in arrays}) != 1:
                raise InvalidInputError("the arrays differ in their number of channels")
            channels = zip(*(np.moveaxis(array, axis, 0) for array in arrays))
            ranges = [
                self._calibrated(np.concatenate([finite_values(part) for part in parts]))
                for parts in channels
            ]
        made = self._parameters_for(ranges, axis)
        with self._lock:
            if layer_name is None:
                self._shared = made
                self._fixed.pop(None, None)
            else:
                self._fixed[layer_name] = made
            self._calibrations += 1
        self._remember(layer_name, made)

    def _calibrated(self, values):
        return calibrated_range(
            values, self.config, self._storage, self.config.num_bits, self._symmetric
        )

    def _remember(self, layer, parameters):
        here = self._local
        if layer is None:
            here.last = parameters
        else:
            here.__dict__.setdefault("layers", {})[layer] = parameters
        self._last[layer] = parameters

    def _current(self, layer):
        """The parameters of this thread's last call for the layer, or of any, or those kept."""
        here = self._local.__dict__
        found = here.get("last") if layer is None else here.get("layers", {}).get(layer)
        found = found or self._last.get(layer) or self._fixed_for(layer)
        if type(found) is tuple:
            found = Parameters(self._storage, *self._codes, *found)
        return found

    def scale(self):
        """The scale in use: a float, or an array of one a channel; 1.0 before there is one."""
        found = self._current(None)
        return 1.0 if found is None else found.scale

    def zero_point(self):
        """The code of 0.0: an int, or an array of one a channel; 0 before there is one."""
        found = self._current(None)
        return 0 if found is None else found.zero_point

    def export_import_parameters(self):
        """Configuration and parameters as plain data (JSON holds it), for load_parameters."""
        with self._lock:
            layers = {name: p for name, p in self._fixed.items() if name is not None}
            names = [name for name in self._last if name is not None]
        for name in names:
            layers.setdefault(name, self._current(name))
        shared = self._fixed_for(None) or self._current(None)
        return {
            "version": 1,
            "config": self.config.to_dict(),
            "parameters": None if shared is None else shared.to_dict(),
            "layers": {name: found.to_dict() for name, found in layers.items()},
        }

    def load_parameters(self, parameters):
        """Take over what export_import_parameters gave, but for its configuration.

        STATIC and CALIBRATED quantize with them; dequantize goes by them in every mode.
        """
        if not isinstance(parameters, dict) or parameters.get("version") != 1:
            raise InvalidInputError("these are not exported quantization parameters of version 1")
        shared = parameters.get("parameters")
        layers = parameters.get("layers") or {}
        if not isinstance(layers, dict):
            raise InvalidInputError("layers must be a mapping from name to parameters")
        shared = None if shared is None else self._loaded(shared, "parameters")
        fixed = {name: self._loaded(found, name) for name, found in layers.items()}
        if self._cache is not None:
            self._cache.clear()
        with self._lock:
            self._fixed, self._shared, self._last = fixed, shared, {}
            self._local = local()

    def _loaded(self, data, name):
        if not isinstance(data, dict):
            raise InvalidInputError(f"{name} is a {type(data).__name__}; expected a mapping")
        loaded = Parameters.from_dict(data)
        if self._storage in STORAGES and loaded.storage != self._storage:
            raise InvalidInputError(
                f"{name} is for {loaded.storage} codes and this quantizer gives {self._storage}"
            )
        return loaded

    # Layers

    def should_quantize_layer(self, name):
        """False for a layer that a pattern of skip_layers (as of file names) matches."""
        return not _matches(name, self.config.skip_layers)

    def get_layer_quantization_params(self, name):
        """What a layer is quantized with, as plain data.

        quantization_type, num_bits, quantized (False: left as it is); and, where there are some
        already, the parameters: scale, zero_point, channel_dim, storage, low and high.
        """
        kind = self._kind(name)
        found = {
            "quantized": kind is not _UNCHANGED,
            "quantization_type": {_UNCHANGED: "none", _HALF: "float16"}.get(kind, self._storage),
            "num_bits": {_UNCHANGED: 32, _HALF: 16}.get(kind, self.config.num_bits),
        }
        parameters = self._current(name) if kind is _CODES else None
        if parameters is not None:
            found.update(parameters.to_dict())
        return found

    def _kind(self, layer):
        config = self.config
        if config.quantization_type is QuantizationType.NONE or not (
            layer is None or self.should_quantize_layer(layer)
        ):
            return _UNCHANGED
        mixed = (
            config.enable_mixed_precision or config.quantization_type is QuantizationType.MIXED
        )
        if config.quantization_type is QuantizationType.FLOAT16 or (
            mixed and layer is not None and _matches(layer, config.mixed_precision_layers)
        ):
            return _HALF
        return _CODES

    # Configuration, statistics, cache

    def get_config(self):
        """The configuration as a dict of plain data."""
        return self.config.to_dict()

    def update_config(self, config):
        """Replace the configuration (a mapping changes the options it names).

        Parameters found under the old one are forgotten.
        """
        if isinstance(config, QuantizationConfig):
            self._configure(config)
        else:
            self._configure(self.config.replace(**config))

    def get_stats(self):
        """Counts since the start or reset_stats.

        quantize_calls, dequantize_calls, calibrations, total_values, clipped_values (finite, but
        beyond the range), nan_values, inf_values, clipped_ratio; cache_hits, cache_misses,
        cache_size, cache_bytes, cache_evictions, cache_paused.
        """
        with self._lock:
            found = {
                "quantize_calls": self._calls,
                "dequantize_calls": self._dequantize_calls,
                "calibrations": self._calibrations,
                "total_values": self._values,
                "clipped_values": self._clipped,
                "clipped_ratio": self._clipped / max(1, self._values),
                "nan_values": self._nans,
                "inf_values": self._infinities,
            }
        cache = self._cache or ContentCache(1)
        found.update(cache.stats())
        return found

    def reset_stats(self):
        """Set every count to zero."""
        with self._lock:
            self._calls = self._dequantize_calls = self._calibrations = 0
            self._values = self._clipped = self._nans = self._infinities = 0
        cache = getattr(self, "_cache", None)
        if cache is not None:
            cache.reset_stats()

    def clear_cache(self):
        """Forget and zero all cached arrays."""
        if self._cache is not None:
            self._cache.clear()

    @staticmethod
    def hash_array(array):
        """A hexadecimal digest (BLAKE2b, 128 bits) of an array's dtype, shape and whole content."""
        array = np.asarray(array, order="C")
        if array.dtype.hasobject:
            raise InvalidInputError("an array of Python objects has no content to hash")
        digest = hashlib.blake2b(f"{array.dtype.str}{array.shape}".encode(), digest_size=16)
        if array.size:
            digest.update(memoryview(array.view(np.uint8) if array.ndim else array.tobytes()))
        return digest.hexdigest()

    # Input

    def _prepare(self, data, layer):
        return self._kind(layer), self._as_float32(data), layer

    def _as_float32(self, data):
        """A C-contiguous float32 array of data, made in the thread's buffer where that is kept."""
        x = data if isinstance(data, np.ndarray) else np.asarray(data)
        if x.dtype.kind not in "fiub":
            raise InvalidInputError(f"an array of {x.dtype} cannot be quantized; give real numbers")
        if x.dtype is _FLOAT32 and x.flags.c_contiguous and x.flags.aligned:
            return x
        with np.errstate(over="ignore", invalid="ignore"):
            n = x.size * 4
            if not 0 < n <= self.config.buffer_size:
                return np.array(x, dtype=np.float32, order="C")
            here = self._local.__dict__
            buffer = here.pop("buffer", None)
            if buffer is None or buffer.nbytes < n:
                buffer = np.zeros(self.config.buffer_size // 4, np.float32)
            part = buffer[: x.size].reshape(x.shape)
            np.copyto(part, x, casting="unsafe")
            here["buffer"] = buffer
            return part

    def _release(self, x, data):
        """Zero what was converted: the buffer for its next use, a copy because it is let go."""
        if x is not data and not np.may_share_memory(x, data):
            x.fill(0)

    def _as_floats(self, kind, x, validate, data):
        _, _, nans, infinities = _core.array_range(x)
        self._count(x, (0, nans, infinities), validate)
        if kind is _HALF:
            return _core.to_half(x)
        return x if x is data else x.copy()

    def _axis(self, x, channel_dim):
        if channel_dim is None:
            return 1 if self._per_channel and x.ndim > 1 else None
        axis = channel_dim + x.ndim if channel_dim < 0 else channel_dim
        if not 0 <= axis < x.ndim:
            raise InvalidInputError(
                f"channel_dim is {channel_dim} and the array has {x.ndim} dimensions"
            )
        return axis


def _as_config(config):
    if config is None:
        return QuantizationConfig()
    if isinstance(config, QuantizationConfig):
        return config
    return QuantizationConfig.from_dict(config)


def _matches(name, patterns):
    return any(fnmatchcase(str(name), pattern) for pattern in patterns)


def _check_axis(parameters, channel_dim, ndim):
    if channel_dim is None:
        return
    axis = channel_dim + ndim if channel_dim < 0 else channel_dim
    if axis != parameters.channel_dim:
        raise InvalidInputError(
            f"channel_dim is {channel_dim}, but the parameters are for {parameters.channel_dim}"
        )


def _sampled(arrays, rows_max):
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
