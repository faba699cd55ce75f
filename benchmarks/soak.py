#!/usr/bin/env python3
"""A long steady run: answers right, memory and threads flat, throughput that does not decay.

    PYTHONPATH=python python benchmarks/soak.py [--seconds 600] [-o docs/benchmarks]

Eight threads queue, predict and cancel, while a model is reloaded twice a second: 1,200 times in
ten minutes. A line for each tenth of the time; status 1 if an answer was wrong, if the best of the
last three tenths was more than a tenth slower than the best of the three in the middle, if memory
grew by more than a megabyte a minute after the first third, or if there were more threads or
descriptors at the end than after the first tenth. Writes soak.{json,md}.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import threading
import time
from pathlib import Path

from engine import make_model
from machine import describe
from spinney import BatchPriority, InferenceEngine
from spinney.cli.table import markdown_table
from spinney.engine.load_watch import resident_mb

ROOT = Path(__file__).resolve().parent.parent
HEADINGS = ["after", "requests/s", "memory", "threads", "descriptors", "reloads", "wrong answers"]


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


def count(folder):
    """The process's threads or descriptors, from the kernel."""
    return len(os.listdir(f"/proc/self/{folder}"))


def watch(soak, seconds):
    """What was seen in each tenth of the time."""
    marks = []
    before, then = 0, time.monotonic()
    for part in range(10):
        time.sleep(max(0.0, seconds / 10 - 0.0005))
        total, now = sum(soak.counts), time.monotonic()
        mark = {"after_s": (part + 1) * seconds / 10, "rate": (total - before) / (now - then)}
        mark.update(mib=resident_mb(), threads=count("task"), descriptors=count("fd"))
        mark.update(reloads=soak.reloads, wrong=soak.wrong)
        marks.append(mark)
        print("  ".join(cells_of(mark)), flush=True)
        before, then = total, now
    return marks


def cells_of(mark):
    return [
        f"{mark['after_s']:.0f} s",
        f"{mark['rate']:,.0f}",
        f"{mark['mib']:.1f} MiB",
        *(f"{mark[key]:,}" for key in ("threads", "descriptors", "reloads", "wrong")),
    ]


def growth_of(marks, seconds):
    """MiB a minute after the first third."""
    return (marks[-1]["mib"] - marks[3]["mib"]) / max(seconds * 0.6 / 60, 0.25)


def faults_of(marks, seconds):
    # The best of three tenths, since others use the machine too.
    middle = max(mark["rate"] for mark in marks[3:6])
    last = max(mark["rate"] for mark in marks[7:])
    faults = []
    if marks[-1]["wrong"]:
        faults.append(f"{marks[-1]['wrong']} wrong answers")
    if last < 0.9 * middle:
        faults.append(f"throughput fell from {middle:,.0f} to {last:,.0f} requests/s")
    if growth_of(marks, seconds) > 1.0:
        faults.append(f"memory grows by {growth_of(marks, seconds):.2f} MiB a minute")
    for what in ("threads", "descriptors"):
        if marks[-1][what] > marks[0][what]:
            faults.append(f"{what} grew from {marks[0][what]} to {marks[-1][what]}")
    return faults


def write(marks, soak, seconds, folder):
    growth = growth_of(marks, seconds)
    note = (
        f"{describe()}. `PYTHONPATH=python python benchmarks/soak.py --seconds {seconds:g}`: eight "
        "threads with 64 one-row requests each in flight, one direct prediction for each 64, "
        f"{soak.cancelled:,} requests cancelled, the model (100 trees of depth 4) "
        "reloaded twice a second; every answer compared. After the first third memory grew by "
        f"{growth:.2f} MiB a minute."
    )
    table = markdown_table(HEADINGS, [cells_of(mark) for mark in marks])
    (folder / "soak.md").write_text(f"# Ten minutes of load and reloads\n\n{note}\n\n{table}\n")
    facts = {"machine": describe(), "cancelled": soak.cancelled, "growth": growth, "results": marks}
    (folder / "soak.json").write_text(json.dumps(facts, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "docs" / "benchmarks")
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
    write(marks, soak, options.seconds, options.out)
    faults = faults_of(marks, options.seconds)
    print("FAULT: " + "; ".join(faults) if faults else "steady")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
