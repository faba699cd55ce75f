"""What a run of the tests says: why some were skipped, and no warning that is known already."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
TESTS = """
import warnings

import pytest


@pytest.mark.parametrize("n", [1, 2])
def test_without(n):
    pytest.importorskip("no_such_library")


def test_here():
    pytest.skip("needs\\n two processors")


def test_known():
    for text, kind in KNOWN:
        warnings.warn(text, kind)


def test_unknown():
    warnings.warn("of a kind that nobody has seen", UserWarning)


KNOWN = [
    ("X does not have valid feature names, but SVC was fitted with feature names", UserWarning),
    ("X has feature names, but SVC was fitted without feature names", UserWarning),
    ("Unknown data type: <class 'scipy.sparse.lil_matrix'>, trying to convert it to csr_matrix",
     UserWarning),
    ("[21:26:53] WARNING: /src/learner.cc:343: `booster=dart` is deprecated. Use", UserWarning),
    ("Usage of np.ndarray subset (sliced data) is not recommended due to", UserWarning),
    ("The argument 'eval_set' is deprecated, use 'eval_X'", FutureWarning),
]
"""


def test_a_run_explains_its_skips_and_its_new_warnings(tmp_path):
    (tmp_path / "test_some.py").write_text(TESTS)
    project = HERE.parent.parent / "pyproject.toml"
    options = ["-q", "-c", project, "--rootdir", tmp_path, "-p", "skip_report"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *map(str, options), "-p", "no:cacheprovider", "."],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(HERE)},
        capture_output=True,
        text=True,
    )
    said = done.stdout
    assert done.returncode == 0, said
    lines = said.splitlines()
    start = next(i for i, line in enumerate(lines) if "3 of 5 tests skipped" in line)
    assert lines[start + 1 : start + 3] == [
        "     2  no_such_library is not installed (test_some.py)",
        "     1  needs two processors (test_some.py)",
    ]
    assert "of a kind that nobody has seen" in said and "2 passed, 3 skipped, 1 warning" in said
