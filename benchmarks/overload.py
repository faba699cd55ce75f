#!/usr/bin/env python3
"""Behaviour under load: the engine's scheduling beside fixed waits, on the same engine and model.

    cmake --preset release -DSPINNEY_BENCHMARKS=ON
    ninja -C build/release engine_load engine_bench
    PYTHONPATH=python python benchmarks/overload.py [--seconds 2] [--rounds 5]

Runs build/release/benchmarks/cpp/engine_load, whose comment says how load is offered and latency
counted, by turns for both policies; keeps for each load the run whose p99 is the median, and says
in how many rounds the generator itself fell behind by more than 5 ms. Writes overload.{json,md,svg}
to docs/benchmarks; the JSON also has what engine_bench prints.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path

from machine import describe
from spinney.cli.table import markdown_table, print_table

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = ROOT / "build" / "release" / "benchmarks" / "cpp"
POLICIES = {"spinney": "Spinney", "fixed": "fixed wait, 2 ms"}
HEADINGS = ["load", "policy", "goodput", "batch", "p50", "p99", "high p99", "refused", "shed"]
HEADINGS += ["expired", "refused know in (p99)"]


def measure(policy, seconds):
    command = [PROGRAMS / "engine_load", "--policy", policy, "--seconds", str(seconds)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def median_run(runs):
    """The run with the median p99 of normal requests; how many rounds the generator was late."""
    ordered = sorted(runs, key=lambda run: run["normal"]["p99_us"])
    late = sum(run["generator_late_ms_max"] > 5 for run in runs)
    return {**ordered[len(ordered) // 2], "late_rounds": late, "rounds": len(runs)}


def rows_of(results):
    rows = []
    for run in results:
        high, normal = run["high"], run["normal"]
        asked = run["offered_per_s"] * run["seconds"]
        rows.append(
            [
                f"{run['load']:g} × capacity",
                POLICIES[run["policy"]],
                f"{run['goodput_of_capacity']:.0%}",
                f"{run['batch_rows_mean']:.0f}",
                f"{normal['p50_us'] / 1e3:.2f} ms",
                f"{normal['p99_us'] / 1e3:.2f} ms",
                f"{high['p99_us'] / 1e3:.2f} ms",
                f"{run['refused'] / asked:.1%}",
                f"{(high['shed'] + normal['shed']) / asked:.1%}",
                f"{(high['expired'] + normal['expired']) / asked:.1%}",
                f"{run['refused_p99_us']:.1f} µs" if run["refused"] else "–",
            ]
        )
    return rows


def draw(results, path):
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "spinney"
    from matplotlib import pyplot

    figure, (latency, goodput) = pyplot.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for policy, colour in (("spinney", "#1b7837"), ("fixed", "#999999")):
        runs = [run for run in results if run["policy"] == policy]
        loads = [run["load"] for run in runs]
        for level, style in (("normal", "-"), ("high", "--")):
            p99 = [run[level]["p99_us"] / 1e3 for run in runs]
            label = f"{POLICIES[policy]}, {level} priority"
            latency.plot(loads, p99, style, color=colour, marker="o", label=label)
        share = [run["goodput_of_capacity"] * 100 for run in runs]
        goodput.plot(loads, share, "-", color=colour, marker="o", label=POLICIES[policy])
    latency.set(xlabel="offered load / capacity", ylabel="p99 of answers, ms", yscale="log")
    goodput.set(xlabel="offered load / capacity", ylabel="goodput, % of capacity", ylim=(0, 110))
    for axes in (latency, goodput):
        axes.legend(frameon=False, fontsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=2.0, help="of each load")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "docs" / "benchmarks")
    arguments = parser.parse_args()
    measured = {policy: [] for policy in POLICIES}
    for number in range(arguments.rounds):
        for policy, rounds in measured.items():
            print(f"round {number + 1}: {POLICIES[policy]}", flush=True)
            rounds.append(measure(policy, arguments.seconds))
    results = []
    for load in range(3):
        for policy, rounds in measured.items():
            run = median_run([one["runs"][load] for one in rounds])
            results.append({"policy": policy, "seconds": arguments.seconds, **run})
    cost = subprocess.run([PROGRAMS / "engine_bench"], check=True, capture_output=True, text=True)
    rows = rows_of(results)
    print_table(HEADINGS, rows, title=describe())
    print(cost.stdout)
    late = max(run["late_rounds"] for run in results)
    note = (
        f"{describe()}. One model of 20 µs a row and 5 µs a batch, one worker, one generator; "
        f"requests with a deadline of 50 ms, one of ten of high priority. Median of "
        f"{arguments.rounds} rounds; in up to {late} of them the generator was held up for more "
        "than 5 ms, which counts as latency."
    )
    facts = {"machine": describe(), "results": results, "cost": json.loads(cost.stdout)}
    (arguments.out / "overload.json").write_text(json.dumps(facts, indent=1) + "\n")
    (arguments.out / "overload.md").write_text(f"{note}\n\n{markdown_table(HEADINGS, rows)}\n")
    draw(results, arguments.out / "overload.svg")


if __name__ == "__main__":
    main()
