"""Models from paths, bytes and open files, in every format."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

import spinney
from differential import assert_same
from spinney import InferenceEngine

lightgbm = pytest.importorskip("lightgbm")
xgboost = pytest.importorskip("xgboost")
svm = pytest.importorskip("sklearn.svm")
tree = pytest.importorskip("sklearn.tree")
X = np.random.default_rng(2).normal(size=(100, 3))
Y = X[:, 0] * 2 + X[:, 1]
ALLOWED = {"allowed_classes": ["sklearn.svm.SVR", "sklearn.svm._classes.SVR"]}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Name -> (path, expected answers)."""
    folder = tmp_path_factory.mktemp("sources")
    booster = xgboost.train({}, xgboost.DMatrix(X, Y), 3)
    other = lightgbm.train({"verbose": -1}, lightgbm.Dataset(X, Y), 3)
    fitted = tree.DecisionTreeRegressor(max_depth=3).fit(X, Y)
    for name in ("xgboost.json", "xgboost.ubj"):
        booster.save_model(folder / name)
    other.save_model(folder / "lightgbm.txt")
    (folder / "tree.pkl").write_bytes(pickle.dumps(fitted))
    joblib = pytest.importorskip("joblib")
    joblib.dump(fitted, folder / "tree.joblib", compress=("gzip", 3))
    spinney.load(fitted).save(folder / "tree.spinney")
    return {path.name: (path, spinney.load(path).predict(X)) for path in folder.iterdir()}


NAMES = ["xgboost.json", "xgboost.ubj", "lightgbm.txt", "tree.pkl", "tree.joblib", "tree.spinney"]


class Text(str):
    pass


class PathLike:
    def __init__(self, path):
        self._path = path

    def __fspath__(self):
        return str(self._path)


class Stream:
    """Something like a response's body, which has nothing but read()."""

    def __init__(self, data):
        self._data = data

    def read(self):
        return self._data


FORMS = {
    "str": lambda path: str(path),
    "str of a user's own": lambda path: Text(path),
    "Path": lambda path: path,
    "PathLike": PathLike,
    "bytes": lambda path: path.read_bytes(),
    "bytearray": lambda path: bytearray(path.read_bytes()),
    "memoryview": lambda path: memoryview(path.read_bytes()),
    "BytesIO": lambda path: io.BytesIO(path.read_bytes()),
    "stream": lambda path: Stream(path.read_bytes()),
    "file": lambda path: path.open("rb"),
    "unbuffered": lambda path: path.open("rb", buffering=0),
    "gzip file": lambda path: gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(path.read_bytes()))),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_every_format(files, name, form):
    path, expected = files[name]
    model = spinney.load(FORMS[form](path))
    assert_same(model.predict(X), expected)
    assert model.source == spinney.load(path).source
    with InferenceEngine() as engine:
        assert engine.load_model(FORMS[form](path)), engine.last_error
        assert_same(engine.predict(X)[1], expected)


@pytest.mark.parametrize("name", ["xgboost.json", "lightgbm.txt"])
def test_text_files_and_files_that_stand_elsewhere(files, name):
    path, expected = files[name]
    with path.open(encoding="utf-8") as file:
        assert_same(spinney.load(file).predict(X), expected)
    assert_same(spinney.load(io.StringIO(path.read_text())).predict(X), expected)
    behind = io.BytesIO(b"header" + path.read_bytes())
    behind.seek(6)
    assert_same(spinney.load(behind).predict(X), expected)
    with tempfile.TemporaryFile() as file:  # whose name is a number
        file.write(path.read_bytes())
        file.seek(0)
        assert_same(spinney.load(file).predict(X), expected)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(path, "model")
    with zipfile.ZipFile(packed) as archive, archive.open("model") as file:
        assert_same(spinney.load(file).predict(X), expected)


def test_choices_and_formats_go_with_content(files):
    data = files["xgboost.json"][0].read_bytes()
    assert spinney.load(io.BytesIO(data), iteration_range=(0, 2)).n_trees == 2
    assert spinney.load(data, format="json").n_trees == 3
    with pytest.raises(spinney.SpinneyError):
        spinney.load(data, format="text")
    with pytest.raises(spinney.InvalidInputError, match=r"copy=False .* by its path"):
        spinney.load(io.BytesIO(data), copy=False)


def test_the_log_holds_no_model(files, caplog):
    data = files["xgboost.json"][0].read_bytes()[:-100]
    with InferenceEngine() as engine:
        for given in (data, bytearray(data)):
            assert not engine.load_model(given)
    assert f"cannot load a model of {len(data)} bytes: the model" in caplog.text
    assert "learner" not in caplog.text and "\\x" not in caplog.text


def test_what_cannot_be_read_is_named(files):
    for given in (b"", io.BytesIO()):
        with pytest.raises(spinney.CorruptModelError, match="the file is empty"):
            spinney.load(given)
    with pytest.raises(spinney.CorruptModelError, match=r"half\.json"):
        half = io.BytesIO(files["xgboost.json"][0].read_bytes()[:500])
        half.name = "half.json"
        spinney.load(half)
    with pytest.raises(
        spinney.InvalidInputError, match=r"read\(\) gives a NoneType; expected bytes"
    ):
        spinney.load(Stream(None))
    closed = files["tree.pkl"][0].open("rb")
    closed.close()
    with pytest.raises(ValueError, match="closed file"):
        spinney.load(closed)
    with files["tree.pkl"][0].open("ab") as file, pytest.raises(spinney.ModelIOError):
        spinney.load(file)
    with files["tree.pkl"][0].open(encoding="utf-8") as file, pytest.raises(
        spinney.ModelIOError, match=r"tree.pkl cannot be read.*utf-8"
    ):
        spinney.load(file)
    for nothing in (None, xgboost.Booster, io.BytesIO):
        with pytest.raises(spinney.InvalidInputError, match="expected a path, the bytes of a"):
            spinney.load(nothing)


@pytest.mark.parametrize("options", [{"trusted": True}, ALLOWED], ids=["trusted", "allowed"])
@pytest.mark.parametrize("in_process", [False, True])
def test_content_that_python_has_to_run(options, in_process):
    fitted = svm.SVR().fit(X, Y)
    data = pickle.dumps(fitted)
    for given in (data, bytearray(data), io.BytesIO(data)):
        with spinney.load(given, in_process=in_process, **options) as model:
            assert_same(model.predict(X), fitted.predict(X))
    with pytest.raises(spinney.UnsupportedModelError, match="SVR has no native reader"):
        spinney.load(io.BytesIO(data))


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("options", [{"trusted": True}, {"trusted": True, "in_process": True}])
@pytest.mark.parametrize("name", ["xgboost.json", "xgboost.ubj", "lightgbm.txt", "tree.spinney"])
def test_a_compressed_model_is_never_a_damaged_pickle(files, name, compress, options, tmp_path):
    data = compress(files[name][0].read_bytes())
    path = Path(tmp_path) / "model.packed"
    path.write_bytes(data)
    whole = spinney.load(files[name][0])
    for given in (path, data, io.BytesIO(data)):
        loaded = spinney.load(given, **options)
        assert_same(loaded.predict(X), whole.predict(X))
        with pytest.raises(spinney.UnsupportedModelError, match="not a pickle"):
            spinney.load(data, format="pickle", **options)
