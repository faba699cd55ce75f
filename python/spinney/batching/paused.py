"""The event that says whether a Core is paused."""

from __future__ import annotations

import threading
import weakref


class PausedEvent(threading.Event):
    """Set while the Core is paused. Setting it pauses, and clearing it resumes, as do the methods
    of the Core's owner."""

    def __init__(self, core):
        super().__init__()
        self._core = weakref.ref(core)

    def set(self):
        self._tell(True)

    def clear(self):
        self._tell(False)

    def _tell(self, paused):
        core = self._core()
        if core is None:
            self.show(paused)
        else:
            core.set_paused(paused)

    def show(self, paused):
        """Of a Core that has changed."""
        if paused:
            super().set()
        else:
            super().clear()

    def after_fork(self):
        self._cond = threading.Condition(threading.Lock())  # a thread may have held it
