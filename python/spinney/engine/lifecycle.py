"""What becomes of engines when the interpreter ends, when the process forks, in subinterpreters."""

from __future__ import annotations

import atexit
import logging
import os
import weakref

from spinney._core import _refuse_newcomers, in_main_interpreter
from spinney.exceptions import UnsupportedOptionError

_log = logging.getLogger("spinney.engine")
_engines = weakref.WeakSet()
_EXIT_SECONDS = 1.0


def register(engine):
    """Shut it down at exit, start it afresh in forked children. Refuses subinterpreters."""
    if not in_main_interpreter():
        raise UnsupportedOptionError(
            "an InferenceEngine lives in the main interpreter only: its workers belong to one "
            "interpreter, and numpy supports no other; use threads, or processes"
        )
    _engines.add(engine)


def _shut_down_all():
    for engine in list(_engines):
        try:
            _shut_down(engine)
        except BaseException:  # the others' turn all the same
            _log.exception("shutting down an engine failed")
    _refuse_newcomers()  # a worker that has not ended leaves the interpreter alone from now on


def _shut_down(engine):
    # Another thread may be at it already, and wait for longer than the interpreter should.
    if "_parts" in vars(engine) and engine._stop_lock.acquire(timeout=_EXIT_SECONDS):
        try:
            engine.shutdown(_EXIT_SECONDS)
        finally:
            engine._stop_lock.release()


def _start_afresh():
    for engine in list(_engines):
        if "_parts" in vars(engine):  # else it is not made yet, or making it failed
            engine._after_fork()


atexit.register(_shut_down_all)
os.register_at_fork(after_in_child=_start_afresh)
