"""Stand-ins for functions that honest files call, and by which others could call anything.

Each does what its original does for the files that libraries write, and refuses the rest.
"""

from __future__ import annotations

import copyreg
import importlib
import pickle
import sys

if __package__:
    from spinney.workers.permitted import UFUNC_MODULES
else:  # in a worker process, which has the modules of this folder without their package
    from _spinney_worker_permitted import UFUNC_MODULES

_BASES = (object, dict, list, set, frozenset, tuple, str, bytes, bytearray, int, float, complex)
_BOUND = {"_ppf_single", "_cdf_single", "_nonzero", "_entropy", "_mom0_sc", "_mom1_sc", "_ppf"}


def refuse(what):
    raise pickle.UnpicklingError(what)


def _reconstructor(cls, base, state):
    """copyreg's: with a base of the file's own choosing it would run that base's constructor."""
    if base not in _BASES:
        refuse(f"it makes a {cls!r:.100} by way of {base!r:.100}")
    return copyreg._reconstructor(cls, base, state)


def _encode(text, encoding="utf-8", errors="strict"):
    """_codecs.encode, which looks for modules by the encoding's name: bytes come as latin1."""
    if encoding not in ("latin1", "latin-1", "utf-8"):
        refuse(f"it uses the encoding {encoding!r:.100}")
    return text.encode(encoding)


def _ufunc(module, name):
    """numpy's, which imports any module and takes anything from it."""
    import numpy as np

    found = None
    if module in UFUNC_MODULES and isinstance(name, str):
        found = getattr(importlib.import_module(module), name, None)
    return found if isinstance(found, np.ufunc) else refuse(f"{module}.{name} is no ufunc")


def _masked(subtype, baseclass, shape, dtype):
    from numpy import ma, ndarray

    if subtype is not ma.MaskedArray or baseclass is not ndarray:
        refuse(f"it makes a masked array of {subtype!r:.100}")
    return ma.core._mareconstruct(subtype, baseclass, shape, dtype)


def _bit_generator(kind="MT19937"):
    """numpy's calls whatever it is given."""
    from numpy.random import BitGenerator, _pickle

    name = kind.__name__ if isinstance(kind, type) and issubclass(kind, BitGenerator) else kind
    if not isinstance(name, str) or name not in _pickle.BitGenerators:
        refuse(f"{kind!r:.100} is no bit generator")
    return _pickle.BitGenerators[name]()


def _generator_by(make):
    def generator(kind="MT19937", ctor=None):
        from numpy.random import BitGenerator, Generator, RandomState

        if ctor not in (None, _bit_generator):
            refuse(f"it makes random states by {ctor!r:.100}")
        if not isinstance(kind, BitGenerator):
            kind = _bit_generator(kind)
        return {"Generator": Generator, "RandomState": RandomState}[make](kind)

    return generator


def _method(instance, name):
    """getattr, of the methods that scipy's distributions keep in their states."""
    distributions = sys.modules.get("scipy.stats._distn_infrastructure")
    if distributions is None or not isinstance(instance, distributions.rv_generic):
        refuse(f"it takes {name!r:.100} from a {type(instance).__name__}")
    if name not in _BOUND:
        refuse(f"it takes {name!r:.100} from a distribution")
    return getattr(type(instance), name).__get__(instance)


def _index_by(module, name):
    def index(cls, state):
        from pandas import Index

        if not (isinstance(cls, type) and issubclass(cls, Index)):
            refuse(f"{cls!r:.100} is no index")
        return getattr(sys.modules[module], name)(cls, state)

    return index


STAND_INS = {
    ("copyreg", "_reconstructor"): _reconstructor,
    ("_codecs", "encode"): _encode,
    ("numpy.core", "_ufunc_reconstruct"): _ufunc,
    ("numpy._core", "_ufunc_reconstruct"): _ufunc,
    ("numpy.ma.core", "_mareconstruct"): _masked,
    ("numpy.random._pickle", "__bit_generator_ctor"): _bit_generator,
    ("numpy.random._pickle", "__generator_ctor"): _generator_by("Generator"),
    ("numpy.random._pickle", "__randomstate_ctor"): _generator_by("RandomState"),
    ("builtins", "getattr"): _method,
    **{
        (module, name): _index_by(module, name)
        for module, name in (
            ("pandas.core.indexes.base", "_new_Index"),
            ("pandas.core.indexes.datetimes", "_new_DatetimeIndex"),
            ("pandas.core.indexes.interval", "_new_IntervalIndex"),
        )
    },
}


def check_state(target, state):
    """Refuse states with which an object of a permitted class would do more than hold them."""
    kind = type(target)
    distributions = sys.modules.get("scipy.stats._distn_infrastructure")
    if distributions is not None and isinstance(target, distributions.rv_generic):
        _check_distribution(kind, state)
    text = sys.modules.get("sklearn.feature_extraction.text")
    if text is not None and isinstance(target, text._VectorizerMixin):
        given = state.get("input", "content") if isinstance(state, dict) else None
        if type(given) is not str or given != "content":
            refuse(f"a {kind.__name__} with input={given!r:.40} opens the files that rows name")


def _check_distribution(kind, state):
    """scipy runs the text in a distribution's state: it must be what scipy itself would write."""
    parameters = state.get("_ctor_param") if isinstance(state, dict) else None
    plain = (str, int, float, type(None))
    if not isinstance(parameters, dict) or not all(
        type(each) in plain or hasattr(each, "dtype") for each in parameters.values()
    ):
        refuse(f"the state of a {kind.__name__} is not one that scipy writes")
    seedless = {name: each for name, each in parameters.items() if name != "seed"}
    own = kind(**seedless)._parse_arg_template
    given = state.get("_parse_arg_template")
    if type(given) is not str or given != own:
        refuse(f"the state of a {kind.__name__} holds code that is not scipy's")
