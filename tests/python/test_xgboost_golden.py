"""Files written by several versions of XGBoost predict what that version predicted.

tools/make_xgboost_golden.py wrote them.
"""

from pathlib import Path

import numpy as np
import pytest

import spinney

FOLDER = Path(__file__).parent.parent / "data" / "xgboost"
FILES = sorted(p for p in FOLDER.glob("*/*") if p.suffix != ".npz")


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_golden_file(path):
    expected = np.load(path.parent / "expected.npz")
    rows = expected["rows"]
    model = spinney.load(path)
    for suffix, predict in (
        (":raw", model.predict_raw),
        ("", model.predict),
        (":proba", model.predict_proba),
    ):
        if path.name + suffix not in expected:
            continue
        wanted, given = expected[path.name + suffix], predict(rows)
        assert given.shape == wanted.shape
        assert given.dtype == wanted.dtype
        assert given.tobytes() == wanted.tobytes()
    assert model.source["library"] == "xgboost"
    assert model.source["version"] == path.parent.name


def test_there_are_golden_files_of_every_layout():
    versions = {path.parent.name.rsplit(".", 1)[0] for path in FILES}
    assert {"1.6", "2.1", "3.0", "3.1", "3.2", "3.4"} <= versions
