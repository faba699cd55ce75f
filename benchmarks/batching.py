"""DynamicBatcher beside an asyncio-style batcher of the same callable, taking turns.

python benchmarks/batching.py [--seconds 1.0] [-o docs/benchmarks]

Closed loops: `threads` threads, each keeping `flight` one-row requests in flight; every answer is
checked. The asyncio batcher is the usual one: coroutines put futures in an asyncio.Queue, one task
takes up to max_batch_size of them, waiting for at most `wait` after the first, and calls the
function in the loop. It is asked in two ways: by coroutines in its own loop, which is its best
case, and by threads, as DynamicBatcher is.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import threading
from collections import deque
from concurrent.futures import Future
from pathlib import Path
from time import perf_counter

import numpy as np

from machine import describe
from spinney.batching import DynamicBatcher, PredictionRequest
from spinney.cli.table import markdown_table, print_table

ROOT = Path(__file__).resolve().parent.parent
MAX_BATCH = 64
FEATURES = 16


def make_functions():
    """name -> a callable over rows: one nearly free, one with a cost for each call and each row."""
    constant = np.linspace(1, 3, 16384)

    def model(rows):
        for _ in range(6):
            np.power(constant, 1.37)
        np.power(np.abs(np.repeat(rows, 12, axis=1)).astype(np.float64), 1.37)
        return rows[:, 0]

    return {"first column": lambda rows: rows[:, 0], "150 µs + 0.3 µs a row": model}


class AsyncioBatcher:
    """A batcher as programs for asyncio write it. wait: seconds after the first request."""

    def __init__(self, function, wait):
        self.function, self.wait = function, wait

    async def start(self):
        self.queue = asyncio.Queue()
        self.task = asyncio.ensure_future(self._serve())

    async def stop(self):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def ask(self, row):
        future = asyncio.get_running_loop().create_future()
        self.queue.put_nowait((row, future))
        return await future

    async def _serve(self):
        loop = asyncio.get_running_loop()
        while True:
            batch = [await self.queue.get()]
            until = loop.time() + self.wait
            while len(batch) < MAX_BATCH:
                try:
                    batch.append(self.queue.get_nowait())
                    continue
                except asyncio.QueueEmpty:
                    if loop.time() >= until:
                        break
                try:
                    batch.append(await asyncio.wait_for(self.queue.get(), until - loop.time()))
                except asyncio.TimeoutError:
                    break
            answers = self.function(np.concatenate([row for row, _ in batch]))
            for i, (_, future) in enumerate(batch):
                if not future.done():
                    future.set_result(answers[i : i + 1])


def rows_for(client):
    return [np.full((1, FEATURES), client * 1000.0 + i, np.float32) for i in range(256)]


def check(answer, row):
    if answer[0] != row[0, 0]:
        raise AssertionError("a request was given another's answer")


def closed_loop(ask, threads, flight, seconds):
    """(answers per second, latencies in seconds); ask(row) gives a concurrent future."""
    latencies = [[] for _ in range(threads)]
    faults = []

    def client(number):
        rows, open_requests, i = rows_for(number), deque(), 0
        end = perf_counter() + seconds
        try:
            while perf_counter() < end or open_requests:
                while len(open_requests) < flight and perf_counter() < end:
                    row = rows[i % len(rows)]
                    i += 1
                    open_requests.append((perf_counter(), row, ask(row)))
                if not open_requests:
                    break
                asked, row, future = open_requests.popleft()
                check(future.result(30), row)
                latencies[number].append(perf_counter() - asked)
        except BaseException as error:
            faults.append(error)

    begun = perf_counter()
    clients = [threading.Thread(target=client, args=(i,)) for i in range(threads)]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    if faults:
        raise faults[0]
    merged = sorted(latency for part in latencies for latency in part)
    return len(merged) / (perf_counter() - begun), merged


def run_spinney(function, threads, flight, seconds):
    with DynamicBatcher(function, MAX_BATCH, max_queue_size=1 << 16) as batcher:

        def ask(row):
            request = PredictionRequest(None, row, future=Future())
            assert batcher.enqueue(request)
            return request.future

        return closed_loop(ask, threads, flight, seconds)


def run_asyncio_threads(function, threads, flight, seconds, wait):
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    batcher = AsyncioBatcher(function, wait)
    asyncio.run_coroutine_threadsafe(batcher.start(), loop).result()

    def ask(row):
        return asyncio.run_coroutine_threadsafe(batcher.ask(row), loop)

    try:
        return closed_loop(ask, threads, flight, seconds)
    finally:
        asyncio.run_coroutine_threadsafe(batcher.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def run_asyncio_coroutines(function, threads, flight, seconds, wait):
    async def main():
        batcher, latencies = AsyncioBatcher(function, wait), []
        await batcher.start()
        end = perf_counter() + seconds

        async def client(number):
            rows, i = rows_for(number % 16), 0
            while perf_counter() < end:
                row, asked = rows[i % len(rows)], perf_counter()
                i += 1
                check(await batcher.ask(row), row)
                latencies.append(perf_counter() - asked)

        begun = perf_counter()
        await asyncio.gather(*(client(i) for i in range(threads * flight)))
        took = perf_counter() - begun
        await batcher.stop()
        return len(latencies) / took, sorted(latencies)

    return asyncio.run(main())


def contenders(wait):
    return {
        "DynamicBatcher, threads": run_spinney,
        f"asyncio, threads, wait {wait * 1e3:g} ms": lambda *a: run_asyncio_threads(*a, wait),
        "asyncio, threads, no wait": lambda *a: run_asyncio_threads(*a, 0.0),
        f"asyncio, coroutines, wait {wait * 1e3:g} ms": lambda *a: run_asyncio_coroutines(*a, wait),
        "asyncio, coroutines, no wait": lambda *a: run_asyncio_coroutines(*a, 0.0),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=1.0, help="time for each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each; the best counts")
    parser.add_argument("--wait", type=float, default=2.0, help="milliseconds that asyncio waits")
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "docs" / "benchmarks")
    arguments = parser.parse_args()
    headings = ["function", "in flight", "batcher", "requests/s", "p50", "p99", "DynamicBatcher is"]
    table, results = [], []
    for name, function in make_functions().items():
        for threads, flight in ((1, 1), (4, 1), (8, 64)):
            runs = {who: [] for who in contenders(arguments.wait / 1e3)}
            for _ in range(arguments.rounds):
                for who, run in contenders(arguments.wait / 1e3).items():
                    runs[who].append(run(function, threads, flight, arguments.seconds))
            best = {who: max(found, key=lambda run: run[0]) for who, found in runs.items()}
            ours = best["DynamicBatcher, threads"][0]
            for who, (rate, latencies) in best.items():
                p50 = statistics.median(latencies) * 1e6
                p99 = latencies[int(0.99 * len(latencies))] * 1e6
                times = f"{ours / rate:.2f}×" if rate != ours else "–"
                where = f"{threads} × {flight}"
                table.append([name, where, who, f"{rate:,.0f}", f"{p50:,.0f} µs", f"{p99:,.0f} µs"])
                table[-1].append(times)
                results.append(
                    {"function": name, "threads": threads, "flight": flight, "batcher": who}
                )
                results[-1].update(rate=rate, p50_us=p50, p99_us=p99)
    print_table(headings, table, title=describe())
    arguments.out.mkdir(parents=True, exist_ok=True)
    facts = {"machine": describe(), "results": results}
    (arguments.out / "batching.json").write_text(json.dumps(facts, indent=1) + "\n")
    (arguments.out / "batching.md").write_text(
        f"{describe()}\n\n{markdown_table(headings, table)}\n"
    )


if __name__ == "__main__":
    main()
