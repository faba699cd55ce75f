"""Counts, lengths and compressions that promise far more than a file holds, of every format; and
large models of honest makers, which load all the same."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import pickle
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

import hostile_pickles as h
import spinney
from test_hostile_files import MB, bounded, refused, status_bytes

DATA = Path(__file__).resolve().parent.parent / "data"
COUNTS = (2**31 - 1, 2**32, 2**60 + 1, 2**61 + 1, 2**62, 2**63 - 8, 2**63 - 1, -1, -(2**63))


def long(count: int) -> bytes:
    return b"L" + struct.pack(">q", count)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize(
    "start", ["[$U#", "[$I#", "[$l#", "[$d#", "[$D#", "[$L#", "[#", "{#", "S", "{"]
)
def test_ubjson(start, count):
    inner = b"{i\x07learner" + start.encode() + long(count) + b"i\x01" * 20 + b"}"
    refused(inner, "UBJSON, byte|cut short", "ubj")


@pytest.mark.parametrize("count", [str(n) for n in COUNTS] + ["1e18", "2147483648", str(2**64 + 1)])
@pytest.mark.parametrize("field", ["num_feature", "num_class", "num_target"])
def test_xgboost_s_numbers(field, count):
    text = (DATA / "xgboost/3.4.1/logistic.json").read_text()
    document = json.loads(text)
    document["learner"]["learner_model_param"][field] = count
    if field == "num_feature" and count == str(2**31 - 1):
        return  # no table follows it: another test
    refused(json.dumps(document).encode(), field + "|outputs", "json")
    document["learner"]["learner_model_param"][field] = "1"
    tree = document["learner"]["gradient_booster"]["model"]["trees"][0]
    for name in ("num_nodes", "size_leaf_vector"):
        old, tree["tree_param"][name] = tree["tree_param"][name], count
        if not (name == "size_leaf_vector" and count.startswith("-")):
            refused(json.dumps(document).encode(), "tree 0|num_nodes|size_leaf", "json")
        tree["tree_param"][name] = old


@pytest.mark.parametrize("count", [*COUNTS, 0, 10**30])
@pytest.mark.parametrize("field", ["num_class", "num_tree_per_iteration", "num_leaves", "num_cat"])
def test_lightgbm_s_counts(field, count):
    text = (DATA / "lightgbm/4.6.0_multiclass.txt").read_text()
    lines = text.split("\n")
    at = next(i for i, line in enumerate(lines) if line.startswith(field + "="))
    if lines[at] == f"{field}={count}":
        return
    lines[at] = f"{field}={count}"
    refused("\n".join(lines).encode(), field + "|num_class|iterations")


def test_bombs_of_objects():
    """Little in the file, 60 MB when decompressed, and next to nothing of it arrays."""
    lz4 = pytest.importorskip("lz4.frame")
    bodies = (b"]" * (60 * MB), b"N" * (60 * MB), b"N" + b"\x94" * (60 * MB), b")R" * (30 * MB))
    for body in bodies:
        for compress in (zlib.compress, lz4.compress):
            refused(compress(b"\x80\x04ca\nb\n" + body + b"."), "far more memory", megabytes=400)
    refused(lz4.compress(bytes(300 * MB)), "expands to more than")


def test_bombs_within_bombs():
    """Streams that follow one another are one file, whatever each of them expands to."""
    part = bytes(30 * MB)
    for compress in (gzip.compress, bz2.compress, lzma.compress):
        refused(compress(part) * 4, "expands to more than")


def test_a_stream_that_wants_a_dictionary_of_gigabytes():
    alone = bytearray(lzma.compress(b"\x80\x04N.", lzma.FORMAT_ALONE))
    alone[2:5] = b"\xff\xff\xff"  # four gigabytes
    refused(bytes(alone), "damaged|decompress|memory")


@pytest.mark.parametrize("opcode", [b"B", b"X", b"T", b"\x8b"])
@pytest.mark.parametrize("size", [2**31 - 1, 2**32 - 1])
def test_lengths_of_four_bytes(opcode, size):
    refused(b"\x80\x04" + opcode + struct.pack("<I", size) + b"abc.", "more bytes, but only")


def test_states_set_again_and_again():
    """An array described anew by every third byte of the file."""
    kind = h.record_dtype(64, {f"{'n' * 900}{i}": (h.dtype("u1", "|"), 0) for i in range(64)})
    once = h.many(h.whole(1), h.many(h.whole(1)), kind, b"\x89", h.data(bytes(64)))
    made = h.called("numpy._core.multiarray._reconstruct") + once + b"q\x00b"
    again = b"h\x00b" * (2 * MB)
    with bounded():
        refused(b"\x80\x04" + made + again + b".", "far more memory")


# Honest ones -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    return rng.normal(size=(300, 5)), rng.integers(0, 3, 300)


def same(estimator, x, compress=None):
    data = pickle.dumps(estimator)
    model = spinney.Model.from_bytes(compress(data) if compress else data)
    assert np.array_equal(model.predict(x), estimator.predict(x))
    return len(data)


def test_many_tiny_trees_load(rows):
    """The most objects a byte that a library writes: stumps, whose records outweigh their nodes."""
    ensemble = pytest.importorskip("sklearn.ensemble")
    tree = pytest.importorskip("sklearn.tree")
    x, y = rows
    forest = ensemble.ExtraTreesClassifier(30, max_depth=1).fit(x, y)
    few = pickle.dumps(forest.estimators_)  # read again, they are other objects
    forest.estimators_ = [one for _ in range(200) for one in pickle.loads(few)]
    assert same(forest, x) / len(forest.estimators_) < 2000
    same(forest, x, zlib.compress)
    boosted = ensemble.GradientBoostingRegressor(n_estimators=1000, max_depth=1).fit(x, y)
    same(boosted, x)
    same(boosted, x, lzma.compress)
    histogram = ensemble.HistGradientBoostingRegressor(max_iter=300, max_depth=1).fit(x, y)
    same(histogram, x, zlib.compress)
    leaf = tree.DecisionTreeClassifier(max_depth=1)
    same(ensemble.BaggingClassifier(leaf, 1500).fit(x, y), x, zlib.compress)


def test_votings_of_baggings_load(rows):
    ensemble = pytest.importorskip("sklearn.ensemble")
    linear = pytest.importorskip("sklearn.linear_model")
    tree = pytest.importorskip("sklearn.tree")
    x, y = rows
    members = [
        ("trees", ensemble.BaggingRegressor(tree.DecisionTreeRegressor(max_depth=1), 1500)),
        ("lines", ensemble.BaggingRegressor(linear.LinearRegression(), 1500)),
        (
            "boost",
            ensemble.AdaBoostRegressor(tree.DecisionTreeRegressor(max_depth=2), n_estimators=50),
        ),
    ]
    voting = ensemble.VotingRegressor(members).fit(x, y)
    data = pickle.dumps(voting)
    for given in (data, zlib.compress(data)):
        model = spinney.Model.from_bytes(given)
        assert np.allclose(model.predict(x), voting.predict(x), rtol=1e-12)


def test_very_many_names_load():
    """Names of columns are as many objects as texts can be."""
    linear = pytest.importorskip("sklearn.linear_model").LinearRegression()
    n = 300_000
    linear.coef_, linear.intercept_, linear.n_features_in_ = np.zeros(n), 1.0, n
    linear.feature_names_in_ = np.array([f"column_{i}" for i in range(n)], object)
    assert len(spinney.Model.from_bytes(pickle.dumps(linear)).feature_names) == n


# Texts and tables that are copied for every model -------------------------------------------


def named_again(inner: bytes, times: int) -> bytes:
    return h.record(
        "sklearn.ensemble._voting.VotingRegressor",
        estimators_=h.many(inner + b"q\x00", *[b"h\x00"] * (times - 1)),
        _sklearn_version=h.text("1.5.2"),
    )


def test_long_texts_of_a_model_that_is_named_again():
    """Each copy of a model had its own copies of the text, and a warning that quotes it."""
    for text in ("9" * MB, "1.5." + "x" * MB):
        refused(h.pickled(named_again(h.linear(_sklearn_version=h.text(text)), 2000)), "again and")
    one = h.tree(criterion=h.text("c" * MB))
    refused(h.pickled(named_again(one, 2000)), "again and again")


def test_modules_with_names_as_long_as_the_file():
    """Every attribute's error message was made ready with the name in it."""
    inner = h.linear().replace(b"sklearn.linear_model._base", b"sklearn." + b"m" * (5 * MB), 1)
    refused(h.pickled(named_again(inner, 2000)), "member 0: sklearn.mmmm")


def test_an_engine_does_not_warm_up_columns_without_end():
    document = json.loads((DATA / "xgboost/3.4.1/logistic.json").read_text())
    document["learner"]["learner_model_param"]["num_feature"] = str(2**31 - 1)
    model = spinney.Model.from_bytes(json.dumps(document).encode())
    engine = spinney.InferenceEngine()
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins here
    before = status_bytes("VmRSS")
    assert engine.load_model(model)
    assert status_bytes("VmHWM") - before < 250 * MB
    done, _, metadata = engine.predict(np.zeros((1, 3)))
    assert not done and "2147483647 features" in metadata["error"]
    engine.shutdown()


def test_categories_of_text_files():
    """Fifty bytes in memory for two in the file."""
    text = (DATA / "lightgbm/4.6.0_multiclass.txt").read_text()
    line = "pandas_categorical:[[" + "1," * (8 * MB) + "1]]\n"
    refused(
        (text.split("pandas_categorical:")[0] + line).encode(), "more categories", megabytes=800
    )
