#!/usr/bin/env python3
"""A long steady run: answers right, memory and threads flat, throughput that does not decay.

    PYTHONPATH=python python benchmarks/soak.py [--seconds 600]

Eight threads queue, predict and cancel, while a model is reloaded twice a second. A line for each
tenth of the time; status 1 if an answer was wrong, if the best of the last three tenths was more
than a tenth slower than the best of the three in the middle, or if memory grew by more than a
megabyte a minute after the first third.
"""

from __future__ import annotations

import argparse
import random
import sys
import threading
import time

from engine import make_model
from spinney import BatchPriority, InferenceEngine
from spinney.engine.load_watch import resident_mb


class Soak:
    def __init__(self, seconds):
        self.model, self.x = make_model(100, 4, 20)
        self.expected = self.model.predict(self.x)
        self.rows = [self.x[i : i + 1] for i in range(len(self.x))]
        self.until = time.monotonic() + seconds
        self.counts = [0] * 8
        self.wrong = self.cancelled = self.reloads = 0

    def work(self, engine, number):
        random_numbers = random.Random(number)
        while time.monotonic() < self.until:
            begin = random_numbers.randrange(len(self.rows) - 64)
            level = random_numbers.choice(list(BatchPriority))
            futures = {
                i: engine.enqueue_prediction(self.rows[i], level) for i in range(begin, begin + 64)
            }
            if number == 0:
                self.cancelled += futures.pop(begin + random_numbers.randrange(64)).cancel()
            right = all(future.result(30)[0] == self.expected[i] for i, future in futures.items())
            success, one, _ = engine.predict(self.rows[begin])
            if not (right and success and one[0] == self.expected[begin]):
                self.wrong += 1
            self.counts[number] += 65

    def reload(self, engine):
        while time.monotonic() < self.until:
            time.sleep(0.5)
            if not engine.load_model(self.model):
                self.wrong += 1
            self.reloads += 1


def watch(soak, seconds):
    """(requests a second, MiB) for each tenth of the time."""
    marks = []
    before, then = 0, time.monotonic()
    for part in range(10):
        time.sleep(max(0.0, seconds / 10 - 0.0005))
        total, now = sum(soak.counts), time.monotonic()
        marks.append(((total - before) / (now - then), resident_mb()))
        print(
            f"{(part + 1) * seconds / 10:7.0f} s  {marks[-1][0]:>10,.0f} requests/s  "
            f"{marks[-1][1]:8.1f} MiB  {threading.active_count()} threads  "
            f"{soak.reloads} reloads  {soak.wrong} wrong",
            flush=True,
        )
        before, then = total, now
    return marks


def verdict(soak, marks, seconds):
    rates, memory = zip(*marks)
    middle, last = max(rates[3:6]), max(rates[7:10])  # the best, since others use the machine too
    growth = (memory[-1] - memory[3]) / max(seconds * 0.6 / 60, 0.25)
    faults = []
    if soak.wrong:
        faults.append(f"{soak.wrong} wrong answers")
    if last < 0.9 * middle:
        faults.append(f"throughput fell from {middle:,.0f} to {last:,.0f} requests/s")
    if growth > 1.0:
        faults.append(f"memory grows by {growth:.2f} MiB a minute")
    print(f"growth {growth:.2f} MiB a minute; {soak.cancelled} requests cancelled")
    print("FAULT: " + "; ".join(faults) if faults else "steady")
    return 1 if faults else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--seconds", type=float, default=600.0)
    options = parser.parse_args()
    soak = Soak(options.seconds)
    with InferenceEngine({"enable_request_deduplication": False}) as engine:
        engine.load_model(soak.model)
        threads = [threading.Thread(target=soak.work, args=(engine, i)) for i in range(8)]
        threads.append(threading.Thread(target=soak.reload, args=(engine,)))
        for thread in threads:
            thread.start()
        marks = watch(soak, options.seconds)
        for thread in threads:
            thread.join()
    return verdict(soak, marks, options.seconds)


if __name__ == "__main__":
    sys.exit(main())
