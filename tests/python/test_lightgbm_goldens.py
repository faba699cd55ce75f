"""Files that old versions of LightGBM wrote still give what those versions predicted.

tools/make_lightgbm_goldens.py wrote them; LightGBM is not needed here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import spinney

DATA = Path(__file__).parents[1] / "data" / "lightgbm"
VERSIONS = ["3.3.5", "4.0.0", "4.6.0"]
TEXTS = sorted(path.name for path in DATA.glob("*.txt"))


def expected(version):
    return np.load(DATA / f"{version}_expected.npz")


def test_every_version_has_its_files():
    assert len(TEXTS) == 11 * len(VERSIONS)


@pytest.mark.parametrize("name", TEXTS)
def test_text(name):
    version, case = name[: -len(".txt")].split("_")
    model = spinney.load(DATA / name)
    rows = np.load(DATA / "rows.npy")
    np.testing.assert_array_equal(model.predict_raw(rows), expected(version)[f"{case}.raw"])
    # After a link, another libm than the one that wrote these may round otherwise.
    values = expected(version)[f"{case}.values"]
    got = model.predict(rows)
    assert got.shape == values.shape
    np.testing.assert_array_equal(np.isnan(got), np.isnan(values))
    finite = np.isfinite(values)
    np.testing.assert_array_equal(got[~finite], values[~finite])
    np.testing.assert_array_max_ulp(got[finite], values[finite], maxulp=2)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("suffix", ["pkl", "joblib"])
def test_classifier_object(version, suffix):
    model = spinney.load(DATA / f"{version}_classifier.{suffix}")
    rows = np.load(DATA / "rows.npy")
    np.testing.assert_array_equal(model.predict_raw(rows), expected(version)["classifier.raw"])
    np.testing.assert_array_equal(model.predict(rows), expected(version)["classifier.labels"])
    values = expected(version)["classifier.values"]
    np.testing.assert_array_max_ulp(model.predict_proba(rows), values, maxulp=2)
    assert list(model.classes_) == ["ant", "mole", "zebra"]
