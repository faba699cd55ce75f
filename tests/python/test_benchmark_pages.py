"""The figures in the documentation are the ones that the benchmarks wrote."""

import json
import re
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


def test_what_the_first_pages_say_is_measured(report):
    from spinney.cli.table import shown_ratio

    results = report.facts_of("compare")["results"]
    ratios = {
        (one["model"], rows): report.ratio(times)
        for one in results
        for rows, times in one["times"].items()
    }
    shown = [ratios[one["model"], size] for one in results if one["goals"] for size in report.SIZES]
    (low, high), words = (min(shown), max(shown)), report.README.read_text().split("## How fast")[0]
    assert f" {low:.0f} to {high:.0f} times faster" in " ".join(words.split())
    least = min(ratios, key=ratios.get)
    assert least[1] == 10_000 and "stumps" in least[0]
    for page in ("README.md", "why-not.md"):
        text = (ROOT / "docs" / page).read_text()
        assert re.search(rf"\b{shown_ratio(ratios[least])[:-1]}(×| times)", text), page


def test_what_the_engine_s_pages_say_is_measured():
    """The figures that are quoted in guides stand in the tables that the benchmarks wrote."""
    folder = ROOT / "docs" / "benchmarks"
    arrivals = (folder / "arrivals.md").read_text()
    for rate, p99 in (("20,000", "0.02"), ("80,000", "0.03")):
        row = re.search(rf"^\| {rate} \| predict_async \|.*$", arrivals, re.M)[0]
        assert row.split("|")[4:6] == [" 0.01 ms ", f" {p99} ms "], row
    for page in ("tuning.md", "engine.md", "guides/fastapi.md"):
        text = (ROOT / "docs" / page).read_text()
        assert "0.02 ms" in text and "20,000" in text, page
    facts = json.loads((folder / "overload.json").read_text())
    twice = next(r for r in facts["results"] if r["policy"] == "spinney" and r["load"] == 2)
    page = (ROOT / "docs" / "overload.md").read_text().replace("\u00a0", " ")
    row = re.search(r"^\| twice \|.*$", page, re.M)[0]
    assert f"| {100 * twice['goodput_of_capacity']:.0f} % |" in row
    table = re.search(
        r"^\| 2 × capacity \| Spinney.*$", (folder / "overload.md").read_text(), re.M
    )[0]
    p50, p99, high = (float(cell.split()[0]) for cell in table.split("|")[5:8])
    told = [float(cell.split()[0]) for cell in row.split("|")[3:6]]
    assert told == [round(p50, 1), round(p99, 1), high]
