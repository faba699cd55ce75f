"""What turns values into codes and back, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Mapping

import numpy as np

from spinney import _core
from spinney.configs import QuantizationType
from spinney.exceptions import InvalidInputError
from spinney.quantization.floats import axis_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The core's numbers of the dtypes that codes are stored in.
STORAGES = {"int8": 0, "uint8": 1, "int16": 2, "uint16": 3}


def code_range(storage, bits):
    """(lowest, highest) code of so many bits."""
    if storage.startswith("u"):
        return 0, 2**bits - 1
    return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1


def storage_of(quantization_type):
    """The dtype that codes of a QuantizationType are stored in: a name."""
    if quantization_type is QuantizationType.MIXED:
        return "int8"
    return quantization_type.value


@dataclass(frozen=True)
class Parameters:
    """One affine code: value = (code - zero_point) * scale, over the codes low to high.

    scale, zero_point: a float and an int; or a float32 and an int32 array of one number a channel,
        with channel_dim the axis of the channels.
    storage: the dtype of codes: int8, uint8, int16 or uint16.
    """

    storage: str
    low: int
    high: int
    scale: float | NDArray[Any]
    zero_point: int | NDArray[Any]
    channel_dim: int | None = None

    def quantize(self, x: NDArray[Any]) -> tuple[NDArray[Any], int, int, int]:
        """(codes, clipped, nans, infinities) of a C-contiguous float32 array."""
        storage = STORAGES[self.storage]
        if self.channel_dim is None:
            return _core.quantize_tensor(
                x, storage, self.low, self.high, self.scale, self.zero_point
            )
        return _core.quantize_channels(
            x, storage, self.low, self.high, self.scale, self.zero_point, self.channel_dim
        )

    def dequantize(self, codes: NDArray[Any], out: NDArray[Any] | None = None) -> NDArray[Any]:
        """The float32 values of a C-contiguous array of codes, in out or in new memory."""
        if self.channel_dim is None:
            return _core.dequantize_tensor(codes, self.scale, self.zero_point, out)
        return _core.dequantize_channels(codes, self.scale, self.zero_point, self.channel_dim, out)

    def to_dict(self) -> dict[str, Any]:
        """Numbers, strings and lists only, so that JSON holds it."""
        channels = self.channel_dim is not None
        return {
            "storage": self.storage,
            "low": self.low,
            "high": self.high,
            "scale": self.scale.tolist() if channels else self.scale,
            "zero_point": self.zero_point.tolist() if channels else self.zero_point,
            "channel_dim": self.channel_dim,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Parameters:
        """The reverse of to_dict. InvalidInputError names what does not fit."""
        try:
            made = cls(**data)
            channels = made.channel_dim is not None
            storage, low, high = made.storage, int(made.low), int(made.high)
            axis = int(made.channel_dim) if channels else None
            with np.errstate(over="ignore"):
                scale = np.array(made.scale, np.float32)
            zero = np.array(made.zero_point, np.int32)
            if not channels:
                if scale.ndim or zero.ndim:
                    raise ValueError("a list of scales or zero points needs a channel_dim")
                scale, zero = float(scale), int(zero)
        except (TypeError, ValueError, OverflowError) as error:
            raise InvalidInputError(f"these are not quantization parameters: {error}") from None
        if storage not in STORAGES:
            raise InvalidInputError(f"storage is {storage!r}; it may be {', '.join(STORAGES)}")
        lowest, highest = code_range(storage, np.dtype(storage).itemsize * 8)
        if not lowest <= low < high <= highest:
            raise InvalidInputError(f"codes {low} to {high} do not fit into {storage}")
        if not (np.all(np.isfinite(scale)) and np.all(np.greater(scale, 0))):
            raise InvalidInputError("scale must be positive and finite")
        if np.shape(scale) != np.shape(zero) or np.ndim(scale) != channels:
            raise InvalidInputError(
                "scale and zero_point must be two numbers, or two equal lists with a channel_dim"
            )
        if np.any(np.less(zero, low)) or np.any(np.greater(zero, high)):
            raise InvalidInputError(f"zero_point must lie within the codes {low} to {high}")
        return cls(storage, low, high, scale, zero, axis)


def parameters_for(ranges, channel_dim, storage, bits, symmetric):
    """Parameters for values within (min, max), or within one such pair a channel."""
    low, high = code_range(storage, bits)
    if channel_dim is None:
        scale, zero = _core.affine_parameters(*ranges, low, high, symmetric)
        return Parameters(storage, low, high, scale, zero)
    found = [_core.affine_parameters(a, b, low, high, symmetric) for a, b in ranges]
    scales = np.array([scale for scale, _ in found], np.float32)
    zeros = np.array([zero for _, zero in found], np.int32)
    return Parameters(storage, low, high, scales, zeros, channel_dim)


def check_axis(parameters, channel_dim, ndim):
    if channel_dim is None:
        return
    axis = axis_of(ndim, channel_dim, False)
    if axis != parameters.channel_dim:
        raise InvalidInputError(
            f"channel_dim is {channel_dim}, but the parameters are for {parameters.channel_dim}"
        )
