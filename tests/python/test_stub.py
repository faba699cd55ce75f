"""The type stub names exactly what the compiled core has."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import spinney
from spinney import _core


def stub():
    tree = ast.parse((Path(spinney.__file__).parent / "_core.pyi").read_text())
    return next(node for node in tree.body if isinstance(node, ast.ClassDef))


def test_the_stub_names_what_there_is():
    named = {node.name for node in stub().body if isinstance(node, ast.FunctionDef)}
    present = {
        name
        for name in vars(_core.Model)
        if not name.startswith("_") or name in ("__copy__", "__deepcopy__", "__reduce__")
    }
    assert named == present
    assert isinstance(_core.__version__, str)


def test_predicting_methods_have_the_stub_s_parameters():
    for node in stub().body:
        if isinstance(node, ast.FunctionDef) and "num_threads" in ast.dump(node):
            given = inspect.signature(getattr(_core.Model, node.name)).parameters
            assert list(given) == [a.arg for a in node.args.args + node.args.kwonlyargs]
            assert getattr(_core.Model, node.name).__doc__
