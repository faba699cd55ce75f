"""Guard: what an unpickler permits a file to do to objects, whatever names the list permits."""

from __future__ import annotations

import pickle
import types

import numpy as np


class Guard:
    """For pickle's unpickler in Python: keeps a file from changing what it did not make.

    A file may give a state to what it has made, not to classes or functions, which others use as
    well. A dtype gets its state once, before anything else has it, and a state that is true: numpy
    believes one that says that bytes of the file are pointers to objects.
    """

    def _with_dtypes(load):
        def load_and_note(self):
            getattr(super(), load)()
            if isinstance(self.stack[-1], np.dtype):
                self._dtypes_in_use[id(self.stack[-1])] = self.stack[-1]

        return load_and_note

    load_get = _with_dtypes("load_get")
    load_binget = _with_dtypes("load_binget")
    load_long_binget = _with_dtypes("load_long_binget")
    load_dup = _with_dtypes("load_dup")

    def load_build(self):
        target = self.stack[-2]
        if isinstance(target, _SHARED):
            raise pickle.UnpicklingError(f"it changes {target!r:.200}, which it did not make")
        is_dtype = isinstance(target, np.dtype)
        if is_dtype:
            if target is np.dtype(target.str) or id(target) in self._dtypes_in_use:
                raise pickle.UnpicklingError(f"it changes the dtype {target} after it was made")
            self._dtypes_in_use[id(target)] = target
        super().load_build()
        if is_dtype and not _is_true(target):
            raise pickle.UnpicklingError(f"the state of its dtype {target.str} contradicts itself")


_SHARED = (
    type,
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    types.ModuleType,
    np.ufunc,
)
_GUARDED = {
    pickle.BUILD: "load_build",
    pickle.GET: "load_get",
    pickle.BINGET: "load_binget",
    pickle.LONG_BINGET: "load_long_binget",
    pickle.DUP: "load_dup",
}
_POINTERS = 0x03  # flags of a dtype: items are counted references, and are pickled as a list
_OBJECTS = 0x1B  # and besides: they must be initialized, and want the interpreter


def guarded(base):
    """base, an unpickler in Python, with Guard before it."""

    def make(self, *args, **kwargs):
        self._dtypes_in_use = {}  # by id, and held so that no other gets it
        base.__init__(self, *args, **kwargs)

    dispatch = {**base.dispatch}
    for code, name in _GUARDED.items():
        dispatch[code[0]] = _by_name(name)
    return type("Guarded", (Guard, base), {"dispatch": dispatch, "__init__": make})


def _by_name(name):
    return lambda self: getattr(self, name)()


def _is_true(dtype):
    """Whether a dtype is the one that its own parts make."""
    try:
        if dtype.subdtype is not None:
            made = np.dtype(dtype.subdtype)
        elif dtype.names is not None:
            fields = [dtype.fields[name] for name in dtype.names]
            made = np.dtype(
                {
                    "names": list(dtype.names),
                    "formats": [field[0] for field in fields],
                    "offsets": [field[1] for field in fields],
                    "itemsize": dtype.itemsize,
                }
            )
        else:
            made = np.dtype(dtype.str)
    except (TypeError, ValueError, KeyError, SystemError):
        return False
    flags = _OBJECTS if made.hasobject else _POINTERS
    return (
        made.itemsize == dtype.itemsize
        and made.flags & flags == dtype.flags & flags
        and dtype.alignment in (made.alignment, 1, 2, 4, 8, 16)
    )
