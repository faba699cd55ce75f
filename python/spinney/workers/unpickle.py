"""Unpickling for real, where it is permitted: every name that a file asks for goes through a list.

`AllowList` (allow_list.py) says which names those are, and what may be done to what they lead to;
`load_file` reads a pickle or joblib file by one, with a Guard (guard.py) at each step. This runs in
a worker process, or in the serving process when the caller asked for that; it needs numpy alone.
Code that the trusted classes run themselves is not held back by any list.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import inspect
import io
import lzma
import pickle
import zlib

if __package__:
    from spinney.workers.allow_list import (
        CALL,
        EMPTY,
        AllowList,
        Forbidden,
        TrustAll,
        checked_entries,
    )
    from spinney.workers.guard import guarded
    from spinney.workers.permitted import DATA
else:  # in a worker process, which has the modules of this folder without their package
    from _spinney_worker_allow_list import (
        CALL,
        EMPTY,
        AllowList,
        Forbidden,
        TrustAll,
        checked_entries,
    )
    from _spinney_worker_guard import guarded
    from _spinney_worker_permitted import DATA

__all__ = ["AllowList", "Forbidden", "TrustAll", "checked_entries", "load_file", "refused_names"]


class _Collect:
    """Lets nothing in but data, and remembers the names that were asked for."""

    def __init__(self, allow):
        self.allow = allow
        self.refused = []

    def resolve(self, module, name):
        full = f"{module}.{name}"
        if any(name in names.get(module, "").split() for names in DATA[:3]):
            return self.allow.resolve(module, name)
        try:
            self.allow.resolve(module, name)
        except Forbidden:
            if full not in self.refused:
                self.refused.append(full)
        return type(name.rpartition(".")[2] or "inert", (_Inert,), {})

    def permit(self, found):
        """Stand-ins may be called and data may be made; neither does anything."""
        return (
            CALL
            if isinstance(found, type) and issubclass(found, _Inert)
            else self.allow.permit(found)
        )

    def grant(self, found, permit):
        return self.allow.grant(found, permit)

    def may_fill(self, target, base):
        return True


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


class _Unpickler(guarded(pickle._Unpickler)):
    def find_class(self, module, name):
        return self._allow.resolve(*_renamed(module, name))

    def persistent_load(self, pid):
        raise pickle.UnpicklingError("it refers to objects outside the file")


def _unpickler(file, allow):
    if isinstance(allow, TrustAll):  # no guard, and several times faster
        return pickle.Unpickler(file)
    return _Unpickler(allow, file)


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
            found = allow.resolve(*_renamed(module, name))
            if getattr(found, "cls", found) is not numpy_pickle.NumpyArrayWrapper:
                return found
            return allow.grant(ArrayWrapper, EMPTY)

        def persistent_load(self, pid):
            raise pickle.UnpicklingError("it refers to objects outside the file")

    options = {"mmap_mode": None}
    if "ensure_native_byte_order" in inspect.signature(base.__init__).parameters:
        options["ensure_native_byte_order"] = True
    return Unpickler(*(() if trusted else (allow,)), "", data, **options).load()
