"""Objects of a user's own class that derives from a known estimator and answers as that does."""

from __future__ import annotations

import copyreg
import sys

_LIBRARIES = ("sklearn", "xgboost", "lightgbm", "catboost")
# Whatever else a class defines that its base has, or that stands in for attributes, may change its
# answers. These are asked before predicting, by people, or by Python itself.
_HARMLESS = frozenset(
    """__module__ __qualname__ __doc__ __init__ __repr__ __str__ __dict__ __weakref__
    __annotations__ __abstractmethods__ __slotnames__ __firstlineno__ __static_attributes__
    __orig_bases__ __parameters__ __sklearn_tags__ __init_subclass__ __annotate__ __annotate_func__
    __annotations_cache__ _abc_impl _sklearn_auto_wrap_output_keys _parameter_constraints _more_tags
    _get_tags _get_param_names _repr_html_ _repr_mimebundle_ _build_request_for_signature
    fit partial_fit score get_params set_params get_metadata_routing set_fit_request
    set_predict_request set_predict_proba_request set_score_request set_decision_function_request
    set_partial_fit_request""".split()
)
_STAND_INS = ("__getattr__", "__getattribute__", "__reduce__", "__reduce_ex__", "__getstate__")


def base_that_predicts(kind):
    """The library's class that `kind` derives from; None if it is one, or may answer otherwise."""
    for base in kind.__mro__:
        if base.__module__.split(".")[0] in _LIBRARIES:
            break
    else:
        return None
    own = kind.__mro__[: kind.__mro__.index(base)]
    for each in own:
        for name in vars(each):
            if name not in _HARMLESS and (hasattr(base, name) or name in _STAND_INS):
                return None
    return base if own else None


def reduce_as(base, obj):
    """What a pickler writes of obj, as an instance of base; None if obj has ways of its own."""
    reduced = obj.__reduce_ex__(5)
    if not isinstance(reduced, tuple) or len(reduced) < 3:
        return None
    make, arguments, state = reduced[:3]
    if make is not copyreg.__newobj__ or len(arguments) != 1 or any(reduced[3:]):
        return None
    library = sys.modules["sklearn"] if base.__module__.startswith("sklearn.") else None
    if library is not None and isinstance(state, dict):  # which it leaves out of other classes
        state = {**state, "_sklearn_version": library.__version__}
    return copyreg._reconstructor, (base, object, None), state
