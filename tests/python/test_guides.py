"""The programs of docs/guides run as they stand: their engine for certain, in their framework where
that is installed, and else in a stand-in that only calls what the program gives it.
"""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import re
import subprocess
import sys
import types
import urllib.request
from pathlib import Path

import numpy as np
import pytest

import spinney

ROOT = Path(__file__).resolve().parents[2]
GUIDES = ROOT / "docs" / "guides"
ensemble = pytest.importorskip("sklearn.ensemble")
_BLOCK = re.compile(r'^```python(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)


def blocks(page):
    """(title, code) of a guide's programs."""
    return _BLOCK.findall((GUIDES / f"{page}.md").read_text())


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(0).normal(size=(200, 4))


@pytest.fixture(scope="module")
def forest(rows):
    return ensemble.RandomForestClassifier(20, random_state=0).fit(rows, rows[:, 0] > 0)


@pytest.fixture
def folder(tmp_path, monkeypatch, forest):
    """The working directory, with model.pkl, from which modules are imported anew."""
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(forest))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("app", "wsgi", "tasks", "metrics"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield tmp_path
    for name in ("app", "wsgi", "tasks", "metrics"):
        left = sys.modules.pop(name, None)
        if getattr(left, "engine", None) is not None:
            left.engine.shutdown()


def write(folder, page):
    """Write a guide's programs under their names; the first one's module name."""
    named = [(title, code) for title, code in blocks(page) if title.endswith(".py")]
    for title, code in named:
        (folder / title).write_text(code)
    return named[0][0][: -len(".py")]


class HTTPException(Exception):
    def __init__(self, status_code, detail=None, headers=None):
        self.status_code, self.detail, self.headers = status_code, detail, headers


class FastAPI:
    """Keeps what the decorators are given."""

    def __init__(self, lifespan=None):
        self.lifespan = lifespan

    def post(self, path):
        return lambda function: function

    get = post


class Response:
    def __init__(self, body, media_type=None):
        self.body = body.encode()


def test_fastapi(folder, monkeypatch, rows, forest):
    try:
        import fastapi
    except ImportError:
        fastapi = types.ModuleType("fastapi")
        fastapi.FastAPI, fastapi.HTTPException = FastAPI, HTTPException
        fastapi.Response = Response
        monkeypatch.setitem(sys.modules, "fastapi", fastapi)
    app = __import__(write(folder, "fastapi"))

    async def served():
        async with app.lifespan(app.app):
            answers = await asyncio.gather(
                *[app.predict(rows[i : i + 3].tolist()) for i in range(50)]
            )
            for i, answer in enumerate(answers):
                assert answer == {"predictions": forest.predict(rows[i : i + 3]).tolist()}
            with pytest.raises(fastapi.HTTPException) as refused:
                await app.predict([[1.0]])
            assert refused.value.status_code == 422 and "1 columns" in refused.value.detail
            assert await app.ready() == {"ready": True}
            assert b"nv_inference_request_success" in (await app.metrics()).body
            await refusals()
        assert app.engine.state.name == "STOPPED"

    async def refusals():
        for error, status in (
            (spinney.QueueFullError("full"), 503),
            (spinney.RequestExpiredError("late"), 504),
        ):
            error.retry_after = 0.5

            async def refuse(rows, error=error):
                raise error

            monkeypatch.setattr(app.engine, "predict_async", refuse)
            with pytest.raises(fastapi.HTTPException) as refused:
                await app.predict([[1.0] * 4])
            assert refused.value.status_code == status
            if status == 503:
                assert refused.value.headers == {"Retry-After": "0.5"}

    try:
        import uvloop
    except ImportError:
        asyncio.run(served())
        return
    loop = uvloop.new_event_loop()
    try:
        loop.run_until_complete(served())
    finally:
        loop.close()


# The parent imports the module as gunicorn --preload does, and its children are what it forks.
FORKS = """
import io, json, os, sys
import wsgi

def ask(body):
    told = []
    environ = {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
    answer = b"".join(wsgi.app(environ, lambda status, headers: told.append(status)))
    return told[0], json.loads(answer)

def private_bytes():
    with open("/proc/self/smaps_rollup") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("Private_")) * 1024

rows = json.loads(sys.argv[1])
for child in range(2):
    read, write = os.pipe()
    if os.fork() == 0:
        try:
            told = [ask(json.dumps(rows).encode()), ask(b"[[1.0]]"), ask(b"no JSON")]
            told += [private_bytes(), wsgi.engine.model.info()["model_bytes"]]
            os.write(write, json.dumps(told).encode())
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        print(pipe.read(), flush=True)
    os.wait()
"""


def test_gunicorn_preload(folder):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(6000, 4))
    large = ensemble.RandomForestRegressor(100, random_state=0).fit(x, rng.normal(size=6000))
    (folder / "model.pkl").write_bytes(pickle.dumps(large))
    write(folder, "gunicorn")
    ran = subprocess.run(
        [sys.executable, "-c", FORKS, json.dumps(x[:5].tolist())],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])},
    )
    assert ran.returncode == 0 and not ran.stderr, ran.stderr
    children = [json.loads(line) for line in ran.stdout.splitlines()]
    assert len(children) == 2
    for answered, narrow, broken, private, model_bytes in children:
        assert answered == ["200 OK", large.predict(x[:5]).tolist()]
        assert narrow[0] == "400 Bad Request" and "1 columns" in narrow[1]["error"]
        assert broken[0] == "400 Bad Request" and "JSON" in broken[1]["error"]
        assert model_bytes > 10e6 and private < model_bytes / 2  # the model's pages are shared


def test_celery(folder, monkeypatch, rows, forest):
    class Retried(Exception):
        pass

    class Task:
        """A bound task, called in place."""

        def retry(self, countdown):
            return Retried(countdown)

    try:
        import celery
    except ImportError:
        celery = types.ModuleType("celery")

        class Celery:
            def __init__(self, *args, **options):
                pass

            def task(self, **options):
                return lambda function: lambda *arguments: function(Task(), *arguments)

        celery.Celery = Celery
        monkeypatch.setitem(sys.modules, "celery", celery)
    tasks = __import__(write(folder, "celery"))
    assert tasks.predict(rows.tolist()) == forest.predict(rows).tolist()
    with pytest.raises(ValueError, match="1 columns"):
        tasks.predict([[1.0]])
    busy = False, None, {"error": "busy", "throttled": True, "retry_after": 3}
    monkeypatch.setattr(tasks.engine, "predict", lambda rows: busy)
    with pytest.raises(Exception) as retried:
        tasks.predict(rows.tolist())
    assert not isinstance(retried.value, ValueError)


def test_batch_job(folder, rows, forest):
    pandas, parquet = pytest.importorskip("pandas"), pytest.importorskip("pyarrow.parquet")
    names = ["a", "b", "c", "d"]
    frame = pandas.DataFrame(rows, columns=names)
    fitted = ensemble.RandomForestRegressor(20, random_state=0).fit(frame, rows[:, 0])
    wanted = fitted.predict(frame)
    (folder / "model.pkl").write_bytes(pickle.dumps(fitted))
    frame["id"], frame["date"] = range(200), "2026-01-01"
    frame[[*names, "id"]].to_parquet("rows.parquet")
    frame.to_csv("rows.csv.gz", index=False)
    ((_, code),) = blocks("batch-job")
    exec(compile(code.replace("100_000", "64"), "batch-job.md", "exec"), {})
    table = parquet.read_table("scores.parquet").to_pandas()
    assert table["id"].tolist() == list(range(200))
    np.testing.assert_array_equal(table["score"], wanted)
    shell = re.search(r"```\n(spinney predict.*?)```", (GUIDES / "batch-job.md").read_text(), re.S)[
        1
    ]
    classifier = ensemble.RandomForestClassifier(5, random_state=0).fit(
        frame[names], rows[:, 0] > 0
    )
    (folder / "model.pkl").write_bytes(pickle.dumps(classifier))
    start = f'set -eo pipefail\nspinney() {{ "{sys.executable}" -m spinney.cli "$@"; }}\n'
    ran = subprocess.run(
        ["bash", "-c", start + shell],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert ran.returncode == 0, ran.stderr
    scores = parquet.read_table("scores.parquet").to_pandas()
    assert scores.columns[0] == "id" and len(scores) == 200
    assert len(pandas.read_csv("scores.csv.gz")) == len(pandas.read_csv("scores.csv")) == 200


def test_prometheus(folder, rows, forest):
    metrics = __import__(write(folder, "prometheus"))
    with spinney.InferenceEngine() as engine:
        engine.load_model(forest)
        engine.predict(rows)
        engine.enqueue_prediction(rows[:1]).result()
        engine.predict([[1.0]])
        server = metrics.serve_metrics(engine, 0)
        try:
            address = f"http://localhost:{server.server_address[1]}/metrics"
            text = urllib.request.urlopen(address, timeout=10).read().decode()
        finally:
            server.shutdown()
            server.server_close()
    page = (GUIDES / "prometheus.md").read_text()
    asked = set(re.findall(r"\b(?:nv|spinney)_\w+", re.sub(r"```.*?```", "", page, flags=re.S)))
    asked = {name for name in asked if not name.endswith("_")}
    assert len(asked) >= 9
    for name in asked:
        assert re.search(rf"^{name}(\{{| )", text, re.M), name


def test_prometheus_in_gunicorn(folder, monkeypatch, rows):
    write(folder, "gunicorn")
    write(folder, "prometheus")
    (code,) = [code for title, code in blocks("prometheus") if title == "gunicorn.conf.py"]
    import metrics

    ports = []
    monkeypatch.setattr(metrics, "serve_metrics", lambda engine, port: ports.append((engine, port)))
    names = {}
    exec(code, names)
    names["post_fork"](None, types.SimpleNamespace(age=3))
    import wsgi

    assert ports == [(wsgi.engine, 9103)]


def sections():
    """(heading, before, after) of the page about moving."""
    found = []
    for part in (GUIDES / "moving.md").read_text().split("\n## ")[1:]:
        named = dict(_BLOCK.findall(part))
        found.append((part.split("\n")[0], named["before"], named["after"]))
    return found


@pytest.mark.parametrize(("heading", "before", "after"), sections(), ids=lambda text: text[:20])
def test_moving(folder, rows, forest, heading, before, after):
    for name in re.findall(r"^import (\w+)", before, re.M):
        pytest.importorskip(name)
    x = rows.astype(np.float32)
    pytest.importorskip("joblib").dump(forest, "model.joblib")
    if "Treelite" in heading:
        xgboost = pytest.importorskip("xgboost")
        booster = xgboost.XGBRegressor(n_estimators=5, max_depth=3).fit(x, x[:, 0])
        booster.save_model("model.json")
    if "lleaves" in heading:
        lightgbm = pytest.importorskip("lightgbm")
        data = lightgbm.Dataset(rows, rows[:, 0] > 0)
        options = {"objective": "binary", "verbose": -1, "num_leaves": 7}
        lightgbm.train(options, data, 5).save_model("model.txt")
    if "ONNX" in heading:
        convert = pytest.importorskip("skl2onnx").to_onnx
        model = convert(forest, x[:1], options={"zipmap": False})
        (folder / "model.onnx").write_bytes(model.SerializeToString())
    had, has = {"rows": x}, {"rows": x}
    exec(before, had)
    exec(after, has)
    assert has["after"].shape[0] == len(x)
    tolerance = {"rtol": 0, "atol": 0} if "joblib" in heading else {"rtol": 1e-5, "atol": 1e-6}
    np.testing.assert_allclose(had["before"].reshape(has["after"].shape), has["after"], **tolerance)


def test_the_commands_of_the_quick_start(folder, rows, forest):
    page = (ROOT / "docs" / "quick-start.md").read_text()
    lines = [
        re.split(r"\s{3,}", line)[0] for line in page.splitlines() if line.startswith("spinney ")
    ]
    assert [line.split()[1] for line in lines] == ["verify", "bench", "inspect"]
    (folder / "wine.pkl").write_bytes(pickle.dumps(forest))
    for line in lines:
        arguments = line.split()[1:] + (["--seconds", "0.001"] if " bench " in line else [])
        ran = subprocess.run(
            [sys.executable, "-m", "spinney.cli", *arguments],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert ran.returncode == 0 and ran.stdout, (line, ran.stderr)
