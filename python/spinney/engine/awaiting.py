"""Futures awaited in an event loop, which is woken once for all that were answered together.

asyncio.wrap_future wakes the loop for each future: a write to a socket and a look at it, which cost
more than a cheap model does.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from contextlib import suppress
from functools import partial

from spinney.faults import contained, model_error

_mine = threading.local()  # the mailbox of the loop that this thread runs


class _Mailbox:
    """Answers on their way to one loop. post() may be called by any thread."""

    def __init__(self, loop):
        self.loop = loop
        self._answered = deque()
        self._called = False

    def post(self, waiter, future):
        self._answered.append((waiter, future))
        self._call()

    def _call(self):
        if self._called:
            return
        self._called = True
        try:
            with suppress(RuntimeError):  # the loop was closed: nobody waits any more
                self.loop.call_soon_threadsafe(self._deliver)
        except BaseException:  # out of memory, say: the next post calls
            self._called = False
            raise

    def _deliver(self):
        # First of all, so that what is posted from here on calls again, if it is not found here.
        self._called = False
        answered = self._answered
        try:
            while answered:
                _hand_over(*answered[0])
                answered.popleft()
        finally:
            if answered:  # an interrupt: the loop may be run again
                self._call()


def _hand_over(waiter, future):
    if waiter.done():
        return  # its task was cancelled
    if future.cancelled():
        waiter.cancel()
        return
    error = future.exception()
    if error is None:
        waiter.set_result(future.result())
    elif isinstance(error, StopIteration):  # which means something else to a coroutine
        waiter.set_exception(model_error(error))
    else:
        waiter.set_exception(contained(error))


def _mailbox():
    loop = asyncio.get_running_loop()
    mailbox = getattr(_mine, "mailbox", None)
    if mailbox is None or mailbox.loop is not loop:
        mailbox = _mine.mailbox = _Mailbox(loop)
    return mailbox


async def answer_of(future):
    """A future's result, awaited in the loop that runs; cancelling the task cancels the request."""
    if future.done():
        return future.result()
    mailbox = _mailbox()
    waiter = mailbox.loop.create_future()
    # Wakers have a thread on which no user code runs, so that no callback can hold them up.
    add = getattr(future, "_add_waker", future.add_done_callback)
    add(partial(mailbox.post, waiter))
    try:
        return await waiter
    except asyncio.CancelledError:
        future.cancel()
        raise
