"""What the overload benchmark says of a machine that takes cores away."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def overload(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    for name in ("overload", "machine"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import overload

    return overload


def a_run(p99_us, **normal):
    return {
        "seconds": 2.0,
        "normal": {"p99_us": p99_us, "goodput_per_s": 500.0, **normal},
        "stalls": {"share_of_time": p99_us / 1e5, "longest_ms": p99_us / 1e3},
    }


def shown(overload, runs):
    result = {"load": 0.5, "policy": "spinney", "rounds": len(runs)}
    return overload.machine_rows_of([{**result, "machine": overload.machine_of(runs)}])[0]


def test_rounds_that_left_out_most_do_not_count_but_are_told(overload):
    runs = [
        a_run(1000.0, left_out=0, p99_outside_stalls_us=1000.0),
        a_run(3000.0, left_out=500, p99_outside_stalls_us=200.0),
        a_run(5000.0, left_out=501, p99_outside_stalls_us=1.0),
        a_run(7000.0, left_out=1000),  # nothing was left
    ]
    row = shown(overload, runs)
    assert len(row) == len(overload.MACHINE_HEADINGS)
    assert row[2:] == [
        "4.00 (1.00 to 7.00) ms",
        "4.00%",
        "7.0 ms",
        "2,001 (50%)",
        "0.60 (0.20 to 1.00) ms; 2 of 4 rounds",
    ]
    assert shown(overload, runs[2:])[-1] == "no round of 2"


def test_beyond_capacity_there_is_no_figure_outside_stalls(overload):
    assert shown(overload, [a_run(2000.0)])[5:] == ["–", "–"]
