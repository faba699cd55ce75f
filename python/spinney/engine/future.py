"""PredictionFuture: a concurrent.futures.Future that costs next to nothing until it is needed."""

from __future__ import annotations

import logging
import os
from concurrent.futures import Future, InvalidStateError
from copy import copy
from threading import Condition, Thread
from typing import TYPE_CHECKING, Any, NoReturn

from spinney._core import FutureBase, _adopt_future_type, _forked
from spinney.engine import upkeep
from spinney.exceptions import EngineShutDownError
from spinney.faults import contained, is_the_users

__all__ = [
    "Condition",
    "PredictionFuture",
    "announce",
    "contained",
    "orphaned",
    "own_error",
    "run_callbacks",
    "start_thread",
]

_log = logging.getLogger("concurrent.futures")
_LANES = ("spinney-waiters", "spinney-callbacks")


if TYPE_CHECKING:
    _Future = Future[Any]
else:  # which Python 3.8 cannot write
    _Future = Future


class PredictionFuture(FutureBase, _Future):
    """The answer to come of InferenceEngine.enqueue_prediction.

    A concurrent.futures.Future in every respect, except that only its engine completes it, and that
    cancel() also works while the batch is computed, when running() is true: the answer is then
    dropped.

    result() gives the prediction, or raises what docs/engine.md lists under Failures. Callbacks run
    on a thread of the engine's that does nothing else: one that blocks delays other callbacks, and
    neither predictions nor those who wait for or await them. Each is called exactly once.
    """

    __slots__ = ()
    _more = None  # of its rows and its model, which predict would put into its metadata
    _told = None  # the whole metadata, of what was answered by the call

    @property
    def metadata(self) -> dict[str, Any] | None:
        """What predict's metadata would be, as a new dict; None until done.

        total_time_ms is from the queue's beginning to the batch's end. A failed or cancelled
        request has error, and a refused one throttled and retry_after.
        """
        from spinney.engine.outcomes import metadata_of

        return metadata_of(self)

    def set_running_or_notify_cancel(self) -> NoReturn:
        raise InvalidStateError("only its engine completes a PredictionFuture")

    def set_result(self, result: Any) -> NoReturn:
        raise InvalidStateError("only its engine completes a PredictionFuture")

    def set_exception(self, exception: BaseException | None) -> NoReturn:
        raise InvalidStateError("only its engine completes a PredictionFuture")

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError(
            "a PredictionFuture belongs to the engine of this process and cannot be pickled or "
            "copied; take its result()"
        )


_adopt_future_type(PredictionFuture)
os.register_at_fork(after_in_child=_forked)


def announce(future):
    """Tell a finished future's condition and the waiters of concurrent.futures.wait."""
    with future._condition:
        future._mark_announced()
        for waiter in future._waiters:
            if future.cancelled():
                waiter.add_cancelled(future)
            elif future._exception is not None:
                waiter.add_exception(future)
            else:
                waiter.add_result(future)
        future._condition.notify_all()


def run_callbacks(future, callbacks):
    interrupt = None
    for callback in callbacks:
        try:
            callback(future)
        except BaseException as error:  # whatever user code does, the thread that runs it goes on
            if is_the_users(error):
                interrupt = error  # once the other callbacks have been called
            else:
                _log.exception("exception calling callback for %r", future)
    if interrupt is not None:
        raise interrupt


def start_thread(dispatcher, lane):
    """Where the system has no thread to give, an engine's upkeep stands in, which has one."""
    try:
        error = try_thread(dispatcher, lane)
    except BaseException:  # an interrupt: others count on the thread already
        dispatcher.cannot_serve(lane)
        upkeep.stand_in()
        raise
    if error is not None:
        _log.warning("%s: %s; the engine's upkeep stands in for it", _LANES[lane], error)
        dispatcher.cannot_serve(lane)
        upkeep.stand_in()


def try_thread(dispatcher, lane):
    """Why it was not started, or None."""
    try:
        Thread(target=dispatcher.serve, args=(lane,), name=_LANES[lane], daemon=True).start()
    except (RuntimeError, MemoryError) as error:
        return error
    return None


def own_error(error):
    """A copy of an exception that a whole batch shares, for one future: raising adds to it the
    frames of whoever asked. The exception itself where it cannot be copied.
    """
    try:
        own = copy(error)
    except Exception:
        return error
    if type(own) is not type(error):
        return error
    own.__cause__ = error.__cause__
    return own.with_traceback(error.__traceback__)


def orphaned():
    raise EngineShutDownError(
        "the process forked after this request was made; ask the child's own engine again"
    )
