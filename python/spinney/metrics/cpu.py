"""CPU percent, as everything here means it."""

from __future__ import annotations

import math
import os
import time
import weakref
from threading import Lock

from spinney import _core
from spinney._core import read_process, usable_cpus


class CpuMeter:
    """CPU time of this process and its workers over that of the CPUs it may use, in percent.

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
        return self._meter.percent(self._clock(), now["cpu_seconds"] + _helpers.seconds())


class _Helpers:
    """CPU seconds of the processes that compute for this one; what has ended stays in the sum."""

    def __init__(self):
        self._lock = Lock()
        self._readers = []  # [seconds at the last look, a weak read()]
        self._past = self._sum = 0.0

    def add(self, read):
        self._readers.append([0.0, weakref.WeakMethod(read)])

    def seconds(self):
        # Nobody waits: another thread looks just now, or did as this process was forked.
        if self._lock.acquire(blocking=False):
            try:
                self._sum = self._look()
            finally:
                self._lock.release()
        return self._sum

    def _look(self):
        for reader in list(self._readers):
            read = reader[1]()
            seconds = None if read is None else read()
            if seconds is not None:
                reader[0] = max(reader[0], seconds)
            else:
                self._readers.remove(reader)
                self._past += reader[0]
        return self._past + sum(seconds for seconds, _ in self._readers)


_helpers = _Helpers()


def count_also(read):
    """Count the CPU seconds of another process, which read() gives, a method; None if it ended."""
    _helpers.add(read)


def _start_afresh():
    global _helpers
    _helpers = _Helpers()  # those that there are work for the parent


os.register_at_fork(after_in_child=_start_afresh)
