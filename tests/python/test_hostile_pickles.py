"""Pickles that mean harm, by a list that permits next to nothing; and workers' answers that lie."""

from __future__ import annotations

import io
import os
import pickle
import struct
import sys
import threading

import numpy as np
import pytest

import spinney
import worker_models
from spinney.workers import WorkerModel, codec, spawner, surface, unpickle

_RECONSTRUCT = np.zeros(0).__reduce__()[0]

ONE = ["worker_models.Sum"]


def text(words):
    return b"\x8c" + bytes([len(words)]) + words.encode()


def named(module, name):
    return text(module) + text(name) + b"\x93"


def load(data, allowed=ONE):
    return unpickle.load_file(io.BytesIO(data), unpickle.AllowList(allowed))


class Dtype:
    """A dtype of one field of 8 bytes, with the state and flags given."""

    def __init__(self, field="O", flags=0, offset=0, size=8):
        self.state = (3, "|", None, ("a",), {"a": (np.dtype(field), offset)}, size, 1, flags)

    def __reduce__(self):
        return np.dtype, (f"V{self.state[5]}", False, True), self.state


class Array:
    """One item of a dtype, its bytes an address."""

    def __init__(self, dtype):
        self.dtype = dtype

    def __reduce__(self):
        state = (1, (1,), self.dtype, False, struct.pack("Q", 0x4141414141414141))
        return _RECONSTRUCT, (np.ndarray, (0,), b"b"), state


@pytest.mark.parametrize(
    "dtype",
    [
        Dtype("O", 0),  # objects that are said to be none: bytes of the file become pointers
        Dtype("O", 0x1A),
        Dtype("O", 0x13),
        Dtype("f8", 0x1B),
        Dtype("f8", 0x10, offset=4),  # beyond the item
        Dtype("f8", 0x10, size=4),
    ],
    ids=lambda dtype: f"{dtype.state[4]}, {dtype.state[5]} bytes, flags {dtype.state[7]}",
)
@pytest.mark.parametrize("protocol", [2, 4])
def test_dtypes_that_lie_are_refused(dtype, protocol):
    with pytest.raises(pickle.UnpicklingError, match="contradicts itself"):
        load(pickle.dumps(Array(dtype), protocol))
    with pytest.raises(pickle.UnpicklingError, match="contradicts itself"):
        load(pickle.dumps(["NumpyArrayWrapper", Array(dtype)], protocol))  # joblib's way


def test_a_dtype_is_not_changed_once_something_has_it():
    make = named("numpy", "dtype") + text("V8") + b"\x89\x88\x87R"
    state = pickle.dumps(Dtype().state, 2)[2:-1]
    for used in (b"\x94h\x00", b"2"):  # by the memo, by DUP
        with pytest.raises(pickle.UnpicklingError, match="after it was made"):
            load(b"\x80\x04" + make + used + state + b"b.")
    own = named("numpy", "dtype") + text("f8") + b"\x85R"  # numpy's own, which all use
    with pytest.raises(pickle.UnpicklingError, match="after it was made"):
        load(b"\x80\x04" + own + state + b"b.")


@pytest.mark.parametrize("way", ["", "NumpyArrayWrapper"])
@pytest.mark.parametrize("target", [("copyreg", "_reconstructor"), ("worker_models", "Sum")])
def test_classes_and_functions_are_not_changed(way, target):
    state = b"(N}" + text("__doc__") + text("changed") + b"stb."
    with pytest.raises(pickle.UnpicklingError, match="did not make"):
        load(b"\x80\x04" + text(way) + b"0" + named(*target) + state)
    assert worker_models.Sum.__doc__ != "changed"


DTYPES = [
    np.dtype("f8"),
    np.dtype(">f4"),
    np.dtype("U5"),
    np.dtype("S3"),
    np.dtype("O"),
    np.dtype("M8[ns]"),
    np.dtype([("a", "f4"), ("b", "i8", (2,)), ("c", "O")]),
    np.dtype([("a", "u1"), ("b", ">i8")], align=True),
    np.dtype([("in", [("x", "f8"), ("y", "U2")]), ("n", "i4")]),
]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_honest_arrays_load(dtype, protocol):
    array = np.zeros(3, dtype)
    data = pickle.dumps((array, array), protocol)
    got, again = load(data)
    assert got is again and got.dtype == pickle.loads(data)[0].dtype
    assert repr(got.tolist()) == repr(array.tolist())
    if not dtype.hasobject:
        assert load(pickle.dumps(array[0], protocol)) == array[0]
    if protocol == 2:
        joblib = pytest.importorskip("joblib")
        file = io.BytesIO()
        joblib.dump([array, "x"], file)
        assert repr(load(file.getvalue())[0].tolist()) == repr(array.tolist())


def test_a_package_s_script_is_not_run(tmp_path, monkeypatch):
    package = tmp_path / "scripted"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text("raise SystemExit('ran')")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(unpickle.Forbidden):
        load(b"\x80\x04" + named("scripted.__main__", "X") + b".", ["scripted.*"])


@pytest.mark.parametrize(
    "entry", ["joblib.*", "operator.attrgetter", "io.FileIO", "types.CodeType"]
)
def test_what_leads_to_everything_is_not_listed(entry):
    with pytest.raises(ValueError, match="trusted=True"):
        unpickle.AllowList([entry])


def test_answers_do_not_grow_beyond_what_was_sent():
    part = {"at": 0, "bytes": 1 << 16, "dtype": "|u1", "shape": [1 << 16], "order": "C"}
    buffer = memoryview(bytearray(1 << 16))
    with pytest.raises(codec.CodecError, match="overlap"):
        codec.unpack({"list": [part] * 100}, buffer, copy=True)
    empty = {"at": 0, "bytes": 0, "dtype": "|S0", "shape": [1 << 40], "order": "C"}
    with pytest.raises(codec.CodecError, match="larger than all"):
        codec.unpack(empty, buffer, copy=True)


def test_the_offset_of_the_file_is_left_alone(tmp_path):
    path = tmp_path / "sum.pkl"
    path.write_bytes(pickle.dumps(worker_models.Sum()))
    with WorkerModel(path, allowed_classes=ONE) as model:
        # It is shared with workers that forked children start, which may read at the same time.
        assert os.lseek(model._held.fd, 0, os.SEEK_CUR) == 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"num_threads": 0}, "num_threads is 0"),
        ({"num_threads": 2.5}, "num_threads is 2.5"),
        ({"memory_limit_mb": 0}, "memory_limit_mb is 0"),
        ({"memory_limit_mb": -1}, "memory_limit_mb is -1"),
        ({"memory_limit_mb": "much"}, "memory_limit_mb is 'much'"),
        ({"batch_timeout_s": "5"}, "batch_timeout_s is '5'"),
        ({"environment": ["A"]}, "environment is"),
        ({"environment": {"A": 1}}, "environment has 'A': 1"),
        ({"environment": {"A=B": "1"}}, "environment has 'A=B'"),
    ],
)
def test_wrong_options_are_named(options, says):
    with pytest.raises(spinney.InvalidInputError, match=says):
        WorkerModel(pickle.dumps(worker_models.Sum()), allowed_classes=ONE, **options)


def test_what_is_no_file_is_refused_at_once(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path, "/dev/zero"):
        with pytest.raises(spinney.ModelIOError, match="no regular file"):
            WorkerModel(path, trusted=True)


def test_after_a_thread_was_refused_workers_start_again(monkeypatch):
    monkeypatch.setattr(spawner, "_requests", None)
    with monkeypatch.context() as patch:

        def refuse(_):
            raise RuntimeError("can't start new thread")

        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="new thread"):
            spawner.start_process([sys.executable, "-c", ""])
    done = []
    trial = threading.Thread(
        target=lambda: done.append(spawner.start_process([sys.executable, "-c", ""]).wait()),
        daemon=True,
    )
    trial.start()
    trial.join(20)
    assert done == [0]


@pytest.mark.parametrize(
    "said",
    [
        {"dtype": "S2000000000", "values": ["a", "b"]},
        {"dtype": "V8", "values": [0]},
        {"dtype": ["f8"], "values": [0]},
        {"dtype": "<f8", "values": ["x"]},
        {"dtype": "<f8", "values": 3},
        {"values": [1]},
        [{"dtype": "O"}],
    ],
)
def test_classes_that_make_no_sense_are_refused(said):
    with pytest.raises(spinney.PythonModelError, match="classes_ makes no sense"):
        surface._classes(said)
