#!/usr/bin/env python3
"""Requests that arrive when they are due: the engine beside asyncio batchers, from Python.

    PYTHONPATH=python python benchmarks/arrivals.py [--seconds 1] [--rounds 5]

An open loop in one asyncio program, as a service would be: requests of one row are due after
exponential gaps from a seed, whether or not earlier ones were answered, and latency counts from
when a request was due (no coordinated omission). All contenders answer a coroutine's `await` in
that same loop, about the same model (XGBoost, 100 trees of depth 4, 20 features), and every
answer is checked. The asyncio batcher is that of batching.py: up to 64 rows, for at most 2 ms
after the first. A contender's curve ends before the first rate of which it answers less than 95 in
100 within a second. Contenders take turns, round by round; that of the median p99 counts. Writes
arrivals.{json,md,svg,png} to docs/benchmarks.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
from pathlib import Path
from time import perf_counter

import numpy as np
import xgboost

from batching import AsyncioBatcher
from machine import describe
from spinney import InferenceEngine, SpinneyError, load
from spinney.cli.table import markdown_table, print_table

ROOT = Path(__file__).resolve().parent.parent
WAIT = 0.002
RATES = [500, 1000, 2000, 5000, 10_000, 20_000, 40_000, 80_000]
LATE = 1.0  # seconds after which an answer is of no use
HEADINGS = ["requests/s due", "answered by", "answered in time", "p50", "p99", "p99.9"]


class Engine:
    """predict_async of an engine; `options` beside those that keep the comparison fair."""

    def __init__(self, model, **options):
        self.model, self.options = model, options

    async def start(self):
        self.engine = InferenceEngine({"enable_request_deduplication": False, **self.options})
        if not self.engine.load_model(self.model):
            raise RuntimeError(self.engine.last_error)

    async def ask(self, row):
        return await self.engine.predict_async(row)

    async def stop(self):
        self.engine.shutdown()


class AtOnce(Engine):
    """predict of an engine, in the loop."""

    async def ask(self, row):
        success, answer, metadata = self.engine.predict(row)
        if not success:
            raise RuntimeError(metadata["error"])
        return answer


class Alone:
    """Each request by itself, in the loop."""

    def __init__(self, function):
        self.function = function

    async def start(self):
        pass

    async def ask(self, row):
        return self.function(row)

    async def stop(self):
        pass


def make_model():
    """A fitted xgboost.XGBRegressor, and float32 rows."""
    random_numbers = np.random.default_rng(0)
    x = random_numbers.normal(size=(4000, 20)).astype(np.float32)
    y = x[:, 0] + x[:, 1] * x[:, 2] + random_numbers.normal(size=len(x)) / 10
    return xgboost.XGBRegressor(n_estimators=100, max_depth=4, n_jobs=1).fit(x, y), x


def contenders(model):
    spinney = load(model)
    fixed = {"batch_timeout": WAIT, "min_batch_size": 64, "max_batch_size": 64}
    fixed["enable_adaptive_batching"] = False
    return {
        "predict, at once": lambda: AtOnce(model),
        "predict_async": lambda: Engine(model),
        "predict_async, fixed wait 2 ms": lambda: Engine(model, **fixed),
        "asyncio batcher, Spinney": lambda: AsyncioBatcher(spinney.predict, WAIT),
        "asyncio batcher, XGBoost": lambda: AsyncioBatcher(model.predict, WAIT),
        "XGBoost, one at a time": lambda: Alone(model.predict),
    }


async def arrive(server, rows, expected, rate, seconds, seed):
    """(latencies in order, share of all requests that were answered in time)."""
    await server.start()
    for i in range(32):
        await server.ask(rows[i])
    gaps, latencies, asked, faults = random.Random(seed), [], set(), []

    async def one(i, due):
        try:
            answer = await server.ask(rows[i])
        except SpinneyError:  # refused or shed
            return
        except Exception as error:
            faults.append(error)
            return
        latencies.append(perf_counter() - due)
        if answer[0] != expected[i]:
            faults.append(AssertionError("a request was given another's answer"))

    begun = perf_counter()
    due, end, number = begun, begun + seconds, 0
    while due < end:
        now = perf_counter()
        while due <= min(now, end):
            task = asyncio.ensure_future(one(number % len(rows), due))
            asked.add(task)
            task.add_done_callback(asked.discard)
            due += gaps.expovariate(rate)
            number += 1
        # The loop sleeps by milliseconds, so close to a request it only lets others go first.
        await asyncio.sleep(due - now - 0.0015 if due - now > 0.002 else 0)
    if asked:
        await asyncio.wait(set(asked), timeout=LATE)
    for task in set(asked):
        task.cancel()
    await asyncio.gather(*asked, return_exceptions=True)
    await server.stop()
    if faults:  # nobody awaits the requests' own tasks
        raise faults[0]
    latencies.sort()
    return latencies, sum(latency <= LATE for latency in latencies) / max(1, number)


def measure(server, rows, expected, rate, seconds, seed):
    """The figures of one round."""
    latencies, share = asyncio.run(arrive(server, rows, expected, rate, seconds, seed))

    def at(q):
        return latencies[int(q * len(latencies))] * 1e3 if latencies else float("inf")

    figures = {"p50_ms": at(0.5), "p99_ms": at(0.99), "p999_ms": at(0.999)}
    return {"rate": rate, "answered": share, **figures}


def median_run(runs):
    return sorted(runs, key=lambda run: run["p99_ms"])[len(runs) // 2]


def draw(results, folder):
    import matplotlib

    matplotlib.use("agg")
    matplotlib.rcParams["svg.hashsalt"] = "spinney"
    from matplotlib import pyplot

    figure, both = pyplot.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
    for axes, key, title in zip(both, ("p50_ms", "p99_ms"), ("median", "99th percentile")):
        for who, runs in results.items():
            kept = [run for run in runs if run["answered"] >= 0.95]
            axes.plot([run["rate"] for run in kept], [run[key] for run in kept], "o-", label=who)
        axes.set(xscale="log", yscale="log", xlabel="requests a second", title=title)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    both[0].set_ylabel("latency from when due, ms")
    both[0].legend(frameon=False, fontsize=8)
    figure.savefig(folder / "arrivals.svg", metadata={"Date": None})
    figure.savefig(folder / "arrivals.png", dpi=130, metadata={"Software": None})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=1.0, help="of each rate")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "docs" / "benchmarks")
    arguments = parser.parse_args()
    model, x = make_model()
    rows = [x[i : i + 1].copy() for i in range(512)]
    expected = model.predict(x[:512])
    makers = contenders(model)
    results = {who: [] for who in makers}
    for rate in RATES:
        rounds = {
            who: [] for who, runs in results.items() if not runs or runs[-1]["answered"] >= 0.95
        }
        for seed in range(arguments.rounds):
            for who, runs in rounds.items():
                server = makers[who]()
                runs.append(measure(server, rows, expected, rate, arguments.seconds, seed))
        for who, runs in rounds.items():
            run = median_run(runs)
            results[who].append(run)
            print(f"{rate:>7,}/s  {who:34} {run['answered']:5.0%}  p99 {run['p99_ms']:.2f} ms")
    table = [
        [
            f"{run['rate']:,}",
            who,
            f"{run['answered']:.0%}",
            *(f"{run[key]:.2f} ms" for key in ("p50_ms", "p99_ms", "p999_ms")),
        ]
        for rate in RATES
        for who, runs in results.items()
        for run in runs
        if run["rate"] == rate
    ]
    print_table(HEADINGS, table, title=describe())
    facts = {"machine": describe(), "results": results}
    (arguments.out / "arrivals.json").write_text(json.dumps(facts, indent=1) + "\n")
    note = (
        f"{describe()}. `PYTHONPATH=python python benchmarks/arrivals.py --seconds "
        f"{arguments.seconds:g} --rounds {arguments.rounds}`: XGBoost, 100 trees of depth 4; one "
        "row a request; the round of the median p99."
    )
    (arguments.out / "arrivals.md").write_text(f"{note}\n\n{markdown_table(HEADINGS, table)}\n")
    draw(results, arguments.out)


if __name__ == "__main__":
    main()
