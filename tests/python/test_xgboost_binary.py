"""Files in XGBoost's binary format predict what the version that wrote them predicted.

tools/make_xgboost_binary_golden.py wrote them.
"""

import pickle
import struct
from pathlib import Path

import numpy as np
import pytest

import spinney

FOLDER = Path(__file__).parent.parent / "data" / "xgboost_binary"
FILES = sorted(p for p in FOLDER.glob("*/*") if p.suffix != ".npz")
SQUARED = FOLDER / "3.0.5" / "squared.bin"


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
        assert given.tobytes() == wanted.astype(given.dtype).tobytes()
        assert given.dtype.kind == wanted.dtype.kind
    if path.name + ":leaf" in expected:
        wanted = expected[path.name + ":leaf"]
        given = model.predict_leaf(rows)
        # The base score is a last tree of each output where it was added last.
        assert np.array_equal(given[:, : wanted.shape[1]], wanted)
        assert not given[:, wanted.shape[1] :].any()
    assert model.source["library"] == "xgboost"
    assert model.source["format"] == ("binary" if path.suffix == ".bin" else "pickle")
    version = path.parent.name.rsplit(".", 1)[0]
    assert model.source["version"].startswith("" if version.startswith("0") else version)


def test_there_are_golden_files_of_every_layout():
    versions = {path.parent.name.rsplit(".", 1)[0] for path in FILES}
    assert {"0", "1.0", "1.3", "1.7", "2.1", "3.0"} <= versions


def test_the_base_score_that_is_added_last_stays_with_some_iterations():
    path = FOLDER / "0.90" / "squared.bin"
    model = spinney.load(path)
    with pytest.raises(spinney.UnsupportedModelError, match="load the training library's file"):
        model.predict([[0.0] * 4], iteration_range=(0, 1))
    assert model.info()["n_trees_in_file"] == 5
    few = spinney.load(path, iteration_range=(0, 1))
    assert few.predict([[0.0] * 4]) == few.predict_raw([[0.0] * 4])
    assert few.n_trees == 2


def test_a_wrapper_and_its_booster():
    path = FOLDER / "3.0.5" / "wrapper_classes.bin"
    wrapper, booster = spinney.load(path), spinney.load(path, as_booster=True)
    rows = np.load(path.parent / "expected.npz")["rows"]
    assert wrapper.source["kind"] == "XGBClassifier"
    assert booster.source["kind"] == "Booster"
    assert wrapper.classes_.tolist() == [0, 1, 2]
    assert booster.predict(rows).shape == (len(rows), 3)
    assert spinney.load(path, format="binary").source == wrapper.source


def test_pickles_that_name_the_configuration():
    """1.0 to 1.2 wrote where their configuration begins in front of the model."""
    data = SQUARED.read_bytes()
    held = b"CONFIG-offset:" + struct.pack("<q", len(data) + 22) + data + b'{"version":[1,0,0]}'
    model = spinney.load(held)
    rows = np.load(SQUARED.parent / "expected.npz")["rows"]
    assert model.predict(rows).tobytes() == spinney.load(SQUARED).predict(rows).tobytes()


@pytest.mark.parametrize("name", ["squared", "softprob", "dart", "gblinear", "wrapper_classes"])
def test_a_file_that_is_cut_short(name):
    data = (FOLDER / "3.0.5" / f"{name}.bin").read_bytes()
    for size in [*range(4, 400, 7), *range(400, len(data) - 1, 97)]:
        with pytest.raises(spinney.SpinneyError) as raised:
            spinney.Model.from_bytes(data[:size], "binary")
        assert len(str(raised.value)) < 1000


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (4 + 0, struct.pack("<f", np.nan), "base score"),
        (4 + 4, b"\xff\xff\xff\xff", "num_feature"),
        (4 + 8, b"\xff\xff\xff\x7f", "outputs"),
        (4 + 20, b"\x63\0\0\0", "no version after 3.0"),
        (4 + 28, b"\xff\xff\xff\x7f", "outputs"),
        (4 + 136, b"\xff\xff\xff\xff\xff\xff\xff\x7f", "objective's name declares"),
    ],
)
def test_parameters_that_lie(place, value, message):
    data = bytearray(SQUARED.read_bytes())
    assert data.startswith(b"binf")
    data[place : place + len(value)] = value
    with pytest.raises(spinney.SpinneyError, match=message):
        spinney.Model.from_bytes(bytes(data), "binary")


def test_trees_that_lie():
    data = SQUARED.read_bytes()
    name = data.index(b"gbtree") + len(b"gbtree")
    for offset, value, message in (
        (0, b"\xff\xff\xff\x7f", "2147483647 trees"),
        (0, b"\xff\xff\xff\xff", "-1 trees"),
        (160 + 0, b"\x02\0\0\0", "2 roots"),
        (160 + 4, b"\xff\xff\xff\x7f", "2147483647 nodes"),
        (160 + 4, b"\0\0\0\0", "0 nodes"),
        (160 + 20, b"\x05\0\0\0", "leaves of 5 values"),
        (160 + 148 + 4, b"\x7f\0\0\0", "child 127"),
        (160 + 148 + 12, b"\x09\0\0\0", "feature 9"),
    ):
        lying = bytearray(data)
        lying[name + offset : name + offset + len(value)] = value
        with pytest.raises(spinney.SpinneyError, match=message):
            spinney.Model.from_bytes(bytes(lying), "binary")


def test_every_byte_changed():
    data = SQUARED.read_bytes()
    rows = np.load(SQUARED.parent / "expected.npz")["rows"][:3]
    rng = np.random.default_rng(0)
    for place in rng.choice(len(data), 400, replace=False):
        changed = bytearray(data)
        changed[place] ^= 1 << rng.integers(8)
        try:
            model = spinney.Model.from_bytes(bytes(changed), "binary")
        except spinney.SpinneyError:
            continue
        if model.n_features < 100:
            model.predict_raw(np.zeros((3, model.n_features), np.float32))
    assert len(rows) == 3


def test_a_pickle_of_such_a_booster_that_is_cut_short():
    path = FOLDER / "0.90" / "squared.pkl"
    data = path.read_bytes()
    assert spinney.load(data).source["format"] == "pickle"
    assert pickle.loads(pickle.dumps(spinney.load(data))).n_trees == 5
    with pytest.raises(spinney.CorruptModelError):
        spinney.load(data[: len(data) // 2])
