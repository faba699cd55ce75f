"""What other people's code raises, kept from ending more than the request that it was asked for."""

from __future__ import annotations

import threading

from spinney.exceptions import PythonModelError


def model_error(error, what="the model"):
    """The PythonModelError that says so and has the error as its cause.

    >>> model_error(KeyError("x"))
    PythonModelError("the model failed: KeyError: 'x'")
    """
    kind = type(error).__name__
    made = PythonModelError(f"{what} failed: {kind}: {error}", error_type=kind)
    made.__cause__ = error
    return made


def contained(error, what="the model"):
    """The error itself where it is an Exception; else the model_error() of it.

    SystemExit, GeneratorExit, asyncio's CancelledError and their like end whatever they reach: a
    program, a thread, somebody else's task. Code that a request calls has no say over those.
    """
    return error if isinstance(error, Exception) else model_error(error, what)


def is_the_users(error):
    """True of Ctrl-C: of a KeyboardInterrupt on the thread that runs the handlers of signals."""
    return isinstance(error, KeyboardInterrupt) and on_main_thread()


def on_main_thread():
    return threading.current_thread() is threading.main_thread()
