"""Files of loaded models that others truncate, overwrite and replace; artifacts that mislead."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import spinney
from spinney.engine import InferenceEngine

CORPUS = Path(__file__).resolve().parent.parent / "fuzz" / "corpus"
DATA = Path(__file__).resolve().parent.parent / "data"
ROWS = np.random.default_rng(1).normal(size=(50, 6)).astype(np.float32)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """An artifact of some 15 MB, whose leaf values kernels read where they are."""
    ensemble = pytest.importorskip("sklearn.ensemble")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(1200, 6)), rng.normal(size=(1200, 64))
    forest = ensemble.ExtraTreesRegressor(n_estimators=25, random_state=0).fit(x, y)
    path = tmp_path_factory.mktemp("large") / "model.spinney"
    spinney.load(forest).save(path)
    assert path.stat().st_size > 10 << 20
    return path


CHILD = """
import os, sys
import numpy as np
import spinney
path, copy, deed = sys.argv[1], sys.argv[2] == "copy", sys.argv[3]
rows = np.random.default_rng(1).normal(size=(50, 6)).astype(np.float32)
model = spinney.load(path, **({} if copy else {"copy": False}))
before, leaves = model.predict(rows), model.predict_leaf(rows)
if deed == "truncate":
    os.truncate(path, 0)
elif deed == "replace":
    os.replace(sys.argv[4], path)
else:
    size = os.path.getsize(path)
    with open(path, "r+b") as file:
        file.seek(64)
        size -= 64
        file.write(np.random.default_rng(2).bytes(size) if deed == "noise" else b"\\xff" * size)
after = model.predict(rows)
assert (model.predict_leaf(rows) == leaves).all()
model.info(), model.to_bytes(), model.predict(np.repeat(rows, 100, axis=0))
print("same" if np.array_equal(before, after) else "other values")
"""


def after(path, copy, deed, *more):
    """What a process says that loaded the file before this was done to it."""
    command = [sys.executable, "-c", CHILD, str(path), copy, deed, *map(str, more)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, (done.returncode, done.stderr)
    return done.stdout.strip()


@pytest.fixture
def victim(large, tmp_path):
    path = tmp_path / "model.spinney"
    path.write_bytes(large.read_bytes())
    return path


@pytest.mark.parametrize("deed", ["truncate", "noise", "ones"])
def test_a_loaded_model_does_not_depend_on_its_file(victim, deed):
    assert after(victim, "copy", deed) == "same"


@pytest.mark.parametrize("deed", ["noise", "ones"])
def test_a_mapped_model_reads_nothing_but_itself(victim, deed):
    assert after(victim, "map", deed) == "other values"


def test_a_mapped_file_may_be_replaced_and_removed(large, victim, tmp_path):
    other = tmp_path / "other.spinney"
    spinney.load(DATA / "xgboost/3.2.0/logistic.json").save(other)
    assert after(victim, "map", "replace", other) == "same"


def test_mapped_and_copied_models_answer_the_same(large):
    copied, mapped = spinney.load(large), spinney.load(large, copy=False)
    assert np.array_equal(copied.predict(ROWS), mapped.predict(ROWS))
    assert copied.to_bytes() == mapped.to_bytes()


def test_only_an_artifact_can_be_mapped(large):
    json = DATA / "xgboost/3.2.0/logistic.json"
    with pytest.raises(spinney.InvalidInputError, match=r"logistic\.json is not a \.spinney file"):
        spinney.load(json, copy=False)
    with pytest.raises(spinney.InvalidInputError, match="Model object"):
        spinney.load(spinney.load(large), copy=False)
    with InferenceEngine() as engine:
        assert not engine.load_model(json, copy=False)
        assert "is not a .spinney file" in engine.last_error
        assert not engine.load_model(len, model_type="custom", copy=False)
        assert "the model is a function" in engine.last_error
        assert engine.load_model(large, copy=False)
        assert np.array_equal(engine.predict(ROWS)[1], spinney.load(large).predict(ROWS))


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("artifact/label_dtype.spinney", 'labels of dtype "O,O" are not read'),
        ("artifact/zero_trees_median.spinney", "a weighted median of no trees"),
        ("pickle/text_object_dtype.pkl", 'a dtype is "<U5,O"'),
    ],
)
def test_hostile_files_are_refused_by_name(name, error):
    with pytest.raises(spinney.SpinneyError, match=error) as caught:
        spinney.load(CORPUS / name)
    assert os.path.basename(name) in str(caught.value)


def test_labels_keep_their_dtype(tmp_path):
    linear_model = pytest.importorskip("sklearn.linear_model")
    x = np.random.default_rng(3).normal(size=(60, 2))
    pair = (x[:, 0] > 0).astype(int)
    for labels in [
        np.array([3, 250], dtype="u1"),
        np.array([-7, 9], dtype=">i4"),
        np.array([0.5, 1.5], dtype="f2"),
        np.array([False, True]),
        np.array(["no", "é✓"]),
        np.array([b"no", b"\xff\xfe"]),
        np.array(["no", "a longer one"], dtype=object),
    ]:
        fitted = linear_model.LogisticRegression().fit(x, pair)
        fitted.classes_ = labels  # scikit-learn itself would not fit on some of these
        for model in (
            spinney.load(fitted),
            spinney.Model.from_bytes(spinney.load(fitted).to_bytes()),
        ):
            assert model.classes_.dtype == fitted.classes_.dtype
            assert np.array_equal(model.classes_, fitted.classes_)
            assert np.array_equal(model.predict(x), fitted.predict(x))


def test_object_labels_are_counted():
    """Every cell of an answer holds a reference of its own, and gives it back."""
    linear_model = pytest.importorskip("sklearn.linear_model")
    x = np.random.default_rng(3).normal(size=(200, 2))
    y = np.array(["left one", "right one"], dtype=object)[(x[:, 0] > 0).astype(int)]
    model = spinney.load(linear_model.LogisticRegression().fit(x, y))
    before = [sys.getrefcount(label) for label in model.classes_]
    for _ in range(20):
        answer = model.predict(x)
        assert sys.getrefcount(model.classes_[0]) == before[0] + (answer == "left one").sum()
        del answer
    assert [sys.getrefcount(label) for label in model.classes_] == before


@pytest.mark.parametrize(
    "name", ["ensemble", "forest", "linear", "quantized_forest", "quantized_linear"]
)
def test_files_of_version_1_open_and_answer_as_before(name, tmp_path):
    old = CORPUS / "artifact" / f"{name}.spinney"
    assert int.from_bytes(old.read_bytes()[8:12], "little") == 1
    model = spinney.load(old)
    rows = np.random.default_rng(0).normal(size=(50, model.n_features))
    model.save(tmp_path / "now.spinney")
    assert int.from_bytes((tmp_path / "now.spinney").read_bytes()[8:12], "little") == 4
    again = spinney.load(tmp_path / "now.spinney")
    assert model.predict_raw(rows).tobytes() == again.predict_raw(rows).tobytes()
    assert np.isfinite(model.predict_raw(rows)).all()


@pytest.mark.parametrize("dtype", ["int8", "int16", "float16"])
@pytest.mark.parametrize("kind", ["forest", "line"])
def test_quantized_codes_are_the_same_mapped_and_copied(kind, dtype, tmp_path):
    """Codes of two bytes are unpacked from a copy of a mapped file, which must last as long."""
    ensemble = pytest.importorskip("sklearn.ensemble")
    linear = pytest.importorskip("sklearn.linear_model")
    if (kind, dtype) in {("forest", "float16"), ("line", "int16")}:
        pytest.skip("is not offered")
    made = ensemble.ExtraTreesRegressor(20, random_state=0) if kind == "forest" else linear.Ridge()
    fitted = made.fit(ROWS, ROWS @ np.arange(6.0))
    quantized = spinney.quantize_model(spinney.load(fitted), dtype)
    quantized = quantized[0] if isinstance(quantized, tuple) else quantized
    quantized.save(tmp_path / "model.spinney")
    for copy in (True, False):
        for _ in range(5):
            read = spinney.load(tmp_path / "model.spinney", copy=copy)
            for rows in (ROWS, ROWS.astype(np.float64)):
                np.testing.assert_array_equal(read.predict(rows), quantized.predict(rows))
