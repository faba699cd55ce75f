"""DataPreprocessor against the scikit-learn chain that does the same, one thread.

python benchmarks/preprocessing.py            measure, then write docs/benchmarks/preprocessing.*
python benchmarks/preprocessing.py --quick    a tenth of the rows, nothing written

Each pair takes turns in one process and the best of several calls counts.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from time import perf_counter

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np  # noqa: E402

from machine import describe  # noqa: E402
from spinney.cli.table import markdown_table, shown_seconds  # noqa: E402
from spinney.preprocessing import DataPreprocessor  # noqa: E402

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "benchmarks"
WIDTH = 28
GOALS = {"transform": 8.0, "fit": 3.0}
CLIP = (-3.0, 3.0)


def some_rows(count, dtype=np.float32):
    rng = np.random.default_rng(0)
    x = rng.normal(3, 2, (count, WIDTH)).astype(dtype)
    x[rng.random(x.shape) < 0.02] = np.nan
    return x


def chains():
    """title -> (options of ours, a maker of the scikit-learn chain)."""
    from sklearn import preprocessing as sk
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline

    def chain(scaler, strategy="mean"):
        clip = sk.FunctionTransformer(np.clip, kw_args={"a_min": CLIP[0], "a_max": CLIP[1]})
        return lambda: make_pipeline(SimpleImputer(strategy=strategy), scaler(), clip)

    clip = {"clip_values": True, "clip_min": CLIP[0], "clip_max": CLIP[1]}
    return {
        "impute, standardize, clip": (clip, chain(sk.StandardScaler)),
        "impute, min-max, clip": ({**clip, "normalization": "minmax"}, chain(sk.MinMaxScaler)),
        "impute median, robust, clip": (
            {**clip, "normalization": "robust", "nan_strategy": "median"},
            chain(sk.RobustScaler, "median"),
        ),
    }


def best_of(functions, times):
    """The best time of each, taking turns."""
    best = [float("inf")] * len(functions)
    for _ in range(times):
        for i, function in enumerate(functions):
            began = perf_counter()
            function()
            best[i] = min(best[i], perf_counter() - began)
    return best


def measure(rows):
    x = some_rows(rows)
    results = []
    for title, (options, make) in chains().items():
        ours, theirs = DataPreprocessor(options), make()
        fit = best_of([lambda o=ours: o.fit(x), lambda t=theirs: t.fit(x)], 3)
        work = [lambda o=ours: o.transform(x), lambda t=theirs: t.transform(x), x.copy]
        transform = best_of(work, 7)
        apart = np.abs(ours.transform(x[:10_000]) - theirs.transform(x[:10_000])).max()
        results.append({"title": title, "fit": fit, "transform": transform, "apart": float(apart)})
    return results


def measure_row():
    """Seconds of one row through transform(): ours inside the core, ours from Python, theirs."""
    x = some_rows(10_000)
    options, make = chains()["impute, standardize, clip"]
    ours, theirs = DataPreprocessor(options).fit(x), make().fit(x)
    row = x[:1].copy()
    best = {"core": float("inf"), "python": float("inf"), "sklearn": float("inf")}
    for _ in range(20):
        before = ours.get_performance_metrics()
        began = perf_counter()
        for _ in range(5000):
            ours.transform(row)
        best["python"] = min(best["python"], (perf_counter() - began) / 5000)
        after = ours.get_performance_metrics()
        spent = after["transform_seconds"] - before["transform_seconds"]
        best["core"] = min(best["core"], spent / 5000)
        began = perf_counter()
        for _ in range(20):
            theirs.transform(row)
        best["sklearn"] = min(best["sklearn"], (perf_counter() - began) / 20)
    return best


def tables(facts):
    """The page's two tables as text."""
    lines = []
    for result in facts["results"]:
        for step in ("fit", "transform"):
            ours, theirs = result[step][:2]
            goal = GOALS[step] if result["title"].startswith("impute, standardize") else None
            copying = f"{ours / result['transform'][2]:.2f}" if step == "transform" else ""
            lines.append(
                [
                    f"{step}: {result['title']}",
                    shown_seconds(ours),
                    shown_seconds(theirs),
                    f"{theirs / ours:.1f} x",
                    f"{goal:g} x" if goal else "",
                    copying,
                ]
            )
    rows = f"{facts['rows']:,} x {WIDTH} float32"
    head = [rows, "Spinney", "scikit-learn", "faster", "goal", "times of a copy"]
    row = facts["row"]
    one = [
        [shown_seconds(row["core"]), shown_seconds(row["python"]), shown_seconds(row["sklearn"])]
    ]
    names = ["one row: in the core", "from Python", "scikit-learn"]
    return f"{markdown_table(head, lines)}\n\n{markdown_table(names, one)}\n"


def draw(facts, path):
    """A bar for each step: how many times faster than the chain."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "spinney"
    from matplotlib import pyplot

    names, ratios = [], []
    for result in facts["results"]:
        for step in ("fit", "transform"):
            names.append(f"{step}: {result['title']}")
            ratios.append(result[step][1] / result[step][0])
    figure, axes = pyplot.subplots(figsize=(8, 3.2), layout="constrained")
    bars = axes.barh(names[::-1], ratios[::-1], color="#3a7d5c")
    axes.bar_label(bars, fmt="%.1f x", padding=3)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_xlim(0.5, max(ratios) * 2)
    axes.set_xlabel(f"times faster than scikit-learn's chain, {facts['rows']:,} rows, one thread")
    figure.savefig(path, metadata={"Date": None})


def main():
    import sklearn

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    rows = 100_000 if quick else 1_000_000
    facts = {
        "machine": f"{describe()}, scikit-learn {sklearn.__version__}, numpy {np.__version__}",
        "rows": rows,
        "results": measure(rows),
        "row": measure_row(),
    }
    print(facts["machine"], tables(facts), sep="\n\n")
    for result in facts["results"]:
        print(f"{result['title']}: answers differ by {result['apart']:.1e} at most")
    if not quick:
        (FOLDER / "preprocessing.json").write_text(json.dumps(facts, indent=1) + "\n")
        (FOLDER / "preprocessing.md").write_text(f"{facts['machine']}.\n\n{tables(facts)}")
        draw(facts, FOLDER / "preprocessing.svg")


if __name__ == "__main__":
    main()
