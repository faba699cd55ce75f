"""Requests that do not fit are told why, and the connection goes on."""

from __future__ import annotations

import json

import pytest

import spinney
from http_client import Connection, infer, request, rows_of

pytest.importorskip("sklearn")


@pytest.fixture(scope="module")
def forest():
    from sklearn.ensemble import RandomForestRegressor

    rows, _ = rows_of(300)
    return RandomForestRegressor(8, max_depth=5, random_state=0).fit(rows, rows[:, 0])


@pytest.fixture(scope="module")
def server(forest):
    with spinney.serve({"forest": forest}, port=0, threads=2) as server:
        yield server


FINE = {"name": "x", "shape": [1, 6], "datatype": "FP64", "data": [0] * 6}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"shape": [1, 5]}, "takes [rows, 6]"),
        ({"shape": [5]}, "takes [rows, 6]"),
        ({"shape": [1, 1, 6]}, "more than two dimensions"),
        ({"shape": []}, "without dimensions"),
        ({"shape": [-1, 6]}, "below zero"),
        ({"shape": [0, 6], "data": []}, "row"),
        ({"shape": [2, 6]}, "fewer elements than its shape"),
        ({"shape": [99, 6]}, "more elements than the request"),
        ({"shape": [2, 6], "data": [0] * 60}, "more elements than its shape"),
        ({"shape": [2**62, 6]}, "no memory holds"),
        ({"shape": [2**40, 6]}, "more elements than the request"),
        ({"shape": [2**63, 6]}, "beyond what its type holds"),
        ({"shape": [1.5, 6]}, "expected a whole number"),
        ({"shape": "1"}, "expected an array"),
        ({"shape": None}, "expected an array"),
        ({"datatype": "FP128"}, "FP128"),
        ({"datatype": "BYTES", "data": ["a"] * 6}, "the model takes numbers"),
        ({"datatype": "FP16"}, "binary"),
        ({"datatype": "INT8", "data": [0, 0, 0, 0, 0, 128]}, "beyond what its type holds"),
        ({"datatype": "UINT8", "data": [0, 0, 0, 0, 0, -1]}, "beyond what its type holds"),
        ({"datatype": "INT64", "data": [0, 0, 0, 0, 0, 2**63]}, "beyond what its type holds"),
        ({"datatype": "INT64", "data": [0, 0, 0, 0, 0, 0.5]}, "expected a whole number"),
        ({"datatype": "BOOL", "data": [0, 0, 0, 0, 0, 2]}, "expected true"),
        ({"data": [0] * 5}, "fewer elements"),
        ({"data": [0] * 7}, "more elements"),
        ({"data": [[0] * 5]}, "fewer elements"),
        ({"data": [[0] * 7]}, "more elements"),
        ({"data": [[0] * 6, [0] * 6]}, "more elements"),
        ({"data": [[0, 0, 0], [0, 0, 0]]}, "fewer elements"),
        ({"data": ["0"] * 6}, "expected a number"),
        ({"data": [True] * 6}, "expected a number"),
        ({"data": {}}, "expected an array"),
        ({"data": None}, "expected an array"),
        ({"name": 3}, "expected a string"),
        ({"parameters": {"binary_data_size": 48}}, "data and a binary_data_size"),
        ({"parameters": []}, "expected an object"),
    ],
)
def test_inputs_that_do_not_fit_are_told_why(server, change, said):
    status, answer = infer(server.port, "forest", {"inputs": [{**FINE, **change}]})
    assert status == 400
    assert said in answer["error"]


@pytest.mark.parametrize("left_out", ["shape", "datatype", "data"])
def test_what_an_input_must_have(server, left_out):
    given = {name: value for name, value in FINE.items() if name != left_out}
    status, answer = infer(server.port, "forest", {"inputs": [given]})
    assert status == 400
    assert f"has no {left_out}" in answer["error"]


def one(data):
    return b'{"inputs":[{"name":"x","shape":[1,6],"datatype":"FP64","data":%s}]}' % data


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"{}",
        b'{"inputs":[]}',
        b'{"inputs":{}}',
        b'{"inputs":[{}]}',
        b'{"inputs":[1]}',
        one(b"[0,0,0,0,0,0") + b"}",
        one(b"[0,0,0,0,0,0,]"),
        one(b"[,0,0,0,0,0,0]"),
        one(b"[0 0 0 0 0 0]"),
        one(b"[00,0,0,0,0,0]"),
        one(b"[+1,0,0,0,0,0]"),
        one(b"[.5,0,0,0,0,0]"),
        one(b"[1.,0,0,0,0,0]"),
        one(b"[1e,0,0,0,0,0]"),
        one(b"[1e400,0,0,0,0,0]"),
        one(b"[0x1,0,0,0,0,0]"),
        one(b"[nan,0,0,0,0,0]"),
        one(b"[inf,0,0,0,0,0]"),
        one(b"[-NaN,0,0,0,0,0]"),
        one(b"[nul,0,0,0,0,0]"),
        one(b"[0,0,0,0,0,0]") + b"x",
        one(b"[0,0,0,0,0,0]") + b"\0",
        one(b"[0,0,0,0,0,0]") + one(b"[0,0,0,0,0,0]"),
        b"[" * 250_000,
        b'{"inputs":' + b"[" * 250_000,
        b'{"a":' * 250_000,
        one(b"[" * 120 + b"0" + b"]" * 120),
        b'{"x":' + b"[" * 60 + b"]" * 60 + b',"inputs":[]}',
        one(b"[0,0,0,0,0,0]").replace(b'"x"', b'"\xff"'),
        one(b"[0,0,0,0,0,0]").replace(b'"x"', b'"a\nb"'),
        one(b"[0,0,0,0,0,0]").replace(b'"x"', b'"x'),
        b'{"inputs":[],' + one(b"[0,0,0,0,0,0]")[1:],
        one(b"[0,0,0,0,0,0]")[:-1] + b',"outputs":[{"name":"nothing"}]}',
        one(b"[0,0,0,0,0,0]")[:-1] + b',"outputs":[{}]}',
        one(b"[0,0,0,0,0,0]")[:-1] + b',"outputs":[{"name":"predict"},{"name":"predict"}]}',
        one(b"[0,0,0,0,0,0]")[:-1] + b',"outputs":[%s]}' % b",".join([b'{"name":"p"}'] * 99),
        one(b"[0,0,0,0,0,0]")[:-1] + b',"parameters":{"priority":9}}',
        one(b"[0,0,0,0,0,0]")[:-1] + b',"parameters":{"priority":-1}}',
        one(b"[0,0,0,0,0,0]")[:-1] + b',"parameters":{"timeout":-1}}',
        one(b"[0,0,0,0,0,0]")[:-1] + b',"parameters":{"special_numbers":"what"}}',
        one(b"[0,0,0,0,0,0]")[:-1] + b',"parameters":{"sequence_start":true}}',
        one(b"[0,0,0,0,0,0]")[:-1] + b',"parameters":{"binary_data_output":1}}',
    ],
)
def test_bodies_that_are_none(server, body):
    with Connection(server.port) as connection:
        connection.send(request("POST", "/v2/models/forest/infer", body))
        status, _, answer = connection.read()
        assert status == 400
        assert json.loads(answer)["error"]
        connection.send(request("POST", "/v2/models/forest/infer", one(b"[0,0,0,0,0,0]")))
        assert connection.read()[0] == 200  # the connection goes on


def test_what_is_ignored(server):
    body = json.loads(one(b"[0,0,0,0,0,0]"))
    more = {"a": [1, {"b": [None, True, "x", -1.5e3]}], "": {}}
    for place in (body, body["inputs"][0]):
        place.update(more)
    body["parameters"] = {"priority": 1, "timeout": 10**7, "sequence_id": 0, "other": [1]}
    assert infer(server.port, "forest", body)[0] == 200


def test_priority_and_timeout_reach_the_engine(server):
    body = json.loads(one(b"[0,0,0,0,0,0]"))
    for level in range(6):
        body["parameters"] = {"priority": level, "timeout": 10_000_000}
        assert infer(server.port, "forest", body)[0] == 200
    body["parameters"] = {"timeout": 1}  # a microsecond, which has passed when the body is read
    body["inputs"][0].update(shape=[20_000, 6], data=[0.0] * 120_000)
    status, answer = infer(server.port, "forest", body)
    assert status == 504, answer
