"""Files that versions of CatBoost wrote still give what those versions predicted.

tools/make_catboost_golden.py wrote them; CatBoost is not needed here.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import spinney

DATA = Path(__file__).parents[1] / "data" / "catboost"
VERSIONS = ["1.0.6", "1.1.1", "1.2.10"]
CASES = ["regression", "poisson", "uncertainty", "labels", "multiclass", "ranker"]


def expected(version):
    return np.load(DATA / f"{version}_expected.npz")


def rows():
    return np.load(DATA / "rows.npy")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", CASES)
def test_files(version, case):
    model = spinney.load(DATA / f"{version}_{case}.cbm")
    wanted = expected(version)
    # Before 1.2 files do not say which version wrote them.
    assert model.source["version"] == (version if version >= "1.2" else "")
    if case != "ranker":
        np.testing.assert_array_equal(model.predict_raw(rows()), wanted[f"{case}.raw"])
    got = model.predict(rows())
    if case == "labels":
        assert got.tolist() == wanted["labels.predict"].tolist()
    else:
        # Everything but the probabilities of two classes is made without the C library's exp.
        assert got.shape == wanted[f"{case}.predict"].shape
        np.testing.assert_array_equal(got, wanted[f"{case}.predict"])
    if case == "multiclass":
        np.testing.assert_array_equal(model.predict_proba(rows()), wanted["multiclass.proba"])
    if case == "labels":
        # Another libm than the one that wrote these may round otherwise.
        got = model.predict_proba(rows())
        np.testing.assert_array_max_ulp(got, wanted["labels.proba"], maxulp=2)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("suffix", ["json", "pkl"])
def test_other_forms(version, suffix):
    model = spinney.load(DATA / f"{version}_labels.{suffix}")
    np.testing.assert_array_equal(model.predict_raw(rows()), expected(version)["labels.raw"])
    assert list(model.classes_) == ["ant", "mole"]


@pytest.mark.parametrize("version", VERSIONS)
def test_categories(version):
    model = spinney.load(DATA / f"{version}_categories.cbm")
    cells = json.loads((DATA / "cells.json").read_text())
    np.testing.assert_array_equal(model.predict_raw(cells), expected(version)["categories.raw"])
