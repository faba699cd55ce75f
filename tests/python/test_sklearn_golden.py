"""Models written by several versions of scikit-learn, against those versions' own answers.

tools/make_sklearn_golden.py wrote both; no training library is needed to load them.
"""

from pathlib import Path

import numpy as np
import pytest

import spinney

DATA = Path(__file__).parent.parent / "data" / "sklearn"
FILES = sorted(path for path in DATA.glob("*/*") if path.suffix != ".npz")


@pytest.mark.parametrize("path", FILES, ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_golden(path):
    with np.load(path.parent / "expected.npz", allow_pickle=True) as expected:
        answers = dict(expected)
    histogram = path.stem.startswith("histogram")
    rows = answers["rows_histogram" if histogram else "rows"]
    model = spinney.load(path)
    assert model.source["version"] == path.parent.name
    assert model.info()["warnings"] == []
    linear = path.stem.startswith(("logistic", "ridge", "linear"))

    wanted = answers[path.stem + "_predict"]
    given = model.predict(rows)
    assert given.dtype == wanted.dtype
    assert given.shape == wanted.shape
    if linear and wanted.dtype.kind == "f":
        np.testing.assert_allclose(given, wanted, rtol=1e-13, atol=1e-14)
    elif path.stem == "histogram_poisson":
        np.testing.assert_array_max_ulp(given, wanted, 2)  # exp
    else:
        np.testing.assert_array_equal(given, wanted)

    proba = answers.get(path.stem + "_proba")
    if proba is not None:
        given = model.predict_proba(rows)
        given = np.hstack(given) if isinstance(given, list) else given
        if path.stem.startswith(("tree", "extra", "forest")):
            np.testing.assert_array_equal(given, proba)
        else:
            np.testing.assert_allclose(given, proba, rtol=2e-15 if not linear else 1e-13)

    raw = answers.get(path.stem + "_raw")
    if raw is not None:
        given = model.predict_raw(rows)
        if linear:
            np.testing.assert_allclose(given, np.squeeze(raw), rtol=1e-13, atol=1e-14)
        elif path.stem.startswith("boosting"):
            # The start is a logarithm that numpy takes at predict time; its vectorized one may
            # differ from the C library's by an ulp.
            np.testing.assert_allclose(given, np.squeeze(raw), rtol=0, atol=1e-15)
        else:
            np.testing.assert_array_equal(given, np.squeeze(raw))


def test_every_version_has_its_models():
    versions = {path.parent.name for path in FILES}
    assert versions >= {"0.24.2", "1.0.2", "1.3.2", "1.4.2", "1.5.2", "1.9.1"}
    assert len(FILES) >= 18 * len(versions)
