"""Numbers that come as Python objects (None, Decimal, mixed lists) or are written as text.

Each library has a way of its own to make numbers of these, and refuses others; so does Spinney.
"""

from __future__ import annotations

import numpy as np

from spinney.exceptions import InvalidInputError

KINDS = "OUST"  # numpy's letters for objects and the three types of text
_SHOWN = 40


def are_plain(array) -> bool:
    """Whether each cell is text, a number that Python or numpy makes, a boolean or None."""
    kinds = (str, bytes, bool, int, float, np.number, np.bool_, type(None))
    return array.dtype.kind in "US" or all(isinstance(cell, kinds) for cell in array.flat)


def is_missing(value) -> bool:
    """Whether a cell is some library's word for no value; NaN is a number."""
    return value is None or type(value).__name__ in ("NAType", "NaTType")


def numbers(model, array, expected, of_list=False):
    """An array of objects or text as floats, None as NaN, in the type that the library makes.

    expected: how the message begins if that cannot be. of_list: the array was made of a list.
    """
    if array.dtype.kind != "O" and not _reads_text(model):
        raise InvalidInputError(
            f"{expected}, and text is no number to {_name(model)}; if it holds numbers, give "
            "numpy.asarray(x, dtype=float), else encode it as the training did"
        )
    # LightGBM rounds objects to float32; its wrapper has scikit-learn make float64 of arrays first.
    narrow = model.source["library"] == "lightgbm" and (of_list or _is_bare_lightgbm(model))
    dtype = np.dtype(np.float32 if narrow else np.float64)
    try:
        with np.errstate(over="ignore"):
            return array.astype(dtype)
    except (TypeError, ValueError, OverflowError):
        return _one_by_one(array, dtype, expected)


def column(model, name, labels):
    """A frame's column of objects or text as float64, for scikit-learn: others take none."""
    expected = f"column {name!r} has dtype {labels.dtype}; expected numbers or categories"
    if model.source["library"] != "sklearn":
        raise InvalidInputError(f"{expected}; if it holds numbers, make it such by astype(float)")
    array = np.empty(len(labels.values), dtype=object)
    array[:] = labels.values
    return numbers(model, array, expected)


def number(value):
    """A cell as a number, NaN where it is missing; TypeError or ValueError if it is none."""
    if is_missing(value):
        return np.nan
    as_python = getattr(value, "as_py", None)  # of pyarrow
    if as_python is not None:
        value = as_python()
        if value is None:
            return np.nan
    return float(value)


def _one_by_one(array, dtype, expected):
    flat = array.ravel()
    made = np.empty(len(flat), dtype=dtype)
    for i, value in enumerate(flat):
        try:
            made[i] = number(value)
        except (TypeError, ValueError, OverflowError):
            place = np.unravel_index(i, array.shape)
            where = f"row {place[0]}" + (f", column {place[1]}" if array.ndim > 1 else "")
            raise InvalidInputError(
                f"{expected}: {where} holds {_shown(value)}, which is no number"
            ) from None
    return made.reshape(array.shape)


def _shown(value):
    written = repr(value) if isinstance(value, (str, bytes, int)) else ""
    written = written if len(written) <= _SHOWN else written[:_SHOWN] + "…"
    kind = type(value).__name__
    return f"the {kind} {written}" if written else f"a {kind}"


def _reads_text(model):
    """What its arrays and lists of text mean is up to each library and each kind of estimator."""
    if model.source["library"] == "sklearn":
        return not model._sums_stored_entries  # linear models want numbers
    return _is_bare_lightgbm(model)


def _is_bare_lightgbm(model):
    return model.source["library"] == "lightgbm" and model.source["kind"] == "Booster"


def _name(model):
    source = model.source
    return f"{source['kind']} of {source['library']}" if source["library"] else source["kind"]
