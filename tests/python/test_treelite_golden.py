"""Checkpoints of Treelite 3.9 and 4.0, and what Treelite 4 answers to them.

tools/make_treelite_golden.py wrote them; Treelite is not needed here.
"""

from pathlib import Path

import numpy as np
import pytest

import spinney

FOLDER = Path(__file__).parent.parent / "data" / "treelite"
FILES = sorted(FOLDER.glob("*.tl"))


def test_there_are_files_of_both_versions():
    assert {path.name[:3] for path in FILES} == {"3.9", "4.0"}
    assert len(FILES) == 20


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_answers_are_the_interpreters(path):
    with np.load(FOLDER / "answers.npz") as stored:
        x, values, raw = (stored[key] for key in ("x", path.stem, f"{path.stem}_raw"))
    model = spinney.load(path)
    assert model.source["version"] == path.stem.split("_")[0]
    x = x.astype(np.float64 if path.stem.endswith("f8") else np.float32)
    if path.stem.startswith("3.9") and values.shape[1] > 1:
        # Treelite 4 takes a single base score here and reads the others from behind it, so that the
        # same trees as 4.0 wrote them are asked, whose base scores are these.
        with np.load(FOLDER / "answers.npz") as stored:
            expected = stored[f"{path.stem.replace('3.9.1', '4.0.0')}_raw"]
        got = model.predict_raw(x)
        moved = np.add(got.astype(np.float64), [0.1, 0.2, 0.3]).astype(expected.dtype)
        np.testing.assert_array_equal(moved, expected)
        return
    for got, expected in ((model.predict(x), values), (model.predict_raw(x), raw)):
        assert got.dtype == expected.dtype
        np.testing.assert_array_equal(got.reshape(len(x), -1), expected)
