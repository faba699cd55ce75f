"""Python objects that run in this process: permitted pickles, and plain callables."""

from __future__ import annotations

import contextlib
import io
import os
from typing import Any, Callable, Sequence

from spinney.exceptions import (
    CorruptModelError,
    ForbiddenClassError,
    InvalidInputError,
    ModelIOError,
    ModelNotFoundError,
    WorkerClosedError,
)
from spinney.faults import is_the_users, model_error
from spinney.threads import PoolLimit
from spinney.workers import child, codec, unpickle
from spinney.workers.surface import Clock, PythonModel


class LocalModel(PythonModel):
    """An object that this process holds and calls: nothing stands between it and what serves here.

    A crash, a leak or an endless loop of the object is this process's own.
    """

    def __init__(self, model: Any, format: str = "object", num_threads: int | None = None) -> None:
        """model: a fitted object with a predict method, a dict, list or tuple that holds one, or a
            callable.
        num_threads: threads of the numerical libraries during a call; None leaves them alone.
        """
        self._model = model = child.one_within(model)
        self._limit = contextlib.nullcontext() if num_threads is None else PoolLimit(num_threads)
        self._clock = Clock()
        self._adopt({**child.describe(model, codec), "format": format})

    def _run(self, method, rows, count):
        model = self._model
        if model is None:
            raise WorkerClosedError("the model was closed")
        try:
            function = getattr(model, method)
            with self._limit:
                return self._clock.time(lambda: child.call(function, rows, codec), count)
        except MemoryError:
            raise
        except BaseException as error:  # SystemExit, too, is the model's own affair
            if is_the_users(error):
                raise
            raise model_error(error) from error

    def info(self) -> dict[str, Any]:
        return {
            **self.source,
            "n_features": self.n_features,
            "n_outputs": self.n_outputs,
            "methods": list(self._methods),
            "runs": "this process",
            "pid": os.getpid(),
            "round_trip_us": 0.0,
            "num_threads": getattr(self._limit, "count", None),
            **self._clock.info(),
        }

    def close(self) -> None:
        self._model = None


class CallableModel(LocalModel):
    """A plain function of rows as a model: what ModelType.CUSTOM serves.

    function: takes an array of shape (rows, n_features) and gives an array with an answer for each
        row. It is called by whichever thread predicts, so it must be safe for several at once.
    n_features: columns that rows must have; None checks nothing.
    """

    def __init__(self, function: Callable[[Any], Any], n_features: int | None = None) -> None:
        if not callable(function):
            raise InvalidInputError(f"function is a {type(function).__name__}; expected a callable")
        super().__init__(_Function(function), "callable")
        name = getattr(function, "__qualname__", type(function).__qualname__)
        module = getattr(function, "__module__", None) or type(function).__module__
        self.n_features = n_features
        self.source: dict[str, str] = {
            "library": module,
            "version": "",
            "kind": name,
            "format": "callable",
        }


class _Function:
    def __init__(self, function):
        self.predict = function


def load_here(
    source: Any,
    trusted: bool,
    allowed_classes: Sequence[str] | None,
    num_threads: int | None = None,
) -> LocalModel:
    """A LocalModel of a pickle or joblib file (a path, or bytes), unpickled in this process."""
    try:
        allow = unpickle.TrustAll() if trusted else unpickle.AllowList(allowed_classes)
    except ValueError as error:
        raise InvalidInputError(str(error)) from None
    name = "the model" if isinstance(source, (bytes, bytearray)) else repr(os.fspath(source))
    try:
        with _opened(source) as file:
            return LocalModel(unpickle.load_file(file, allow), "pickle", num_threads)
    except FileNotFoundError:
        raise ModelNotFoundError(f"there is no file {name}") from None
    except OSError as error:
        raise ModelIOError(f"{name} cannot be read: {error}") from error
    except unpickle.Forbidden as error:
        raise ForbiddenClassError(
            f"{name} asks for {error.name!r}, which allowed_classes does not list; if you trust "
            "it, add it by name ('module.Class'); 'package.*' covers a package's models and what "
            "their states need"
        ) from None
    except (InvalidInputError, MemoryError):
        raise
    except BaseException as error:
        if is_the_users(error):
            raise
        raise CorruptModelError(
            f"{name} cannot be unpickled: {type(error).__name__}: {error}"
        ) from error


def _opened(source):
    return io.BytesIO(source) if isinstance(source, (bytes, bytearray)) else open(source, "rb")
