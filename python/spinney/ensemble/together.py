"""Members asked beside each other, with a deadline for those that run in Python."""

from __future__ import annotations

import threading
from time import monotonic

LATE_MAX = 8  # calls of one member that still run though nobody waits for them


class Late(Exception):
    """A member did not answer in time."""


class _Call:
    """One member's call on a thread of its own."""

    def __init__(self, member, function):
        self.member, self.function = member, function
        self.value = self.error = None
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._given_up = False
        # A daemon: a member that never answers does not keep the program from ending.
        threading.Thread(target=self._run, name="spinney-member", daemon=True).start()

    def _run(self):
        try:
            self.value = self.function()
        except BaseException as error:  # kept for the caller's thread, whatever it is
            self.error = error
        with self._lock:
            self._ended.set()
            if self._given_up:
                self.member.gave_up(-1)

    def result(self, deadline):
        """(value, error)"""
        left = None if deadline is None else max(0.0, deadline - monotonic())
        if not self._ended.wait(left):
            with self._lock:
                if not self._ended.is_set():
                    self._given_up = True
                    self.member.gave_up(1)
                    return None, Late()
        return self.value, self.error


def ask(members, function, timeout_s):
    """(value, error) of function(member) for each. Native members answer on this thread; the others
    meanwhile on threads of their own, unless this one has nothing else to do.
    """
    deadline = None if timeout_s is None else monotonic() + timeout_s
    slow = [member for member in members if not member.is_native]
    if timeout_s is None and slow:
        slow = slow[1:]  # that one is asked from here
    found, calls = {}, {}
    for member in slow:
        if member.late >= LATE_MAX:
            found[member] = None, Late()
        else:
            calls[member] = _Call(member, _bound(function, member))
    for member in members:
        if member not in calls and member not in found:
            found[member] = _here(function, member)
    for member, call in calls.items():
        found[member] = call.result(deadline)
    return [found[member] for member in members]


def _bound(function, member):
    return lambda: function(member)


def _here(function, member):
    try:
        return function(member), None
    except Exception as error:
        return None, error
