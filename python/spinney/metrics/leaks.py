"""Whether memory grows, how fast, and what of it."""

from __future__ import annotations

from spinney._core import Trend

BYTES_PER_SECOND_MIN = 1024.0  # slower growth is not worth a warning: 86 MB a day


class LeakWatch:
    """Follows the process's memory and its known parts, and says which of them grow.

    add(seconds, total, parts) is called now and then, with bytes: total of the process, and those
    of its parts by name; what no part explains is followed as "else". A series grows when its slope
    is above bytes_per_second_min at 99 % confidence (Theil and Sen's slope with Kendall's interval)
    both over all the time watched and over its later half, so that a cache which fills and stops is
    no leak. 24 samples are needed at least; the most recent 64 that spread over the whole time are
    kept.
    """

    def __init__(self, bytes_per_second_min=BYTES_PER_SECOND_MIN):
        self.bytes_per_second_min = bytes_per_second_min
        self._total = Trend()
        self._parts = {}

    def add(self, seconds, total, parts=None):
        parts = dict(parts or {})
        parts["else"] = total - sum(parts.values())
        self._total.add(seconds, total)
        for name, value in parts.items():
            self._parts.setdefault(name, Trend()).add(seconds, value)

    def read(self):
        """memory_leak_suspected; memory_slope_bytes_per_second with _low and _high at 99 %
        confidence; memory_growing: the parts that grow -> bytes per second."""
        slope, low, high, samples = self._total.slope()
        suspected = self._total.grows(self.bytes_per_second_min)
        growing = {
            name: trend.slope()[0]
            for name, trend in self._parts.items()
            if trend.grows(self.bytes_per_second_min)
        }
        return {
            "memory_leak_suspected": suspected,
            "memory_slope_bytes_per_second": slope,
            "memory_slope_bytes_per_second_low": low,
            "memory_slope_bytes_per_second_high": high,
            "memory_slope_samples": samples,
            "memory_growing": growing,
        }
