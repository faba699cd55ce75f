"""Unpickling for real, where it is permitted: every name that a file asks for goes through a list.

`AllowList` says which names those are; `load_file` reads a pickle or joblib file by one. This runs
in a worker process, or in the serving process when the caller asked for that; it needs numpy alone.

What an entry of the list trusts:

- "package.module.Class" trusts that class: the file may make objects of it with any arguments and
  any state. The name may be the one that people import (sklearn.svm.SVC) or the one in the file
  (sklearn.svm._classes.SVC).
- "package.*" trusts every class that the package and its subpackages define, and their functions
  whose names say that they exist for unpickling.

Always allowed is what holds data and does nothing: numpy arrays, dtypes, scalars and random
states, scipy's sparse matrices, joblib's array wrapper, Python's own containers and numbers; and,
where an entry of scikit-learn is listed, the search trees and distances that its neighbours keep
inside. Whatever else the file names is refused. Code that the trusted classes run themselves is not
held back by any list.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import importlib
import inspect
import io
import lzma
import pickle
import re
import zlib

if __package__:
    from spinney.workers.guard import guarded
else:  # in a worker process, which has the modules of this folder without their package
    from _spinney_worker_guard import guarded

DATA = {
    "builtins": "set frozenset bytearray complex slice range list dict tuple object int float str "
    "bytes bool",
    "copyreg": "_reconstructor",
    "_codecs": "encode",
    "collections": "OrderedDict defaultdict deque Counter",
    "datetime": "date datetime time timedelta timezone",
    "decimal": "Decimal",
    "fractions": "Fraction",
    "numpy": "ndarray dtype bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 "
    "float32 float64 complex64 complex128 str_ bytes_ datetime64 timedelta64",
    "numpy.core.multiarray": "_reconstruct scalar",
    "numpy._core.multiarray": "_reconstruct scalar",
    "numpy.core.numeric": "_frombuffer",
    "numpy._core.numeric": "_frombuffer",
    "numpy.random._pickle": "__randomstate_ctor __bit_generator_ctor __generator_ctor",
    "numpy.random._mt19937": "MT19937",
    "numpy.random._pcg64": "PCG64 PCG64DXSM",
    "numpy.random._philox": "Philox",
    "numpy.random._sfc64": "SFC64",
    "numpy.random.bit_generator": "__pyx_unpickle_SeedSequence SeedSequence",
    "scipy.sparse._csr": "csr_matrix csr_array",
    "scipy.sparse._csc": "csc_matrix csc_array",
    "scipy.sparse._coo": "coo_matrix coo_array",
    "scipy.sparse.csr": "csr_matrix",
    "scipy.sparse.csc": "csc_matrix",
    "joblib.numpy_pickle": "NumpyArrayWrapper",
}
# Compiled, and not made for states that somebody thought up: only beside a class of scikit-learn.
SKLEARN_DATA = {
    "sklearn.neighbors._kd_tree": "KDTree KDTree32 KDTree64 newObj",
    "sklearn.neighbors._ball_tree": "BallTree BallTree32 BallTree64 newObj",
}
# Packages whose names would let a file run anything, so that listing them means trusted=True.
_NEVER = set(
    "_io _pickle _posixsubprocess _thread asyncio bdb builtins cProfile cloudpickle code codeop "
    "commands copyreg ctypes dill distutils doctest ensurepip gc imp importlib inspect io joblib "
    "marshal multiprocessing nt operator os pdb pickle pip pkgutil posix profile pty pydoc runpy "
    "setuptools shelve shutil signal socket subprocess sys tempfile threading timeit "
    "trace types unittest venv webbrowser zipimport".split()
)
_FOR_UNPICKLING = re.compile(
    r"(newObj|__pyx_unpickle_\w+|_?_?\w+_ctor|_?reconstruct\w*|_?rebuild\w*)"
)
_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


class Forbidden(pickle.UnpicklingError):
    """The file names something that the list does not have. `name` is it."""

    def __init__(self, name):
        super().__init__(name)
        self.name = name


def checked_entries(entries):
    """The entries of an allow-list as a list of text. ValueError says which one is none and why."""
    if isinstance(entries, str):
        raise ValueError(
            f"allowed_classes is the text {entries!r}; give a list of names, such as [{entries!r}]"
        )
    entries = list(entries)
    for entry in entries:
        name = entry[:-2] if isinstance(entry, str) and entry.endswith(".*") else entry
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValueError(
                f"allowed_classes has {entry!r}; an entry is 'module.Class' or 'package.*'"
            )
        if name is entry and "." not in name:
            raise ValueError(f"allowed_classes has {entry!r}, without its module: 'module.Class'")
        if name.split(".")[0] in _NEVER:
            raise ValueError(
                f"allowed_classes has {entry!r}, through which a file could run anything; "
                "if you trust the file's writer that far, say trusted=True"
            )
    return entries


class AllowList:
    """Which names a file may ask for."""

    def __init__(self, entries):
        entries = checked_entries(entries)
        self._packages = [entry[:-2] for entry in entries if entry.endswith(".*")]
        self._exact = [entry for entry in entries if not entry.endswith(".*")]
        self._objects = None
        self._data = DATA
        if any(entry.startswith("sklearn.") for entry in entries):
            self._data = {**DATA, **SKLEARN_DATA}
            self._packages.append("sklearn.metrics._dist_metrics")

    def resolve(self, module, name):
        """The class or function of that name. Raises Forbidden, having imported nothing for it."""
        full = f"{module}.{name}"
        data = self._data.get(module, "").split()
        if name in data:
            return _attribute(importlib.import_module(module), name)
        if full in self._exact:
            return _attribute(importlib.import_module(module), name)
        if self._in_packages(module) and "__main__" not in module.split("."):
            found = _attribute(importlib.import_module(module), name)
            if self._belongs(found, name):
                return found
        for found in self._listed():
            if (getattr(found, "__module__", None), getattr(found, "__qualname__", None)) == (
                module,
                name,
            ):
                return found
        raise Forbidden(full)

    def _in_packages(self, module):
        return any(module == name or module.startswith(name + ".") for name in self._packages)

    def _belongs(self, found, name):
        """Defined by an allowed package under that name, not just imported by it."""
        home = getattr(found, "__module__", None)
        if not isinstance(home, str) or not self._in_packages(home):
            return False
        if isinstance(found, type):
            return found.__qualname__ == name
        return callable(found) and _FOR_UNPICKLING.fullmatch(name) is not None

    def _listed(self):
        """What exact entries lead to; those of packages that are absent lead nowhere."""
        if self._objects is None:
            self._objects = []
            for entry in self._exact:
                module, _, name = entry.rpartition(".")
                try:
                    self._objects.append(_attribute(importlib.import_module(module), name))
                except (ImportError, AttributeError):
                    continue
        return self._objects


class TrustAll:
    """The list of a caller who said trusted=True: any name."""

    def resolve(self, module, name):
        return _attribute(importlib.import_module(module), name)


class _Collect:
    """Lets nothing in but data, and remembers the names that were asked for."""

    def __init__(self, allow):
        self.allow = allow
        self.refused = []

    def resolve(self, module, name):
        full = f"{module}.{name}"
        if name in DATA.get(module, "").split():
            return self.allow.resolve(module, name)
        try:
            self.allow.resolve(module, name)
        except Forbidden:
            if full not in self.refused:
                self.refused.append(full)
        return type(name.rpartition(".")[2] or "inert", (_Inert,), {})


class _Inert:
    """Stands for an object that is not made, and takes whatever a pickle does to objects."""

    def __new__(cls, *args, **kwargs):
        return object.__new__(cls)

    def __init__(self, *args, **kwargs):
        pass

    def __setstate__(self, state):
        pass

    def __setitem__(self, key, value):
        pass

    def append(self, item):
        pass

    def extend(self, items):
        pass

    def add(self, item):
        pass


def _attribute(module, name):
    found = module
    for part in name.split("."):
        found = getattr(found, part)
    return found


class _Unpickler(guarded(pickle._Unpickler)):
    def __init__(self, file, allow):
        super().__init__(file)
        self._allow = allow

    def find_class(self, module, name):
        return self._allow.resolve(*_renamed(module, name))

    def persistent_load(self, pid):
        raise pickle.UnpicklingError("it refers to objects outside the file")


def _unpickler(file, allow):
    if isinstance(allow, TrustAll):  # no guard, and several times faster
        return pickle.Unpickler(file)
    return _Unpickler(file, allow)


def _renamed(module, name):
    """Names that Python 2 wrote, as protocols below 3 have them."""
    import _compat_pickle

    if (module, name) in _compat_pickle.NAME_MAPPING:
        return _compat_pickle.NAME_MAPPING[(module, name)]
    return _compat_pickle.IMPORT_MAPPING.get(module, module), name


def load_file(file, allow):
    """The object in a pickle or joblib file, compressed or not, by names that `allow` resolves."""
    data = _decompressed(file)
    if b"NumpyArrayWrapper" not in data.getvalue():
        return _unpickler(data, allow).load()
    return _load_joblib(data, allow)


def refused_names(file, allow):
    """Every name in the file that `allow` refuses; nothing but data is made of the file."""
    collect = _Collect(allow)
    # Stand-ins cannot do all that a class does: the names found until then count.
    with contextlib.suppress(Exception):
        load_file(file, collect)
    return collect.refused


def _decompressed(file):
    start = file.read(8)
    file.seek(0)
    data = file.read()
    if start.startswith(b"\x1f\x8b"):
        data = gzip.decompress(data)
    elif start.startswith(b"BZ"):
        data = bz2.decompress(data)
    elif start.startswith((b"\xfd7zXZ\x00", b"\x5d\x00\x00")):
        data = lzma.decompress(data)
    elif start.startswith(b"\x04\x22\x4d\x18"):
        import lz4.frame

        data = lz4.frame.decompress(data)
    elif start[:1] == b"\x78":
        data = zlib.decompress(data)
    return io.BytesIO(data)


def _load_joblib(data, allow):
    from joblib import numpy_pickle

    class ArrayWrapper(numpy_pickle.NumpyArrayWrapper):
        """joblib's own reads arrays of objects by pickle.load, past every list."""

        def read_array(self, unpickler, *args, **kwargs):
            if not self.dtype.hasobject:
                return super().read_array(unpickler, *args, **kwargs)
            array = _unpickler(unpickler.file_handle, allow).load()
            array.shape = self.shape if self.order != "F" else self.shape[::-1]
            return array.transpose() if self.order == "F" else array

    trusted = isinstance(allow, TrustAll)
    base = numpy_pickle.NumpyUnpickler

    class Unpickler(base if trusted else guarded(base)):
        def find_class(self, module, name):
            if name == "NumpyArrayWrapper" and module == "joblib.numpy_pickle":
                return ArrayWrapper
            return allow.resolve(*_renamed(module, name))

        def persistent_load(self, pid):
            raise pickle.UnpicklingError("it refers to objects outside the file")

    options = {"mmap_mode": None}
    if "ensure_native_byte_order" in inspect.signature(base.__init__).parameters:
        options["ensure_native_byte_order"] = True
    return Unpickler("", data, **options).load()
