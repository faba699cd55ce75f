"""What a Quantizer has done so far."""

from __future__ import annotations

from spinney.exceptions import InvalidInputError
from spinney.forks import lock_for


class Counts:
    """Calls and values since the start or reset. Values outside are rare and counted exactly."""

    def __init__(self):
        self._lock = lock_for(self)
        self.reset()

    def reset(self):
        with self._lock:
            self.quantize_calls = self.dequantize_calls = self.calibrations = 0
            self.values = self.clipped = self.nans = self.infinities = 0

    def outside(self, clipped, nans, infinities):
        with self._lock:
            self.clipped += clipped
            self.nans += nans
            self.infinities += infinities

    def to_dict(self):
        with self._lock:
            return {
                "quantize_calls": self.quantize_calls,
                "dequantize_calls": self.dequantize_calls,
                "calibrations": self.calibrations,
                "total_values": self.values,
                "clipped_values": self.clipped,
                "clipped_ratio": self.clipped / max(1, self.values),
                "nan_values": self.nans,
                "inf_values": self.infinities,
            }


def refuses(config, nans, infinities):
    """Whether the configuration refuses an array with so many of these."""
    return bool(nans and config.error_on_nan) or bool(infinities and config.error_on_inf)


def refuse(config, nans, infinities, made=None):
    """InvalidInputError where there are values that the configuration refuses.

    made: an array that was made of them and that nobody gets then; it is zeroed.
    """
    if not refuses(config, nans, infinities):
        return
    if made is not None:
        made.fill(0)
    if nans and config.error_on_nan:
        raise InvalidInputError(f"{nans} values are NaN, which error_on_nan refuses")
    raise InvalidInputError(f"{infinities} values are infinite, which error_on_inf refuses")
