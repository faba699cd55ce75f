"""One request: what a caller gives, and what the queue holds."""

from __future__ import annotations

import asyncio
import logging
import math
import threading
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass
from operator import index
from queue import Full
from typing import Any

import numpy as np

from spinney.exceptions import InvalidInputError, QueueFullError
from spinney.masks import is_masked_array
from spinney.rows import labelled
from spinney.tables import adopt

_log = logging.getLogger("spinney.batching")
_FUTURE_METHODS = (
    "cancelled",
    "done",
    "set_exception",
    "set_result",
    "set_running_or_notify_cancel",
)

_OPEN = ("PENDING", "RUNNING")  # states of the standard library's futures

LEVELS_MAX = 64  # a greater priority counts as this one


class BatchQueueFullError(QueueFullError, Full):
    """The batcher's queue is full. Also the standard library's queue.Full."""


@dataclass(eq=False)
class PredictionRequest:
    """A request of a DynamicBatcher; orders by priority (lower first), then by age.

    id: anything that tells the caller which request it is.
    features: rows (k, n), or one flat row (n,). Not to be changed until the future is done.
    priority: a BatchPriority or another integer from 0; lower is sooner.
    timestamp: when it was made, by time.monotonic(); 0.0 takes the time of enqueue.
    future: a concurrent.futures.Future that receives the result; enqueue makes one for None.
    timeout_ms: milliseconds after which it fails with RequestExpiredError and is never run.
    """

    id: Any
    features: Any
    priority: int = 0
    timestamp: float = 0.0
    future: Future[Any] | None = None
    timeout_ms: float | None = None

    def __lt__(self, other: PredictionRequest) -> bool:
        return (self.priority, self.timestamp) < (other.priority, other.timestamp)


class Entry:
    """A request in the queue. signature: only entries of one signature share a call."""

    __slots__ = (
        "arrival",
        "bytes",
        "callbacks",
        "deadline",
        "first",
        "future",
        "item",
        "rows",
        "signature",
    )

    def __init__(self, item, rows, size, signature, future):
        self.item = item
        self.rows = rows
        self.bytes = size
        self.signature = signature
        self.future = future
        self.arrival = 0.0
        self.deadline = math.inf
        self.first = None  # what it shares with its batch since its first call
        self.callbacks = None  # who runs the future's callbacks; None: whoever completes it

    def made_whole(self):
        """In a forked child: a thread of the parent may have held the future's lock."""
        self.callbacks = None
        if hasattr(self.future, "_condition"):
            self.future._condition = threading.Condition()

    def claim(self):
        """Mark the future as running. False where its caller has cancelled or answered it."""
        future = self.future
        try:
            if type(future) is Future:
                if future._state == "FINISHED":
                    return False
            elif future.done() is True and not future.cancelled():
                return False
            return future.set_running_or_notify_cancel()
        except Exception:  # answered by its caller just now, or a future of the caller's own make
            return False

    def answer(self, value):
        """Complete the future. False where stop() ran out of time and answered first."""
        return self._settle("set_result", value)

    def fail(self, error):
        return self._settle("set_exception", error)

    def _settle(self, how, value):
        functions = ()
        future = self.future
        try:
            if self.callbacks is None or not isinstance(future, Future):
                getattr(future, how)(value)
            else:
                functions = _settle_silently(future, how, value)
        except InvalidStateError:
            return False
        except BaseException:  # out of a callback; the requests beside this one need their answers
            _log.exception("a callback of a future raised")
        if functions:
            self.callbacks.run(future, functions)
        return True


def _settle_silently(future, how, value):
    """Complete a future of the standard library; its callbacks, which are still to be called.

    Raises InvalidStateError where it is done: whoever cancelled it calls its callbacks.
    """
    condition = future._condition
    with condition:  # reentrant, and held by whoever adds a callback or cancels
        if future._state not in _OPEN:
            raise InvalidStateError
        functions = future._done_callbacks
        if functions:
            future._done_callbacks = []
        if how == "set_result" and type(future) is Future:  # what it would do itself
            future._result = value
            future._state = "FINISHED"
            for waiter in future._waiters:
                waiter.add_result(future)
            condition.notify_all()
        else:
            getattr(future, how)(value)
    return functions


def was_cancelled(entry):
    return entry.future.cancelled() is True


def refuse_masks(array):
    if is_masked_array(array):
        raise InvalidInputError("masked arrays lose their masks when they are stacked; fill them")


def rows_of(features):
    """Features as an array of rows, at least two-dimensional; refuses what has no rows."""
    array = features
    if type(features) is not np.ndarray:
        refuse_masks(features)
        _refuse_names(features)
        array = _as_array(features)
    if array.ndim == 1:
        array = array.reshape(1, -1)
    elif array.ndim == 0:
        raise InvalidInputError(
            f"features have the shape (); give rows (k, n) or one flat row (n,), not {features!r}"
        )
    if array.dtype == object:
        raise InvalidInputError("features are of dtype object; give numbers")
    return array


def _refuse_names(features):
    """A batch is an array, in which nobody finds a column by its name any more."""
    if adopt(features) is not None or labelled(features) is not None:
        raise InvalidInputError(
            f"features are a {type(features).__name__}, whose names are lost in a batch; give an "
            "array of the columns in the order that the function expects"
        )


def _as_array(features):
    try:
        return np.asarray(features)
    except ValueError as error:
        raise InvalidInputError(f"features are no rows of one length: {error}") from None


def array_entry(array, future):
    if type(array) is not np.ndarray:
        refuse_masks(array)
    return Entry(array, len(array), array.nbytes, (array.shape[1:], array.dtype), future)


def checked_level(priority):
    """A priority as an integer from 0 to LEVELS_MAX."""
    try:
        level = index(priority)
    except TypeError:
        raise InvalidInputError(
            f"priority is {priority!r}; give a BatchPriority or an integer from 0"
        ) from None
    if level < 0:
        raise InvalidInputError(f"priority is {level}; give a BatchPriority or an integer from 0")
    return min(level, LEVELS_MAX)


def checked_seconds(name, seconds, scale=1.0):
    """A time limit in seconds, or inf for None; refuses NaN, text and negative numbers."""
    if seconds is None:
        return math.inf
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float, np.number)):
        raise InvalidInputError(f"{name} is {seconds!r}; give a number from 0, or None")
    if not seconds >= 0:
        raise InvalidInputError(f"{name} is {seconds!r}; give a number from 0, or None")
    return float(seconds) * scale


def checked_future(future):
    """Refuses what cannot be answered from another thread or is answered already."""
    if type(future) is Future:
        if future._state != "PENDING":  # without its lock: the future is not shared yet
            raise InvalidInputError("the request's future is not a new one; give each its own")
    elif asyncio.isfuture(future):
        raise InvalidInputError(
            "the request's future belongs to an event loop, which other threads may not answer; "
            "give a concurrent.futures.Future and await asyncio.wrap_future(it)"
        )
    elif not all(hasattr(future, name) for name in _FUTURE_METHODS):
        raise InvalidInputError(
            f"the request's future is a {type(future).__name__}; give a concurrent.futures.Future"
        )
    return future
