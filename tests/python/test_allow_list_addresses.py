"""Objects of a file that say where in memory their values lie: none gets to, by whatever way."""

from __future__ import annotations

import pickle
import pickletools

import pytest

from test_allow_list import file, load, made, named, refused, text, value


def _pairs(*items):
    """A list of one pair, text and any other value."""
    return b"](](" + b"".join(items) + b"ee"


@pytest.mark.parametrize("kind", ["OrderedDict", "Counter", "defaultdict", "pairs", "Series"])
@pytest.mark.parametrize("package", ["sklearn", "xgboost", "lightgbm"])
def test_a_state_of_another_kind_has_no_addresses_either(kind, package):
    """update() takes pairs, and whatever has keys, from a state for attributes."""
    pytest.importorskip(package)
    interface = {"data": (0x4141, False), "typestr": "|u1", "shape": (8,), "version": 3}
    lie = text("__array_interface__") + value(interface)
    if kind == "pairs":
        state_of = _pairs(lie)
    elif kind == "Series":
        pandas = pytest.importorskip("pandas")
        series = pandas.Series([interface], index=["__array_interface__"], dtype=object)
        state_of = pickletools.optimize(pickle.dumps(series, 2))[2:-1]
    else:
        before = b"N" if kind == "defaultdict" else b""
        content = b"}" + lie + b"s" if kind == "Counter" else _pairs(lie)
        state_of = named("collections", kind) + b"(" + before + content + b"tR"
    name = {
        "sklearn": ("sklearn.svm._classes", "SVC"),
        "xgboost": ("xgboost.sklearn", "XGBRegressor"),
        "lightgbm": ("lightgbm.sklearn", "LGBMRegressor"),
    }[package]
    with pytest.raises((pickle.UnpicklingError, TypeError, IndexError, ValueError)):
        load(file(made(*name, state_of)), ["sklearn.*", "xgboost.*", "lightgbm.*", "pandas.*"])


def test_what_pandas_makes_has_no_addresses():
    """Its function takes attributes beside the values and their type."""
    pandas = pytest.importorskip("pandas")
    interface = {"data": (0x4141, False), "typestr": "|u1", "shape": (8,), "version": 3}
    honest = pandas.Categorical(["a", "b"])
    make, given, content = honest.__reduce_ex__(2)[:3]
    if not make.__name__.startswith("__pyx_unpickle"):
        pytest.skip("this pandas makes its arrays in another way")
    state_of = (content[0], content[1], {"__array_interface__": interface})
    categorical = named("pandas.core.arrays.categorical", "Categorical")
    body = b"(" + categorical + value(given[1]) + value(state_of) + b"tR"
    assert "in memory" in refused(named(make.__module__, make.__name__) + body)
    assert load(pickle.dumps(honest), ["pandas.*"]).tolist() == ["a", "b"]
