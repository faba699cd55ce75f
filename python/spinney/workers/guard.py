"""Guard: what an unpickler permits a file to do to objects, whatever names the list permits."""

from __future__ import annotations

import collections
import pickle
import types

import numpy as np

if __package__:
    from spinney.workers.allow_list import CALL, EMPTY, Made
    from spinney.workers.reconstruct import STAND_INS, check_state, check_whole, is_checked, refuse
else:  # in a worker process, which has the modules of this folder without their package
    from _spinney_worker_allow_list import CALL, EMPTY, Made
    from _spinney_worker_reconstruct import STAND_INS, check_state, check_whole, is_checked, refuse


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

    def load(self):
        whole = super().load()
        for target in self._built:
            _check_keys(target, _own(target))
            if is_checked(target):
                check_whole(target)
        return whole

    def load_reduce(self):
        function, arguments = self.stack[-2:]
        self._may_call(function)
        if isinstance(arguments, tuple) and arguments and isinstance(arguments[0], Made):
            if not _makes(function):
                refuse(f"it gives {_name(function)} a class to call")
            self.stack[-1] = (arguments[0].cls, *arguments[1:])
        super().load_reduce()
        made = self.stack[-1]  # maybe with the attributes that pandas' functions take besides
        if not isinstance(made, _SHARED) and any(
            isinstance(key, str) and key.startswith("__array") for key in _own(made)
        ):
            refuse(f"it makes a {type(made).__name__} that says where in memory its values lie")

    def load_newobj(self):
        self.stack[-2] = self._may_make(self.stack[-2], self.stack[-1])
        super().load_newobj()

    def load_newobj_ex(self):
        self.stack[-3] = self._may_make(self.stack[-3], self.stack[-2] or self.stack[-1])
        super().load_newobj_ex()

    def _instantiate(self, cls, arguments):
        super()._instantiate(self._may_make(cls, arguments), arguments)

    def _may_call(self, function):
        if self._allow.permit(function) != CALL:
            refuse(
                f"it calls {_name(function)} with arguments of its own; list it by its full name "
                "if it may"
            )

    def _may_make(self, given, arguments):
        """The class that is made, if it may be."""
        cls = given.cls if isinstance(given, Made) else given
        if arguments or self._allow.permit(cls) != EMPTY:
            self._may_call(cls)
        return cls

    def load_append(self):
        self._may_fill(self.stack[-2], (list, collections.deque))
        super().load_append()

    def load_appends(self):
        self._may_fill(self.metastack[-1][-1], (list, collections.deque))
        super().load_appends()

    def load_setitem(self):
        self._may_set(self.stack[-3], self.stack[-2:-1])
        super().load_setitem()

    def load_setitems(self):
        self._may_set(self.metastack[-1][-1], self.stack[::2])
        super().load_setitems()

    def _may_set(self, target, keys):
        self._may_fill(target, dict)
        if type(target) is not dict:  # one whose items may be attributes as well
            _check_keys(target, keys)

    def load_additems(self):
        self._may_fill(self.metastack[-1][-1], set)
        super().load_additems()

    def _may_fill(self, target, base):
        own = _own(target)
        if not self._allow.may_fill(target, base) or not _FILLING.isdisjoint(own):
            refuse(f"it puts items into a {type(target).__name__}")

    def load_build(self):
        target, state = self.stack[-2:]
        if isinstance(target, _SHARED) or self._allow.permit(target) is not None:
            raise pickle.UnpicklingError(f"it changes {target!r:.200}, which it did not make")
        named = self._allow.permit(type(target)) == CALL
        _check_hooks(target, state, named)
        check_state(target, state, named)
        self._built.append(target)
        is_dtype = isinstance(target, np.dtype)
        if is_dtype:
            if target is np.dtype(target.str) or id(target) in self._dtypes_in_use:
                raise pickle.UnpicklingError(f"it changes the dtype {target} after it was made")
            self._dtypes_in_use[id(target)] = target
        super().load_build()
        # Whatever it was that the state came as: pairs and mappings of any kind become attributes.
        _check_keys(target, _own(target))
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
# What pickle takes from the object itself, where a state may have put something else.
_FILLING = {"append", "extend", "add"}
_GUARDED = {
    pickle.REDUCE: "load_reduce",
    pickle.NEWOBJ: "load_newobj",
    pickle.NEWOBJ_EX: "load_newobj_ex",
    pickle.APPEND: "load_append",
    pickle.APPENDS: "load_appends",
    pickle.SETITEM: "load_setitem",
    pickle.SETITEMS: "load_setitems",
    pickle.ADDITEMS: "load_additems",
    pickle.BUILD: "load_build",
    pickle.GET: "load_get",
    pickle.BINGET: "load_binget",
    pickle.LONG_BINGET: "load_long_binget",
    pickle.DUP: "load_dup",
}
_POINTERS = 0x03  # flags of a dtype: items are counted references, and are pickled as a list
_OBJECTS = 0x1B  # and besides: they must be initialized, and want the interpreter


def _check_hooks(target, state, named):
    """Refuse a state that would be given by what an earlier state put into the object, or that sets
    what is no slot of it."""
    kind = type(target)
    for part in state if isinstance(state, tuple) else (state,):
        if type(part) is dict:
            _check_keys(target, part)
        elif isinstance(part, dict) and not named:  # it may answer otherwise when asked again
            refuse(f"the state of a {kind.__name__} is a {type(part).__name__}, not a plain dict")
    own = _own(target)
    has_hook = hasattr(kind, "__setstate__")
    if "__setstate__" in own or (not has_hook and hasattr(target, "__setstate__")):
        refuse(f"it gives a {kind.__name__} a __setstate__ of its own")
    slots = state[1] if isinstance(state, tuple) and len(state) == 2 else None
    if has_hook or not slots:
        return
    for name in slots:
        slot = next((vars(base)[name] for base in kind.__mro__ if name in vars(base)), None)
        # What has no slot goes into the object's own attributes, unless its class decides.
        if not isinstance(slot, types.MemberDescriptorType) and (
            slot is not None or kind.__setattr__ is not object.__setattr__
        ):
            refuse(f"it sets {name!r:.100} of a {kind.__name__}, which is no slot of it")


def _own(target):
    """The attributes that an object has besides its class's."""
    return getattr(target, "__dict__", None) or {}


def _check_keys(target, keys):
    """Refuse names by which Python and numpy find what an object can do: numpy takes an address in
    memory from the __array_interface__ of whatever has one."""
    for key in keys:
        special = isinstance(key, str) and key.startswith("__") and key.endswith("__")
        if special and key not in ("__doc__", "__name__"):
            refuse(f"it gives a {type(target).__name__} a {key:.100} of its own")


def _makes(function):
    """Whether it is one that takes a class to make an object of."""
    name = getattr(function, "__name__", "")
    return function in STAND_INS.values() or name.startswith("__pyx_unpickle_")


def _name(function):
    name = getattr(function, "__qualname__", None)
    return f"{function.__module__}.{name}" if name else f"a {type(function).__name__}"


def guarded(base):
    """base, an unpickler in Python, with Guard before it. `allow` is the list that it goes by."""

    def make(self, allow, *args, **kwargs):
        self._allow = allow
        self._built = []
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
