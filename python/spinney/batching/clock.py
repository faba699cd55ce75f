"""Time for the batchers: read and waited for through one object, so that tests need not sleep."""

from __future__ import annotations

import time


class MonotonicClock:
    """The machine's monotonic clock, in seconds."""

    now = staticmethod(time.monotonic)

    @staticmethod
    def wait(condition, seconds):
        """Wait on a held condition until notified; None waits for ever, and more than a day a day.

        Whoever waits looks again afterwards, and threading refuses times of centuries.
        """
        condition.wait(None if seconds is None else min(seconds, 86400.0))
