"""Which names a file may ask for, and what it may do to what they lead to.

What an entry of the list trusts:

- "module.Class" trusts that class (or function): the file may call it with any arguments and give
  its objects any state. The name may be the one that people import (sklearn.svm.SVC) or the one in
  the file (sklearn.svm._classes.SVC).
- "package.*" trusts the package's models, made without arguments and given a state, and what such
  states need. For the packages in permitted.py both are lists; for any other, models are classes
  that it defines, that have predict or transform, and that run no code of their own when a file
  makes one.
"""

from __future__ import annotations

import abc
import importlib
import importlib.util
import pickle
import re
import sys
import sysconfig
import types

import numpy as np

if __package__:
    from spinney.workers import permitted
    from spinney.workers.reconstruct import STAND_INS
else:  # in a worker process, which has the modules of this folder without their package
    import _spinney_worker_permitted as permitted
    from _spinney_worker_reconstruct import STAND_INS

VALUE, EMPTY, CALL = range(3)  # what a file may do: mention; make without arguments; call

# Modules through which a file could run anything, so that listing them means trusted=True.
_NEVER = set(
    "_io _pickle _posixsubprocess _thread asyncio bdb builtins cffi cloudpickle code codeop "
    "commands copyreg cProfile ctypes dill distutils doctest ensurepip gc imp importlib inspect "
    "io joblib marshal multiprocessing nt operator os pdb pickle pip pkg_resources pkgutil "
    "posix profile pty pydoc runpy setuptools shelve shutil signal socket subprocess sys "
    "tempfile threading timeit trace types unittest venv webbrowser zipimport".split()
)
# Packages whose classes act on files, processes, devices or the network: named one by one only.
_ACTING = set(
    "aiohttp airflow azure boto3 botocore celery cupy cv2 dask distributed docker duckdb fabric "
    "flask fsspec gevent google h5py httpx ibis IPython jax jinja2 keras kubernetes langchain "
    "matplotlib mlflow netCDF4 nltk notebook numba onnxruntime paramiko pexpect PIL plotly "
    "polars psutil pyarrow pymongo pyspark pytest ray redis requests s3fs scrapy selenium sh "
    "skorch spacy spinney sqlalchemy tables tensorflow torch tornado transformers twisted "
    "urllib3 vaex werkzeug xarray yaml zarr zmq".split()
)
_NOT_FOR_MODELS = set("__main__ conftest estimator_checks setup test tests _testing".split())
_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
# What runs when a file makes an object, gives it a state, fills it or lets it go.
_HOOKS = (
    "__new__ __setstate__ __setattr__ __getattr__ __getattribute__ __setitem__ __hash__ __del__ "
    "append extend add"
).split()


class Made:
    """What a file gets for a class that it may only make without arguments.

    It stands for the class where pickle makes objects. In a state it stands for nothing, so that no
    model calls the class later, with arguments that lie in the file.
    """

    def __init__(self, cls):
        self.cls = cls


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
        pattern = isinstance(entry, str) and entry.endswith(".*")
        name = entry[:-2] if pattern else entry
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValueError(
                f"allowed_classes has {entry!r}; an entry is 'module.Class' or 'package.*'"
            )
        if not pattern and "." not in name:
            raise ValueError(f"allowed_classes has {entry!r}, without its module: 'module.Class'")
        root = name.split(".")[0]
        if root in _NEVER:
            raise ValueError(
                f"allowed_classes has {entry!r}, through which a file could run anything; "
                "if you trust the file's writer that far, say trusted=True"
            )
        if pattern and (root in _ACTING or _is_standard(root)):
            raise ValueError(
                f"allowed_classes has {entry!r}, but classes of {root} act on files, processes or "
                f"the network; name those that the file needs one by one ('{name}.….Class'), or "
                "say trusted=True"
            )
    return entries


def _is_standard(root):
    """Whether a module comes with Python."""
    names = getattr(sys, "stdlib_module_names", None)  # since Python 3.10
    if names is not None:
        return root in names
    if root in sys.builtin_module_names:
        return True
    try:
        origin = importlib.util.find_spec(root).origin or ""
    except (ImportError, ValueError, AttributeError):
        return False
    return origin.startswith(sysconfig.get_path("stdlib")) and "site-packages" not in origin


class AllowList:
    """What a list of entries permits."""

    def __init__(self, entries):
        entries = checked_entries(entries)
        self._packages = [entry[:-2] for entry in entries if entry.endswith(".*")]
        self._exact = [entry for entry in entries if not entry.endswith(".*")]
        self._objects = None
        self._permits = {}  # by id: (what a name led to, what may be done to it)
        self._made = {}  # by id of a class: what the file gets for it
        roots = {entry.split(".")[0] for entry in entries}
        roots |= {need for root in roots for need in permitted.NEEDS.get(root, ())}
        self._lists = [permitted.DATA]
        self._lists += [
            permitted.PACKAGES[root] for root in sorted(roots & set(permitted.PACKAGES))
        ]

    def resolve(self, module, name):
        """The class or function of that name. Raises Forbidden, having called nothing for it."""
        return self.grant(*self._find(module, name))

    def grant(self, found, permit):
        """Note what may be done to an object, and give what the file gets for it."""
        permit = max(permit, self.permit(found) or VALUE)
        self._permits[id(found)] = found, permit
        if permit != EMPTY:
            return found
        return self._made.setdefault(id(found), Made(found))

    def permit(self, found):
        """What may be done to an object that a name led to; None for any other object."""
        return self._permits.get(id(found), (None, None))[1]

    def may_fill(self, target, base):
        """Whether a file may put items into an object: a container, or what the user named."""
        return isinstance(target, base) or self.permit(type(target)) == CALL

    def _find(self, module, name):
        full = f"{module}.{name}"
        if full in self._exact:
            return _not_acting(attribute(importlib.import_module(module), name), full), CALL
        for lists in self._lists:
            found = _in_lists(lists, module, name)
            if found is not None:
                return found
        if module in permitted.UFUNC_MODULES and _is_public(name):
            found = getattr(importlib.import_module(module), name, None)
            if isinstance(found, np.ufunc):
                return found, VALUE
        if self._in_packages(module) and not _NOT_FOR_MODELS & set(module.split(".")):
            root = module.split(".")[0]
            if root in permitted.PACKAGES:
                found = _in_families(permitted.ESTIMATORS.get(root, ()), module, name)
            else:
                found = _model(attribute_or_none(module, name), module, name)
            if found is not None:
                return found, EMPTY
        for found in self._listed():
            if (getattr(found, "__module__", None), getattr(found, "__qualname__", None)) == (
                module,
                name,
            ):
                return found, CALL
        raise Forbidden(full)

    def _in_packages(self, module):
        return any(module == name or module.startswith(name + ".") for name in self._packages)

    def _listed(self):
        """What exact entries lead to; those of packages that are absent lead nowhere."""
        if self._objects is None:
            self._objects = []
            for entry in self._exact:
                module, _, name = entry.rpartition(".")
                try:
                    found = attribute(importlib.import_module(module), name)
                    self._objects.append(_not_acting(found, entry))
                except (ImportError, AttributeError, Forbidden):
                    continue
        return self._objects


class TrustAll:
    """The list of a caller who said trusted=True: any name, for anything."""

    def grant(self, found, permit):
        return found

    def resolve(self, module, name):
        return attribute(importlib.import_module(module), name)


def _in_lists(lists, module, name):
    """(object, permit) by the names of `lists`, or None."""
    for names, permit in ((lists.called, CALL), (lists.empty, EMPTY), (lists.values, VALUE)):
        if name in names.get(module, "").split():
            stand_in = STAND_INS.get((module, name))
            if stand_in is not None:
                importlib.import_module(module)
                return stand_in, permit
            return getattr(importlib.import_module(module), name), permit
    if module in lists.functions and _is_public(name):
        found = attribute_or_none(module, name)
        if isinstance(found, types.FunctionType) and found.__module__ == module:
            return found, VALUE
    found = _in_families(lists.families, module, name)
    return None if found is None else (found, EMPTY)


def _in_families(families, module, name):
    for modules, base in families:
        within = modules[:-1] if modules.endswith(".*") else None
        if module != modules and not (within and module.startswith(within)):
            continue
        found = attribute_or_none(module, name)
        where, _, what = base.rpartition(".")
        base = attribute_or_none(where, what)
        if not isinstance(base, type) or not _is_own(found, module, name):
            continue
        if issubclass(found, base):
            return found
    return None


def _model(found, module, name):
    """found, if it is a model that its package defines and that runs nothing when it is made."""
    if not _is_own(found, module, name) or type(found) not in (type, abc.ABCMeta):
        return None
    acts = callable(getattr(found, "predict", None)) or callable(getattr(found, "transform", None))
    return found if acts and not hooks_of(found) else None


def hooks_of(cls):
    """The methods of a class, its own or its package's, that unpickling itself would run."""
    hooks = []
    for hook in _HOOKS:
        for base in cls.__mro__:
            if hook in vars(base):
                root = base.__module__.split(".")[0]
                known = root in ("builtins", "collections") or root in permitted.PACKAGES
                if not known and vars(base)[hook] is not None:
                    hooks.append(hook)
                break
    return hooks


def _is_own(found, module, name):
    """A class that the module defines under that name, not one that it imported."""
    return isinstance(found, type) and (found.__module__, found.__qualname__) == (module, name)


def _is_public(name):
    return "." not in name and not name.startswith("_")


def _not_acting(found, entry):
    """found, unless the entry leads round into what no list may have."""
    root = str(getattr(found, "__module__", None) or "").split(".")[0]
    if isinstance(found, types.ModuleType) or root in _NEVER:
        raise Forbidden(entry)
    return found


def attribute(module, name):
    found = module
    for part in name.split("."):
        found = getattr(found, part)
    return found


def attribute_or_none(module, name):
    """The attribute of a module that is there, or None; a dotted name is none of its own."""
    if "." in name:
        return None
    try:
        return getattr(importlib.import_module(module), name, None)
    except ImportError:
        return None
