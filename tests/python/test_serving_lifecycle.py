"""Servers come and go, and so do their models, without a request that fails for it."""

from __future__ import annotations

import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest

import spinney
from http_client import Connection, ask, body_of, infer, request, rows_of

pytest.importorskip("sklearn")


@pytest.fixture(scope="module")
def forest():
    from sklearn.ensemble import RandomForestRegressor

    rows, _ = rows_of(300)
    return RandomForestRegressor(8, max_depth=5, random_state=0).fit(rows, rows[:, 0])


@pytest.fixture(scope="module")
def server(forest):
    with spinney.serve(forest, port=0, threads=1) as server:
        yield server


def test_models_come_go_and_are_replaced_while_requests_run():
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
def test_options_that_do_not_fit(forest, options, said):
    with pytest.raises(spinney.InvalidInputError, match=said.replace(".", r"\.")):
        spinney.serve(forest, **{"port": 0, "threads": 1, **options})


def test_what_is_not_served(forest):
    with pytest.raises(spinney.InvalidInputError):
        spinney.serve({}, port=0)
    with pytest.raises(spinney.InvalidInputError):
        spinney.serve({"a": forest}, name="m", port=0)
    with pytest.raises(spinney.ModelNotFoundError):
        spinney.serve("no_such_file.json", port=0)


def test_an_address_that_is_taken(server, forest):
    with pytest.raises(spinney.ModelIOError, match=str(server.port)):
        spinney.serve(forest, port=server.port)


def test_a_server_is_ended_once(forest):
    server = spinney.serve(forest, port=0, threads=1)
    assert "http://127.0.0.1:" in repr(server)
    assert server.stop()
    assert server.stop()
    assert "stopped" in repr(server)


def test_a_forked_child_has_no_server(forest):
    with spinney.serve(forest, port=0, threads=1) as server:
        child = os.fork()
        if child == 0:
            fine = server.url == "" and server.stop() and "stopped" in repr(server)
            os._exit(0 if fine else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert infer(server.port, "model", body_of(rows_of(1)[0]))[0] == 200


@pytest.fixture
def model_file(forest, tmp_path):
    path = tmp_path / "my.model.pkl"
    path.write_bytes(pickle.dumps(forest))
    return str(path)


def served_by(command):
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    line = process.stderr.readline()
    assert "http://127.0.0.1:" in line, line + process.stderr.read()
    return process, int(line.strip().rpartition(":")[2])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_serves_until_it_is_told_to_end(model_file, forest, number):
    command = [sys.executable, "-m", "spinney", "serve", model_file]
    process, port = served_by([*command, "--port", "0", "--threads", "1"])
    rows = rows_of(2)[0]
    answer = infer(port, "my.model", body_of(rows))[1]
    assert answer["outputs"][0]["data"] == forest.predict(rows).tolist()
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
    assert (ran.returncode, "'my.model'" in ran.stderr) == (2, True)


PROGRAM = Path(__file__).parents[2] / "build" / "release" / "src" / "server" / "spinney-server"


@pytest.mark.skipif(not PROGRAM.exists(), reason="spinney-server is not built here")
def test_the_program_without_python(model_file, forest):
    process, port = served_by([PROGRAM, model_file, "--port", "0", "--threads", "1"])
    rows = rows_of(2)[0]
    answer = infer(port, "my.model", body_of(rows))[1]
    assert answer["outputs"][0]["data"] == forest.predict(rows).tolist()
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    for wrong, said in (
        ([], "no model"),
        (["no_such_file"], "no_such_file"),
        ([model_file, "--port", "x"], "--port"),
        ([model_file, "--port", "99999"], "from 0 to 65535"),
        ([model_file, model_file], "'my.model'"),
        ([model_file, "--speed", "3"], "--speed"),
        ([model_file, "--host"], "needs a value"),
    ):
        ran = subprocess.run([PROGRAM, *wrong], capture_output=True, text=True, timeout=60)
        assert (ran.returncode, said in ran.stderr) == (2, True), ran.stderr


def is_listening(port):
    time.sleep(0.01)
    try:
        socket.create_connection(("127.0.0.1", port), timeout=20).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("command", [[PROGRAM], [sys.executable, "-m", "spinney", "serve"]])
def test_a_server_drains_though_nobody_reads_what_it_says(model_file, forest, command):
    if command == [PROGRAM] and not PROGRAM.exists():
        pytest.skip("spinney-server is not built here")
    process, port = served_by([*command, model_file, "--port", "0", "--threads", "1"])
    rows = rows_of(2)[0]
    whole = request("POST", "/v2/models/my.model/infer", body_of(rows))
    with Connection(port) as connection:
        connection.send(whole[:-5])
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/health/ready") as ready:
            assert ready.status == 200  # the one thread has read what was sent before
        process.stderr.close()
        process.send_signal(signal.SIGTERM)
        # Until it takes no connections any more: the drain is under way, or it is dead.
        while is_listening(port):
            pass
        connection.send(whole[-5:])
        status, _, body = connection.read()
    assert status == 200
    assert json.loads(body)["outputs"][0]["data"] == forest.predict(rows).tolist()
    assert process.wait(20) == 0
