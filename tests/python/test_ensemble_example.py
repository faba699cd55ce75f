"""examples/ensemble.py runs, and stands in the documentation as it is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "ensemble.py"


def test_the_example_runs(tmp_path):
    pytest.importorskip("sklearn")
    pytest.importorskip("joblib")
    ran = subprocess.run(
        [sys.executable, str(EXAMPLE), str(tmp_path / "models")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert ran.returncode == 0, ran.stderr
    assert "as numpy averages them: True" in ran.stdout
    assert "weights fitted on 142 rows" in ran.stdout
    assert (tmp_path / "models" / "ensemble.svg").read_text().startswith("<svg")


def test_the_page_shows_it():
    page = (ROOT / "docs" / "ensembles.md").read_text()
    assert EXAMPLE.read_text() in page
