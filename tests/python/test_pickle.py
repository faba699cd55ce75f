"""Pickles and joblib files in every form that Python writes, and hostile ones."""

import io
import os
import pickle
import pickletools
import zlib

import numpy as np
import pytest

import spinney

joblib = pytest.importorskip("joblib")
pytest.importorskip("sklearn")

from sklearn.ensemble import ExtraTreesRegressor, GradientBoostingRegressor  # noqa: E402
from sklearn.tree import DecisionTreeRegressor  # noqa: E402


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 4))
    y = x[:, 0] + x[:, 1] ** 2
    # object arrays, lists and nested estimators are in here
    return [
        DecisionTreeRegressor(max_depth=4).fit(x, y),
        ExtraTreesRegressor(3, max_depth=4).fit(x, np.c_[y, -y]),
        GradientBoostingRegressor(n_estimators=4).fit(x, y),
    ], x


def assert_loads(path_or_bytes, model, x):
    if isinstance(path_or_bytes, bytes):
        loaded = spinney.Model.from_bytes(path_or_bytes, "pickle")
    else:
        loaded = spinney.load(path_or_bytes)
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))


@pytest.mark.parametrize("protocol", range(6))
def test_every_protocol(fitted, protocol, tmp_path):
    models, x = fitted
    for model in models:
        data = pickle.dumps(model, protocol)
        assert_loads(data, model, x)
        assert_loads(pickletools.optimize(data), model, x)
        assert_loads(pickle._dumps(model, protocol), model, x)  # the pickler written in Python
        path = tmp_path / "model.joblib"
        joblib.dump(model, path, protocol=protocol)
        assert_loads(path, model, x)


@pytest.mark.parametrize("method", ["zlib", "gzip", "bz2", "xz", "lzma", "lz4"])
def test_every_compression(fitted, method, tmp_path):
    if method == "lz4":
        pytest.importorskip("lz4")
    models, x = fitted
    for model in models:
        path = tmp_path / "model.joblib"
        joblib.dump(model, path, compress=(method, 3))
        assert_loads(path, model, x)
        data = path.read_bytes()
        for cut in (len(data) // 2, len(data) - 1):
            with pytest.raises(spinney.SpinneyError):
                spinney.Model.from_bytes(data[:cut], "pickle")


def test_a_stream_of_gzip_members_is_one_file(fitted, tmp_path):
    import gzip

    models, x = fitted
    plain = io.BytesIO()
    joblib.dump(models[0], plain)
    data = plain.getvalue()
    joined = gzip.compress(data[:300]) + gzip.compress(data[300:])
    assert_loads(joined, models[0], x)


def test_a_decompression_bomb_is_refused():
    bomb = zlib.compress(b"\0" * (1 << 30), 9)
    with pytest.raises(spinney.ModelTooLargeError, match="expands"):
        spinney.Model.from_bytes(bomb, "pickle")


class Runs:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.system, (f"touch {self.path}",))


@pytest.mark.parametrize("protocol", range(6))
def test_nothing_is_run(protocol, tmp_path):
    canary = tmp_path / "canary"
    with pytest.raises(spinney.UnsupportedModelError, match=r"posix\.system has no native reader"):
        spinney.Model.from_bytes(pickle.dumps(Runs(canary), protocol), "pickle")
    model = DecisionTreeRegressor(max_depth=1).fit([[0.0], [1.0]], [0.0, 1.0])
    model.evil_ = Runs(canary)  # beside a model's own attributes it is never looked at
    assert_loads(pickle.dumps(model, protocol), model, np.array([[0.0], [1.0]]))
    assert not canary.exists()


def test_out_of_band_buffers_are_refused():
    model = DecisionTreeRegressor(max_depth=1).fit([[0.0], [1.0]], [0.0, 1.0])
    data = pickle.dumps(model, 5, buffer_callback=[].append)
    with pytest.raises(spinney.UnsupportedModelError, match="buffer_callback"):
        spinney.Model.from_bytes(data, "pickle")


def test_truncation_and_bit_flips(fitted):
    models, x = fitted
    rng = np.random.default_rng(0)
    for model in models[:2]:
        data = pickle.dumps(model)
        for cut in range(0, len(data), 7):
            with pytest.raises(spinney.SpinneyError):
                spinney.Model.from_bytes(data[:cut], "pickle")
        refused = 0
        for _ in range(1000):
            damaged = bytearray(data)
            damaged[rng.integers(len(data))] ^= 1 << rng.integers(8)
            try:
                spinney.Model.from_bytes(bytes(damaged), "pickle").predict(x[:3])
            except spinney.SpinneyError as error:
                assert str(error)
                refused += 1
        assert refused > 100


def test_a_member_named_again_and_again_is_refused():
    x = np.random.default_rng(0).normal(size=(500, 4))
    forest = ExtraTreesRegressor(1).fit(x, x[:, 0])
    forest.estimators_ = forest.estimators_ * 100_000
    with pytest.raises(spinney.ModelTooLargeError, match="again and again"):
        spinney.Model.from_bytes(pickle.dumps(forest), "pickle")


def test_what_is_no_model_says_what_it_is():
    for thing, words in (([1, 2], "a list"), ({"a": 1}, "a dict"), (np.zeros(3), "numpy array")):
        with pytest.raises(spinney.UnsupportedModelError, match=words):
            spinney.Model.from_bytes(pickle.dumps(thing), "pickle")
