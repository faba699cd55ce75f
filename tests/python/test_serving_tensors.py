"""Binary tensors both ways, compressed bodies, and tritonclient as it is."""

from __future__ import annotations

import gzip
import json
import struct
import zlib

import numpy as np
import pytest

import spinney
from http_client import Connection, ask, body_of, infer, request, rows_of

pytest.importorskip("sklearn")

PATH = "/v2/models/labels/infer"


@pytest.fixture(scope="module")
def models():
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
    from sklearn.linear_model import LogisticRegression

    rows, labels = rows_of(300)
    texts = np.array(["low", "mid", "hïgh"])[labels]
    return {
        "forest": RandomForestRegressor(8, max_depth=5, random_state=0).fit(rows, rows[:, 0]),
        "labels": RandomForestClassifier(8, max_depth=5, random_state=0).fit(rows, labels),
        "texts": RandomForestClassifier(8, max_depth=5, random_state=0).fit(rows, texts),
        "truth": RandomForestClassifier(8, max_depth=5, random_state=0).fit(rows, labels > 0),
        "narrow": LogisticRegression().fit(rows.astype(np.float32), labels),
    }


@pytest.fixture(scope="module")
def server(models):
    with spinney.serve(models, port=0, threads=2, body_bytes=1 << 20) as server:
        yield server


def binary(rows, datatype="FP64", size=None, **more):
    """The body and its header."""
    data = np.ascontiguousarray(rows).tobytes() if not isinstance(rows, bytes) else rows
    shape = [1, 6] if isinstance(rows, bytes) else list(np.shape(rows))
    parameters = {"binary_data_size": len(data) if size is None else size}
    one = {"name": "x", "shape": shape, "datatype": datatype, "parameters": parameters}
    text = json.dumps({"inputs": [one], **more}).encode()
    return text + data, [("Inference-Header-Content-Length", str(len(text)))]


def test_binary_in_and_json_out(server, models):
    rows = rows_of(50, seed=1)[0]
    body, headers = binary(rows)
    status, answer = infer(server.port, "labels", body, headers)
    assert status == 200
    assert answer["outputs"][0]["data"] == models["labels"].predict(rows).tolist()


def test_binary_out(server, models):
    rows = rows_of(50, seed=1)[0]
    asked = [
        {"name": "predict_proba", "parameters": {"binary_data": True}},
        {"name": "predict", "parameters": {"binary_data": False}},
        {"name": "predict_raw", "parameters": {"binary_data": True}},
    ]
    body = {**body_of(rows), "outputs": asked}
    status, headers, answer = ask(server.port, "POST", PATH, body)
    assert (status, headers["content-type"]) == (200, "application/octet-stream")
    length = int(headers["inference-header-content-length"])
    told = json.loads(answer[:length])["outputs"]
    proba, rest = answer[length:][: 50 * 3 * 8], answer[length + 50 * 3 * 8 :]
    assert told[0]["parameters"] == {"binary_data_size": len(proba)}
    assert "data" not in told[0]
    assert told[1]["data"] == models["labels"].predict(rows).tolist()
    own = models["labels"].predict_proba(rows)
    assert (np.frombuffer(proba).reshape(50, 3) == own).all()
    assert len(rest) == told[2]["parameters"]["binary_data_size"]


@pytest.mark.parametrize("value", ["-1", "99999999999", "1e2", "", "0x10", "99999999999999999999"])
def test_a_length_of_json_that_is_none(server, value):
    body, _ = binary(rows_of(1)[0])
    with Connection(server.port) as connection:
        headers = [("Inference-Header-Content-Length", value)]
        connection.send(request("POST", PATH, body, headers))
        assert connection.read()[0] == 400
        connection.send(request("POST", PATH, *binary(rows_of(1)[0])))
        assert connection.read()[0] == 200


def test_json_cut_anywhere(server):
    body, headers = binary(rows_of(1)[0], id="é")
    whole = int(headers[0][1])
    for length in range(1, whole + 20):
        cut = [("Inference-Header-Content-Length", str(length))]
        status, _ = infer(server.port, "labels", body, cut)
        assert status == (200 if length == whole else 400), length


@pytest.mark.parametrize("size", [0, 47, 49, 2**40, 2**64 - 1, -1])
def test_a_tensor_s_size_that_is_none(server, size):
    body, headers = binary(rows_of(1)[0], size=size)
    status, answer = infer(server.port, "labels", body, headers)
    assert status == 400
    assert answer["error"]


def test_tensors_that_are_too_few_or_too_many(server):
    body, headers = binary(rows_of(1)[0])
    assert infer(server.port, "labels", body[:-1], headers)[0] == 400
    assert infer(server.port, "labels", body + b"\0", headers)[0] == 400


def test_a_bare_tensor(server, models):
    rows = rows_of(3)[0].astype(np.float32)
    headers = [("Inference-Header-Content-Length", "0")]
    status, told, answer = ask(server.port, "POST", PATH, rows.tobytes(), headers)
    assert status == 200
    length = int(told["inference-header-content-length"])
    own = models["labels"].predict(rows)
    assert (np.frombuffer(answer[length:], np.int64) == own).all()
    for wrong in (b"", rows.tobytes()[:-1]):
        assert ask(server.port, "POST", PATH, wrong, headers)[0] == 400


def test_half_floats(server, models):
    rows = rows_of(5)[0].astype(np.float16)
    rows[0, 0], rows[1, 1] = np.float16(6e-8), np.float16(65504)
    status, answer = infer(server.port, "labels", *binary(rows, "FP16"))
    assert status == 200
    assert answer["outputs"][0]["data"] == models["labels"].predict(rows).tolist()
    brain = (rows_of(5)[0].astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
    wide = (brain.astype(np.uint32) << 16).view(np.float32)
    status, answer = infer(server.port, "labels", *binary(brain, "BF16"))
    assert answer["outputs"][0]["data"] == models["labels"].predict(wide).tolist()


def test_texts_and_bytes_are_no_numbers(server):
    element = struct.pack("<I", 2**31) + b"ab"
    status, answer = infer(server.port, "labels", *binary(element, "BYTES"))
    assert status == 400
    assert "numbers" in answer["error"]


@pytest.mark.parametrize("name", ["labels", "texts", "truth", "narrow", "forest"])
def test_tritonclient(server, models, name):
    client = pytest.importorskip("tritonclient.http")
    kinds = {
        "FP32": np.float32,
        "FP64": np.float64,
        "FP16": np.float16,
        "INT8": np.int8,
        "INT64": np.int64,
        "UINT16": np.uint16,
        "BOOL": bool,
    }
    with client.InferenceServerClient(f"127.0.0.1:{server.port}") as triton:
        assert triton.is_server_live()
        assert triton.is_server_ready()
        assert triton.is_model_ready(name)
        assert not triton.is_model_ready("other")
        assert "binary_tensor_data" in triton.get_server_metadata()["extensions"]
        (described,) = triton.get_model_metadata(name)["inputs"]
        assert triton.get_model_config(name)["name"] == name
        for datatype, kind in kinds.items():
            rows = (rows_of(9, seed=2)[0] * 3).astype(kind)
            own = models[name].predict(rows)
            for binary_in in (True, False):
                if datatype == "FP16" and not binary_in:
                    continue  # the client refuses it itself
                given = client.InferInput(described["name"], rows.shape, datatype)
                given.set_data_from_numpy(rows, binary_data=binary_in)
                for binary_out in (True, False):
                    asked = client.InferRequestedOutput("predict", binary_data=binary_out)
                    more = {"priority": 2, "timeout": 10**7, "request_id": "7"}
                    answer = triton.infer(name, [given], outputs=[asked], **more)
                    got = answer.as_numpy("predict")
                    assert got.shape == own.shape
                    if own.dtype.kind == "U":
                        texts = [x.decode() if isinstance(x, bytes) else x for x in got]
                        assert texts == own.tolist()
                    else:
                        assert got.dtype == own.dtype
                        assert (got == own).all()
                    assert answer.get_response()["id"] == "7"
        for coding in ("gzip", "deflate"):
            answer = triton.infer(name, [given], request_compression_algorithm=coding)
            assert (answer.as_numpy("predict").size, answer.get_response()["model_name"]) == (
                9,
                name,
            )
        waiting = [triton.async_infer(name, [given]) for _ in range(3)]
        assert all(one.get_result().as_numpy("predict").size == 9 for one in waiting)


def packed(coding, data):
    if coding == "gzip":
        return gzip.compress(data)
    if coding == "bare":
        bare = zlib.compressobj(wbits=-15)
        return bare.compress(data) + bare.flush()
    return zlib.compress(data)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "bare"])
def test_compressed_bodies(server, models, coding):
    rows = rows_of(50, seed=1)[0]
    header = [("Content-Encoding", "deflate" if coding == "bare" else coding)]
    own = models["labels"].predict(rows).tolist()
    body, length = binary(rows)
    for text, more in ((json.dumps(body_of(rows)).encode(), []), (body, length)):
        status, answer = infer(server.port, "labels", packed(coding, text), header + more)
        assert status == 200
        assert answer["outputs"][0]["data"] == own
    small = packed(coding, json.dumps(body_of(rows[:1])).encode())
    for wrong in (small[:-1], small[:10], b"", small + b"x", b"x" + small, b"\0" * 30):
        assert infer(server.port, "labels", wrong, header)[0] == 400
    bomb = packed(coding, b" " * ((1 << 20) + 1))
    assert infer(server.port, "labels", bomb, header)[0] == 413
    much = packed(coding, b"\0" * (1 << 28))
    assert len(much) < 1 << 20
    assert infer(server.port, "labels", much, header)[0] == 413


def test_other_codings_are_refused(server):
    for coding in ("br", "zstd", "gzip, gzip", "compress"):
        assert infer(server.port, "labels", b"x", [("Content-Encoding", coding)])[0] == 415
    body = json.dumps(body_of(rows_of(1)[0])).encode()
    assert infer(server.port, "labels", body, [("Content-Encoding", "identity")])[0] == 200
