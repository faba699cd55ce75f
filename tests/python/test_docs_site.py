"""The pages that make the documentation's site: complete, linked, from the sources' own words."""

from __future__ import annotations

import ast
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
    old = pages.pop(api_pages.OLD_PAGE)
    for module in api_pages.OLD_PATHS:
        for name in sources.names(module):
            assert f"[`{name}`](" in old, (module, name)
    rendered = api_pages.Pages()
    for page, text in pages.items():
        module = page[: -len(".md")]
        for name in sources.names(module):
            node = sources.find(module, name)[1]
            if node is not None and not rendered.is_public(module, name, node):
                assert module != "spinney" and f"## `{name}`" not in text
                continue
            assert f"{{ #{name} }}" in text or f"[`{name}`](" in text, (page, name)
    everything = "".join(pages.values())
    for name in ("InferenceEngine", "DynamicBatcher", "PredictionRequest", "BatchProcessor"):
        assert everything.count(f"## `{name}` {{ #{name} }}") == 1
    assert "### `InferenceEngine.predict` {" in everything
    assert "configuration.md#inferenceengineconfig" in everything


def test_inherited_methods_are_on_the_page_of_a_class(tools):
    pages = tools[0].render_pages()
    engine = pages["spinney.engine.md"]
    for name in ("load_model", "shutdown", "list_models", "predict"):  # of three classes
        assert f"### `InferenceEngine.{name}` {{" in engine
    assert "as in `concurrent.futures.Future`".lower() in engine.lower()
    assert "`add_done_callback`" in engine
    metrics = pages["spinney.metrics.md"]
    inherited = re.search(r"Inherited from \[`PerformanceMetrics`\].*", metrics)[0]
    assert (
        "[`update_inference`](spinney.metrics.md#PerformanceMetrics.update_inference)" in inherited
    )
    assert "### `Quantizer.scale`" in pages["spinney.quantization.md"]


def test_public_methods_say_what_they_do(tools):
    """Those without a docstring are left out of the pages; they are hooks and refusals."""
    pages = tools[0].Pages()
    silent = {"set_running_or_notify_cancel", "set_result", "set_exception", "settle", "after_fork"}
    silent |= {"option_names", "option_kinds", "get"}  # of Config, and of a dict's own
    silent |= {"predict_raw", "predict_leaf", "save", "to_bytes"}  # which Python models lack
    inherited = {"info", "close"}
    for module, name in pages.homes:
        node = pages.sources.find(module, name)[1]
        for item in node.body if isinstance(node, ast.ClassDef) else ():
            if not isinstance(item, ast.FunctionDef) or item.name[0] == "_":
                continue
            marks = str(tools[0]._decorators(item))
            if (
                not ast.get_docstring(item)
                and "documented_by(" not in marks
                and "setter" not in marks
            ):
                assert item.name in silent | inherited, (name, item.name)


def test_wide_signatures_have_a_line_for_each_parameter(tools):
    import api_markdown

    divided = api_markdown.divided("a, b: dict[str, int]=(1, 2), *, c='x, y'")
    assert divided == ["a", "b: dict[str, int]=(1, 2)", "*", "c='x, y'"]
    page = tools[0].render_pages()["spinney.md"]
    load = re.search(r"## `load` .*?```python\n(.*?)```", page, re.DOTALL)[1]
    assert load.startswith("load(\n    source: Any,\n") and "\n    allowed_classes: " in load


def test_code_copies_without_prompts(tools):
    import site_markdown

    _, build_docs = tools
    build_docs.gather()
    blocks = 0
    for path in build_docs.GATHERED.rglob("*.md"):
        for code in re.findall(r"^```python[^\n]*\n(.*?)^```$", path.read_text(), re.M | re.S):
            assert not re.search(r"^(>>>|\.\.\.( |$))", code, re.M), (path, code)
            if "api" not in path.parts:
                blocks += 1
                ast.parse(code)
        assert "```pycon" not in path.read_text(), path
    assert blocks > 100
    page = "```python\n>>> f(1)  # doctest: +ELLIPSIS\n2\n>>> if x:\n...     y\n\n>>> z\n"
    page += "Traceback (most recent call last):\n    ...\nspinney.Error: no ...\n\n```\n"
    plain = "```python\nf(1)\n# 2\nif x:\n    y\n\nz\n# Error: no ...\n```\n"
    assert site_markdown.with_plain_examples(page) == plain


def test_pages_are_in_groups(tools):
    _, build_docs = tools
    build_docs.gather()
    groups = [heading for group in build_docs.nav() for heading in group]
    assert (
        groups[0] == "Home"
        and "Guides" in groups
        and groups.index("Guides") < groups.index("Reference")
    )
    assert len(groups) <= 8
    for group in build_docs.nav()[1:]:
        ((heading, pages),) = group.items()
        assert 2 <= len(pages) <= 10, heading


def test_pictures_are_what_the_program_draws(tools):
    import diagrams

    for name, draw in diagrams.DRAWINGS.items():
        assert (diagrams.IMAGES / f"{name}.svg").read_text() == draw().svg(), name


def test_links_of_the_repository_lead_somewhere(tools):
    _, build_docs = tools
    paths = [*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")]
    for path in paths:
        for _, target, _ in build_docs.LINK.findall(path.read_text()):
            assert (path.parent / target).exists(), (path, target)


def test_links_lead_somewhere(tools):
    _, build_docs = tools
    build_docs.gather()
    pages = list(build_docs.GATHERED.rglob("*.md"))
    assert len(pages) > 25
    checked = 0
    for path in pages:
        for link in build_docs.LINK.findall(path.read_text()):
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
    assert "- `" not in as_markdown("What it gives, and nothing is\nkept: the next caller runs it.")
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
