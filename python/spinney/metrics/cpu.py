"""CPU percent, as everything here means it."""

from __future__ import annotations

import math
import time

from spinney import _core
from spinney._core import read_process, usable_cpus


class CpuMeter:
    """CPU time of this process over that of the CPUs which it may use, in percent.

    Those are its affinity's, or the smallest quota of the control groups that it is in where that
    is less (1.5 CPUs, say). What others in the same group use is not counted: they are not slowed
    down by refusing requests here.

    cpus: how many it may use. percent(): since the last call that was 50 ms or more ago; the first
    is since the beginning.
    """

    def __init__(self, read=read_process, clock=time.monotonic):
        self._read, self._clock = read, clock
        now = read()
        self.cpus = min(float(usable_cpus()), now["group_cpus"] or math.inf)
        self._meter = _core.CpuMeter(self.cpus)
        self.percent(now)

    def percent(self, now=None):
        """now: a reading of read_process() that has been taken just now."""
        now = self._read() if now is None else now
        return self._meter.percent(self._clock(), now["cpu_seconds"])
