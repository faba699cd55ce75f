"""Artifacts that earlier builds wrote: they open, and give the answers that were given then.

tools/make_artifact_golden.py wrote those from version 2 on; test_artifact_files.py has version 1.
"""

import struct
from pathlib import Path

import numpy as np
import pytest

import spinney

DATA = Path(__file__).parent.parent / "data" / "artifacts"
FILES = sorted(DATA.glob("*/*.spinney"))


def version_of(data):
    return struct.unpack_from("<I", data, 8)[0]


@pytest.mark.parametrize("path", FILES, ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_answers_are_those_of_the_build_that_wrote_it(path):
    with np.load(path.parent / "expected.npz") as expected:
        answers = dict(expected)
    assert version_of(path.read_bytes()) == int(path.parent.name)
    model = spinney.load(path)
    again = spinney.load(model.to_bytes())
    assert version_of(model.to_bytes()) >= int(path.parent.name)
    for method in ("predict", "predict_raw", "predict_proba"):
        wanted = answers.get(f"{path.stem}_{method.replace('predict_', '')}")
        if wanted is None:
            continue
        answer = getattr(model, method)(answers["rows"])
        assert answer.dtype == wanted.dtype
        if wanted.dtype.kind == "f":  # the exp of another machine's libm
            np.testing.assert_array_max_ulp(answer, wanted, 4)
        else:
            np.testing.assert_array_equal(answer, wanted)
        np.testing.assert_array_equal(getattr(again, method)(answers["rows"]), answer)
