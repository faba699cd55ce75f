"""What the threads of a Core do, and what happens to all Cores at fork and at exit."""

from __future__ import annotations

import atexit
import logging
import math
import os
import threading
import time
import weakref

_log = logging.getLogger("spinney.batching")
_current = threading.local()
_cores = weakref.WeakSet()


def keep_an_eye_on(core):
    """Have a core told of a fork and of the interpreter's exit."""
    _cores.add(core)


def is_a_worker_of(core):
    return getattr(_current, "core", None) is core


def start_thread(body, core, name):
    arguments = (core, core._generation)
    thread = threading.Thread(target=body, args=arguments, name=f"spinney-{name}", daemon=True)
    thread.start()
    return thread


def work(core, generation):
    _current.core = core
    try:
        while True:
            batch = core.next_batch(generation)
            if batch is None:
                return
            try:
                core.run(batch)
            except BaseException:
                _log.exception("a batch of the %s ended unexpectedly", core.name)
            batch = None
    finally:
        _current.core = None
        core.worker_left(generation)


def expire(core, generation):
    while True:
        core.expire_due()
        with core.lock:
            if generation != core._generation or core.state == "stopped":
                return
            if core.state == "stopping" and not core.lanes.waiting:
                return
            left = core._wakes_at - core.clock.now()
            if left > 0:
                core.clock.wait(core._tick, left if left < math.inf else None)


def _after_fork():
    for core in list(_cores):
        core.after_fork()


def _at_exit():
    until = time.monotonic() + 1.0  # for all of them together
    for core in list(_cores):
        core.stop(max(0.0, until - time.monotonic()))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
atexit.register(_at_exit)
