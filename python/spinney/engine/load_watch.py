"""A thread that looks at CPU and memory, and acts: throttles, trims, refuses."""

from __future__ import annotations

import gc
import logging
import os
from threading import Event, Thread, current_thread

from spinney.metrics.cpu import CpuMeter

_log = logging.getLogger("spinney.engine")

LOOK_S = 0.25
_LOOKS_ABOVE = 3  # looks in a row above the threshold before anything is refused
_LOOKS_BELOW = 4  # and below it before the limit is raised again
_HYSTERESIS = 10.0  # percent below the threshold that counts as below


class Throttle:
    """Requests that may run at once, by looks at the CPU; None for no limit.

    Above the threshold for three looks in a row: half of those that run now, at least one, and half
    of that with each further look. Four looks in a row below it by ten points, or by half of a
    threshold below 20: twice as many. The limit goes once it is beyond what the CPUs could use.
    """

    def __init__(self, threshold, cpus):
        self.threshold, self._most = threshold, 64 * max(1, round(cpus))
        self.limit = None
        self._above = self._below = 0

    def look(self, percent, active):
        """The new limit."""
        self._above = self._above + 1 if percent > self.threshold else 0
        gap = min(_HYSTERESIS, self.threshold / 2)  # or no look would ever be below a low threshold
        self._below = self._below + 1 if percent < self.threshold - gap else 0
        if self._above >= _LOOKS_ABOVE:
            self.limit = max(1, (active if self.limit is None else self.limit) // 2)
        elif self._below >= _LOOKS_BELOW and self.limit is not None:
            self._below = 0
            self.limit *= 2
            if self.limit > self._most:
                self.limit = None
        return self.limit

    @property
    def retry_after(self):
        """Seconds after which the limit may have risen."""
        return _LOOKS_BELOW * LOOK_S


def resident_mb():
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    except OSError:
        return 0.0


class LoadWatch:
    """Looks every quarter of a second, on a thread of its own, until stopped."""

    def __init__(self, config, core, trim):
        """core: whose limit is set. trim(): frees what can be made again."""
        self._core, self._trim = core, trim
        self._high_mb = config.memory_high_watermark_mb
        self._limit_mb = config.memory_limit_gb and config.memory_limit_gb * 1024
        self._meter = self.throttle = None
        if config.enable_throttling and config.throttle_on_high_cpu:
            self._meter = CpuMeter()
            self.throttle = Throttle(config.cpu_threshold_percent, self._meter.cpus)
        self.over_memory = self._trimmed = False
        self.cpu_percent = 0.0
        self._stopped = Event()
        self._thread = Thread(target=self._run, name="spinney-load-watch", daemon=True)
        self._thread.start()

    @staticmethod
    def needed(config):
        cpu = config.enable_throttling and config.throttle_on_high_cpu
        return cpu or config.memory_high_watermark_mb or config.memory_limit_gb

    def _run(self):
        while not self._stopped.wait(LOOK_S):
            try:
                self.look()
            except BaseException:  # of a program's own collaborator, say
                _log.exception("looking at the load failed")

    def look(self):
        memory = resident_mb()
        self._look_at_memory(memory)
        limit = None
        if self._meter is not None:
            self.cpu_percent = self._meter.percent()
            before = self.throttle.limit
            limit = self.throttle.look(self.cpu_percent, self._core.active)
            if (before is None) != (limit is None):
                state = "lifted" if limit is None else f"on, {limit} requests at once"
                _log.warning("throttling %s: CPU at %.0f %%", state, self.cpu_percent)
        if self.over_memory:
            limit = 0
        self._core.limit(-1 if limit is None else limit)

    def _look_at_memory(self, memory):
        if self._limit_mb:
            over = memory > self._limit_mb
            if over and not self.over_memory:
                _log.error("memory is %.0f MiB, above memory_limit_gb: refusing requests", memory)
            if over:
                self._trim()
                gc.collect()
            self.over_memory = over
        if self._high_mb and memory > self._high_mb:
            if not self._trimmed:  # once, until memory has fallen again
                _log.warning("memory is %.0f MiB, above memory_high_watermark_mb: trimming", memory)
                self._trim()
                gc.collect()
            self._trimmed = True
        elif self._high_mb and memory < 0.9 * self._high_mb:
            self._trimmed = False

    def stop(self):
        self._stopped.set()
        if self._thread is not current_thread():  # which collects garbage, an engine perhaps
            self._thread.join(1.0)
