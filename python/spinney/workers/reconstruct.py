"""Stand-ins for functions that honest files call, and by which others could call anything.

Each does what its original does for the files that libraries write, and refuses the rest.
"""

from __future__ import annotations

import copyreg
import importlib
import pickle
import sys

import numpy as np

if __package__:
    from spinney.workers.permitted import UFUNC_MODULES
else:  # in a worker process, which has the modules of this folder without their package
    from _spinney_worker_permitted import UFUNC_MODULES

_BASES = (object, dict, list, set, frozenset, tuple, str, bytes, bytearray, int, float, complex)
_BOUND = {"_ppf_single", "_cdf_single", "_nonzero", "_entropy", "_mom0_sc", "_mom1_sc", "_ppf"}


_METHOD_NAMES = set(
    "stack_method stack_method_ response_method _response_method chain_method chain_method_".split()
)
_COLUMNS = {"transformers", "transformers_", "_columns", "kw_args", "inv_kw_args"}
_METHODS = set(
    "auto predict predict_proba predict_log_proba decision_function transform score_samples".split()
)


def refuse(what):
    raise pickle.UnpicklingError(what)


def _reconstructor(cls, base, state):
    """copyreg's: with a base of the file's own choosing it would run that base's constructor."""
    if base not in _BASES:
        refuse(f"it makes a {cls!r:.100} by way of {base!r:.100}")
    return copyreg._reconstructor(cls, base, state)


def _new(cls):
    """What makes scikit-learn's compiled classes: it calls the __new__ of whatever it is given."""
    if not isinstance(cls, type):
        refuse(f"it makes an object of a {type(cls).__name__}")
    return cls.__new__(cls)


def _encode(text, encoding="utf-8", errors="strict"):
    """_codecs.encode, which looks for modules by the encoding's name: bytes come as latin1."""
    if encoding not in ("latin1", "latin-1", "utf-8"):
        refuse(f"it uses the encoding {encoding!r:.100}")
    return text.encode(encoding)


def _ufunc(module, name):
    """numpy's, which imports any module and takes anything from it."""
    found = None
    if module in UFUNC_MODULES and isinstance(name, str):
        found = getattr(importlib.import_module(module), name, None)
    return found if isinstance(found, np.ufunc) else refuse(f"{module}.{name} is no ufunc")


def _masked(subtype, baseclass, shape, dtype):
    if subtype is not np.ma.MaskedArray or baseclass is not np.ndarray:
        refuse(f"it makes a masked array of {subtype!r:.100}")
    return np.ma.core._mareconstruct(subtype, baseclass, shape, dtype)


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
    ("sklearn.neighbors._kd_tree", "newObj"): _new,
    ("sklearn.neighbors._ball_tree", "newObj"): _new,
    ("sklearn.neighbors._dist_metrics", "newObj"): _new,
    ("sklearn.metrics._dist_metrics", "newObj"): _new,
    **{
        (module, name): _index_by(module, name)
        for module, name in (
            ("pandas.core.indexes.base", "_new_Index"),
            ("pandas.core.indexes.datetimes", "_new_DatetimeIndex"),
            ("pandas.core.indexes.interval", "_new_IntervalIndex"),
        )
    },
}


def check_state(target, state, named):
    """Refuse states with which an object of a permitted class would do more than hold them.

    named: the user named the class itself, and may have wanted what it can do.
    """
    kind = type(target)
    distributions = sys.modules.get("scipy.stats._distn_infrastructure")
    if distributions is not None and isinstance(target, distributions.rv_generic):
        _check_distribution(kind, state)
    text = sys.modules.get("sklearn.feature_extraction.text")
    if not named and text is not None and isinstance(target, text._VectorizerMixin):
        given = state.get("input", "content") if isinstance(state, dict) else None
        if type(given) is not str or given != "content":
            refuse(f"a {kind.__name__} with input={given!r:.40} opens the files that rows name")


def is_checked(target):
    """Whether check_whole has something to say of an object when all of the file is read."""
    return type(target).__module__.startswith("sklearn.") and hasattr(target, "__dict__")


def check_whole(target):
    """Refuse an object of scikit-learn that would run more than the methods of models.

    A file may fill what a state holds until its end, so this is looked at then.
    """
    kind, state = type(target), vars(target)
    for name in _METHOD_NAMES & state.keys():
        _check_methods(kind, name, state[name])
    _check_frames(kind, state)


def _check_frames(kind, state):
    """A frame has transform and query as estimators and trees do, and these run what they are
    given: it may only choose columns, or be an argument of a function."""
    frames = sys.modules.get("pandas.core.generic")
    if frames is None:
        return
    held = [(each, 0) for name, each in state.items() if name not in _COLUMNS]
    while held:
        each, depth = held.pop()
        if isinstance(each, frames.NDFrame):
            refuse(f"a {kind.__name__} holds a {type(each).__name__} in a model's place")
        if depth < 4 and isinstance(each, (list, tuple, dict)):
            held += [
                (one, depth + 1) for one in (each.values() if isinstance(each, dict) else each)
            ]
        elif depth < 4 and isinstance(each, np.ndarray) and each.dtype.hasobject:
            held += [(one, depth + 1) for one in each.ravel().tolist()]


def _check_methods(kind, name, given):
    """scikit-learn calls methods whose names lie in a state: those that answer, and no others."""
    for each in given if type(given) in (list, tuple) else (given,):
        if each is not None and (type(each) is not str or each not in _METHODS):
            refuse(f"{name} of a {kind.__name__} is {each!r:.40}, which is no method that answers")


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
