"""What crosses between a worker process and its parent: checked, and never unpickled."""

from __future__ import annotations

import json
import pickle
import socket

import numpy as np
import pytest

import worker_models
from spinney.exceptions import PythonModelError, WorkerProtocolError
from spinney.workers import WorkerModel, channel, codec

GOOD = np.zeros((2, 2))


@pytest.mark.parametrize(
    "head",
    [
        {"at": 0, "bytes": 1 << 40, "dtype": "<f8", "shape": [1 << 37], "order": "C"},
        {"at": -64, "bytes": 64, "dtype": "<f8", "shape": [8], "order": "C"},
        {"at": 1, "bytes": 8, "dtype": "<f8", "shape": [1], "order": "C"},
        {"at": 0, "bytes": 8, "dtype": "|O", "shape": [1], "order": "C"},
        {"at": 0, "bytes": 8, "dtype": "<f8", "shape": [2], "order": "C"},
        {"at": 0, "bytes": 8, "dtype": "<f8", "shape": [-1], "order": "C"},
        {"at": 0, "bytes": 8, "dtype": "<f8", "shape": [1.0], "order": "C"},
        {"at": 0, "bytes": 8, "dtype": "f8,O", "shape": [1], "order": "C"},
        {"at": True, "bytes": 8, "dtype": "<f8", "shape": [1], "order": "C"},
        {"at": 0, "bytes": 4, "dtype": "<U1", "shape": [1], "order": "C"},
        {"list": [{"list": [{"list": [{"list": [{"list": []}]}]}]}]},
        {"objects": {"at": 0, "bytes": 64}, "shape": [1]},
        {"head": {"at": 0, "bytes": 64}},
        {},
        [],
        None,
        7,
    ],
)
def test_descriptions_that_lie_are_refused(head):
    with pytest.raises(codec.CodecError):
        codec.unpack(head, b"\xff" * 4096, copy=True)


def test_what_answers_out_of_turn_is_killed():
    data = pickle.dumps(worker_models.Sum())
    with WorkerModel(data, allowed_classes=["worker_models.Sum"]) as model:
        process = model._held.process
        channel.send(process._channel, {"do": "ping", "seq": 99})
        with pytest.raises(WorkerProtocolError, match="not asked"):
            model.predict(GOOD)
        assert model.predict(GOOD).tolist() == [0, 0]
        with pytest.raises(PythonModelError, match="AttributeError"):
            model._run("nothing", GOOD, 2)


def test_descriptions_with_anything_changed_are_read_or_refused():
    rng = np.random.default_rng(0)
    values = [
        [np.array(["a", "bc"]), np.arange(6.0).reshape(2, 3)],
        np.array([1, "x", None, b"y", 0.5], dtype=object),
        codec.Frame("pandas", ["a", "b"], [np.arange(3), np.array(["x", "y", "z"])]),
        codec.Sparse((np.ones(2), np.array([0, 1]), np.array([0, 1, 2])), (2, 2)),
    ]
    strange = [None, -1, 1 << 70, "<f8", "|O8", "<U9", [], [2], {}, 0.5, True, "C", "head"]
    refused = 0
    for value in values:
        packed = codec.Packed(value)
        buffer = bytearray(packed.size)
        packed.write(buffer)
        text = json.dumps(packed.head)
        codec.unpack(packed.head, buffer, copy=True)
        for _ in range(400):
            head = _changed(json.loads(text), rng, strange)
            try:
                codec.unpack(head, buffer, copy=True)
            except codec.CodecError:
                refused += 1
    assert refused > 400


def _changed(head, rng, strange):
    """head with one of its values replaced by a strange one."""
    where = head
    while True:
        keys = list(where) if isinstance(where, dict) else range(len(where))
        if not keys:
            return head
        key = keys[rng.integers(len(keys))]
        if not isinstance(where[key], (dict, list)) or rng.random() < 0.3:
            where[key] = strange[rng.integers(len(strange))]
            return head
        where = where[key]


def test_text_that_is_none_is_refused():
    packed = codec.Packed(np.array(["ab"]))
    buffer = bytearray(packed.size)
    packed.write(buffer)
    assert codec.unpack(packed.head, buffer, copy=True).tolist() == ["ab"]
    buffer[2] = 0x7F
    with pytest.raises(codec.CodecError, match="characters"):
        codec.unpack(packed.head, buffer, copy=True)


def test_long_descriptions_go_among_the_bytes():
    frame = codec.Frame("pandas", [f"column {i}" for i in range(2000)], [np.zeros(1)] * 2000)
    packed = codec.Packed(frame)
    assert len(json.dumps(packed.head)) < 200
    buffer = bytearray(packed.size)
    packed.write(buffer)
    again = codec.unpack(packed.head, buffer, copy=False)
    assert again.names == frame.names


@pytest.mark.parametrize("packet", [b"nonsense", b"[1]", b"\xff", b"1" * 70_000, b"[" * 50_000])
def test_packets_that_are_no_messages_are_refused(packet):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        theirs.send(packet)
        with pytest.raises(channel.BadMessage):
            channel.receive(ours)
        theirs.close()
        assert channel.receive(ours) == (None, [])


def test_json_takes_no_more_memory_than_answers_may():
    text = b"[" + b"[]," * (1 << 20) + b"[]]"
    shape = [(1 << 20) + 1]
    head = {"objects": {"at": 0, "bytes": len(text)}, "shape": shape}
    buffer = text + bytes(64)
    for limited in (head, {"head": head["objects"]}):
        with pytest.raises(codec.CodecError, match="result_limit_mb"):
            codec.unpack(limited, buffer, copy=True, text_max=1 << 20)
    words = np.array(["a", "bc"], dtype=object)
    packed = codec.Packed(words)
    room = bytearray(packed.size)
    packed.write(room)
    again = codec.unpack(packed.head, room, copy=True, text_max=11)
    assert again.tolist() == ["a", "bc"]
    with pytest.raises(codec.CodecError, match="objects of 11 bytes"):
        codec.unpack(packed.head, room, copy=True, text_max=10)


def test_objects_are_within_the_limit_of_results():
    data = pickle.dumps(worker_models.Words())
    options = {"allowed_classes": ["worker_models.Words"], "result_limit_mb": 1}
    with WorkerModel(data, **options) as model:
        assert model.predict(np.zeros((2, 2))).tolist() == ["word", "word"]
        with pytest.raises(WorkerProtocolError, match="result_limit_mb"):
            model.predict(np.zeros((20_000, 2)))
