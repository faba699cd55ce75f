"""Models over HTTP give what they give in this process; requests that do not fit are told why."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from fractions import Fraction

import numpy as np
import pytest
from http_client import Connection, ask, infer, request

import spinney

sklearn = pytest.importorskip("sklearn")


def rows_of(count=40, width=6, seed=0):
    rows = np.random.default_rng(seed).normal(size=(count, width))
    return rows, (rows[:, 0] * 2 + rows[:, 1] > 0).astype(int) + (rows[:, 2] > 1)


def tensor(rows, datatype="FP64", **more):
    return {"name": "x", "shape": list(np.shape(rows)), "datatype": datatype, **more}


def body_of(rows, datatype="FP64", outputs=None, **more):
    data = np.asarray(rows).tolist()
    body = {"inputs": [tensor(rows, datatype, data=data)], **more}
    if outputs is not None:
        body["outputs"] = [{"name": name} for name in outputs]
    return body


def values_of(output):
    kinds = {"FP32": np.float32, "FP64": np.float64, "INT64": np.int64, "BOOL": bool, "BYTES": object}
    return np.array(output["data"], kinds[output["datatype"]]).reshape(output["shape"])


@pytest.fixture(scope="module")
def models():
    from sklearn.ensemble import GradientBoostingClassifier, RandomForestRegressor
    from sklearn.linear_model import LogisticRegression

    rows, labels = rows_of(300)
    names = np.array(["low", 'mid"\n', "hïgh"])
    return {
        "forest": RandomForestRegressor(8, max_depth=5, random_state=0).fit(rows, rows[:, 0]),
        "targets": RandomForestRegressor(8, max_depth=5, random_state=0).fit(rows, rows[:, :2]),
        "boosting": GradientBoostingClassifier(n_estimators=8, random_state=0).fit(rows, labels),
        "texts": LogisticRegression().fit(rows, names[labels]),
        "truth": LogisticRegression().fit(rows, labels > 0),
        "narrow": LogisticRegression().fit(rows.astype(np.float32), labels),
    }


@pytest.fixture(scope="module")
def server(models):
    with spinney.serve(models, port=0, threads=2) as server:
        yield server


@pytest.mark.parametrize("name", ["forest", "targets", "boosting", "texts", "truth", "narrow"])
@pytest.mark.parametrize("kind", [np.float64, np.float32])
@pytest.mark.parametrize("count", [1, 2, 40, 700])
def test_answers_are_the_model_s_own(server, models, name, kind, count):
    rows = rows_of(count, seed=3)[0].astype(kind)
    datatype = "FP64" if kind is np.float64 else "FP32"
    status, answer = infer(server.port, name, body_of(rows, datatype, id="a b"))
    assert status == 200
    assert (answer["model_name"], answer["model_version"], answer["id"]) == (name, "1", "a b")
    (output,) = answer["outputs"]
    own = models[name].predict(rows)
    assert output["name"] == "predict"
    assert values_of(output).shape == own.shape
    assert (values_of(output) == own).all()
    if output["datatype"].startswith("FP"):
        assert values_of(output).dtype == own.dtype


def test_all_outputs_at_once_and_each_alone(server, models):
    rows = rows_of(5, seed=4)[0]
    own = spinney.load(models["boosting"])
    asked = ["decision_function", "predict_proba", "predict", "predict_raw"]
    status, answer = infer(server.port, "boosting", body_of(rows, outputs=asked))
    assert status == 200
    assert [output["name"] for output in answer["outputs"]] == asked
    expected = [own.predict_raw(rows), own.predict_proba(rows), own.predict(rows)]
    expected.append(expected[0])
    for name, output, wanted in zip(asked, answer["outputs"], expected):
        assert (values_of(output) == wanted).all(), name
        alone = infer(server.port, "boosting", body_of(rows, outputs=[name]))[1]["outputs"]
        assert alone == [output]


def test_decision_function_is_the_estimator_s():
    from sklearn.ensemble import (
        AdaBoostClassifier,
        GradientBoostingClassifier,
        HistGradientBoostingClassifier,
        RandomForestClassifier,
    )
    from sklearn.linear_model import LogisticRegression

    rows, labels = rows_of(300)
    kinds = [
        GradientBoostingClassifier(n_estimators=5),
        HistGradientBoostingClassifier(max_iter=5),
        RandomForestClassifier(5),
        AdaBoostClassifier(n_estimators=5),
        LogisticRegression(),
    ]
    models = {}
    for kind in kinds:
        name = type(kind).__name__
        models[name + "2"] = sklearn.clone(kind).fit(rows, labels > 0)
        models[name + "3"] = sklearn.clone(kind).fit(rows, labels)
    with spinney.serve(models, port=0, threads=1) as server:
        for name, model in models.items():
            asked = body_of(rows[:9], outputs=["decision_function"])
            status, answer = infer(server.port, name, asked)
            assert (status == 200) == hasattr(model, "decision_function"), (name, answer)
            if status == 200:
                own = model.decision_function(rows[:9])
                assert values_of(answer["outputs"][0]).shape == own.shape, name
                assert values_of(answer["outputs"][0]) == pytest.approx(own, rel=1e-12), name


def test_shapes_of_data(server, models):
    rows = rows_of(3, seed=5)[0]
    own = models["forest"].predict(rows).tolist()
    flat = {"inputs": [tensor(rows, data=rows.ravel().tolist())]}
    assert infer(server.port, "forest", flat)[1]["outputs"][0]["data"] == own
    one = {"inputs": [tensor(rows[0], data=rows[0].tolist())]}
    assert infer(server.port, "forest", one)[1]["outputs"][0]["data"] == own[:1]
    late = {"inputs": [dict(reversed(list(tensor(rows, data=rows.tolist()).items())))]}
    assert next(iter(late["inputs"][0])) == "data"
    assert infer(server.port, "forest", late)[1]["outputs"][0]["data"] == own


@pytest.mark.parametrize(
    ("kind", "datatype"),
    [
        (np.int8, "INT8"),
        (np.int16, "INT16"),
        (np.int32, "INT32"),
        (np.int64, "INT64"),
        (np.uint8, "UINT8"),
        (np.uint16, "UINT16"),
        (np.uint32, "UINT32"),
        (np.uint64, "UINT64"),
        (bool, "BOOL"),
    ],
)
@pytest.mark.parametrize("name", ["forest", "texts", "narrow"])
def test_whole_numbers_are_taken_as_numpy_s(server, models, name, kind, datatype):
    most = 2 if kind is bool else min(np.iinfo(kind).max, 2**62)
    rows = np.random.default_rng(0).integers(0, most, (7, 6), dtype=np.uint64).astype(kind)
    if datatype.startswith("INT"):
        rows[::2] *= -1
    status, answer = infer(server.port, name, body_of(rows, datatype))
    assert status == 200
    assert (values_of(answer["outputs"][0]) == models[name].predict(rows)).all()


def test_columns_by_name():
    pandas = pytest.importorskip("pandas")
    from sklearn.ensemble import RandomForestRegressor

    rows = rows_of(30)[0]
    frame = pandas.DataFrame(rows, columns=["a", "b", "c", "d", "é", 'f"'])
    forest = RandomForestRegressor(5, random_state=0).fit(frame, rows[:, 0])

    def column(column, **more):
        data = frame[column].tolist()
        return {"name": column, "shape": [30], "datatype": "FP64", "data": data, **more}

    with spinney.serve(forest, port=0, threads=1) as server:
        whole = [column(name) for name in reversed(list(frame))]
        whole[1]["shape"] = [30, 1]
        answer = infer(server.port, "model", {"inputs": whole})[1]
        assert answer["outputs"][0]["data"] == forest.predict(frame).tolist()
        for wrong, said in [
            (whole[:-1], "5 inputs"),
            (whole[:-1] + [column("b")], "twice"),
            (whole[:-1] + [column("b", name="z")], "none of the model's columns"),
            (whole[:-1] + [column("a", shape=[29])], "29 rows"),
            (whole + [column("a")], "more inputs than"),
        ]:
            status, answer = infer(server.port, "model", {"inputs": wrong})
            assert status == 400
            assert said in answer["error"], answer
        told = json.loads(ask(server.port, "GET", "/v2/models/model")[2])
        assert told["parameters"]["feature_names"] == list(frame)


def test_nan_and_infinity(server):
    xgboost = pytest.importorskip("xgboost")
    rows, labels = rows_of(200)
    rows[::3, 1] = np.nan
    model = xgboost.XGBRegressor(n_estimators=5, max_depth=3).fit(rows, labels)
    asked = rows[:12].astype(np.float32)
    with spinney.serve(model, port=0, threads=1) as server:
        own = model.predict(asked).tolist()
        for text in ("NaN", "null"):
            body = json.dumps(body_of(asked, "FP32")).replace("NaN", text).encode()
            status, answer = infer(server.port, "model", body)
            assert status == 200
            assert values_of(answer["outputs"][0]).tolist() == own
        body = json.dumps(body_of(asked, "INT32")).encode()
        assert infer(server.port, "model", body)[0] == 400
    linear = sklearn.linear_model.LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])
    with spinney.serve(linear, port=0, threads=1) as server:
        body = json.dumps(body_of([[np.inf], [-np.inf], [np.nan], [0.5]]))
        assert "-Infinity" in body
        assert infer(server.port, "model", body.encode())[1]["outputs"][0]["data"] == [
            None,
            None,
            None,
            0.5,
        ]
        asked = json.dumps({**json.loads(body), "parameters": {"special_numbers": "literal"}})
        _, _, answer = ask(server.port, "POST", "/v2/models/model/infer", asked.encode())
        assert b"[Infinity,-Infinity,NaN,0.5]" in answer


@pytest.mark.parametrize(
    "text",
    """0 -0 0.0 -0.0 1 -1 0.1 1e0 1E+2 123456789012345678901234567890 1e-400 -1e-400 5e-324
    2.2250738585072014e-308 1.7976931348623157e308 9007199254740993 0.30000000000000004
    0.1000000000000000055511151231257827021181583404541015625 1e22 1e23 12345678.12345678
    0.00000000000000000000000000000000000001 16777217 16777219.0 1.00000005960464477539
    1.000000059604644775390625 1.00000017881393432617187499 3.4028235e38""".split(),
)
def test_numbers_are_read_as_the_nearest(text):
    linear = sklearn.linear_model.LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])
    linear.coef_[:], linear.intercept_ = 1.0, 0.0
    with spinney.serve(linear, port=0, threads=1) as server:
        for datatype, kind in (("FP64", np.float64), ("FP32", np.float32)):
            if kind is np.float32 and abs(float(text)) > 3.5e38:
                continue
            body = '{"inputs":[{"name":"x","shape":[1,1],"datatype":"%s","data":[%s]}]}'
            status, answer = infer(server.port, "model", (body % (datatype, text)).encode())
            assert status == 200, answer
            # One coefficient of one gives the number itself, but for the sign of zero.
            assert kind(answer["outputs"][0]["data"][0]) == nearest(text, kind), datatype


def nearest(text, kind):
    """Rounded once, where numpy goes by way of float64."""
    exact, near = Fraction(text), kind(float(text))
    around = [np.nextafter(near, kind(-np.inf)), near, np.nextafter(near, kind(np.inf))]
    around = [one for one in around if np.isfinite(one)]
    return min(around, key=lambda one: (abs(Fraction(float(one)) - exact), one != near))


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
        one(b"[0,0,0,0,0,0]")[:-1] + b',"outputs":' + json.dumps([{"name": "p"}] * 99).encode() + b"}",
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


def test_health_and_metadata(server, models):
    assert json.loads(ask(server.port, "GET", "/v2/health/live")[2]) == {"live": True}
    ready = json.loads(ask(server.port, "GET", "/v2/health/ready")[2])
    assert ready == {"live": True, "ready": True}
    told = json.loads(ask(server.port, "GET", "/v2")[2])
    assert (told["name"], told["version"]) == ("spinney", spinney.__version__)
    told = json.loads(ask(server.port, "GET", "/v2/models/texts/ready")[2])
    assert told == {"name": "texts", "ready": True}
    told = json.loads(ask(server.port, "GET", "/v2/models/texts")[2])
    assert told["versions"] == ["1"]
    assert told["inputs"] == [{"name": "input", "datatype": "FP64", "shape": [-1, 6]}]
    answer = infer(server.port, "texts", body_of(rows_of(1)[0]))[1]
    assert told["outputs"][0]["datatype"] == answer["outputs"][0]["datatype"] == "BYTES"
    told = json.loads(ask(server.port, "GET", "/v2/models/texts/config")[2])
    assert told["max_batch_size"] == 0


def test_metrics(server):
    body = body_of(rows_of(1)[0])
    before = metrics_of(server)
    infer(server.port, "forest", body)
    infer(server.port, "forest", b"{")
    after = metrics_of(server)
    name = 'nv_inference_request_success{model="forest",version="1"}'
    assert after[name] == before[name] + 1
    assert after['spinney_http_answers_total{status="4xx"}'] == (
        before['spinney_http_answers_total{status="4xx"}'] + 1
    )


def metrics_of(server):
    status, headers, body = ask(server.port, "GET", "/metrics")
    assert status == 200
    assert headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = [line for line in body.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_models_come_go_and_are_replaced_while_requests_run(models):
    from sklearn.linear_model import LinearRegression

    def constant(value):
        return LinearRegression().fit([[0.0], [1.0]], [value, value])

    body = {"inputs": [{"name": "x", "shape": [1, 1], "datatype": "FP64", "data": [0.5]}]}
    with spinney.serve({"m": constant(0.0)}, port=0, threads=2) as server:
        failures, seen, ended = [], set(), threading.Event()

        def run():
            with Connection(server.port) as connection:
                while not ended.is_set():
                    connection.send(request("POST", "/v2/models/m/infer", body))
                    status, _, answer = connection.read()
                    if status != 200:
                        failures.append((status, answer))
                        return
                    seen.add(round(json.loads(answer)["outputs"][0]["data"][0]))

        threads = [threading.Thread(target=run) for _ in range(3)]
        for thread in threads:
            thread.start()
        for value in range(1, 60):
            server.load("m", constant(float(value)))
        ended.set()
        for thread in threads:
            thread.join()
        assert not failures
        assert seen <= set(range(60))
        assert round(infer(server.port, "m", body)[1]["outputs"][0]["data"][0]) == 59
        server.load("m", constant(7.0), version="2")
        assert round(infer(server.port, "m", body)[1]["outputs"][0]["data"][0]) == 7
        first = ask(server.port, "POST", "/v2/models/m/versions/1/infer", body)[2]
        assert round(json.loads(first)["outputs"][0]["data"][0]) == 59
        server.unload("m", "2")
        assert round(infer(server.port, "m", body)[1]["outputs"][0]["data"][0]) == 59
        server.unload("m")
        assert infer(server.port, "m", body)[0] == 404
        with pytest.raises(spinney.ModelNotFoundError):
            server.unload("m")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"port": 70000}, "port"),
        ({"port": True}, "port"),
        ({"host": ""}, "host"),
        ({"host": "no.such.host.invalid"}, "no.such.host.invalid"),
        ({"threads": -1}, "threads"),
        ({"threads": 5000}, "threads"),
        ({"connections": 0}, "connections"),
        ({"idle_s": 0}, "idle_s"),
        ({"idle_s": float("nan")}, "idle_s"),
        ({"speed": 3}, "no option 'speed'"),
        ({"name": "a/b"}, "a/b"),
        ({"name": ".."}, ".."),
        ({"name": ""}, "name"),
        ({"version": "1#2"}, "1#2"),
    ],
)
def test_options_that_do_not_fit(models, options, said):
    with pytest.raises(spinney.InvalidInputError, match=said.replace(".", r"\.")):
        spinney.serve(models["forest"], **{"port": 0, "threads": 1, **options})


def test_what_is_not_served(models):
    with pytest.raises(spinney.InvalidInputError):
        spinney.serve({}, port=0)
    with pytest.raises(spinney.InvalidInputError):
        spinney.serve(models, name="m", port=0)
    with pytest.raises(spinney.ModelNotFoundError):
        spinney.serve("no_such_file.json", port=0)


def test_an_address_that_is_taken(server, models):
    with pytest.raises(spinney.ModelIOError, match=str(server.port)):
        spinney.serve(models["forest"], port=server.port)


def test_a_server_is_ended_once(models):
    server = spinney.serve(models["forest"], port=0, threads=1)
    assert "http://127.0.0.1:" in repr(server)
    assert server.stop()
    assert server.stop()
    assert "stopped" in repr(server)


def test_a_forked_child_has_no_server(models):
    with spinney.serve(models["forest"], port=0, threads=1) as server:
        child = os.fork()
        if child == 0:
            fine = server.url == "" and server.stop() and "stopped" in repr(server)
            os._exit(0 if fine else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert infer(server.port, "model", body_of(rows_of(1)[0]))[0] == 200


@pytest.fixture
def model_file(models, tmp_path):
    path = tmp_path / "my.model.pkl"
    path.write_bytes(__import__("pickle").dumps(models["forest"]))
    return str(path)


def served_by(command):
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    line = process.stderr.readline()
    assert "http://127.0.0.1:" in line, line + process.stderr.read()
    return process, int(line.strip().rpartition(":")[2])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_serves_until_it_is_told_to_end(model_file, models, number):
    command = [sys.executable, "-m", "spinney", "serve", model_file, "--port", "0", "--threads", "1"]
    process, port = served_by(command)
    rows = rows_of(2)[0]
    answer = infer(port, "my", body_of(rows))[1]
    assert answer["outputs"][0]["data"] == models["forest"].predict(rows).tolist()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/health/ready") as ready:
        assert ready.status == 200
    process.send_signal(number)
    assert process.wait(20) == 0


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["other.txt", "--port", "0"], "other.txt"),
        (["--name", "a/b", "--port", "0"], "a/b"),
    ],
)
def test_the_command_says_what_is_wrong(model_file, more, said):
    command = [sys.executable, "-m", "spinney", "serve", model_file, *more]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 2
    assert said in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


def test_a_name_goes_with_one_file(model_file):
    command = [sys.executable, "-m", "spinney", "serve", model_file, model_file]
    ran = subprocess.run([*command, "--name", "x"], capture_output=True, text=True, timeout=60)
    assert (ran.returncode, "--name" in ran.stderr) == (2, True)
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (ran.returncode, "'my'" in ran.stderr) == (2, True)
