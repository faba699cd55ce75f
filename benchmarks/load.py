"""How long each model file takes to open, and how much memory the opened model holds.

    python benchmarks/load.py [-o docs/benchmarks]

Load time: the best of several, Spinney and the training library in turn, file in the page cache.
The .spinney column opens the same model after `spinney convert`. Memory: the growth of the
process's own resident memory (RssAnon: without pages of programs and files, which processes share)
while the library, or Spinney, opens the model and predicts one row; each in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import zoo
from machine import describe
from spinney.cli.table import markdown_table, print_table, shown_bytes, shown_seconds

ROOT = Path(__file__).resolve().parent.parent

MEMORY = """
import gc, pickle, sys
import numpy
which, library, path, width = sys.argv[1:]
if which == "spinney":
    import spinney
else:
    module = __import__(library)
    if library == "sklearn":
        import sklearn.ensemble
row = numpy.zeros((1, int(width)), numpy.float32)
def resident():
    gc.collect()
    with open("/proc/self/status") as facts:
        return next(int(line.split()[1]) << 10 for line in facts if line.startswith("RssAnon"))
before = resident()
if which == "spinney":
    model = spinney.load(path)
    model.predict(row)
elif library == "xgboost":
    model = module.Booster(model_file=path)
    model.inplace_predict(row)
elif library == "lightgbm":
    model = module.Booster(model_file=path)
    model.predict(row)
else:
    with open(path, "rb") as file:
        model = pickle.load(file)
    model.predict(row)
print(resident() - before)
"""


def memory(which, entry, width):
    """Bytes that opening the model and predicting a row adds to a fresh process."""
    command = [sys.executable, "-c", MEMORY, which, entry.library, str(entry.path), str(width)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def library_loader(entry):
    if entry.library == "xgboost":
        import xgboost

        return lambda: xgboost.Booster(model_file=str(entry.path))
    if entry.library == "lightgbm":
        import lightgbm

        return lambda: lightgbm.Booster(model_file=str(entry.path))
    import pickle

    return lambda: pickle.loads(entry.path.read_bytes())


def best_times(calls, times=7):
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(times):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            best[name] = min(best[name], time.perf_counter() - start)
    return best


def main():
    import spinney

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", help="names of benchmarks/zoo.py, with commas between")
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "docs" / "benchmarks")
    arguments = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for entry in zoo.ensure(arguments.models.split(",") if arguments.models else None):
            converted = Path(folder) / f"{entry.name}.spinney"
            model = spinney.load(entry.path)
            model.save(converted)
            calls = {
                "library": library_loader(entry),
                "spinney": lambda path=entry.path: spinney.load(path),
                "converted": lambda path=converted: spinney.load(path),
            }
            results.append(
                {
                    "title": entry.title,
                    "file_bytes": entry.path.stat().st_size,
                    **best_times(calls),
                    "library_memory": memory("library", entry, model.n_features),
                    "spinney_memory": memory("spinney", entry, model.n_features),
                }
            )
            print(entry.title, file=sys.stderr, flush=True)
    headings = ["model", "file", "library opens it", "Spinney opens it", "as .spinney"]
    headings += ["memory: library", "memory: Spinney"]
    table = [
        [
            one["title"],
            shown_bytes(one["file_bytes"]),
            *(shown_seconds(one[name]) for name in ("library", "spinney", "converted")),
            shown_bytes(one["library_memory"]),
            shown_bytes(one["spinney_memory"]),
        ]
        for one in results
    ]
    print_table(headings, table, title=describe())
    arguments.out.mkdir(parents=True, exist_ok=True)
    facts = {"machine": describe(), "results": results}
    (arguments.out / "load.json").write_text(json.dumps(facts, indent=1) + "\n")
    (arguments.out / "load.md").write_text(markdown_table(headings, table) + "\n")


if __name__ == "__main__":
    main()
