"""What the threads of a Core do, and what happens to all Cores at fork and at exit."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
import weakref

from spinney._core import _forked

_log = logging.getLogger("spinney.batching")
_current = threading.local()
_cores = weakref.WeakSet()


def keep_an_eye_on(core):
    """Have a core told of a fork and of the interpreter's exit."""
    _cores.add(core)


def is_a_worker_of(core):
    return getattr(_current, "core", None) is core


def start_thread(body, core, name):
    arguments = (core, core.lane)
    thread = threading.Thread(target=body, args=arguments, name=f"spinney-{name}", daemon=True)
    thread.start()
    return thread


def work(core, lane):
    _current.core = core
    try:
        lane.serve()
    except BaseException:
        _log.exception("a thread of the %s ended unexpectedly", core.name)
    finally:
        _current.core = None
        core.worker_left(lane)


def keep_time(core, lane):
    del core
    lane.keep_time()


def _after_fork():
    _forked()  # before anything of the compiled core is used
    for core in list(_cores):
        core.after_fork()


def _at_exit():
    until = time.monotonic() + 1.0  # for all of them together
    for core in list(_cores):
        core.stop(max(0.0, until - time.monotonic()))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
atexit.register(_at_exit)
