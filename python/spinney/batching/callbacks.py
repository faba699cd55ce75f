"""Callbacks of futures run on a thread of their own, so that none of them delays a batch.

A worker completes a future, which wakes those who wait for it, and leaves its callbacks here. One
that blocks delays other callbacks and nothing else.
"""

from __future__ import annotations

import logging
import math
import threading
from collections import deque

_log = logging.getLogger("spinney.batching")


class Callbacks:
    """The callbacks that are due, in the order of their futures' ends, and their thread.

    The thread starts when first needed; after close() it ends once nothing is left.
    """

    def __init__(self, name):
        self._name = f"spinney-{name}-callbacks"
        self.after_fork()

    def after_fork(self):
        self._changed = threading.Condition()  # reentrant: a signal handler may call stop()
        self._due = deque()
        self._thread = None
        self._closed = False

    @property
    def waiting(self):
        """Futures whose callbacks were not begun yet."""
        return len(self._due)

    def run(self, future, functions):
        """Have the thread call them; called on this one where no thread can be had."""
        if not self._leave(future, functions):
            _call(future, functions)

    def _leave(self, future, functions):
        with self._changed:
            if self._thread is None:
                thread = threading.Thread(target=self._serve, name=self._name, daemon=True)
                try:
                    thread.start()  # it waits for the condition that is held here
                except (RuntimeError, MemoryError):
                    return False
                self._thread = thread
            self._due.append((future, functions))
            self._changed.notify_all()
            return True

    def open(self):
        self._closed = False

    def close(self):
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def wait(self, clock, until):
        """Wait until all were called, or until that time; not on their own thread."""
        with self._changed:
            if self._thread is threading.current_thread():
                return
            while self._thread is not None and (left := until - clock.now()) > 0:
                clock.wait(self._changed, left if left < math.inf else None)

    def _serve(self):
        while True:
            with self._changed:
                while not self._due and not self._closed:
                    self._changed.wait()
                if not self._due:
                    self._thread = None
                    self._changed.notify_all()
                    return
                future, functions = self._due.popleft()
            _call(future, functions)
            del future, functions


def _call(future, functions):
    for function in functions:
        try:
            function(future)
        except BaseException:  # whatever a caller's code does, the next one is called
            _log.exception("a callback of a future raised")
