"""WorkerModel: an object with no native path, owned and run by a process of its own."""

from __future__ import annotations

import numbers
import operator
import os
import stat
import threading
import time
import warnings
import weakref
from typing import TYPE_CHECKING, Any, Mapping, NoReturn, Sequence

from spinney._core import usable_cpus
from spinney.exceptions import (
    InvalidInputError,
    ModelIOError,
    ModelNotFoundError,
    PythonModelError,
    WorkerBackoffError,
    WorkerClosedError,
    WorkerError,
    WorkerStartError,
)
from spinney.workers.codec import CodecError
from spinney.workers.process import Process
from spinney.workers.shared_buffer import sealed_bytes
from spinney.workers.surface import Clock, PythonModel, measured_ms
from spinney.workers.unpickle import checked_entries

if TYPE_CHECKING:
    from os import PathLike

_PINGS = 20
_BACKOFF_FIRST_S = 0.1
_BACKOFF_MAX_S = 30.0
_models = weakref.WeakSet()
_warned = False  # that there is no sandbox, which holds for every worker


class WorkerModel(PythonModel):
    """A pickled object that a worker process alone unpickles and runs, a batch at a time.

    Rows are copied once, into memory that both processes share; answers are copied out. Batches of
    several threads run one after the other. A worker that dies, hangs or runs out of memory fails
    the batch that it held, with a WorkerError that says so; the next batch starts another. One that
    keeps dying is started again only after a pause that doubles from 0.1 s to 30 s.
    """

    def __init__(
        self,
        source: str | bytes | PathLike[str],
        *,
        trusted: bool = False,
        allowed_classes: Sequence[str] | None = None,
        num_threads: int | None = None,
        batch_timeout_s: float = 30.0,
        load_timeout_s: float = 120.0,
        memory_limit_mb: float | None = 8192,
        result_limit_mb: float = 1024,
        environment: Mapping[str, str] | None = None,
        sandbox: bool | str = True,
        readable: Sequence[str | PathLike[str]] = (),
    ) -> None:
        """source: the path of a pickle or joblib file, or the bytes of one.
        trusted: unpickle whatever it holds. Otherwise allowed_classes lists what may be unpickled:
            'module.Class' or 'package.*' (docs/workers.md says what each entry trusts).
        num_threads: threads of the numerical libraries in the worker; None for as many as this
            process may use, or as variables such as OMP_NUM_THREADS say.
        batch_timeout_s, load_timeout_s: longest time of one batch, and of starting and loading.
        memory_limit_mb: address space of the worker (RLIMIT_AS, so libraries and stacks count as
            well); None for no limit.
        result_limit_mb: largest answer to one batch.
        environment: variables that the worker gets besides PATH, HOME, locale and thread counts.
        sandbox: True for the walls that the kernel has, which info() names (docs/workers.md says
            what each stops); "required" to refuse to load where calls cannot be filtered (seccomp);
            False, with trusted=True only, for none.
        readable: paths that the worker may read besides Python's, its packages' and the system's
            libraries.

        Raises ForbiddenClassError, WorkerStartError, PythonModelError or another WorkerError.
        """
        if not trusted and not allowed_classes:
            raise InvalidInputError(
                "a pickle is run only with trusted=True or a list in allowed_classes"
            )
        try:
            self._allowed = None if trusted else checked_entries(allowed_classes)
        except ValueError as error:
            raise InvalidInputError(str(error)) from None
        for name, value in (
            ("batch_timeout_s", batch_timeout_s),
            ("load_timeout_s", load_timeout_s),
            ("result_limit_mb", result_limit_mb),
            ("memory_limit_mb", 1 if memory_limit_mb is None else memory_limit_mb),
        ):
            if isinstance(value, bool) or not isinstance(value, numbers.Real) or not value > 0:
                raise InvalidInputError(f"{name} is {value!r}; give a number above 0")
        if num_threads is not None:
            num_threads = _whole("num_threads", num_threads)
        environment = _checked_environment(environment)
        if sandbox not in (True, False, "required"):
            raise InvalidInputError(f"sandbox is {sandbox!r:.80}; give True, False or 'required'")
        if not sandbox and not trusted:
            raise InvalidInputError(
                "sandbox=False leaves the host open to what the file runs; it goes with "
                "trusted=True"
            )
        self._trusted = bool(trusted)
        self._batch_timeout_s = float(batch_timeout_s)
        self._load_timeout_s = float(load_timeout_s)
        self._limits = {
            "num_threads": usable_cpus() if num_threads is None else num_threads,
            "threads_given": num_threads is not None,
            "memory_limit_mb": memory_limit_mb,
            "result_limit_mb": result_limit_mb,
            "environment": environment,
            "sandbox": sandbox,
            "readable": _checked_paths(readable),
            "packages": sorted({entry.split(".")[0] for entry in self._allowed or ()}),
        }
        self._walls = None
        self._name = "the model" if isinstance(source, (bytes, bytearray)) else os.fspath(source)
        self._held = _Held()
        self._held.fd, self._stamp = _open(source)
        self._finalizer = weakref.finalize(self, _Held.close, self._held)
        self._lock = threading.Lock()
        self._clock = Clock()
        self._bytes_per_row = 16
        self._closed = False
        self._starts = self._crashes = 0
        self._not_before = 0.0
        self._load_ms = self._ping_us = None
        _models.add(self)
        try:
            with self._lock:
                self._adopt(self._begin())
        except BaseException:
            self.close()
            raise

    def _begin(self):
        """Start a process and have it load the file. Called with the lock held."""
        if self._stamp is not None and _stamp(os.fstat(self._held.fd)) != self._stamp:
            raise WorkerStartError(
                f"{self._name} has changed since it was loaded, so its worker is not started "
                "again from it; load it again"
            )
        started = time.perf_counter()
        process = self._held.process = Process(self._limits)
        try:
            self._walls = process.walls(self._load_timeout_s)
            self._check_walls()
            spent = time.perf_counter() - started
            facts = process.load(
                self._held.fd, self._trusted, self._allowed, self._load_timeout_s, spent
            )
        except PythonModelError as error:
            self._held.end()
            raise WorkerStartError(
                f"{self._name} cannot be unpickled by the worker process: "
                f"{str(error).partition(': ')[2]}"
            ) from error
        except BaseException:
            self._held.end()
            raise
        self._load_ms = measured_ms(time.perf_counter() - started)
        if self._ping_us is None:
            self._ping_us = min(process.ping(5.0) for _ in range(_PINGS)) * 1e6
        self._starts += 1
        return facts

    def _check_walls(self):
        """Refuse, or warn once, where the kernel lets no filter of calls be set."""
        global _warned
        sandbox = self._limits["sandbox"]
        if not sandbox or self._walls["seccomp"]:
            return
        why = "; ".join(self._walls["missing"])
        if sandbox == "required":
            raise WorkerStartError(f"a worker process can have no sandbox here ({why})")
        if not _warned:
            _warned = True
            warnings.warn(
                f"worker processes have no sandbox here ({why}): what allowed_classes lets in is "
                "held by nothing else; sandbox='required' refuses to load instead",
                RuntimeWarning,
                stacklevel=2,
            )

    def _ready(self):
        """The process, started anew if it is gone. Called with the lock held."""
        if self._closed:
            raise WorkerClosedError(f"{self._name} was closed")
        process = self._held.process
        if process is not None and process.pid_of_owner != os.getpid():
            process.forget()  # this is a fork: the process is the parent's
            process = self._held.process = None
        if process is not None:
            if process.alive():
                return process
            self._held.end()
            self._crashed()
        wait = self._not_before - time.monotonic()
        if wait > 0:
            raise WorkerBackoffError(
                f"the worker process of {self._name} died {self._crashes} times in a row; it is "
                f"started again in {wait:.1f} s",
                retry_after=wait,
            )
        try:
            self._begin()
        except Exception:
            self._crashed()
            raise
        return self._held.process

    def _crashed(self):
        """The first start after a crash is at once; each further crash doubles the pause."""
        self._crashes += 1
        if self._crashes > 1:
            pause = min(_BACKOFF_FIRST_S * 2 ** min(self._crashes - 2, 30), _BACKOFF_MAX_S)
            self._not_before = time.monotonic() + pause

    def _run(self, method, rows, count):
        with self._lock:
            process = self._ready()
            expected = count * self._bytes_per_row + 4096
            try:
                result = self._clock.time(
                    lambda: process.call(method, rows, self._batch_timeout_s, expected), count
                )
            except CodecError as error:
                raise InvalidInputError(f"the rows cannot be sent to the worker: {error}") from None
            except (WorkerError, PythonModelError) as error:
                if self._closed and isinstance(error, WorkerError):
                    raise WorkerClosedError(f"{self._name} was closed") from error
                if not process.alive():
                    self._held.end()
                    self._crashed()
                raise
            except BaseException:  # an interrupt: nobody would read the answer that is under way
                self._held.end()
                raise
            self._crashes = 0
            size = (
                sum(part.nbytes for part in result) if isinstance(result, list) else result.nbytes
            )
            if count:
                self._bytes_per_row = max(16, size // count + 1)
            return result

    def info(self) -> dict[str, Any]:
        """Where the object runs and what that costs, as a dict."""
        process = self._held.process
        alive = process is not None and process.alive()
        return {
            **self.source,
            "n_features": self.n_features,
            "n_outputs": self.n_outputs,
            "methods": list(self._methods),
            "runs": "worker process",
            "trusted": self._trusted,
            "allowed_classes": self._allowed,
            "sandbox": self._walls,
            "pid": process.pid if alive else None,
            "memory_mb": process.memory_mb() if alive else None,
            "load_ms": self._load_ms,
            "round_trip_us": self._ping_us,
            "restarts": max(0, self._starts - 1),
            "num_threads": self._limits["num_threads"],
            "memory_limit_mb": self._limits["memory_limit_mb"],
            "result_limit_mb": self._limits["result_limit_mb"],
            "batch_timeout_s": self._batch_timeout_s,
            **self._clock.info(),
        }

    def close(self) -> None:
        """End the process; a batch that it holds fails with WorkerClosedError."""
        self._closed = True
        if not self._lock.acquire(blocking=False):
            process = self._held.process
            if process is not None:
                process.end()
            self._lock.acquire()
        try:
            self._finalizer()
        finally:
            self._lock.release()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a WorkerModel owns a process and cannot be pickled; pickle its file's path"
        )


class _Held:
    """What must be let go of, whoever is last: the process and the file."""

    def __init__(self):
        self.process = None
        self.fd = -1

    def end(self):
        process, self.process = self.process, None
        if process is not None:
            process.kill()

    def close(self):
        self.end()
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def _open(source):
    """(descriptor, stamp): the file is kept open, so that a restart reads the same one."""
    if isinstance(source, (bytes, bytearray)):
        return sealed_bytes(source), None
    path = os.fspath(source)
    try:
        # Not to wait for whoever writes into a pipe; for files it means nothing.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise ModelNotFoundError(f"there is no file {path!r}") from None
    except OSError as error:
        raise ModelIOError(f"{path!r} cannot be read: {error.strerror}") from error
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        os.close(fd)
        raise ModelIOError(f"{path!r} is no regular file; give the path of a pickle, or its bytes")
    return fd, _stamp(status)


def _whole(name, value):
    try:
        number = operator.index(value)
    except TypeError:
        number = 0
    if isinstance(value, bool) or not 1 <= number <= 4096:
        raise InvalidInputError(f"{name} is {value!r}; give a whole number from 1 to 4096, or None")
    return number


def _checked_environment(environment):
    if environment is None:
        return None
    try:
        pairs = dict(environment)
    except (TypeError, ValueError):
        raise InvalidInputError(
            f"environment is {environment!r:.80}; give a dict of names and values"
        ) from None
    for name, value in pairs.items():
        good = isinstance(name, str) and isinstance(value, str) and "\0" not in name + value
        if not good or not name or "=" in name:
            raise InvalidInputError(
                f"environment has {name!r}: {value!r:.80}; names and values are text"
            )
    return pairs


def _checked_paths(readable):
    try:
        if isinstance(readable, (str, bytes)):
            raise TypeError
        return [os.path.abspath(os.fsdecode(path)) for path in readable]
    except TypeError:
        raise InvalidInputError(f"readable is {readable!r:.80}; give a list of paths") from None


def _stamp(status):
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _after_fork():
    """A child of fork() shares no process with its parent; each model starts its own when used."""
    for model in list(_models):
        model._lock = threading.Lock()
        process = model._held.process
        if process is not None:
            process.forget()
            model._held.process = None


os.register_at_fork(after_in_child=_after_fork)
