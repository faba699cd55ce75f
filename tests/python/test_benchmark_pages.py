"""The figures in the documentation are the ones that the benchmarks wrote."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def report(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    for name in ("report", "compare", "zoo", "machine"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import report

    return report


def test_the_page_is_what_the_report_writes(report):
    assert report.PAGE.read_text() == report.render_page()


def test_the_readme_has_the_present_figures(report):
    text = report.README.read_text()
    assert text == report.with_figures(text)
    for line in report.render_figures().splitlines():
        assert line in text
