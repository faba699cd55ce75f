"""What Spinney raises. Every class is also the built-in that callers would expect to catch."""

from __future__ import annotations

from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spinney.quantization.models import QuantizationReport


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


class QuantizationRefusedError(SpinneyError, ValueError):
    """A quantized model's error is more than was allowed. report: its QuantizationReport."""

    def __init__(self, message: str, report: QuantizationReport | None = None) -> None:
        super().__init__(message)
        self.report: QuantizationReport | None = report


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


class ForbiddenClassError(UnsupportedModelError):
    """A pickle names a class or function that allowed_classes does not list."""


class PythonModelError(ModelFailedError):
    """A Python model raised, or gave a result that cannot be an answer for the rows it was given.

    error_type: the class name of what the model itself raised, or None.
    """

    def __init__(self, message: str, error_type: str | None = None) -> None:
        super().__init__(message)
        self.error_type: str | None = error_type


class EnsembleError(ModelFailedError):
    """A member of an ensemble failed, or too few are left to answer."""


class MemberLateError(EnsembleError, TimeoutError):
    """A member of an ensemble did not answer in time."""


class WorkerError(ModelFailedError):
    """A worker process did not answer. What it held failed; the next request starts another."""


class WorkerStartError(WorkerError):
    """A worker process could not be started, or could not load the model."""


class WorkerDiedError(WorkerError):
    """The worker process ended while it held a batch."""


class WorkerTimeoutError(WorkerError, TimeoutError):
    """A batch took longer than its limit; the worker process was killed."""


class WorkerMemoryError(WorkerError, MemoryError):
    """A batch needed more memory than the worker process may have."""


class WorkerProtocolError(WorkerError):
    """The worker process sent what is no answer; it was killed."""


class WorkerBackoffError(WorkerError):
    """The worker process keeps dying, so no other is started yet.

    retry_after: seconds until a request will try again.
    """

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after: float | None = retry_after


class WorkerClosedError(WorkerError):
    """The model was closed."""
