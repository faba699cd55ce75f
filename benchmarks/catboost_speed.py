"""CatBoost's models in Spinney against CatBoost itself, on one thread.

    python benchmarks/catboost_speed.py [--write docs/benchmarks/catboost.md]

Calls of 1, 64 and 10,000 rows through each package's own predict, from Python. CatBoost's is the
quickest of its public ways: rows given to predict, a Pool made for the call, a Pool that was made
before. 500 trees of depth 6 over 28 columns; with categories, 8 of these are texts.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas
from catboost import CatBoostClassifier, CatBoostRegressor, Pool
from catboost import __version__ as catboost_version

import spinney
from machine import describe
from spinney.cli.table import markdown_table, shown_ratio, shown_seconds
from spinney.cli.timing import measure

SIZES = (1, 64, 10_000)
GOALS = {False: (10, 6, 4), True: (5, 3, None)}
NOTE = """
*Rows given*: CatBoost's predict of the rows themselves. A Pool that is ready holds the hashes of
its texts, too."""
FIXED = {"verbose": 0, "allow_writing_files": False, "random_seed": 0}


def numbers(kind, trees, depth, policy="SymmetricTree", classes=0):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20_000, 28)).astype(np.float32)
    score = x[:, 0] * x[:, 1] + np.sin(3 * x[:, 2]) + x[:, 3]
    y = (
        np.digitize(score, np.quantile(score, np.arange(1, classes) / classes))
        if classes
        else score
    )
    model = kind(iterations=trees, depth=depth, grow_policy=policy, **FIXED).fit(x[:5000], y[:5000])
    return model, x, None


def categories():
    rng = np.random.default_rng(0)
    frame = pandas.DataFrame(rng.normal(size=(20_000, 20)), columns=[f"x{i}" for i in range(20)])
    for i in range(8):
        codes = rng.integers(0, 10 * (i + 1), len(frame))
        frame[f"c{i}"] = np.char.add("value ", codes.astype(str)).astype(object)
        frame["x0"] += codes % 3
    y = (frame["x0"] + frame["x1"] > 8).astype(int)
    names = [f"c{i}" for i in range(8)]
    model = CatBoostClassifier(iterations=500, depth=6, cat_features=names, **FIXED)
    return model.fit(frame[:5000], y[:5000]), frame.to_numpy(dtype=object), list(range(20, 28))


CASES = {
    "regression, 500 trees, depth 6": lambda: numbers(CatBoostRegressor, 500, 6),
    "7 classes, 100 trees, depth 6": lambda: numbers(CatBoostClassifier, 100, 6, classes=7),
    "depthwise, 500 trees, depth 6": lambda: numbers(CatBoostRegressor, 500, 6, "Depthwise"),
    "lossguide, 500 trees, 31 leaves": lambda: numbers(CatBoostRegressor, 500, 6, "Lossguide"),
    "8 of 28 columns are texts, 500 trees, depth 6": categories,
}


def times_of(model, x, cats, size, seconds):
    """Seconds of ours, and of CatBoost's ways by name; rows are lists where there are texts."""
    ours = spinney.load(model)
    pools = {}

    def pool(rows):
        return Pool(rows, cat_features=cats, thread_count=1)

    def ready(rows):
        key = id(rows)
        if key not in pools:
            pools[key] = (pool(rows), rows)
        return model.predict(pools[key][0], thread_count=1)

    calls = {
        "Spinney": lambda rows: ours.predict(rows, num_threads=1),
        "rows": lambda rows: model.predict(rows, thread_count=1),
        "Pool made": lambda rows: model.predict(pool(rows), thread_count=1),
        "Pool ready": ready,
    }
    return {name: t.best for name, t in measure(calls, x, size, seconds).items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1.0, help="for each way and size")
    parser.add_argument("--write", metavar="PAGE")
    arguments = parser.parse_args()
    table = [
        ["model", "rows", "Spinney", "CatBoost", "its quickest way", "×", "goal", "rows given"]
    ]
    for name, make in CASES.items():
        model, x, cats = make()
        goals = GOALS[cats is not None]
        for size, goal in zip(SIZES, goals):
            found = times_of(model, x, cats, size, arguments.seconds)
            ours = found.pop("Spinney")
            way = min(found, key=found.get)
            row = [name if size == 1 else "", f"{size:,}", shown_seconds(ours)]
            row += [shown_seconds(found[way]), way, shown_ratio(found[way] / ours)]
            row.append(f"{goal}×" if goal and "500 trees, depth 6" in name else "")
            table.append([*row, shown_seconds(found["rows"])])
            print(" | ".join(table[-1]), flush=True)
    text = f"{describe()}. Spinney {spinney.__version__}; CatBoost {catboost_version}.\n\n"
    text += markdown_table(table[0], table[1:]) + "\n" + NOTE
    if arguments.write:
        Path(arguments.write).write_text(text.rstrip() + "\n")
    else:
        print(text)


if __name__ == "__main__":
    main()
