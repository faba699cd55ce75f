"""Spinney against every installed rival, on the models of benchmarks/zoo.py.

    make bench                                    all of it, into docs/benchmarks
    python benchmarks/compare.py --quick          a first look: short measurements
    python benchmarks/compare.py --models xgb_500x6,rf_300x12 --compiled xgb_500x6

Calls of 1, 64 and 10,000 rows, Python's part included, on one thread; every call sees other rows,
and the rivals take turns. Each rival is called in the fastest way that its package offers. Writes
OUT/compare.json, compare.md, compare.png and compare.svg. --compiled adds lleaves and TL2cgen, for
the models named or for all; what they compile is kept in build/compiled (seconds to a quarter of an
hour each).
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import sys
import warnings
from pathlib import Path

import scipy.sparse

import spinney
import zoo
from machine import describe
from spinney.cli.chart import save_ratios
from spinney.cli.rivals import Subject, find_rivals
from spinney.cli.table import markdown_table, print_table, shown_ratio, shown_seconds
from spinney.cli.timing import fastest_of, measure

SIZES = (1, 64, 10_000)
ROOT = Path(__file__).resolve().parent.parent


def open_original(entry):
    """The model as its own library has it."""
    if entry.library == "xgboost":
        import xgboost

        return xgboost.Booster({"nthread": 1}, model_file=str(entry.path))
    if entry.library == "lightgbm":
        import lightgbm

        return lightgbm.Booster(model_file=str(entry.path))
    model = pickle.loads(entry.path.read_bytes())
    return model.set_params(n_jobs=1) if "n_jobs" in model.get_params() else model


def is_compiled(entry, arguments):
    """Whether the rivals that compile a model run on this one."""
    named = arguments.compiled
    return named is not None and (named == "all" or entry.name in named.split(","))


def run_entry(entry, arguments):
    """Times of one model: rows in a call -> name -> (best, median), and what could not run."""
    model = spinney.load(entry.path)
    original = open_original(entry)
    method = "predict_proba" if hasattr(original, "predict_proba") else "predict"
    if entry.library == "sklearn" and hasattr(original, "score_samples"):
        method = "predict"
    rows = entry.rows()
    rivals, notes = find_rivals(
        Subject(
            path=str(entry.path),
            library=entry.library,
            original=original,
            n_features=rows.shape[1],
            method=method,
            compiled=str(ROOT / "build" / "compiled") if is_compiled(entry, arguments) else None,
        )
    )
    if not is_compiled(entry, arguments):
        notes.append("not compiled for lleaves and TL2cgen in this run")
    if scipy.sparse.issparse(rows):  # the other rivals take dense rows only
        rivals = [r for r in rivals if r.name in ("XGBoost", "LightGBM", "scikit-learn")]
        notes = ["sparse rows: ONNX Runtime, daal4py and TL2cgen take dense rows only"]
    ours = getattr(model, method)
    calls = {"0": lambda part: ours(part, num_threads=1)}
    names, versions = {"0": "Spinney"}, {}
    for i, rival in enumerate(rivals, 1):
        calls[str(i)], names[str(i)], versions[rival.name] = rival.call, rival.name, rival.version
    times = {}
    for size in SIZES:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            timings = measure(calls, rows, size, arguments.seconds)
        merged = fastest_of(timings, names)
        times[size] = {name: (timing.best, timing.median) for name, timing in merged.items()}
    return {
        "model": entry.name,
        "title": entry.title,
        "method": method,
        "times": times,
        "versions": versions,
        "notes": notes,
        "goals": entry.goals,
        "kernels": model.info().get("kernels"),
    }


def ratio(times, which=0):
    """How many times faster than the best rival: by best times (0) or medians (1)."""
    theirs = [pair[which] for name, pair in times.items() if name != "Spinney"]
    return min(theirs) / times["Spinney"][which] if theirs else 0.0


def rows_of_table(results):
    """Headings and rows: a model and size a row, the rivals' best times, ratio and goal."""
    names = ["Spinney"]
    for result in results:
        for name in result["versions"]:
            if name not in names:
                names.append(name)
    table = []
    for result in results:
        for i, size in enumerate(SIZES):
            times = result["times"][size]
            cells = [result["title"] if i == 0 else "", f"{size:,}"]
            cells += [shown_seconds(times[name][0]) if name in times else "–" for name in names]
            cells += [shown_ratio(ratio(times)), shown_ratio(ratio(times, 1))]
            cells.append(f"{result['goals'][i]}×" if result["goals"] else "")
            table.append(cells)
    return ["model", "rows", *names, "× best rival", "by medians", "goal"], table


def write_results(results, folder):
    folder.mkdir(parents=True, exist_ok=True)
    machine = describe()
    versions = {k: v for result in results for k, v in result["versions"].items()}
    facts = {"machine": machine, "versions": versions, "results": results}
    (folder / "compare.json").write_text(json.dumps(facts, indent=1) + "\n")
    headings, table = rows_of_table(results)
    listed = ", ".join(f"{name} {version}" for name, version in versions.items())
    text = [f"{machine}. Spinney {spinney.__version__}; {listed}.", ""]
    text += [markdown_table(headings, table), ""]
    for result in results:
        text += [f"- {result['title']}: {note}" for note in result["notes"]]
    (folder / "compare.md").write_text("\n".join(text) + "\n")
    ratios = {r["title"]: {size: ratio(r["times"][size]) for size in SIZES} for r in results}
    for suffix in ("png", "svg"):
        save_ratios(str(folder / f"compare.{suffix}"), f"Spinney on {machine}", ratios)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", help="names of benchmarks/zoo.py, with commas between")
    parser.add_argument("--seconds", type=float, default=1.5, help="time for each measurement")
    parser.add_argument("--quick", action="store_true", help="0.15 s for each measurement")
    parser.add_argument(
        "--compiled",
        nargs="?",
        const="all",
        metavar="MODELS",
        help="also lleaves and TL2cgen, on all models or on those named, with commas between",
    )
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "docs" / "benchmarks")
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # read when the libraries are imported, below
    if arguments.quick:
        arguments.seconds = 0.15
    results, status = [], 0
    for entry in zoo.ensure(arguments.models.split(",") if arguments.models else None):
        print(f"{entry.title} …", file=sys.stderr, flush=True)
        try:
            results.append(run_entry(entry, arguments))
        except spinney.SpinneyError as error:
            print(f"  {error}", file=sys.stderr)
            status = 1
            continue
        for note in results[-1]["notes"]:
            print(f"  {note}", file=sys.stderr)
    if not results:
        return 1
    headings, table = rows_of_table(results)
    print_table(headings, table, title=f"One thread, best of many calls. {describe()}")
    write_results(results, arguments.out)
    print(f"\nwritten to {arguments.out}")
    return status


if __name__ == "__main__":
    sys.exit(main())
