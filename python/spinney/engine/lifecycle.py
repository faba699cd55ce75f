"""What becomes of engines: shut down, when the interpreter ends, when the process forks, and in
subinterpreters.
"""

from __future__ import annotations

import atexit
import logging
import os
import weakref
from threading import RLock
from typing import TYPE_CHECKING, Any

from spinney._core import _refuse_newcomers, in_main_interpreter
from spinney.configs import EngineState
from spinney.exceptions import EngineShutDownError, UnsupportedOptionError

if TYPE_CHECKING:
    from typing_extensions import Self

_log = logging.getLogger("spinney.engine")
_engines = weakref.WeakSet()
_EXIT_SECONDS = 1.0
_FOREVER = 1e10
_SHUT_DOWN = "the engine is shut down"


class Lifetime:
    """How an InferenceEngine ends, and goes on in a forked child."""

    state: EngineState
    state_lock: Any  # an RLock, whose class has no name of its own
    inference_lock: Any

    def shutdown(self, timeout: float | None = 5.0) -> None:
        """Answer what is queued within timeout seconds, fail the rest, let go of the models.

        timeout: None waits for as long as it takes. Later predictions fail. Safe from any thread,
        and more than once.
        """
        seconds = _FOREVER if timeout is None else max(0.0, float(timeout))
        with self._stop_lock:
            with self.state_lock:
                if self.state is EngineState.STOPPED:
                    return
                self.state = EngineState.STOPPING
                self._why_not = _SHUT_DOWN
                why = "the engine was stopped while the model was being loaded"
                self._call_off_loads(EngineShutDownError(why))
                models = list(self._named.values())
                self._named = {}
                self._forget_model()
            self._parts.stop(seconds)
            for versions in models:
                for served in versions.values():
                    served.close()
            with self.state_lock:
                self.state = EngineState.STOPPED

    def _after_fork(self):
        """In a forked child: locks of its own; the same models; threads once it is used."""
        self.state_lock, self.inference_lock, self._stop_lock = RLock(), RLock(), RLock()
        self._loading = []  # of the parent's other threads
        self._parts = self._parts.in_forked_child(self)
        if self.state is EngineState.LOADING:
            self.state = EngineState.READY
        elif self.state is EngineState.STOPPING:
            self.state = EngineState.STOPPED

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()

    # The name may be gone when the program ends.
    def __del__(self, _stopped: EngineState = EngineState.STOPPED) -> None:
        parts = self.__dict__.get("_parts")
        if parts is not None and self.state is not _stopped:
            parts.stop(0.0)


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
