"""The examples of the documentation and of docstrings run and give what they say."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "python-api.md"


def test_the_python_api_page(tmp_path, monkeypatch):
    pytest.importorskip("sklearn")
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text()
    test = doctest.DocTestParser().get_doctest(text, {}, "python-api", str(PAGE), 0)
    assert len(test.examples) > 15
    runner = doctest.DocTestRunner()
    runner.run(test)
    assert runner.failures == 0


@pytest.mark.parametrize("name", ["engine", "frames", "inputs", "loading", "tables"])
def test_docstrings(name):
    assert doctest.testmod(importlib.import_module(f"spinney.{name}")).failed == 0
