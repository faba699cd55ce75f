"""What a worker process costs: the same SVC called here and there. Prints a table.

python benchmarks/workers.py [-o docs/benchmarks/workers.md]
"""

from __future__ import annotations

import argparse
import platform
import time

import numpy as np
from sklearn.datasets import load_digits
from sklearn.svm import SVC

import spinney


def best_us(function, rows, seconds=0.4):
    """The shortest of many calls, in microseconds."""
    function(rows)
    best, until = np.inf, time.perf_counter() + seconds
    while time.perf_counter() < until:
        started = time.perf_counter()
        function(rows)
        best = min(best, time.perf_counter() - started)
    return best * 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output")
    output = parser.parse_args().output
    x, y = load_digits(return_X_y=True)
    svc = SVC().fit(x, y)
    permitted = {"allowed_classes": ["sklearn.svm.SVC"]}
    here = spinney.load(svc, in_process=True, **permitted)
    lines = ["| rows | SVC itself, µs | in process, µs | worker process, µs |", "|---|---|---|---|"]
    with spinney.load(svc, **permitted) as there:
        for count in (1, 64, 1000):
            rows = np.ascontiguousarray(x[:count])
            assert (there.predict(rows) == svc.predict(rows)).all()
            times = [best_us(f, rows) for f in (svc.predict, here.predict, there.predict)]
            lines.append(f"| {count} | " + " | ".join(f"{t:,.0f}" for t in times) + " |")
        info = there.info()
    text = (
        "# What a worker process costs\n\n"
        f"`python benchmarks/workers.py`: an SVC on the digits data (64 columns), best of many "
        f"calls on one machine ({_cpu()}), Python {platform.python_version()}.\n\n"
        + "\n".join(lines)
        + f"\n\nA round trip with nothing to do: {info['round_trip_us']:.0f} µs. Starting and "
        f"loading: {info['load_ms'] / 1e3:.1f} s, most of it scikit-learn's import. Memory of the "
        f"process: {info['memory_mb']:.0f} MB.\n"
    )
    print(text, end="")
    if output:
        with open(output, "w") as file:
            file.write(text)


def _cpu():
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


if __name__ == "__main__":
    main()
