"""The type stub names exactly what the compiled core has."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import spinney
from spinney import _core


def tree():
    return ast.parse((Path(spinney.__file__).parent / "_core.pyi").read_text())


def stub():
    return next(node for node in tree().body if isinstance(node, ast.ClassDef))


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


def test_every_public_name_of_the_core_is_in_the_stub():
    named = {node.name: node for node in tree().body if hasattr(node, "name")}
    assert set(named) == {name for name in vars(_core) if not name.startswith("_")}
    for name, node in named.items():
        if not isinstance(node, ast.ClassDef):
            continue
        members = {one.name for one in node.body if isinstance(one, ast.FunctionDef)}
        present = {each for each in vars(getattr(_core, name)) if not each.startswith("_")}
        assert {each for each in members if not each.startswith("_")} == present, name
        assert all(hasattr(getattr(_core, name), each) for each in members), name


def test_the_engine_s_methods_have_the_stub_s_parameters():
    node = next(each for each in tree().body if getattr(each, "name", "") == "Engine")
    for method in node.body:
        if isinstance(method, ast.FunctionDef) and method.name.startswith("load"):
            doc = getattr(_core.Engine, method.name).__doc__
            positions = [doc.index(f"{a.arg}: ") for a in method.args.args[1:]]
            assert positions == sorted(positions)


def test_the_stub_says_what_the_core_s_docstrings_say():
    told = 0
    for node in tree().body:
        for item in node.body if isinstance(node, ast.ClassDef) else ():
            if isinstance(item, ast.FunctionDef) and ast.get_docstring(item):
                there = getattr(getattr(_core, node.name), item.name).__doc__
                words = " ".join(ast.get_docstring(item).split()).lower()
                assert words in " ".join(there.split()).lower(), (node.name, item.name)
                told += 1
    assert told >= 30
