"""KServe's V1 and TensorFlow Serving's paths, and those of MLflow and SageMaker."""

from __future__ import annotations

import json

import numpy as np
import pytest

import spinney
from http_client import ask, rows_of

pytest.importorskip("sklearn")
pandas = pytest.importorskip("pandas")
COLUMNS = ["a", "b", "c", "d", "é", 'f"']


@pytest.fixture(scope="module")
def frame():
    return pandas.DataFrame(rows_of(60)[0], columns=COLUMNS)


@pytest.fixture(scope="module")
def model(frame):
    from sklearn.ensemble import RandomForestClassifier

    labels = np.array(["low", "mid", "high"])[rows_of(60)[1]]
    return RandomForestClassifier(8, max_depth=5, random_state=0).fit(frame, labels)


@pytest.fixture(scope="module")
def server(model):
    with spinney.serve(model, name="m", port=0, threads=1) as server:
        yield server


def predictions(server, path, body):
    status, _, answer = ask(server.port, "POST", path, body)
    return status, json.loads(answer)


PATHS = ["/v1/models/m:predict", "/v1/models/m/versions/1:predict", "/invocations"]


@pytest.mark.parametrize("path", PATHS)
def test_rows_of_each_form(server, model, frame, path):
    own = {"predictions": model.predict(frame).tolist()}
    split = frame[COLUMNS[::-1]].to_dict(orient="split")
    for body in (
        {"instances": frame.values.tolist()},
        {"signature_name": "serving_default", "instances": frame.to_dict(orient="records")},
        {"inputs": frame.values.tolist(), "params": {}},
        {"dataframe_records": frame.to_dict(orient="records")},
        {"dataframe_split": split},
        {"dataframe_split": dict(reversed(list(split.items())))},
        {"dataframe_split": {"data": frame.values.tolist()}},
    ):
        assert predictions(server, path, body) == (200, own), list(body)


def test_numbers_of_python_s_kinds():
    xgboost = pytest.importorskip("xgboost")
    from sklearn.ensemble import RandomForestRegressor

    rows = np.random.default_rng(0).integers(-50, 50, (80, 3))
    models = {
        "narrow": xgboost.XGBRegressor(n_estimators=9).fit(rows, rows[:, 0]),
        "wide": RandomForestRegressor(9, random_state=0).fit(rows, rows[:, :2]),
    }
    halves = rows + 0.1
    halves[3, 1] = np.nan
    with spinney.serve(models, port=0, threads=1) as server:
        for name, model in models.items():
            for given in (rows, halves):
                body = {"instances": given.tolist()}
                status, answer = predictions(server, f"/v1/models/{name}:predict", body)
                own = model.predict(given)
                assert status == 200
                assert (np.array(answer["predictions"], own.dtype) == own).all(), name
        status, answer = predictions(server, "/invocations", {"instances": rows.tolist()})
        assert status == 404
        assert "one model" in answer["error"]


def test_one_column():
    from sklearn.linear_model import LinearRegression

    line = LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0])
    with spinney.serve(line, port=0, threads=1) as server:
        for rows in ([0.5, 1.5], [[0.5], [1.5]]):
            body = {"instances": rows}
            answer = predictions(server, "/v1/models/model:predict", body)
            assert answer == (200, {"predictions": pytest.approx([1.0, 3.0])})


ROW = [0.5] * 6
NAMED = dict.fromkeys(COLUMNS, 0.5)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "no rows"),
        ([], "expected an object"),
        ({"instances": []}, "row"),
        ({"instances": 3}, "expected an array"),
        ({"instances": [3]}, "expected an array"),
        ({"instances": [ROW, ROW[1:]]}, "row 1 has 5 numbers"),
        ({"instances": [[*ROW, 1]]}, "row 0 has 7 numbers"),
        ({"instances": [["a"] * 6]}, "expected a number"),
        ({"instances": [[ROW] * 6]}, "expected a number"),
        ({"instances": [{**NAMED, "z": 1}]}, "'z' is none of"),
        ({"instances": [{"a": 1}]}, "1 of the model's 6"),
        ({"instances": [ROW], "inputs": [ROW]}, "twice"),
        ({"inputs": {"a": [1]}}, "list of rows"),
        ({"dataframe_split": {"columns": COLUMNS}}, "no data"),
        ({"dataframe_split": {"columns": COLUMNS[1:], "data": [ROW[1:]]}}, "5 columns"),
        ({"dataframe_split": {"columns": [*COLUMNS, "a"], "data": [ROW]}}, "twice"),
        ({"dataframe_split": {"columns": [*COLUMNS[1:], "z"], "data": [ROW]}}, "none of"),
        ({"dataframe_split": {"columns": COLUMNS, "data": [ROW[1:]]}}, "5 numbers"),
    ],
)
def test_rows_that_do_not_fit(server, body, said):
    status, answer = predictions(server, PATHS[0], body)
    assert status == 400
    assert said in answer["error"]


def test_names_twice(server):
    row = json.dumps(NAMED).replace('"b"', '"a"')
    status, answer = predictions(server, PATHS[0], f'{{"instances":[{row}]}}'.encode())
    assert status == 400
    assert "twice" in answer["error"]


def test_the_other_paths(server):
    assert ask(server.port, "GET", "/ping")[0] == 200
    assert json.loads(ask(server.port, "GET", "/v1/models/m")[2]) == {"name": "m", "ready": True}
    assert ask(server.port, "GET", "/v1/models/other")[0] == 404
    assert ask(server.port, "POST", "/v1/models/other:predict", b"{}")[0] == 404
    assert ask(server.port, "POST", "/v1/models/m:classify", b"{}")[0] == 404
    assert ask(server.port, "GET", "/invocations")[0] == 405
    csv = [("Content-Type", "text/csv")]
    assert ask(server.port, "POST", "/invocations", b"1,2", csv)[0] == 415
    fine = [("Content-Type", "application/json; charset=utf-8")]
    assert ask(server.port, "POST", "/invocations", {"instances": [ROW]}, fine)[0] == 200
