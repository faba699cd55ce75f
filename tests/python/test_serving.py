"""Models over HTTP give what they give in this process; requests that do not fit are told why."""

from __future__ import annotations

import json
from fractions import Fraction

import numpy as np
import pytest

import spinney
from http_client import ask, body_of, infer, rows_of, tensor

sklearn = pytest.importorskip("sklearn")


def values_of(output):
    kinds = {"FP32": np.float32, "FP64": np.float64, "INT64": np.int64, "BOOL": bool}
    kind = kinds.get(output["datatype"], object)
    return np.array(output["data"], kind).reshape(output["shape"])


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
            ([*whole[:-1], column("b")], "twice"),
            ([*whole[:-1], column("b", name="z")], "none of the model's columns"),
            ([*whole[:-1], column("a", shape=[29])], "29 rows"),
            ([*whole, column("a")], "more inputs than"),
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
    with np.errstate(over="ignore"):
        around = [np.nextafter(near, kind(-np.inf)), near, np.nextafter(near, kind(np.inf))]
    around = [one for one in around if np.isfinite(one)]
    return min(around, key=lambda one: (abs(Fraction(float(one)) - exact), one != near))


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
