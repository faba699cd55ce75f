#!/usr/bin/env python3
"""What the engine costs, seen from Python.

    PYTHONPATH=python python benchmarks/engine.py [--seconds 2] [--threads 8] [--in-flight 64]

Prints: requests a second of many threads that keep many one-row requests in flight, every answer
compared with the model's own; the time of one predict and of one request alone through the queue;
what warm-up saves the first request; what the cache of answers costs and saves; what a future costs
beside the standard library's. What monitoring costs, metrics.py measures.
"""

from __future__ import annotations

import argparse
import threading
import time
from concurrent.futures import Future

import numpy as np

import spinney
from spinney import InferenceEngine, _core

PLAIN = {"enable_request_deduplication": False}


def make_model(trees, depth, features):
    """A regressor of that shape: XGBoost's where it is installed, else scikit-learn's."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4000, features)).astype(np.float32)
    y = x[:, 0] + x[:, 1] * x[:, 2] + rng.normal(size=len(x)) / 10
    try:
        import xgboost

        parameters = {"max_depth": depth, "nthread": 1}
        booster = xgboost.train(parameters, xgboost.DMatrix(x, y), trees)
        return spinney.load(booster), x
    except ImportError:
        from sklearn.ensemble import GradientBoostingRegressor

        estimator = GradientBoostingRegressor(n_estimators=trees, max_depth=depth)
        return spinney.load(estimator.fit(x, y)), x


def pipelined(engine, rows, expected, threads, in_flight, seconds):
    """(requests a second, wrong answers) of threads that keep in_flight requests each."""
    wrong = []
    counts = [0] * threads
    stop = time.perf_counter() + seconds

    def work(number):
        at = number * 257
        while time.perf_counter() < stop:
            begin = at % (len(rows) - in_flight)
            futures = [engine.enqueue_prediction(row) for row in rows[begin : begin + in_flight]]
            for i, future in enumerate(futures, begin):
                if future.result()[0] != expected[i]:
                    wrong.append(i)
            counts[number] += in_flight
            at += in_flight

    workers = [threading.Thread(target=work, args=(i,)) for i in range(threads)]
    began = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(counts) / (time.perf_counter() - began), len(wrong)


def percentiles_us(function, times=50_000):
    """(p50, p99) in microseconds of a call."""
    took = []
    for _ in range(times):
        began = time.perf_counter_ns()
        function()
        took.append(time.perf_counter_ns() - began)
    took.sort()
    return took[times // 2] / 1e3, took[times * 99 // 100] / 1e3


def both(numbers):
    return "  ".join(f"{number:.2f}" for number in numbers)


def show(what, value):
    print(f"{what:<58} {value}", flush=True)


def throughput(model, x, options):
    rows = [x[i : i + 1] for i in range(len(x))]
    expected = model.predict(x)
    for name, config in (
        ("dedup off", PLAIN),
        ("dedup off, monitoring off", {**PLAIN, "enable_monitoring": False}),
        ("dedup on, no row twice soon", {}),
    ):
        with InferenceEngine(config) as engine:
            engine.load_model(model)
            runs = [
                pipelined(
                    engine, rows, expected, options.threads, options.in_flight, options.seconds / 3
                )
                for _ in range(3)
            ]
        best = max(run[0] for run in runs)
        wrong = sum(run[1] for run in runs)
        show(f"requests/s, {name}", f"{best:>10,.0f}   wrong answers: {wrong}")


def latencies(model, x):
    row = x[:1]
    show(
        "Model.predict, one row: p50, p99 us",
        both(percentiles_us(lambda: model.predict(row))),
    )
    for name, config in (
        ("dedup off", PLAIN),
        ("dedup off, monitoring off", {**PLAIN, "enable_monitoring": False}),
        ("the same row again, from the cache", {}),
    ):
        with InferenceEngine(config) as engine:
            engine.load_model(model)
            engine.predict(row)
            took = percentiles_us(lambda e=engine: e.predict(row))
            show(f"predict, one row, {name}: p50, p99 us", both(took))
    with InferenceEngine(PLAIN) as engine:
        engine.load_model(model)
        took = percentiles_us(lambda: engine.enqueue_prediction(row).result(), 5_000)
        show("one request alone through the queue: p50, p99 us", both(took))


def scaling():
    """What the preprocessor adds to one row of 28 features, by turns with an engine without it."""
    model, x = make_model(100, 4, 28)
    row = x[:1]
    with InferenceEngine({**PLAIN, "enable_feature_scaling": True}) as on, InferenceEngine(
        PLAIN
    ) as off:
        best = {on: 1.0, off: 1.0}
        on.preprocessor.fit(x)
        for engine in best:
            engine.load_model(model)
        for _ in range(1000):
            for engine in best:
                predict = engine.predict
                began = time.perf_counter()
                for _ in range(50):
                    predict(row)
                best[engine] = min(best[engine], (time.perf_counter() - began) / 50)
        show("one predict of 28 features, scaling adds us", f"{(best[on] - best[off]) * 1e6:.3f}")


def cache_on_a_slow_model(x):
    """Where the cache pays: a forest of tens of microseconds a row, nine of ten rows repeated."""
    model, x = make_model(2000, 8, x.shape[1])
    rows = [x[i % 100 : i % 100 + 1] if i % 10 else x[100 + i : 101 + i] for i in range(3000)]
    for name, config in (("off", PLAIN), ("on", {})):
        with InferenceEngine(config) as engine:
            engine.load_model(model)
            began = time.perf_counter()
            for row in rows:
                engine.predict(row)
            each = (time.perf_counter() - began) / len(rows) * 1e6
            show(f"2,000 trees, 9 rows of 10 repeated, dedup {name}: us each", f"{each:.1f}")


def warm_up(model, x):
    firsts = {}
    for enabled in (False, True):
        took = []
        for _ in range(20):
            fresh = spinney.Model.from_bytes(model.to_bytes(), "spinney")
            with InferenceEngine({**PLAIN, "enable_warmup": enabled}) as engine:
                engine.load_model(fresh)
                began = time.perf_counter_ns()
                engine.predict(x[:1])
                took.append((time.perf_counter_ns() - began) / 1e3)
        firsts[enabled] = sorted(took)[len(took) // 2]
    for enabled, took in firsts.items():
        show(f"first predict, warm-up {'on' if enabled else 'off'}: median us", f"{took:.1f}")


def futures():
    dispatcher = _core.Dispatcher()

    def standard():
        future = Future()
        future.set_result(1)
        future.result()

    def ours():
        keeper = _core.OpenFuture(dispatcher)
        future = keeper.future()
        keeper.finish(1)
        future.result()

    for name, function in (("concurrent.futures.Future", standard), ("PredictionFuture", ours)):
        best = 1e9
        for _ in range(5):
            began = time.perf_counter_ns()
            for _ in range(20_000):
                function()
            best = min(best, (time.perf_counter_ns() - began) / 20_000)
        show(f"{name}: made, completed, read: ns", f"{best:.0f}")
    dispatcher.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--seconds", type=float, default=3.0, help="of each throughput run")
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--in-flight", type=int, default=64, help="requests of each thread")
    options = parser.parse_args()
    model, x = make_model(100, 4, 20)
    throughput(model, x, options)
    latencies(model, x)
    scaling()
    warm_up(model, x)
    cache_on_a_slow_model(x)
    futures()


if __name__ == "__main__":
    main()
