"""Forks, exits, subinterpreters, engines that are forgotten: nothing hangs, nothing crashes."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest

import spinney
from spinney import EngineState, InferenceEngine


def run(code, *arguments):
    """What a fresh interpreter prints; fails if it does not end well."""
    path = [p for p in sys.path if p]
    code = f"import sys; sys.path[:0] = {path!r}\n" + textwrap.dedent(code)
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Traceback" not in done.stderr and "Fatal" not in done.stderr, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def path(tmp_path_factory, lightgbm_booster):
    path = tmp_path_factory.mktemp("lifecycle") / "model.txt"
    path.write_text(lightgbm_booster.model_to_string())
    return path


PREAMBLE = """
import os, threading, time
import numpy as np
import spinney
engine = spinney.InferenceEngine({"enable_request_deduplication": False})
assert engine.load_model(sys.argv[1])
rows = np.random.default_rng(0).normal(size=(200, 10))
expected = engine.predict(rows)[1]
"""


def test_exit_without_shutdown(path):
    out = run(
        PREAMBLE + "futures = [engine.enqueue_prediction(r) for r in rows]; print('end')", path
    )
    assert out == "end\n"


def test_exit_while_threads_predict_and_wait(path):
    code = (
        PREAMBLE
        + """
def work():
    while True:
        try:
            futures = [engine.enqueue_prediction(r) for r in rows]
            futures[0].add_done_callback(lambda f: None)
            for future in futures: future.result()
        except spinney.SpinneyError:
            return
for _ in range(4): threading.Thread(target=work, daemon=True).start()
time.sleep(0.2)
print('end')
"""
    )
    for _ in range(3):
        assert run(code, path) == "end\n"


def test_exit_while_a_python_model_hangs(path):
    code = (
        PREAMBLE
        + """
engine.load_model(lambda x: time.sleep(3) or x[:, 0], "custom", name="slow")
future = engine.enqueue_prediction(rows[:1], model="slow")
print('end')
"""
    )
    assert run(code, path) == "end\n"


def test_a_forked_child_starts_afresh(path):
    code = (
        PREAMBLE
        + """
import warnings; warnings.simplefilter("ignore")
stop = False
def work():
    while not stop:
        for future in [engine.enqueue_prediction(r) for r in rows[:50]]: future.result()
threads = [threading.Thread(target=work) for _ in range(2)]
for thread in threads: thread.start()
def held(x):
    time.sleep(0.3)
    return x[:, 0]
engine.load_model(held, "custom", name="held")
for _ in range(5):
    inherited = engine.enqueue_prediction(rows[:1], model="held")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            try:
                inherited.result(60)
            except spinney.EngineShutDownError as error:
                assert "fork" in str(error)
            assert (engine.predict(rows)[1] == expected).all()
            futures = [engine.enqueue_prediction(r) for r in rows]
            assert [f.result(10)[0] for f in futures] == expected.tolist()
            heard = threading.Event()
            engine.enqueue_prediction(rows[:1]).add_done_callback(lambda f: heard.set())
            assert heard.wait(60)
            assert engine.active_requests == 0
            engine.shutdown()
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert inherited.result(60) == rows[0, 0]
stop = True
for thread in threads: thread.join()
print('end')
"""
    )
    assert run(code, path) == "end\n"


def test_a_forked_child_that_ends_in_the_usual_way(path):
    code = (
        PREAMBLE
        + """
import warnings; warnings.simplefilter("ignore")
engine.enqueue_prediction(rows[:1]).result(60)
child = os.fork()
if child == 0:
    assert (engine.predict(rows)[1] == expected).all()
    sys.exit(7)
assert os.waitpid(child, 0)[1] == 7 << 8
print('end')
"""
    )
    assert run(code, path) == "end\n"


def test_multiprocessing_by_fork(path):
    code = (
        PREAMBLE
        + """
import warnings; warnings.simplefilter("ignore")
import multiprocessing
def score(row):
    return float(engine.enqueue_prediction(row).result(10)[0])
with multiprocessing.get_context("fork").Pool(2) as pool:
    assert pool.map(score, list(rows[:40])) == expected[:40].tolist()
print('end')
"""
    )
    assert run(code, path) == "end\n"


def test_subinterpreters_are_refused_clearly(path):
    if sys.version_info < (3, 9):
        pytest.skip("subinterpreters have no module to make them with")
    code = """
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
from spinney.engine import lifecycle
assert lifecycle.in_main_interpreter()
made = interpreters.create()
text = f'''
import sys
sys.path[:0] = {sys.path!r}
try:
    import spinney
    spinney.InferenceEngine()
except (ImportError, NotImplementedError, RuntimeError) as error:
    print("refused")
else:
    print("accepted")
'''
try:
    interpreters.run_string(made, text)
except Exception as error:
    print("refused", error)
"""
    assert "refused" in run(code)


def test_an_engine_that_is_forgotten_ends(model):
    before = threading.active_count()
    for _ in range(3):
        engine = InferenceEngine()
        engine.load_model(model)
        engine.enqueue_prediction(np.zeros((1, 10))).result(60)
        del engine
    assert threading.active_count() <= before + 1


def test_shutdown_from_many_threads_and_from_a_callback(model):
    engine = InferenceEngine({"enable_request_deduplication": False})
    assert engine.load_model(model)
    rows = np.zeros((1, 10))
    ended = threading.Event()
    engine.enqueue_prediction(rows).add_done_callback(lambda f: (engine.shutdown(), ended.set()))
    threads = [threading.Thread(target=engine.shutdown) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert ended.wait(20) and engine.state is EngineState.STOPPED
    assert isinstance(engine.enqueue_prediction(rows).exception(1), spinney.EngineShutDownError)
