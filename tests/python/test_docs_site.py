"""The pages that make the documentation's site: complete, linked, from the sources' own words."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
pytestmark = pytest.mark.skipif(sys.version_info < (3, 9), reason="the site needs Python 3.9")


@pytest.fixture
def tools(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    import api_pages
    import build_docs

    monkeypatch.setattr(build_docs, "GATHERED", tmp_path / "docs")
    return api_pages, build_docs


def test_every_public_name_is_on_a_page(tools):
    api_pages, _ = tools
    pages = api_pages.render_pages()
    sources = api_pages.Sources()
    for page, text in pages.items():
        for name in sources.names(page[: -len(".md")]):
            assert f"{{ #{name} }}" in text or f"[`{name}`](" in text, (page, name)
    everything = "".join(pages.values())
    for name in ("InferenceEngine", "DynamicBatcher", "PredictionRequest", "BatchProcessor"):
        assert everything.count(f"## `{name}` {{ #{name} }}") == 1
    assert "### `InferenceEngine.predict` {" in everything
    assert "configuration.md#inferenceengineconfig" in everything


def test_links_lead_somewhere(tools):
    _, build_docs = tools
    build_docs.gather()
    pages = list(build_docs.GATHERED.rglob("*.md"))
    assert len(pages) > 25
    checked = 0
    for path in pages:
        for link in build_docs._LINK.findall(path.read_text()):
            assert (path.parent / link[1]).is_file(), (path, link)
            checked += 1
    assert checked > 50
    listed = str(build_docs.nav())
    for path in pages:
        name = str(path.relative_to(build_docs.GATHERED))
        assert f"'{name}'" in listed, name


def test_docstrings_become_markdown(tools):
    as_markdown = tools[0].as_markdown
    text = as_markdown(
        """What it does, a*b.

        rows: numbers <k, n>,
            and more
        first, second: others

        >>> 1 + 1
        2

        The end of `a*b`.
        """
    )
    assert "a\\*b.\n" in text
    assert "\n- `rows`: numbers &lt;k, n>,\n  and more\n- `first`, `second`: others\n" in text
    assert "```pycon\n>>> 1 + 1\n2\n```\n" in text
    assert "`a*b`" in text
    assert as_markdown(None) == "\n"


def test_links_out_of_the_site_are_named(tools):
    _, build_docs = tools
    build_docs.gather()
    page = build_docs.GATHERED / "CONTRIBUTING.md"
    moved = build_docs.with_links("[it](LICENSE) [d](docs/exactness.md#a) [x](gone.md)", page, ROOT)
    assert moved == "it (`LICENSE`) [d](exactness.md#a) [x](gone.md)"


def test_the_site_builds_without_a_warning():
    python = ROOT / "build" / "docs-venv" / "bin" / "python"
    if not python.exists():
        pytest.skip("make docs has not been run here")
    done = subprocess.run([python, "tools/build_docs.py"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    page = (ROOT / "build" / "site" / "api" / "spinney.batching" / "index.html").read_text()
    assert re.search(r'id="DynamicBatcher.enqueue"', page)
