"""Requests and rows a second of the clock."""

from __future__ import annotations

from collections import deque
from threading import Lock
from time import monotonic

SPAN_S = 60.0
_STEP_S = 1.0  # between the looks that are kept


class Rates:
    """How fast two counts grow, over the last minute or, before that, since the beginning.

    The span is longer by what passed between looks: upkeep looks every 30 seconds at least.
    """

    def __init__(self, clock=monotonic):
        self._clock, self._lock = clock, Lock()
        self._looks = deque([(clock(), 0, 0)])

    def look(self, requests, rows):
        """(requests per second, rows per second)."""
        with self._lock:
            now = self._clock()
            looks = self._looks
            while len(looks) > 1 and looks[1][0] <= now - SPAN_S:
                looks.popleft()
            then, requests_then, rows_then = looks[0]
            if now - looks[-1][0] >= _STEP_S:
                looks.append((now, requests, rows))
        passed = now - then
        if passed <= 0:
            return 0.0, 0.0
        # Another thread may have looked later and come here first.
        return max(0, requests - requests_then) / passed, max(0, rows - rows_then) / passed
