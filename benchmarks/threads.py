"""How bulk speed grows with the number of threads: 10,000 rows a call.

python benchmarks/threads.py [--rows 100000] [-o docs/benchmarks]
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import numpy as np

import spinney
import zoo
from machine import describe
from spinney.cli.table import markdown_table, print_table, shown_seconds
from spinney.cli.timing import measure

ROOT = Path(__file__).resolve().parent.parent


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", help="names of benchmarks/zoo.py, with commas between")
    parser.add_argument("--seconds", type=float, default=1.0, help="time for each measurement")
    parser.add_argument("--rows", type=int, default=10_000, help="rows in a call")
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "docs" / "benchmarks")
    arguments = parser.parse_args()
    counts = sorted({1, 2, len(os.sched_getaffinity(0))})
    table, results = [], []
    for entry in zoo.ensure(arguments.models.split(",") if arguments.models else None):
        if entry.data == "sparse":
            continue
        model = spinney.load(entry.path)
        rows = np.resize(entry.rows(), (2 * arguments.rows, model.n_features))
        calls = {
            n: lambda part, n=n, model=model: model.predict(part, num_threads=n) for n in counts
        }
        times = measure(calls, rows, arguments.rows, arguments.seconds)
        best = {n: times[n].best for n in counts}
        results.append({"title": entry.title, "seconds": best})
        cells = [entry.title, *(shown_seconds(best[n]) for n in counts)]
        table.append([*cells, f"{best[1] / best[counts[-1]]:.2f}×"])
    headings = [f"model ({arguments.rows:,} rows)"]
    headings += [f"{n} thread{'s' if n > 1 else ''}" for n in counts] + ["gain"]
    print_table(headings, table, title=describe())
    arguments.out.mkdir(parents=True, exist_ok=True)
    facts = {"machine": describe(), "rows": arguments.rows, "results": results}
    (arguments.out / "threads.json").write_text(json.dumps(facts, indent=1) + "\n")
    (arguments.out / "threads.md").write_text(markdown_table(headings, table) + "\n")


if __name__ == "__main__":
    main()
