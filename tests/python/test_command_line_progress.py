"""The progress line tells the truth, on a real terminal and on none."""

import os
import pty
import re
import select
import subprocess
import sys
import types

import numpy as np
import pytest

from spinney.cli.progress import Progress

xgboost = pytest.importorskip("xgboost")


class Terminal:
    """A file that says it is a terminal, and holds what was written."""

    def __init__(self):
        self.text = ""

    def isatty(self):
        return True

    def write(self, text):
        self.text += text

    def flush(self):
        pass

    def last(self):
        return self.text.split("\r\x1b[K")[-1]


@pytest.fixture
def shown(monkeypatch):
    terminal = Terminal()
    streams = types.SimpleNamespace(stderr=terminal, stdout=None)
    monkeypatch.setattr("spinney.cli.progress.sys", streams)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    return terminal


def test_the_bar_is_full_only_at_the_end(shown):
    bar = Progress()
    bar.at(999, 1000)
    bar.add_rows(5000)
    assert "░" in shown.last() and " 99% 5,000 rows" in shown.last()
    bar.at(1000, 1000)
    bar.close()
    assert "░" not in shown.last() and "100% 5,000 rows" in shown.last()
    assert shown.text.endswith("\n")


def test_what_is_not_read_to_its_end_does_not_become_full(shown):
    bar = Progress()
    bar.at(500, 1000)
    bar.add_rows(5)
    bar.close()
    assert " 50% 5 rows" in shown.last() and "░" in shown.last()


def test_no_bar_where_nobody_knows_the_end(shown):
    bar = Progress()
    bar.at(500, None)
    bar.add_rows(1234)
    assert re.fullmatch(r"1,234 rows, [\d,]+ rows/s", shown.last())
    bar.close()
    assert "█" not in shown.text and "%" not in shown.text


def test_a_failure_clears_the_line(shown):
    bar = Progress()
    bar.add_rows(1)
    bar.close(failed=True)
    assert shown.last() == ""


@pytest.mark.parametrize("columns", [10, 20, 40, 60, 200])
def test_the_line_fits_the_terminal(shown, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    bar = Progress()
    bar.at(1, 3)
    bar.add_rows(123_456_789)
    assert 0 < len(shown.last()) < columns


def test_terminals_that_cannot_and_rows_on_the_terminal(shown, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    assert not Progress().shown
    monkeypatch.setenv("TERM", "xterm")
    assert Progress(output="-").shown
    monkeypatch.setattr("spinney.cli.progress.sys.stdout", shown)
    assert not Progress(output="-").shown
    assert Progress(output="out.csv").shown
    assert not Progress(shown=False, output="out.csv").shown
    monkeypatch.setattr("spinney.cli.progress.sys.stderr", None)
    assert not Progress().shown


def on_a_terminal(folder, *arguments):
    """What a command writes to a terminal as its standard error, and its exit status."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "spinney.cli", *arguments],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TERM": "xterm"},
    )
    os.close(theirs)
    text = b""
    while select.select([ours], [], [], 60)[0]:
        try:
            part = os.read(ours, 65536)
        except OSError:
            break
        if not part:
            break
        text += part
    os.close(ours)
    return text.decode(), process.wait()


def test_on_a_terminal(tmp_path):
    x = np.random.default_rng(0).normal(size=(50, 3))
    xgboost.train({}, xgboost.DMatrix(x, x[:, 0]), 3).save_model(tmp_path / "model.json")
    (tmp_path / "rows.csv").write_text("1,2,3\n" * 5000)
    text, status = on_a_terminal(tmp_path, "predict", "model.json", "rows.csv", "-o", "out.csv")
    assert status == 0 and "100% 5,000 rows" in text and text.endswith("\n")
    (tmp_path / "bad.csv").write_text("1,2,3\n" * 5000 + "1,x,3\n")
    text, status = on_a_terminal(tmp_path, "predict", "model.json", "bad.csv", "-o", "out.csv")
    assert status == 2
    last = text.split("\x1b[K")[-1]
    assert last.startswith("spinney predict: bad.csv, line 5001, column 2: expected a number")
