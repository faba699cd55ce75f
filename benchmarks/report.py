"""Writes docs/benchmarks.md and the README's figures from what the other benchmarks measured.

python benchmarks/report.py
"""

from __future__ import annotations

import json
from pathlib import Path

from compare import SIZES, ratio, rows_of_table
from spinney.cli.table import markdown_table, shown_ratio, shown_seconds

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "benchmarks"
PAGE = ROOT / "docs" / "benchmarks.md"
README = ROOT / "README.md"
BEGIN, END = "<!-- figures: benchmarks/report.py -->\n", "<!-- end of figures -->\n"

INTRODUCTION = """# Benchmarks

Every figure on this page and in the README comes from a command in this repository:

```
make bench                               the comparison below (some ten minutes)
.venv/bin/python benchmarks/load.py      load times and memory
.venv/bin/python benchmarks/threads.py   several threads
.venv/bin/python benchmarks/report.py    this page
```

`spinney bench MODEL` does the same for a model of yours.

- **Rivals** run beside Spinney in the same process, taking turns on the same rows, each called in
  the fastest way that its Python package offers.
- **Times** are the best of many calls; every call sees other rows than the one before. They move
  with the machine and with what else it does: compare the ratios. `by medians` is the ratio of the
  median times; `goal` is what this project set itself.
- **The closest figures** are those at 10,000 rows, where daal4py is the best rival by far; what
  bounds them is told in [ranks and kernels](decisions/ranks-and-kernels.md) and [deep
  forests](decisions/deep-forests.md), and counted by `kernel_bench`.
- **Memory** is what opening a model adds to the process's own pages (RssAnon); programs' pages,
  which processes share and of which either library has some megabytes, are not counted.

Other pages: the engine [under load](benchmarks/overload.md) beside fixed waits
([curves](benchmarks/overload.svg)), [requests that arrive in asyncio](benchmarks/arrivals.md)
([curves](benchmarks/arrivals.svg)), [ten minutes of load and reloads](benchmarks/soak.md), [what
monitoring costs](benchmarks/monitoring.md), [batching a Python function](benchmarks/batching.md),
[CatBoost](benchmarks/catboost.md),
[preprocessing](benchmarks/preprocessing.md), [quantization](benchmarks/quantization.md), [worker
processes](benchmarks/workers.md), [linear models](decisions/exact-sums.md).
"""


def facts_of(name):
    path = FOLDER / f"{name}.json"
    if not path.exists():
        return None
    facts = json.loads(path.read_text())
    for result in facts["results"]:
        if "times" in result:
            result["times"] = {int(size): times for size, times in result["times"].items()}
    return facts


def render_page():
    """The text of docs/benchmarks.md."""
    parts = [INTRODUCTION]
    facts = facts_of("compare")
    if facts:
        versions = ", ".join(f"{k} {v}" for k, v in facts["versions"].items())
        parts.append(f"## One thread, Python's call included\n\n{facts['machine']}. {versions}.\n")
        parts.append("![Times faster than the best rival](benchmarks/compare.svg)\n")
        parts.append(markdown_table(*rows_of_table(facts["results"])) + "\n")
        notes = {}
        for result in facts["results"]:
            for note in result["notes"]:
                notes.setdefault(note, []).append(result["title"])
        parts.append(
            "\n".join(f"- {note}: {'; '.join(names)}." for note, names in notes.items()) + "\n"
        )
    for name, title in (("load", "Load time and memory"), ("threads", "Several threads")):
        facts = facts_of(name)
        if facts:
            table = (FOLDER / f"{name}.md").read_text()
            parts.append(f"## {title}\n\n{facts['machine']}.\n\n{table}")
    return "\n".join(parts)


def render_figures():
    """The README's table: Spinney's time and how many times faster it is than the best rival."""
    facts = facts_of("compare")
    if not facts:
        return ""
    table = []
    for result in facts["results"]:
        if not result["goals"]:
            continue
        cells = [result["title"]]
        for size in SIZES:
            times = result["times"][size]
            seconds = shown_seconds(times["Spinney"][0])
            cells.append(f"{seconds}, **{shown_ratio(ratio(times))}**")
        table.append(cells)
    headings = ["one thread", *(f"{size:,} row{'s' if size > 1 else ''}" for size in SIZES)]
    return f"{markdown_table(headings, table)}\n\n{facts['machine']}.\n"


def with_figures(text):
    """The README's text with the present figures between its two marks."""
    before, rest = text.split(BEGIN)
    return before + BEGIN + render_figures() + END + rest.split(END)[1]


def main():
    PAGE.write_text(render_page())
    README.write_text(with_figures(README.read_text()))
    print(f"wrote {PAGE} and the figures of {README}")


if __name__ == "__main__":
    main()
