#!/usr/bin/env python3
"""What watching costs: an engine with monitoring beside one without, and each recording call.

    PYTHONPATH=python python benchmarks/metrics.py [--threads 8] [--in-flight 64] [--rounds 800]

Three equal engines take turns of a few milliseconds in one process: two with monitoring, one
without. Each round gives a ratio of times between neighbours in time, and the median over all
rounds is what is shown, with the bounds that it lies between in 95 of 100 cases. The two engines
with monitoring are compared in the same way: what they differ by is what the measure cannot see.
"""

from __future__ import annotations

import argparse
import gc
import random
import threading
import time
import timeit

from engine import PLAIN, make_model
from spinney import InferenceEngine
from spinney.cli.table import print_table
from spinney.memory_pool import MemoryPool
from spinney.metrics import MetricsManager

CALLS = [
    ("update_inference(time, rows)", "update(0.001, 8)"),
    ("update_inference(..., preprocessing_time=)", "update(0.001, 8, preprocessing_time=1e-4)"),
    ("record_cache_hit()", "metrics.record_cache_hit()"),
    ("record_stage(name, time)", "metrics.record_stage('queue_wait', 1e-5)"),
    ("get_metrics()", "metrics.get_metrics()"),
    ("to_prometheus()", "metrics.to_prometheus()"),
    ("MemoryPool: get and return 2.5 KB", "pool.return_buffer(pool.get_buffer((64, 10)))"),
]
NAMES = ("on", "off", "again")  # "again" is a second engine with monitoring on


def calls():
    metrics = MetricsManager()
    names = {"metrics": metrics, "update": metrics.update_inference, "pool": MemoryPool()}
    rows = []
    for shown, statement in CALLS:
        timer = timeit.Timer(statement, globals=names)
        number, _ = timer.autorange()
        best = min(timer.repeat(7, max(1, number // 5))) / max(1, number // 5)
        rows.append([shown, f"{best * 1e6:.3f}"])
    print_table(["call", "µs"], rows)


def engines(model):
    """name -> a fresh engine that serves the model; made in an order of chance."""
    made = {}
    for name in random.sample(NAMES, len(NAMES)):
        made[name] = InferenceEngine({**PLAIN, "enable_monitoring": name != "off"})
        made[name].load_model(model)
    return made


def watchers(made):
    """name -> what that engine has the garbage collector call, taken off until its turn."""
    found = {}
    for name, engine in made.items():
        metrics = engine._parts.metrics
        found[name] = [] if metrics is None else [metrics._garbage._callback]
    gc.callbacks[:] = [one for one in gc.callbacks if not any(one in own for own in found.values())]
    return found


class Direct:
    """Predictions of one row at once, on one thread."""

    clock = staticmethod(time.perf_counter)

    def __init__(self, model, x, options):
        self.row, self.count = x[:1], 500

    def turn(self, engine):
        predict, row = engine.predict, self.row
        for _ in range(self.count):
            predict(row)


class Queued:
    """Requests of one row through the queue, from threads that keep many in flight.

    Measured in the process's CPU time: two cores are busy with it from end to end, and other
    programs that come in between disturb it least.
    """

    clock = staticmethod(time.process_time)

    def __init__(self, model, x, options):
        self.rows = [x[i : i + 1] for i in range(options.in_flight)]
        self.threads, self.count = options.threads, options.threads * options.in_flight * 8

    def turn(self, engine):
        def work():
            for _ in range(8):
                for future in [engine.enqueue_prediction(row) for row in self.rows]:
                    future.result()

        workers = [threading.Thread(target=work) for _ in range(self.threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()


def compare(kind, model, x, options):
    """(µs a request by name, ratios of on to off, ratios of on to again), a ratio each round."""
    best = dict.fromkeys(NAMES, float("inf"))
    to_off, to_again = [], []
    load = kind(model, x, options)
    for _ in range(options.fresh):  # where an engine lies in memory makes a difference by itself
        made = engines(model)
        watching = watchers(made)
        for name in NAMES:
            load.turn(made[name])
        for _ in range(options.rounds // options.fresh):
            took = {}
            for name in random.sample(NAMES, len(NAMES)):
                gc.callbacks.extend(watching[name])
                began = load.clock()
                load.turn(made[name])
                took[name] = load.clock() - began
                del gc.callbacks[len(gc.callbacks) - len(watching[name]) :]
                best[name] = min(best[name], took[name])
            # One of the two by chance: their mean would have fewer outliers than the one without.
            to_off.append(took[random.choice(("on", "again"))] / took["off"])
            to_again.append(took["on"] / took["again"])
        for engine in made.values():
            engine.shutdown()
    return {name: best[name] / load.count * 1e6 for name in NAMES}, to_off, to_again


def median_with_bounds(ratios):
    """The median in percent above 1, and the order statistics that hold it in 95 of 100 cases."""
    ordered = sorted(ratios)
    middle, spread = len(ordered) / 2, 0.98 * len(ordered) ** 0.5
    low = ordered[max(0, int(middle - spread))]
    high = ordered[min(len(ordered) - 1, int(middle + spread))]
    return [100 * (each - 1) for each in (ordered[len(ordered) // 2], low, high)]


def monitoring(options):
    model, x = make_model(100, 4, 20)
    rows = []
    for shown, kind in (("predict, one row", Direct), ("through the queue", Queued)):
        best, to_off, to_again = compare(kind, model, x, options)
        cost, low, high = median_with_bounds(to_off)
        blind = median_with_bounds(to_again)
        rows.append(
            [
                shown,
                f"{best['on']:.3f}",
                f"{best['again']:.3f}",
                f"{best['off']:.3f}",
                f"{cost:+.2f} % ({low:+.2f} to {high:+.2f})",
                f"{blind[0]:+.2f} % ({blind[1]:+.2f} to {blind[2]:+.2f})",
            ]
        )
    print_table(["request", "on µs", "on µs", "off µs", "monitoring adds", "on beside on"], rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--threads", type=int, default=8, help="of the queued requests")
    parser.add_argument("--in-flight", type=int, default=64, help="requests of each thread")
    parser.add_argument("--rounds", type=int, default=800, help="ratios to take the median of")
    parser.add_argument("--fresh", type=int, default=8, help="times that the engines are made anew")
    options = parser.parse_args()
    monitoring(options)
    calls()


if __name__ == "__main__":
    main()
