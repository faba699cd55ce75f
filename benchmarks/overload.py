#!/usr/bin/env python3
"""Behaviour under load: the engine's scheduling beside fixed waits, on the same engine and model.

    cmake --preset release -DSPINNEY_BENCHMARKS=ON
    ninja -C build/release engine_load engine_bench
    PYTHONPATH=python python benchmarks/overload.py [--seconds 1] [--rounds 15] [--long 12]

Runs build/release/benchmarks/cpp/engine_load, whose comment says how load is offered and latency
counted, by turns for both policies; keeps for each load the run whose p99 is the median, and says
in how many rounds the generator itself fell behind by more than 5 ms. A second table has what the
machine took from the benchmark in all rounds, and the p99 of the requests that this did not touch.
Writes overload.{json,md,svg,png} to docs/benchmarks; the JSON also has what engine_bench prints.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
from pathlib import Path

from machine import describe
from spinney.cli.table import markdown_table, print_table

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = ROOT / "build" / "release" / "benchmarks" / "cpp"
POLICIES = {"spinney": "Spinney", "fixed": "fixed wait, 2 ms"}
HEADINGS = ["load", "policy", "goodput", "batch", "p50", "p99", "high p99", "refused", "shed"]
HEADINGS += ["expired", "refused know in (p99)"]
OTHER_DEADLINES = {"20": "20 ms", "200": "200 ms", "20,200": "20 and 200 ms", "0": "none"}
OTHER_DEADLINES["50,0"] = "50 ms and none"
OTHER_HEADINGS = ["deadlines", "policy", "goodput", "p50", "p99", "high p99", "refused", "shed"]
OTHER_HEADINGS += ["expired"]
OTHER_NOTE = """\
Twice the capacity with other deadlines, several of them by turns; one longer run of each. Requests
without a deadline are judged by their delay, for the first 100 ms not at all: that onset is in the
p99. Of mixed deadlines the near ones go first, so that the far ones' answers come late in their
time; the p99 is theirs."""
MACHINE_HEADINGS = ["load", "policy", "p99 of the rounds", "taken", "longest", "left out"]
MACHINE_HEADINGS += ["p99 outside stalls, of the rounds"]
MACHINE_NOTE = """\
What the machine took, in all rounds: stalls are gaps of more than 0.1 ms between two readings of
the clock with nothing between them, in the generator's waiting and in the model's spinning;
stalls at other moments are not seen, and remain in every figure. *p99* is that of normal
requests, all of them: the median of the rounds, least and greatest. *Outside stalls* leaves out
each request that was in flight in a stall, or due in one or in the stall's length × load / (1 −
load) after it, the time that the backlog of a stall needs; a round that had to leave out more than
half of them is not counted. Beyond capacity no backlog ends, so there is no such figure."""


def measure(policy, seconds, *more):
    command = [PROGRAMS / "engine_load", "--policy", policy, "--seconds", str(seconds), *more]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def median_run(runs):
    """The run with the median p99 of normal requests; how many rounds the generator was late."""
    ordered = sorted(runs, key=lambda run: run["normal"]["p99_us"])
    late = sum(run["generator_late_ms_max"] > 5 for run in runs)
    return {**ordered[len(ordered) // 2], "late_rounds": late, "rounds": len(runs)}


def spread_ms(values_us):
    """The median, and from where to where: of the rounds."""
    least, most = min(values_us) / 1e3, max(values_us) / 1e3
    return f"{statistics.median(values_us) / 1e3:.2f} ({least:.2f} to {most:.2f}) ms"


def machine_of(runs):
    """What the machine took in these rounds of one load and policy, of its normal requests."""
    normal = [run["normal"] for run in runs]
    facts = {
        "p99_us": [level["p99_us"] for level in normal],
        "share_of_time": statistics.mean(run["stalls"]["share_of_time"] for run in runs),
        "longest_ms": max(run["stalls"]["longest_ms"] for run in runs),
    }
    if "left_out" in normal[0]:  # below capacity
        answered = [run["seconds"] * level["goodput_per_s"] for run, level in zip(runs, normal)]
        facts["left_out"] = sum(level["left_out"] for level in normal)
        facts["left_out_share"] = facts["left_out"] / sum(answered)
        facts["p99_outside_stalls_us"] = [
            level["p99_outside_stalls_us"]
            for level, total in zip(normal, answered)
            if level["left_out"] <= total / 2
        ]
    return facts


def outside_of(values_us, rounds):
    """The spread of the rounds that count, and how many those are where not all do."""
    if not values_us:
        return f"no round of {rounds}"
    few = f"; {len(values_us)} of {rounds} rounds" if len(values_us) < rounds else ""
    return spread_ms(values_us) + few


def machine_rows_of(results):
    rows = []
    for run in results:
        machine = run["machine"]
        row = [f"{run['load']:g} × capacity", POLICIES[run["policy"]], spread_ms(machine["p99_us"])]
        row += [f"{machine['share_of_time']:.2%}", f"{machine['longest_ms']:.1f} ms"]
        if "left_out" in machine:
            row.append(f"{machine['left_out']:,} ({machine['left_out_share']:.0%})")
            row.append(outside_of(machine["p99_outside_stalls_us"], run["rounds"]))
        rows.append(row + ["–"] * (len(MACHINE_HEADINGS) - len(row)))
    return rows


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


def measure_others(seconds):
    """Twice the capacity with other deadlines."""
    rows = []
    for deadlines, name in OTHER_DEADLINES.items():
        for policy, policy_name in POLICIES.items():
            run = measure(policy, seconds, "--load", "2", "--deadline-ms", deadlines)["runs"][0]
            rows.append([name, policy_name, *other_figures(run, seconds)])
            print(*rows[-1], sep="  ", flush=True)
    return rows


def other_figures(run, seconds):
    asked = run["offered_per_s"] * seconds
    high, normal = run["high"], run["normal"]
    return [
        f"{run['goodput_of_capacity']:.0%}",
        f"{normal['p50_us'] / 1e3:.2f} ms",
        f"{normal['p99_us'] / 1e3:.2f} ms",
        f"{high['p99_us'] / 1e3:.2f} ms",
        f"{run['refused'] / asked:.1%}",
        f"{(high['shed'] + normal['shed']) / asked:.1%}",
        f"{(high['expired'] + normal['expired']) / asked:.1%}",
    ]


def draw(results, folder):
    import matplotlib

    matplotlib.use("agg")
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
    latency.set(ylabel="p99 of answers, ms", yscale="log", ylim=(0.05, 100))
    latency.yaxis.set_major_formatter("{x:g}")
    goodput.set(ylabel="goodput, % of capacity", ylim=(0, 110))
    for axes in (latency, goodput):
        axes.set(xlabel="offered load / capacity", xticks=loads)
        axes.legend(frameon=False, fontsize=8, loc="lower right")
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(folder / "overload.svg", metadata={"Date": None})
    figure.savefig(folder / "overload.png", dpi=130, metadata={"Software": None})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=1.0, help="of each load")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--long", type=float, default=12.0, help="seconds of each other deadline")
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "docs" / "benchmarks")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    measured = {policy: [] for policy in POLICIES}
    for number in range(arguments.rounds):
        for policy, rounds in measured.items():
            print(f"round {number + 1}: {POLICIES[policy]}", flush=True)
            rounds.append(measure(policy, arguments.seconds))
    results = []
    for load in range(3):
        for policy, rounds in measured.items():
            runs = [{**one["runs"][load], "seconds": arguments.seconds} for one in rounds]
            machine = machine_of(runs)
            results.append({"policy": policy, **median_run(runs), "machine": machine})
    others = measure_others(arguments.long)
    cost = subprocess.run([PROGRAMS / "engine_bench"], check=True, capture_output=True, text=True)
    rows = rows_of(results)
    machine_rows = machine_rows_of(results)
    print_table(HEADINGS, rows, title=describe())
    print_table(MACHINE_HEADINGS, machine_rows)
    print_table(OTHER_HEADINGS, others)
    print(cost.stdout)
    late = max(run["late_rounds"] for run in results)
    note = (
        f"{describe()}. One model of 20 µs a row and 5 µs a batch, one worker, one generator; "
        f"requests with a deadline of 50 ms, one of ten of high priority. Median of "
        f"{arguments.rounds} rounds; in up to {late} of them the generator was held up for more "
        "than 5 ms, which counts as latency."
    )
    facts = {"machine": describe(), "results": results, "others": [OTHER_HEADINGS, *others]}
    facts["cost"] = json.loads(cost.stdout)
    (arguments.out / "overload.json").write_text(json.dumps(facts, indent=1) + "\n")
    tables = f"{markdown_table(HEADINGS, rows)}\n\n{MACHINE_NOTE}\n\n"
    tables += markdown_table(MACHINE_HEADINGS, machine_rows)
    tables += f"\n\n{OTHER_NOTE}\n\n{markdown_table(OTHER_HEADINGS, others)}"
    (arguments.out / "overload.md").write_text(f"{note}\n\n{tables}\n")
    draw(results, arguments.out)


if __name__ == "__main__":
    main()
