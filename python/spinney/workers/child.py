"""What runs in a worker process: owns one unpickled object, answers one batch at a time.

Started as a script by an interpreter that has read no environment variables (python -I), so that
it holds nothing of the serving process but what it was sent. It imports numpy and what the model
itself needs; of Spinney, only modules beside it. Its walls (sandbox.py) are raised before numpy is
imported, so that every thread is inside, and before a byte of the model is read.
"""

import ctypes
import errno
import fcntl
import importlib.util
import io
import json
import os
import resource
import signal
import socket
import sys

_PR_SET_PDEATHSIG = 1
_TEXT_MAX = 4000
_FILES_MAX = 1024
_SANDBOX = "_spinney_worker_sandbox"


def die_with_parent(parent, lifeline):
    """The kernel ends this process, and those that it forks, when the serving process ends.

    Two ways, since each has a hole: the parent-death signal misses children of this process; the
    lifeline's end is not seen while a stray process holds the other end of it. SIGIO on the
    lifeline is turned into SIGKILL for the whole group, which no busy thread can hold up.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())
    fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
    flags = fcntl.fcntl(lifeline, fcntl.F_GETFL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, flags | os.O_ASYNC | os.O_NONBLOCK)
    try:
        gone = os.read(lifeline, 1) == b""
    except BlockingIOError:
        gone = False
    if gone or os.getppid() != parent:
        os._exit(0)


def limit(settings):
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    memory = settings["memory_limit_bytes"]
    if memory:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    if settings["sandbox"]:  # pipes and sockets hold memory of the kernel's, which no limit counts
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        most = _FILES_MAX if most == resource.RLIM_INFINITY else min(most, _FILES_MAX)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    try:  # where memory runs out, this process goes before the one that serves
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("500")
    except OSError:
        pass


def limit_threads(count):
    """The pools that are loaded by now. The environment's variables are set before the start."""
    try:
        import threadpoolctl
    except ImportError:
        return
    threadpoolctl.threadpool_limits(count)


class Server:
    """The object, and the two buffers that rows come in and answers go out by."""

    def __init__(self, channel, walls, modules):
        self.channel, self.pid = channel, os.getpid()
        self.walls = walls
        self.wire, self.codec, self.unpickle, self.sandbox = modules
        self.model = None
        self.buffers = {"in": None, "out": None}
        self.answer = None  # a packed answer that waits for a larger buffer

    def run(self):
        while True:
            message, descriptors = self.wire.receive(self.channel)
            if message is None:
                return
            try:
                reply = self.reply(message, descriptors)
            except MemoryError as error:
                self.answer = None
                reply = _failure("memory", error)
            except BaseException as error:  # SystemExit, too, is the model's own affair
                if os.getpid() != self.pid:
                    raise  # a process that the model forked has no say here
                reply = _failure("model", error)
                if self.walls["seccomp"] or self.walls["landlock"]:
                    reply["walls"] = was_refused(error)
            reply["seq"] = message.get("seq")
            self.wire.send(self.channel, reply)

    def reply(self, message, descriptors):
        for name in message.get("buffers", ()):
            self.map_buffer(name, descriptors.pop(0))
        what = message["do"]
        if what == "ping":
            return {"ok": True, "walls": self.walls}
        if what == "load":
            return self.load(message, descriptors.pop(0))
        if what == "predict":
            return self.predict(message)
        if what == "write":
            return self.write()
        raise ValueError(f"there is no {what}")

    def map_buffer(self, name, fd):
        import mmap

        size = os.fstat(fd).st_size
        self.buffers[name] = mmap.mmap(fd, size)
        os.close(fd)

    def load(self, message, fd):
        unpickle = self.unpickle
        allow = (
            unpickle.TrustAll() if message["trusted"] else unpickle.AllowList(message["allowed"])
        )
        with io.BytesIO(read_all(fd)) as file:
            try:
                self.model = unpickle.load_file(file, allow)
            except unpickle.Forbidden as error:
                file.seek(0)
                names = unpickle.refused_names(file, allow) or [error.name]
                return {"error": "forbidden", "names": [name[:200] for name in names[:50]]}
        self.model = one_within(self.model)
        if self.walls["seccomp"]:
            self.sandbox.prefer_threads()
        if message["threads"] is not None:
            limit_threads(message["threads"])
        facts = describe(self.model, self.codec)
        text = json.dumps(facts).encode("ascii")
        import numpy as np

        return self.put(np.frombuffer(text, dtype=np.uint8))

    def predict(self, message):
        rows = self.codec.unpack(message["rows"], self.buffers["in"], copy=False)
        method = getattr(self.model, message["method"])
        return self.put(call(method, rows, self.codec))

    def put(self, value):
        self.answer = self.codec.Packed(value)
        size = self.answer.size
        out = self.buffers["out"]
        if out is None or size > len(out):
            return {"need": size}
        return self.write()

    def write(self):
        answer, self.answer = self.answer, None
        answer.write(self.buffers["out"])
        return {"ok": True, "answer": answer.head}


def read_all(fd):
    """The bytes of a file, which is closed. Its offset is shared with every process that has it,
    among them workers that read it at the same time, so it is neither used nor moved."""
    parts = []
    try:
        while part := os.pread(fd, 1 << 24, sum(map(len, parts))):
            parts.append(part)
    finally:
        os.close(fd)
    return b"".join(parts)


def call(method, rows, codec):
    """method(rows), as arrays. Whatever else it gives is refused by name."""
    import numpy as np

    result = method(restore(rows, codec))
    if isinstance(result, (list, tuple)) and result and isinstance(result[0], np.ndarray):
        return [as_array(part) for part in result]
    return as_array(result)


def as_array(result):
    import numpy as np

    if hasattr(result, "tocsr"):
        raise TypeError("the result is a sparse matrix, which is not an answer for each row")
    if result is None or isinstance(result, (str, bytes, dict, set)):
        raise TypeError(f"the result is a {type(result).__name__}; expected an array")
    array = np.asarray(result)
    if type(array) is not np.ndarray:
        array = np.array(array, subok=False)
    if array.dtype.names:
        raise TypeError("the result is an array of records")
    return array


def restore(rows, codec):
    """Frames and sparse matrices as the libraries' own."""
    if isinstance(rows, codec.Frame) and rows.library == "dicts":
        keys, values, counts = rows.columns
        pairs = iter(zip(keys.tolist(), values.tolist()))
        return [dict(next(pairs) for _ in range(count)) for count in counts.tolist()]
    if isinstance(rows, codec.Frame):
        library = __import__(rows.library)
        return library.DataFrame(dict(zip(rows.names, rows.columns)))
    if isinstance(rows, codec.Sparse):
        from scipy.sparse import csr_matrix

        return csr_matrix(tuple(rows.parts), shape=rows.shape)
    return rows


def one_within(model, depth=4):
    """The one object with a predict that a dict, list or tuple holds; else what was given."""
    found = []

    def look(held, depth):
        if callable(getattr(held, "predict", None)):
            found.append(held)
        elif type(held) in (dict, list, tuple) and depth and len(found) < 2:
            for part in held.values() if type(held) is dict else held:
                look(part, depth - 1)

    if type(model) in (dict, list, tuple):
        look(model, depth)
    return found[0] if len(found) == 1 else model


def describe(model, codec):
    """What the serving process tells of the object, as plain values."""
    import numpy as np

    kind = type(model)
    library = kind.__module__.split(".")[0]
    facts = {
        "module": kind.__module__,
        "kind": kind.__qualname__,
        "library": library,
        "version": str(getattr(sys.modules.get(library), "__version__", "") or ""),
        "methods": [name for name in METHODS if callable(getattr(model, name, None))],
        "callable": callable(model),
        "n_features": _number(getattr(model, "n_features_in_", None)),
        "n_outputs": _number(getattr(model, "n_outputs_", None)),
        "feature_names": [str(n) for n in _list(getattr(model, "feature_names_in_", None))],
        "pid": os.getpid(),
    }
    classes = getattr(model, "classes_", None)
    try:
        one = isinstance(classes, np.ndarray)
        facts["classes"] = None if classes is None else _plain(classes if one else list(classes))
    except (TypeError, ValueError):
        facts["classes"] = None
    return facts


METHODS = ("predict", "predict_proba", "decision_function", "score_samples", "transform")


def _number(value):
    try:
        return None if value is None else int(value)
    except (TypeError, ValueError):
        return None


def _list(value):
    return [] if value is None else list(value)


def _plain(classes):
    """{"dtype", "values"} of an array of labels, or a list of those for several targets."""
    import numpy as np

    if isinstance(classes, list) and classes and isinstance(classes[0], np.ndarray):
        return [_plain(part) for part in classes]
    array = np.asarray(classes)
    values = array.tolist()
    json.dumps(values)
    return {"dtype": "object" if array.dtype.hasobject else array.dtype.str, "values": values}


def was_refused(error):
    """Whether the walls may be behind an error: by it, or by what led to it."""
    seen = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, OSError) and error.errno in (errno.EPERM, errno.EACCES, errno.ENOSYS):
            return True
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False


def _failure(kind, error):
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    text = text.encode("ascii", "backslashreplace").decode("ascii")
    name = type(error).__name__.encode("ascii", "backslashreplace").decode("ascii")
    return {"error": kind, "type": name[:200], "text": text[:_TEXT_MAX]}


def beside(name):
    """A module of this folder, which is no package here."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"_spinney_worker_{name}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def raise_walls(settings):
    """What stands between this process and its host from now on, as sandbox.raise_walls says."""
    beside("landlock")
    beside("syscall_filter")
    sandbox = beside("sandbox")
    if not settings["sandbox"]:
        return {"seccomp": False, "landlock": 0, "missing": ["sandbox=False"]}
    sandbox.check_locks_of_joblib()
    sandbox.name_temporary_folder()
    sandbox.do_without_files_of_scipy()
    here = os.path.dirname(os.path.abspath(__file__))
    paths = [here, *sys.path, *settings["readable"], *sandbox.places_of(settings["packages"])]
    return sandbox.raise_walls(paths)


def main():
    settings = json.loads(sys.argv[1])
    channel = socket.socket(fileno=settings["channel"])
    die_with_parent(settings["parent"], settings["lifeline"])
    limit(settings)
    sys.path[:] = settings["path"]
    sys.argv[1:] = []
    walls = raise_walls(settings)
    os.dup2(2, 1)  # what the model prints goes where its complaints go, and at once
    sys.stdout.reconfigure(line_buffering=True)
    for name in ("permitted", "reconstruct", "allow_list", "guard"):
        beside(name)
    modules = beside("channel"), beside("codec"), beside("unpickle"), sys.modules[_SANDBOX]
    Server(channel, walls, modules).run()


if __name__ == "__main__":
    main()
