"""Acts when a quantity crosses a mark, once for each crossing."""

from __future__ import annotations

import logging

_log = logging.getLogger("spinney")


class Watermark:
    """Calls action(value) when a value reaches `high`, and not again before one was below `low`.

    low: 0.9 times high by default. An action that raises is logged and does no other harm.
    """

    def __init__(self, name, high, action, low=None):
        self.name = name
        self.high = high
        self.low = 0.9 * high if low is None else low
        self.action = action
        self.above = False
        self.crossings = 0

    def check(self, value):
        """True if this value crossed the mark upwards."""
        if self.above:
            if value < self.low:
                self.above = False
                _log.info("%s is at %.6g, below its low mark %.6g", self.name, value, self.low)
            return False
        if value < self.high:
            return False
        self.above = True
        self.crossings += 1
        _log.warning("%s is at %.6g, and its high mark is %.6g", self.name, value, self.high)
        try:
            self.action(value)
        except BaseException:  # of the program's own action
            _log.exception("what should happen when %s is high failed", self.name)
        return True
