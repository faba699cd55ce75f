"""Checks that the example C++ project gives Python's answers: check_consumer.py SCORE_CSV."""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import spinney

MODEL = Path(__file__).resolve().parent.parent / "tests/fuzz/corpus/lightgbm_text/two_trees.txt"


def main():
    rows = np.random.default_rng(5).normal(size=(200, 2))
    rows[::7, 0] = np.nan
    with tempfile.NamedTemporaryFile("w", suffix=".csv") as data:
        for row in rows:
            data.write(",".join("" if np.isnan(v) else repr(float(v)) for v in row) + "\n")
        data.flush()
        with open(data.name) as source:
            ran = subprocess.run(
                [sys.argv[1], str(MODEL)], stdin=source, capture_output=True, text=True, check=True
            )
    found = np.array([float(line) for line in ran.stdout.split()])
    expected = spinney.load(MODEL).predict_raw(rows)
    if not np.array_equal(found, expected.ravel()):
        sys.exit("the C++ project's answers differ from Python's")
    print(f"{len(rows)} rows: the C++ project's answers are Python's")


if __name__ == "__main__":
    main()
