"""Watching memory and queue: warnings in the log, relief when critical."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import threading

_log = logging.getLogger("spinney.batching")

_LEVELS = ("ok", "warning", "critical")


def memory_percent():
    """Resident memory as a percentage of what the process may have, or None where unknown."""
    try:
        page = os.sysconf("SC_PAGE_SIZE")
        limit = page * os.sysconf("SC_PHYS_PAGES")
        with open("/proc/self/statm", encoding="ascii") as file:
            resident = int(file.read().split()[1]) * page
    except (OSError, ValueError, IndexError, AttributeError):
        return None
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            with open(path, encoding="ascii") as file:
                limit = min(limit, int(file.read()))
        except (OSError, ValueError):  # absent, or "max"
            continue
    return 100.0 * resident / limit


class HealthWatch:
    """Looks at a core every health_check_interval seconds, in a thread of its own.

    memory: a function that gives a percentage or None; injected by tests.
    """

    def __init__(self, core, config, memory=memory_percent):
        self.levels = {"memory": "ok", "queue": "ok"}
        self.readings = {"memory_percent": None, "queue_length": 0, "longest_run_s": 0.0}
        self._core = core
        self._config = config
        self._memory = memory
        self._before_relief = None
        self._forget()

    def _forget(self):
        self._thread = None
        self._ends = threading.Lock()

    def start(self):
        if self._thread is None:
            self._ends = threading.Lock()
            self._ends.acquire()
            self._thread = threading.Thread(
                target=self._watch, args=(self._ends,), name="spinney-health", daemon=True
            )
            self._thread.start()

    def stop(self):
        """May be called twice, and in a signal handler: nothing here waits for a lock."""
        self._thread = None
        with contextlib.suppress(RuntimeError):  # it was released before
            self._ends.release()

    def after_fork(self):
        self._forget()

    def _watch(self, ends):
        while not ends.acquire(timeout=self._config.health_check_interval):
            if self._core.state == "stopped":
                return
            try:
                self.check()
            except BaseException:  # of the program's own action
                _log.exception("the health check failed")

    def check(self):
        """Look once; the levels after it."""
        config, core = self._config, self._core
        percent = self._memory()
        now = core.clock.now()
        queued = core.waiting
        started = list(core.running.values())
        longest = now - min(started) if started else 0.0
        self.readings = {
            "memory_percent": percent,
            "queue_length": queued,
            "longest_run_s": longest,
        }
        memory = _level(percent, config.memory_warning_threshold, config.memory_critical_threshold)
        queue = _level(queued, config.queue_warning_threshold, config.queue_critical_threshold)
        self._tell("memory", memory, f"{percent or 0:.0f} % of the memory limit is used")
        self._tell("queue", queue, f"{queued} items are queued")
        self._relieve(memory, queue)
        if config.item_timeout is not None and longest > config.item_timeout:
            _log.warning("a batch has run for %.1f s, longer than item_timeout", longest)
        return dict(self.levels)

    def _relieve(self, memory, queue):
        core = self._core
        if memory == "critical":
            if self._config.enable_memory_optimization:
                gc.collect()
            if self._before_relief is None:
                self._before_relief = core.policy.limit
            core.set_limit(max(1, core.policy.limit // 2))
            return
        if memory == "ok" and self._before_relief is not None:
            before, self._before_relief = self._before_relief, None
            core.set_limit(max(before, core.policy.limit))
        if queue == "critical":
            core.set_limit(core.policy.max_rows)

    def _tell(self, what, level, text):
        before, self.levels[what] = self.levels[what], level
        if level == before:
            return
        worse = _LEVELS.index(level) > _LEVELS.index(before)
        _log.log(
            (logging.ERROR if level == "critical" else logging.WARNING) if worse else logging.INFO,
            "%s: %s (was %s): %s",
            what,
            level,
            before,
            text,
        )


def _level(value, warning, critical):
    if value is None or value < warning:
        return "ok"
    return "critical" if value >= critical else "warning"
