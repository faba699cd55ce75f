"""What Spinney raises. Every class is also the built-in that callers would expect to catch."""

from __future__ import annotations

from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as FutureTimeoutError


class SpinneyError(Exception):
    """Base of every error that Spinney raises itself."""


class InvalidInputError(SpinneyError, ValueError):
    """Rows, an option or an argument do not fit: shape, dtype, feature names."""


class CorruptModelError(SpinneyError, ValueError):
    """The model contradicts itself or its format: cut short, flipped bits, indices out of range."""


class ModelTooLargeError(SpinneyError, ValueError):
    """A declared or real size is beyond a stated limit."""


class UnsupportedModelError(SpinneyError, NotImplementedError):
    """The model is well formed, but Spinney has no native path for it or for what was asked."""


class ModelNotFoundError(SpinneyError, FileNotFoundError):
    """There is no file at the path given."""


class ModelIOError(SpinneyError, OSError):
    """The operating system refused to read or write."""


class EngineError(SpinneyError, RuntimeError):
    """The engine could not answer a request; the classes below say why."""


class RequestRefusedError(EngineError):
    """Refused at once, or shed from the queue before it ran: the engine has too much to do.

    retry_after: seconds after which a new try makes sense, or None where nothing is known.
    """

    retry_after: float | None = None


class QueueFullError(RequestRefusedError):
    """The queue, or max_concurrent_requests, is full."""


class ThrottledError(RequestRefusedError):
    """Throttled: the CPU is busy beyond cpu_threshold_percent, or requests wait for too long."""


class EngineShutDownError(EngineError):
    """The engine was shut down, or the process forked, before the request was answered."""


class ModelFailedError(EngineError):
    """The model itself failed: its worker process died, or it gave an answer of a wrong shape.

    An exception that a Python model raises is passed on as it is.
    """


if FutureTimeoutError is TimeoutError:  # Python 3.11 and later

    class RequestExpiredError(EngineError, TimeoutError):
        """The request's own timeout_ms passed before it was answered; it was not run."""

else:

    class RequestExpiredError(EngineError, FutureTimeoutError, TimeoutError):
        """The request's own timeout_ms passed before it was answered; it was not run."""


class RequestCancelledError(EngineError, CancelledError):
    """The request was cancelled, by future.cancel() or by the task that awaited it."""


class ConfigError(InvalidInputError):
    """An option's value is not allowed, or options contradict each other."""


class ConfigTypeError(ConfigError, TypeError):
    """An option is unknown, or its value is of the wrong type."""


class ConfigNotFoundError(ConfigError, FileNotFoundError):
    """There is no configuration file at the path given."""


class UnsupportedOptionError(ConfigError, NotImplementedError):
    """An option cannot do what it says in this version or on this machine."""
