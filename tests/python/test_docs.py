"""The examples of the documentation and of docstrings run and give what they say."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(
    ("name", "examples_min"),
    [
        ("README", 4),
        ("quick-start", 18),
        ("python-api", 15),
        ("engine", 25),
        ("ensembles", 15),
        ("serving", 15),
        ("configuration", 12),
        ("batching", 10),
        ("workers", 10),
        ("threads", 6),
        ("caching", 12),
        ("memory-pool", 10),
        ("metrics", 15),
        ("quantization", 35),
        ("preprocessing", 40),
    ],
)
def test_the_examples_of_a_page(name, examples_min, tmp_path, monkeypatch):
    pytest.importorskip("sklearn")
    monkeypatch.chdir(tmp_path)
    page = DOCS / f"{name}.md"
    test = doctest.DocTestParser().get_doctest(page.read_text(), {}, name, str(page), 0)
    assert len(test.examples) > examples_min
    runner = doctest.DocTestRunner()
    runner.run(test)
    assert runner.failures == 0


@pytest.mark.parametrize(
    "name",
    [
        "batching.batch_processor",
        "batching.dynamic_batcher",
        "batching.stats",
        "engine.inference_engine",
        "ensemble.combined",
        "frames",
        "inputs",
        "loading",
        "lru_ttl_cache",
        "masks",
        "memory_pool",
        "metrics.monitor",
        "metrics.performance",
        "quantization.quantizer",
        "serving",
        "tables",
        "threads",
    ],
)
def test_docstrings(name):
    assert doctest.testmod(importlib.import_module(f"spinney.{name}")).failed == 0
