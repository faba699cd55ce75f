"""Arrays and calls whose sizes, multiplied, wrap around: refused, never read or written behind."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import spinney
import spinney.inputs
from spinney.memory_pool import MemoryPool
from spinney.preprocessing import DataPreprocessor

REFUSED = (spinney.InvalidInputError, MemoryError, ValueError)
METHODS = ("predict", "predict_proba", "predict_raw", "predict_leaf")


def endless(count: int, width: int, kind="f8", fill=0.0) -> np.ndarray:
    """So many rows, all of them the same one."""
    row = np.full(max(width, 1), fill, kind)
    return np.lib.stride_tricks.as_strided(row, (count, width), (0, row.itemsize))


@pytest.fixture(scope="module")
def targets():
    """A classifier of 256 targets: 2^56 rows have 2^64 labels."""
    DecisionTreeClassifier = pytest.importorskip("sklearn.tree").DecisionTreeClassifier
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 2))
    fitted = DecisionTreeClassifier(max_depth=2).fit(x, rng.integers(0, 2, (40, 256)))
    return spinney.Model.from_bytes(pickle.dumps(fitted))


@pytest.mark.parametrize("count", [2**56, 2**56 + 1, 2**58, 2**55, 2**50])
@pytest.mark.parametrize("kind", ["f8", "f4", "i4", "?", "f2"])
@pytest.mark.parametrize("method", METHODS)
def test_rows_of_which_no_memory_holds_the_answers(targets, count, kind, method):
    with pytest.raises((spinney.InvalidInputError, MemoryError)):
        getattr(targets, method)(endless(count, 2, kind))
    with pytest.raises((spinney.InvalidInputError, MemoryError)):
        getattr(targets, method)(endless(count, 2, kind), num_threads=2, strict=True)


def test_what_is_wrong_is_said(targets):
    with pytest.raises(spinney.InvalidInputError, match="x has 72057594037927936 rows"):
        targets.predict(endless(2**56, 2))


def test_rows_of_a_quantized_model_and_of_a_saved_one(targets, tmp_path):
    targets.save(tmp_path / "m.spinney")
    again = spinney.load(tmp_path / "m.spinney")
    for method in METHODS:
        with pytest.raises((spinney.InvalidInputError, MemoryError)):
            getattr(again, method)(endless(2**56, 2))


@pytest.mark.parametrize("stride", [8, -8, 0, 16, -24])
def test_strides_of_every_kind(targets, stride):
    """Of memory that is there: numpy's own views."""
    base = np.random.default_rng(1).normal(size=400)
    middle = base[200:]
    x = np.lib.stride_tricks.as_strided(middle, (5, 2), (stride * 2, stride))
    for method in METHODS:
        got = getattr(targets, method)(x)
        expected = getattr(targets, method)(np.ascontiguousarray(x))
        for a, b in zip(got, expected):
            assert np.array_equal(a, b)


def test_requests_of_an_engine(targets):
    engine = spinney.InferenceEngine()
    engine.load_model(targets)
    for count in (2**56, 2**58, 2**55):
        done, _, metadata = engine.predict(endless(count, 2))
        assert not done and metadata["error"]
        with pytest.raises((*REFUSED, spinney.SpinneyError)):
            engine.enqueue_prediction(endless(count, 2)).result(timeout=60)
    done, result, _ = engine.predict(np.zeros((2, 2)))
    assert done and result.shape == (2, 256)
    engine.shutdown()


def csr(indptr, indices, values, shape):
    sparse = pytest.importorskip("scipy.sparse")
    made = sparse.csr_matrix(shape, dtype=np.float64)
    made.data, made.indices, made.indptr = values, indices, indptr  # without scipy's checks
    return made


@pytest.mark.parametrize("kind", [np.int32, np.int64])
def test_sparse_rows_whose_offsets_lie(targets, kind):
    top = np.iinfo(kind).max
    values = np.ones(4)
    for begin in (
        [0, top, 4],
        [0, -1, 4],
        [0, 2, top],
        [-top, 2, 4],
        [0, 4, 2],
        [2, 2, 5],
        [top, 0, 4],
    ):
        x = csr(np.array(begin, kind), np.zeros(4, kind), values, (2, 2))
        with pytest.raises(REFUSED):
            targets.predict(x)
    for column in (2, -1, top, -top - 1):
        x = csr(np.array([0, 2, 4], kind), np.array([0, 1, column, 0], kind), values, (2, 2))
        with pytest.raises(REFUSED):
            targets.predict(x)
    for make in ("csc", "coo", "bsr"):  # which scipy converts
        x = csr(np.array([0, 2, 4], kind), np.array([0, 1, 0, 1], kind), values, (2, 2)).asformat(
            make
        )
        expected = targets.predict(x)
        for name in ("indptr", "indices") if make != "coo" else ("row", "col"):
            sound = getattr(x, name)
            most = np.iinfo(sound.dtype).max
            for wrong in (most, -1, -most):
                lies = sound.copy()
                lies[-1] = wrong
                setattr(x, name, lies)
                with pytest.raises(REFUSED):
                    targets.predict(x)
            setattr(x, name, sound)
        assert np.array_equal(targets.predict(x), expected)
    for wide in (2**31 - 1, 2**61 + 2, 2**62):
        x = csr(np.array([0, 2, 4], np.int64), np.zeros(4, np.int64), values, (2, 2))
        x._shape = (2, wide)
        with pytest.raises((*REFUSED, OverflowError)):
            targets.predict(x)


def test_the_core_s_own_door_to_sparse_rows(targets, monkeypatch):
    """As prepare() hands them on: the width may be any that a size holds."""
    arrays = np.ones(1), np.zeros(1, np.int64), np.array([0, 1])
    for width in (2**61, 2**61 + 2, 2**63, 2**64 - 1):
        monkeypatch.setattr(spinney.inputs, "prepare", lambda model, x, w=width: (*arrays, w))
        with pytest.raises(REFUSED):
            targets.predict("rows")


def test_preprocessors_and_quantizers():
    preprocessor = DataPreprocessor()
    preprocessor.fit(np.random.default_rng(0).normal(size=(50, 2)))
    for count in (2**56, 2**58):
        for kind in ("f8", "f4", "i4"):
            with pytest.raises(REFUSED):
                preprocessor.transform(endless(count, 2, kind))
            with pytest.raises(REFUSED):
                preprocessor.reverse_transform(endless(count, 2, kind))
    quantizer = spinney.Quantizer()
    for count in (2**56, 2**60):
        with pytest.raises(REFUSED):
            quantizer.quantize(endless(count, 2, "f4"))
    for shape in ((2**62,), (2**31, 2**31), (-1,), (2**64,), (2**63, 0)):
        with pytest.raises((*REFUSED, OverflowError, TypeError)):
            MemoryPool().get_buffer(shape, np.float32)
