"""Time for the batchers: read and waited for through one object, so that tests need not sleep."""

from __future__ import annotations

import time


class MonotonicClock:
    """The machine's monotonic clock, in seconds."""

    now = staticmethod(time.monotonic)

    @staticmethod
    def wait(condition, seconds):
        """Wait on a held condition until notified; None waits for ever."""
        condition.wait(seconds)
