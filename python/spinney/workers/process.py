"""One worker process as the serving process sees it: started, asked, ended.

Every wait has a deadline, and every end is certain: the process, with whatever it forked into its
group, is killed and reaped. What the process sends is checked and never unpickled.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from spinney.exceptions import (
    ForbiddenClassError,
    PythonModelError,
    WorkerDiedError,
    WorkerMemoryError,
    WorkerProtocolError,
    WorkerStartError,
    WorkerTimeoutError,
)
from spinney.metrics.cpu import count_also
from spinney.workers import channel as wire
from spinney.workers.codec import TEXT_COST, CodecError, Packed, unpack
from spinney.workers.shared_buffer import SharedBuffer
from spinney.workers.spawner import start_process

_CHILD = str(Path(__file__).with_name("child.py"))
_LOOK_MS = (
    50  # how often a silent process is looked at, in case a fork of it keeps the channel open
)
_ENVIRONMENT = (
    "PATH HOME LANG LANGUAGE LC_ALL LC_CTYPE LC_NUMERIC TZ TMPDIR LD_LIBRARY_PATH USER LOGNAME"
).split()
# Settings of numerical libraries can change the last bit of an answer: the worker gets the same.
_NUMERICAL = "OPENBLAS_ MKL_ OMP_ GOMP_ KMP_ BLIS_ GOTO_ NPY_ SCIPY_ SKLEARN_ NUMBA_".split()
_POOLS = (
    "OMP_NUM_THREADS OPENBLAS_NUM_THREADS MKL_NUM_THREADS BLIS_NUM_THREADS VECLIB_MAXIMUM_THREADS "
    "NUMEXPR_NUM_THREADS NUMBA_NUM_THREADS"
).split()
_ROOM = 1 << 16


class Process:
    """A started worker. Not safe for several threads: its owner holds a lock around each call."""

    def __init__(self, limits):
        """limits: num_threads, threads_given, memory_limit_mb (None for none), result_limit_mb,
        environment; sandbox, readable (paths) and packages (whose place is readable as well)."""
        self.pid_of_owner = os.getpid()
        self._limits = limits
        self._sequence = 0
        self._buffers = {"in": None, "out": None}
        self._renewed = []  # buffers that the process has not been told of yet
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        life_read, self._lifeline = os.pipe()
        self._channel = ours
        try:
            self._process = self._start(theirs.fileno(), life_read)
        except BaseException:
            ours.close()
            os.close(self._lifeline)
            raise
        finally:
            theirs.close()
            os.close(life_read)
        self._channel.setblocking(False)
        self._poll = select.poll()
        self._poll.register(self._channel.fileno(), select.POLLIN)
        count_also(self.cpu_seconds)

    def _start(self, channel, lifeline):
        if not sys.executable:
            raise WorkerStartError(
                "sys.executable is empty, so no worker process can be started: this Python is "
                "embedded; set sys.executable, or load with in_process=True"
            )
        memory = self._limits["memory_limit_mb"]
        settings = {
            "channel": channel,
            "lifeline": lifeline,
            "parent": os.getpid(),
            "path": [os.path.abspath(entry) for entry in sys.path],
            "sandbox": bool(self._limits["sandbox"]),
            "readable": self._limits["readable"],
            "packages": self._limits["packages"],
            "memory_limit_bytes": int(memory * 2**20) if memory else 0,
        }
        arguments = [sys.executable, "-I", *(["-B"] if sys.dont_write_bytecode else [])]
        try:
            return start_process(
                [*arguments, _CHILD, json.dumps(settings)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # until it sends what it prints to stderr
                stderr=None if _is_open(2) else subprocess.DEVNULL,
                env=_environment(self._limits),
                pass_fds=(channel, lifeline),
                start_new_session=True,
            )
        except OSError as error:
            raise WorkerStartError(f"a worker process cannot be started: {error}") from error

    @property
    def pid(self):
        return self._process.pid

    def alive(self):
        """Whether it runs. A dead one is left unreaped, so that its group keeps its number."""
        if self._process.returncode is not None:
            return False
        try:
            flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
            return os.waitid(os.P_PID, self._process.pid, flags) is None
        except ChildProcessError:  # somebody else has reaped it
            return False

    def memory_mb(self):
        """Resident memory of the process, or None if it is gone."""
        try:
            with open(f"/proc/{self.pid}/statm") as file:
                pages = int(file.read().split()[1])
        except (OSError, IndexError):
            return None
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def cpu_seconds(self):
        """CPU time of the process, or None if it is gone."""
        try:
            with open(f"/proc/{self.pid}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        except (OSError, IndexError):
            return None

    def load(self, fd, trusted, allowed, timeout, spent=0.0):
        """Have the process unpickle the file of descriptor fd; what it tells of the object.

        spent: seconds of the timeout that its start has taken.
        """
        deadline = time.monotonic() + timeout - spent
        self._want("out", _ROOM)
        message = {"do": "load", "trusted": trusted, "allowed": allowed}
        message["threads"] = self._limits["num_threads"] if self._limits["threads_given"] else None
        facts = self._ask(message, deadline, f"loading the model took more than {timeout:g} s", fd)
        try:
            if facts.nbytes > _FACTS_MAX:
                raise ValueError(f"{facts.nbytes} bytes, over the limit of {_FACTS_MAX}")
            facts = json.loads(facts.tobytes().decode("ascii"))
            return {name: facts[name] for name in _FACTS}
        except (AttributeError, ValueError, KeyError, TypeError) as error:
            raise self._no_answer(f"what it tells of the model makes no sense: {error}") from error

    def walls(self, timeout):
        """What stands around the process, as it says before it has read anything of a model."""
        deadline = time.monotonic() + timeout
        why = f"starting a worker process took more than {timeout:g} s"
        walls = self._talk({"do": "ping"}, (), deadline, why).get("walls")
        try:
            missing = [str(reason) for reason in walls["missing"]]
            seccomp, landlock = bool(walls["seccomp"]), int(walls["landlock"])
        except (KeyError, TypeError, ValueError) as error:
            raise self._no_answer(f"what it tells of itself makes no sense: {error}") from error
        return {"seccomp": seccomp, "landlock": landlock, "missing": missing}

    def ping(self, timeout):
        """Seconds of one round trip with nothing to do."""
        started = time.perf_counter()
        self._talk({"do": "ping"}, (), time.monotonic() + timeout, "a ping took too long")
        return time.perf_counter() - started

    def call(self, method, rows, timeout, expected_bytes):
        """method of the object, called with rows (an array, Frame or Sparse) in the process."""
        packed = Packed(rows)
        self._want("in", packed.size)
        self._want("out", expected_bytes)
        packed.write(self._buffers["in"].map)
        message = {"do": "predict", "method": method, "rows": packed.head}
        why = f"{method} took more than {timeout:g} s"
        return self._ask(message, time.monotonic() + timeout, why)

    def _ask(self, message, deadline, why, fd=None):
        reply = self._talk(message, () if fd is None else (fd,), deadline, why)
        need = reply.get("need")
        if need is not None:
            limit = self._limits["result_limit_mb"] * 2**20
            if type(need) is not int or not 0 < need <= limit:
                raise self._no_answer(
                    f"its answer takes {need!r} bytes, over result_limit_mb="
                    f"{self._limits['result_limit_mb']:g}"
                )
            self._want("out", need)
            reply = self._talk({"do": "write"}, (), deadline, why)
        text_max = int(self._limits["result_limit_mb"] * 2**20) // TEXT_COST
        try:
            return unpack(reply["answer"], memoryview(self._buffers["out"].map), True, text_max)
        except (CodecError, KeyError) as error:
            raise self._no_answer(f"its answer cannot be read: {error}") from error

    def _want(self, name, size):
        """A buffer of at least that size; an old one that is far too large goes."""
        have = self._buffers[name]
        if have is not None and size <= have.size and have.size <= max(16 * size, 64 * _ROOM):
            return
        self._buffers[name] = SharedBuffer(max(_ROOM, size + size // 4))
        if have is not None:
            have.close()
        if name not in self._renewed:
            self._renewed.append(name)

    def _talk(self, message, descriptors, deadline, why):
        self._sequence += 1
        names, self._renewed = self._renewed, []
        message = {**message, "seq": self._sequence, "buffers": names}
        descriptors = [*(self._buffers[name].fd for name in names), *descriptors]
        try:
            wire.send(self._channel, message, descriptors)
        except wire.BadMessage as error:
            raise self._no_answer(f"the request is too long: {error}") from error
        except OSError:
            raise self._died() from None
        reply = self._wait(deadline, why)
        if reply.get("seq") != self._sequence:
            raise self._no_answer("it answered a request that was not asked")
        if "error" in reply:
            raise self._refusal(reply)
        return reply

    def _wait(self, deadline, why):
        while True:
            left_ms = (deadline - time.monotonic()) * 1e3
            if left_ms <= 0:
                pid = self.pid
                self.kill()
                raise WorkerTimeoutError(f"{why}; the worker process {pid} was killed")
            if not self._poll.poll(min(left_ms, _LOOK_MS)):
                if not self.alive() and not self._poll.poll(0):
                    raise self._died()
                continue
            try:
                reply, descriptors = wire.receive(self._channel)
            except BlockingIOError:
                continue
            except wire.BadMessage as error:
                raise self._no_answer(str(error)) from error
            except OSError:
                raise self._died() from None
            for fd in descriptors:
                os.close(fd)
            if reply is None:
                raise self._died()
            return reply

    def _refusal(self, reply):
        kind, text = reply["error"], str(reply.get("text"))
        if kind == "forbidden":
            return _forbidden(reply.get("names"))
        if kind == "memory":
            limit = self._limits["memory_limit_mb"]
            return WorkerMemoryError(
                f"the worker process ran out of memory_limit_mb={limit}: {text}"
            )
        hint = _WALLED if reply.get("walls") is True else ""
        return PythonModelError(
            f"the model failed: {text}{hint}", error_type=str(reply.get("type"))
        )

    def _no_answer(self, what):
        pid = self.pid
        self.kill()
        return WorkerProtocolError(f"the worker process {pid} was killed: {what}")

    def _died(self):
        pid = self.pid
        until = time.monotonic() + 0.5  # its end of the channel closes before it is seen as dead
        while self.alive() and time.monotonic() < until:
            time.sleep(0.002)
        alone = not self.alive()
        self.kill()
        if not alone:
            return WorkerDiedError(f"the worker process {pid} closed its channel and was killed")
        return WorkerDiedError(f"the worker process {pid} died: {_how(self._process.returncode)}")

    def kill(self):
        """End the process and its group, reap it, close what is held. May be called twice."""
        if os.getpid() == self.pid_of_owner and self._process.returncode is None:
            self.end()
            self._process.wait()
        self.forget()

    def end(self):
        """End the process and its group at once, from any thread; whoever waits sees it die."""
        if self._process.returncode is not None:  # reaped: its number may be another's by now
            return
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            self._process.kill()

    def forget(self):
        """Close what is held, and leave the process alone: it ends when its owner does."""
        self._channel.close()
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1
        for buffer in self._buffers.values():
            if buffer is not None:
                buffer.close()
        self._buffers = {"in": None, "out": None}


_FACTS_MAX = 1 << 24
_FACTS = (
    "module kind library version methods callable n_features n_outputs feature_names classes"
).split()


_WALLED = (
    "; the worker's sandbox lets it start no process, open no connection, write no file and read "
    "only what worker_options={'readable': [paths]} adds (docs/workers.md)"
)


def _forbidden(names):
    names = [str(name) for name in names] if isinstance(names, list) else []
    shown = ", ".join(repr(name) for name in names[:12])
    more = f" and {len(names) - 12} more" if len(names) > 12 else ""
    script = any(name.startswith("__main__.") for name in names)
    hint = "; a class of a script is not found by another process: put it in a module"
    return ForbiddenClassError(
        f"the file asks for {shown}{more}, which allowed_classes does not list; if you trust them, "
        f"add them by name ('module.Class'); 'package.*' covers a package's models and what their "
        f"states need{hint if script else ''}"
    )


def _how(code):
    if code is None:
        return "its fate is unknown"
    if code >= 0:
        return f"it ended with exit status {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"killed by {name}"


def _environment(limits):
    environment = {
        name: value
        for name, value in os.environ.items()
        if name in _ENVIRONMENT or name.startswith(tuple(_NUMERICAL))
    }
    for name in _POOLS:
        if limits["threads_given"] or name not in environment:
            environment[name] = str(limits["num_threads"])
    environment.update(limits["environment"] or {})
    return environment


def _is_open(fd):
    try:
        os.fstat(fd)
        return True
    except OSError:
        return False
