"""Small models that do one thing each, for the tests of the sandbox."""

from __future__ import annotations

import os

import numpy as np


class Pins:
    """Puts its parent onto one processor."""

    n_features_in_ = 1

    def __init__(self, parent):
        self.parent = parent

    def predict(self, x):
        os.sched_setaffinity(self.parent, {min(os.sched_getaffinity(self.parent))})
        return x[:, 0]


class Reads:
    """Gives what stands in a file."""

    n_features_in_ = 1

    def __init__(self, path):
        self.path = str(path)

    def predict(self, x):
        with open(self.path) as file:
            return np.array([file.read()] * len(x), dtype=object)


class Cores:
    """Says how many cores joblib counts, for which it would start a program."""

    n_features_in_ = 1

    def __setstate__(self, state):
        import joblib  # as scikit-learn's classes do

        self.joblib = joblib

    def __getstate__(self):
        return {"joblib": None}

    def predict(self, x):
        return np.full(len(x), self.joblib.cpu_count(only_physical_cores=True))


class Temporary:
    """Asks for the folder of temporary files while it is loaded, and writes there when asked."""

    n_features_in_ = 1

    def __setstate__(self, state):
        import tempfile

        self.folder = tempfile.gettempdir()

    def __getstate__(self):
        return {"folder": None}

    def predict(self, x):
        import tempfile

        with tempfile.NamedTemporaryFile():
            return x[:, 0]


class Loky:
    """Asks joblib for processes."""

    n_features_in_ = 1

    def predict(self, x):
        from joblib import Parallel, delayed

        return np.array(Parallel(n_jobs=2, backend="loky")(delayed(abs)(i) for i in x[:, 0]))


class Writes:
    """Writes over what it printed on: the end of a log is all that it may reach."""

    n_features_in_ = 1

    def predict(self, x):
        os.lseek(2, 0, os.SEEK_SET)
        os.write(2, b"written by the model\n")
        return x[:, 0]
