"""Classes without a native path, well behaved and not, for the tests of worker processes."""

from __future__ import annotations

import os
import signal
import sys
import time

import numpy as np


class Base:
    n_features_in_ = 2

    def predict(self, x):
        return self.answer(np.asarray(x))

    def answer(self, x):
        return x.sum(axis=1)


class Words:
    n_features_in_ = 2

    def predict(self, x):
        return np.array(["word"] * len(x), dtype=object)


class Sum(Base):
    """Sums rows, after doing whatever it was made to do, unless the first value is 0."""

    def __init__(self, deed=None, at_load=False):
        self.deed = deed
        self.at_load = at_load

    def __setstate__(self, state):
        self.__dict__.update(state)
        if self.at_load:
            getattr(self, self.deed)()

    def answer(self, x):
        if self.deed and len(x) and x[0, 0] != 0:
            got = getattr(self, self.deed)()
            if got is not None:
                return got
        return x.sum(axis=1)

    def hang(self):
        while True:
            time.sleep(60)

    def spin(self):
        while True:
            pass

    def hold_the_lock(self):
        import ctypes

        ctypes.PyDLL(None).sleep(60)  # PyDLL keeps the interpreter's lock

    def exit(self):
        os._exit(0)

    def leave(self):
        sys.exit(3)

    def crash(self):
        os.kill(os.getpid(), signal.SIGSEGV)

    def eat_memory(self):
        return np.ones(1 << 40)

    def eat_slowly(self):
        eaten = []
        while True:
            eaten.append(b"x" * (1 << 26))

    def raise_error(self):
        raise LookupError("no such thing \u2603" + "x" * 100_000)

    def raise_oddly(self):
        raise KeyboardInterrupt

    def print_much(self):
        print("printed by the model")
        os.write(1, b"written by the model\n" * 1000)

    def write_everywhere(self):
        for fd in range(3, 64):
            try:
                os.write(fd, b'{"seq": 1, "answer": {}}')
            except OSError:
                continue

    def close_everything(self):
        os.closerange(3, 64)

    def shrink(self):
        for fd in range(3, 64):
            try:
                os.ftruncate(fd, 0)
            except OSError:
                continue

    def fork_and_exit(self):
        if os.fork() == 0:
            time.sleep(300)
        os._exit(0)

    def fork_and_stay(self):
        if os.fork() == 0:
            time.sleep(300)
            os._exit(0)

    def read_stdin(self):
        assert sys.stdin.read() == ""

    def give_text(self):
        return "text"

    def give_too_few(self):
        return np.zeros(1)

    def give_none(self):
        return self

    def give_objects(self):
        return np.array([object(), object()], dtype=object)

    def give_records(self):
        return np.zeros(2, dtype=[("a", "i4")])

    def give_much(self):
        return np.zeros((2, 1 << 20))


class Answers(Base):
    """Gives whatever array it was made with."""

    def __init__(self, array):
        self.array = array

    def answer(self, x):
        return self.array


class Held(Base):
    """Says in a file that a batch has come, and holds it until another file is there."""

    def __init__(self, folder):
        self.folder = str(folder)

    def answer(self, x):
        open(os.path.join(self.folder, "entered"), "w").close()
        while not os.path.exists(os.path.join(self.folder, "go")):
            time.sleep(0.001)
        return x.sum(axis=1)


class Layout(Base):
    """Tells what arrived."""

    def answer(self, x):
        facts = (x.dtype.str, x.flags.c_contiguous, x.flags.f_contiguous)
        return np.array([facts] * len(x))


class Caller:
    """A model that is called, and says which process it is in."""

    def __call__(self, x):
        return np.full(len(x), os.getpid())


class Deletes(Base):
    """Runs code of its own when it is let go of."""

    def __del__(self):
        pass


class Touch:
    """Unpickling one makes a file: what a hostile pickle would do."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)
