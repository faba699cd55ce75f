"""The package's sources parse on Python 3.8, the oldest that it supports."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent / "python"


def parse(text, name="planted"):
    ast.parse(text, name, feature_version=(3, 8))


def test_sources_parse_on_python_38():
    for path in sorted(ROOT.rglob("*.py")):
        parse(path.read_text(), str(path))


def test_annotations_are_not_evaluated():
    """`X | None` in an annotation runs on 3.8 only where annotations are postponed."""
    for path in sorted(ROOT.rglob("*.py")):
        tree = ast.parse(path.read_text())
        annotated = any(
            getattr(node, "annotation", None) or getattr(node, "returns", None)
            for node in ast.walk(tree)
        )
        assert not annotated or "from __future__ import annotations" in path.read_text(), path


def test_newer_syntax_is_caught():
    with pytest.raises(SyntaxError):
        parse("match x:\n    case 1: pass\n")
