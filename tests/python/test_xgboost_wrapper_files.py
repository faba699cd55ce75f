"""Files and pickles that wrappers of several XGBoost versions saved answer as those wrappers did.

tools/make_xgboost_wrapper_golden.py wrote them.
"""

import json
from pathlib import Path

import numpy as np
import pytest

import spinney

FOLDER = Path(__file__).parent.parent / "data" / "xgboost_wrappers"
FILES = sorted(p for p in FOLDER.glob("*/*") if p.suffix != ".npz")


def assert_bits(given, wanted):
    assert given.dtype == wanted.dtype
    assert given.shape == wanted.shape
    assert given.tolist() == wanted.tolist()
    if wanted.dtype.kind == "f":
        assert given.tobytes() == wanted.tobytes()


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_wrapper_file(path):
    expected = np.load(path.parent / "expected.npz")
    rows = expected["rows"]
    model = spinney.load(path)
    assert model.source["kind"].startswith("XGB")
    assert_bits(model.predict_raw(rows), expected[path.name + ":raw"])
    assert_bits(model.predict(rows), expected[path.name])
    if path.name + ":proba" in expected:
        wanted, given = expected[path.name + ":proba"], model.predict_proba(rows)
        assert given.dtype == wanted.dtype and given.shape == wanted.shape
        if path.stem == "softmax":  # scipy's softmax, see docs/exactness.md
            np.testing.assert_allclose(given, wanted, rtol=1e-6)
        else:
            assert given.tobytes() == wanted.tobytes()
    saved = spinney.Model.from_bytes(model.to_bytes())
    assert_bits(saved.predict(rows), expected[path.name])
    assert saved.info()["trees_rule"] == model.info()["trees_rule"]
    assert saved.info()["n_trees_in_file"] == model.info()["n_trees_in_file"]


@pytest.mark.parametrize("best", [2**31 - 1, 2**63 - 1])
def test_a_best_iteration_that_no_next_one_follows(best):
    """One more than it wraps, and "all" would be chosen in silence."""
    seen = 0
    for path in FILES:
        document = json.loads(path.read_text()) if path.suffix == ".json" else {}
        attributes = document.get("learner", {}).get("attributes", {})
        if "best_iteration" not in attributes or document["version"] < [1, 4]:
            continue
        attributes["best_iteration"] = str(best)
        with pytest.raises(spinney.CorruptModelError, match=f"best_iteration.* is {best}"):
            spinney.Model.from_bytes(json.dumps(document).encode())
        seen += 1
    assert seen


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_booster_of_a_wrapper_file(path):
    expected = np.load(path.parent / "expected.npz")
    model = spinney.load(path, as_booster=True)
    assert model.source["kind"] == "Booster"
    assert_bits(model.predict(expected["rows"]), expected[path.name + ":booster"])
    assert model.info()["trees_rule"] == "all"


def test_trees_of_parallel_iterations():
    """One iteration of three trees each: XGBoost 1.3 to 1.5 do not name the three in the model."""
    seen = set()
    for path in FILES:
        if path.stem != "forest":
            continue
        model = spinney.load(path)
        assert model.n_trees % 3 == 0, path
        assert 3 <= model.n_trees < model.info()["n_trees_in_file"], path
        seen.add(path.parent.name)
    assert {"1.3.3", "1.4.2", "1.5.2", "1.7.6", "3.4.1"} <= seen


@pytest.mark.parametrize("version", ["1.3.3", "1.4.2", "1.5.2"])
def test_iteration_ranges_of_old_pickles(version):
    """The pickle's configuration says how many trees an iteration has."""
    path = FOLDER / version / "forest.pkl"
    whole = spinney.load(path, as_booster=True)
    first = spinney.load(path, iteration_range=(0, 1))
    assert (first.n_trees, whole.n_trees % 3) == (3, 0)
    rest = spinney.load(path, iteration_range=(1, whole.n_trees // 3))
    assert rest.n_trees == whole.n_trees - 3
    with pytest.raises(spinney.InvalidInputError, match="iterations"):
        spinney.load(path, iteration_range=(0, whole.n_trees // 3 + 1))


@pytest.mark.parametrize("version", ["1.4.2", "1.5.2", "1.7.6", "2.1.4", "3.4.1"])
@pytest.mark.parametrize("suffix", ["json", "pkl"])
def test_sparse_rows_of_dart(version, suffix):
    """From 1.4 until 3.2 csr and csc get other roundings, since csc becomes a DMatrix first."""
    sparse = pytest.importorskip("scipy.sparse")
    expected = np.load(FOLDER / version / "expected.npz")
    rows = sparse.csr_matrix(np.nan_to_num(expected["rows"]))
    model = spinney.load(FOLDER / version / f"dart.{suffix}")
    for given in (model, spinney.Model.from_bytes(model.to_bytes())):
        assert_bits(given.predict(rows), expected["dart:csr"])
        assert_bits(given.predict(rows.tocsc()), expected["dart:csc"])


def test_the_two_roundings_of_dart_differ():
    expected = np.load(FOLDER / "2.1.4" / "expected.npz")
    assert (expected["dart:csr"] != expected["dart:csc"]).any()
