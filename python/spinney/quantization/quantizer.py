"""Quantizer: arrays to codes and back, from any number of threads."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Callable, Mapping, TypeVar

import numpy as np

from spinney.configs import QuantizationConfig
from spinney.exceptions import InvalidInputError
from spinney.forks import lock_for
from spinney.quantization.configured import Configured
from spinney.quantization.counts import Counts

if TYPE_CHECKING:
    from numpy.typing import NDArray

_Method = TypeVar("_Method", bound=Callable[..., Any])


def documented_by(source: Callable[..., Any]) -> Callable[[_Method], _Method]:
    """Gives a method another one's docstring, and leaves its type to checkers as it is."""

    def give(method: _Method) -> _Method:
        method.__doc__ = source.__doc__
        return method

    return give


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
    quantize (of that layer), or else of any thread's. Calls that run while another thread updates
    the configuration finish under that with which they began.
    """

    def __init__(self, config: QuantizationConfig | Mapping[str, Any] | None = None) -> None:
        """config: a QuantizationConfig, a mapping of its options, or None for the defaults."""
        self._lock = lock_for(self)
        self._now = Configured(_as_config(config), Counts())

    @property
    def config(self) -> QuantizationConfig:
        """The QuantizationConfig in use."""
        return self._now.config

    def update_config(self, config: QuantizationConfig | Mapping[str, Any]) -> None:
        """Replace the configuration (a mapping changes the options it names).

        Parameters found under the old one are forgotten.
        """
        with self._lock:
            now = self._now
            if not isinstance(config, QuantizationConfig):
                config = now.config.replace(**config)
            self._now = Configured(config, now.counts)

    @documented_by(Configured.quantize)
    def quantize(
        self,
        data: Any,
        validate: bool = True,
        channel_dim: int | None = None,
        layer_name: str | None = None,
    ) -> NDArray[Any]:
        return self._now.quantize(data, validate, channel_dim, layer_name)

    @documented_by(Configured.dequantize)
    def dequantize(
        self,
        data: Any,
        channel_dim: int | None = None,
        layer_name: str | None = None,
        out: NDArray[Any] | None = None,
    ) -> NDArray[Any]:
        return self._now.dequantize(data, channel_dim, layer_name, out)

    @documented_by(Configured.quantize_dequantize)
    def quantize_dequantize(
        self,
        data: Any,
        validate: bool = True,
        channel_dim: int | None = None,
        layer_name: str | None = None,
    ) -> NDArray[Any]:
        return self._now.quantize_dequantize(data, validate, channel_dim, layer_name)

    @documented_by(Configured.calibrate)
    def calibrate(
        self, data: Any, channel_dim: int | None = None, layer_name: str | None = None
    ) -> None:
        return self._now.calibrate(data, channel_dim, layer_name)

    @documented_by(Configured.compute_scale_and_zero_point)
    def compute_scale_and_zero_point(
        self, data: Any, channel_dim: int | None = None, layer_name: str | None = None
    ) -> tuple[float | NDArray[Any], int | NDArray[Any]]:
        return self._now.compute_scale_and_zero_point(data, channel_dim, layer_name)

    @property
    def scale(self) -> float | NDArray[Any]:
        """The scale in use: a float, or an array of one a channel; 1.0 before there is one."""
        return self._now.scale

    @property
    def zero_point(self) -> int | NDArray[Any]:
        """The code of 0.0: an int, or an array of one a channel; 0 before there is one."""
        return self._now.zero_point

    @documented_by(Configured.export_import_parameters)
    def export_import_parameters(self) -> dict[str, Any]:
        return self._now.export_import_parameters()

    @documented_by(Configured.load_parameters)
    def load_parameters(self, parameters: Mapping[str, Any]) -> None:
        return self._now.load_parameters(parameters)

    @documented_by(Configured.should_quantize_layer)
    def should_quantize_layer(self, name: str) -> bool:
        return self._now.should_quantize_layer(name)

    @documented_by(Configured.get_layer_quantization_params)
    def get_layer_quantization_params(self, name: str) -> dict[str, Any]:
        return self._now.get_layer_quantization_params(name)

    @documented_by(Configured.get_config)
    def get_config(self) -> dict[str, Any]:
        return self._now.get_config()

    @documented_by(Configured.get_stats)
    def get_stats(self) -> dict[str, Any]:
        return self._now.get_stats()

    @documented_by(Configured.reset_stats)
    def reset_stats(self) -> None:
        return self._now.reset_stats()

    @documented_by(Configured.clear_cache)
    def clear_cache(self) -> None:
        return self._now.clear_cache()

    @staticmethod
    def hash_array(array: Any) -> str:
        """A hexadecimal digest (BLAKE2b, 128 bits) of an array's dtype, shape and whole content.

        TypeError for what is no numpy.ndarray, InvalidInputError for one of Python objects.
        """
        if not isinstance(array, np.ndarray):
            raise TypeError(f"hash_array takes a numpy.ndarray, not {type(array).__name__}")
        array = np.asarray(array, order="C")
        if array.dtype.hasobject:
            raise InvalidInputError("an array of Python objects has no content to hash")
        digest = hashlib.blake2b(f"{array.dtype.str}{array.shape}".encode(), digest_size=16)
        if array.size:
            digest.update(memoryview(array.view(np.uint8) if array.ndim else array.tobytes()))
        return digest.hexdigest()


def _as_config(config):
    if config is None:
        return QuantizationConfig()
    if isinstance(config, QuantizationConfig):
        return config
    return QuantizationConfig.from_dict(config)
