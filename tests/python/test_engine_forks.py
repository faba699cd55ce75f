"""What a forked child finds: no thread before it uses the engine, no lock that none gives back."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.skipif(
    not os.path.exists("/proc/self/task"), reason="counts threads in /proc"
)

PREAMBLE = """
import faulthandler, os, signal, sys, threading, time, traceback, warnings
warnings.simplefilter("ignore")
import numpy as np
import spinney
from spinney import EngineState, InferenceEngine, ModelType
from spinney.batching import BatchProcessor, DynamicBatcher

def threads():
    return len(os.listdir("/proc/self/task"))

def in_a_child(function):
    # One that hangs or fails says where, and ends the whole program, whatever else runs in it.
    child = os.fork()
    if child == 0:
        faulthandler.register(signal.SIGALRM, chain=True)  # which ends it, too
        signal.alarm(60)  # a lock that a thread of the parent held is found so
        code = 1
        try:
            function()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    status = os.waitpid(child, 0)[1]
    if status != 0:
        print(function.__name__, "ended with", status, file=sys.stderr, flush=True)
        os._exit(1)

def total(rows):
    return rows.sum(axis=1)

engine = InferenceEngine({"memory_limit_gb": 1000.0})
assert engine.load_model(total, ModelType.CUSTOM)
rows = np.ones((2, 3))
"""


def run(code):
    """What a fresh interpreter prints; fails if it does not end well."""
    path = [p for p in sys.path if p]
    code = f"import sys; sys.path[:0] = {path!r}\n" + PREAMBLE + textwrap.dedent(code)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Traceback" not in done.stderr and "Fatal" not in done.stderr, done.stderr[-2000:]
    return done.stdout


def test_a_child_that_does_not_use_its_engine_has_one_thread():
    out = run("""
        assert engine.predict(rows)[1].tolist() == [3.0, 3.0]
        assert engine.enqueue_prediction(rows).result(60).tolist() == [3.0, 3.0]

        def unused():
            assert threads() == 1
            assert repr(engine) and engine.state is EngineState.READY and engine.list_models()
            def grandchild():
                assert threads() == 1
                assert engine.predict(rows)[1].tolist() == [3.0, 3.0]
                assert threads() > 1
            in_a_child(grandchild)
            engine.shutdown()
            assert threads() == 1 and engine.state is EngineState.STOPPED
            assert engine.get_performance_metrics()["state"] == "STOPPED"

        in_a_child(unused)
        child = os.fork()
        if child == 0:
            sys.exit(7 if threads() == 1 else 1)  # the usual end, which shuts engines down
        assert os.waitpid(child, 0)[1] == 7 << 8
        print("end")
    """)
    assert out == "end\n"


@pytest.mark.parametrize(
    "use",
    [
        "engine.predict(rows)[1].tolist() == [3.0, 3.0]",
        "engine.enqueue_prediction(rows).result(60).tolist() == [3.0, 3.0]",
        "engine.predict_batch([rows])[0][1].tolist() == [3.0, 3.0]",
        "engine.load_model(total, ModelType.CUSTOM, name='b')",
        "engine.unload_model() and not engine.unload_model()",
        "engine.active_requests == 0 and engine.get_prometheus_metrics() is not None",
        "engine.get_performance_metrics()['queue']['submitted'] == 0",
        "engine.preprocessor is None and engine.quantizer is None",
    ],
)
def test_each_first_use_in_a_child_makes_what_it_needs(use):
    out = run(f"""
        engine.enqueue_prediction(rows).result(60)

        def child():
            assert {use}
            assert engine.load_model(total, ModelType.CUSTOM)
            answers = []
            def work():
                answers.append(engine.enqueue_prediction(rows * len(answers)).result(60))
            working = [threading.Thread(target=work) for _ in range(4)]
            for thread in working: thread.start()
            for thread in working: thread.join()
            assert len(answers) == 4
            engine.shutdown()

        in_a_child(child)
        print("end")
    """)
    assert out == "end\n"


def test_many_threads_use_a_childs_engine_first():
    out = run("""
        engine.enqueue_prediction(rows).result(60)

        def child():
            start = threading.Barrier(8)
            answers = []
            def work():
                start.wait()
                answers.append(engine.enqueue_prediction(rows).result(60).tolist())
                assert engine.predict(rows)[0]
            working = [threading.Thread(target=work) for _ in range(8)]
            for thread in working: thread.start()
            for thread in working: thread.join()
            assert answers == [[3.0, 3.0]] * 8
            made = engine._parts
            assert made is engine._parts and type(made).__name__ == "Parts"

        in_a_child(child)
        print("end")
    """)
    assert out == "end\n"


def test_what_threads_of_the_parent_give_up_does_not_hang_a_child():
    """Workers give up references, and note batches, without the interpreter's lock."""
    out = run("""
        stop = False
        def work():
            while not stop:
                futures = [
                    engine.enqueue_prediction(np.full((1, 3), i)) for i in range(200)
                ]
                for future in futures[::3]: future.cancel()
                for future in futures: future.exception() if not future.cancelled() else None
                engine.get_performance_metrics()
        working = [threading.Thread(target=work, daemon=True) for _ in range(2)]
        for thread in working: thread.start()

        def child():
            for _ in range(3):
                assert engine.enqueue_prediction(np.full((1, 3), 5)).result(60).tolist() == [15]
            assert engine.get_performance_metrics()["active_requests"] == 0
            engine.shutdown()

        for _ in range(25):
            time.sleep(0.002)
            in_a_child(child)
        stop = True
        for thread in working: thread.join(60)
        print("end")
    """)
    assert out == "end\n"


MODEL = os.path.join(os.path.dirname(__file__), "../data/lightgbm/4.6.0_dart.txt")
USES = f"""
import asyncio
from concurrent.futures import Future
from spinney.batching import PredictionRequest
def use():
    engine = InferenceEngine({{"enable_request_deduplication": True}})
    for model in (total, {MODEL!r}):
        assert engine.load_model(model), engine.last_error
        width = engine.model.n_features or 3
        row = np.ones((1, width))
        for x in (row, row.astype(int), row.tolist(), row[0], "text", [[None] * width]):
            engine.predict(x)
            future = engine.enqueue_prediction(x)
            future.add_done_callback(lambda done: done.metadata)
            future.exception(60), future.metadata, future.cancel()
        assert engine.predict(row)[0] and engine.predict_batch([row, row.tolist()])[1][0]
        async def one(): return await engine.predict_async(row)
        assert len(asyncio.run(one())) == 1
        assert engine.get_performance_metrics() and engine.validate_model()["valid"]
        assert engine.get_prometheus_metrics() and engine.unload_model()
    batcher = DynamicBatcher(total)
    batcher.start()
    request = PredictionRequest(1, rows, future=Future())
    assert batcher.enqueue(request) and request.future.result(60).tolist() == [3.0, 3.0]
    batcher.stop(), engine.shutdown()
"""


def test_what_an_engine_does_imports_nothing():
    """A module that another thread imports during the fork is locked in the child for ever."""
    out = run(
        USES
        + """
before = set(sys.modules)
use()
print(sorted(name for name in set(sys.modules) - before if name.split(".")[0] != "asyncio"))
"""
    )
    assert out == "[]\n"


def test_a_child_forked_while_a_thread_imports_numpys_masked_arrays():
    out = run("""
        if "numpy.ma" in sys.modules:  # numpy 1 imports it itself
            print("end")
            sys.exit()
        from importlib.machinery import SourceFileLoader
        begun, go_on = threading.Event(), threading.Event()
        run = SourceFileLoader.exec_module
        def slowly(loader, module):  # under the module's lock
            if module.__name__ == "numpy.ma":
                begun.set()
                go_on.wait(60)
            return run(loader, module)
        SourceFileLoader.exec_module = slowly
        def load(): import numpy.ma
        threading.Thread(target=load, daemon=True).start()
        assert begun.wait(60)

        def child():
            assert engine.enqueue_prediction(rows).result(30).tolist() == [3.0, 3.0]
            assert engine.predict([[1, 2, 3]])[1].tolist() == [6]
            engine.shutdown()

        in_a_child(child)
        go_on.set()
        print("end")
    """)
    assert out == "end\n"


def test_a_child_of_an_engine_that_is_shut_down_or_loads():
    out = run("""
        entered, go_on = threading.Event(), threading.Event()
        class Slow:
            n_features_in_ = 3
            def __call__(self, rows):
                entered.set()
                assert go_on.wait(60)
                return total(rows)
        from spinney.engine import loads
        make = loads.ServedModel
        def made(source, *rest):
            served = make(source, *rest)
            if isinstance(source, Slow):
                source(rows)
            return served
        loads.ServedModel = made
        loading = threading.Thread(target=engine.load_model, args=(Slow(), ModelType.CUSTOM),
                                   kwargs={"name": "slow"})
        loading.start()
        assert entered.wait(60)

        def child():
            assert engine.state is EngineState.READY and not engine.unload_model("slow")
            assert engine.enqueue_prediction(rows).result(60).tolist() == [3.0, 3.0]
            engine.shutdown()

        in_a_child(child)
        go_on.set()
        loading.join()
        assert engine.predict(rows, "slow")[0]
        engine.shutdown()

        def after():
            assert engine.state is EngineState.STOPPED
            assert engine.get_performance_metrics()["state"] == "STOPPED"
            engine.shutdown()

        in_a_child(after)
        print("end")
    """)
    assert out == "end\n"


def test_batchers_of_a_child_start_with_their_first_use():
    out = run("""
        batcher = DynamicBatcher(total)
        processor = BatchProcessor({"max_workers": 2})
        batcher.start(), processor.start(total)
        assert processor.enqueue_predict(rows).result(60).tolist() == [3.0, 3.0]

        def child():
            assert threads() == 1
            assert processor.enqueue_predict(rows).result(60).tolist() == [3.0, 3.0]
            processor.stop(), batcher.stop()

        in_a_child(child)
        processor.stop(), batcher.stop()
        print("end")
    """)
    assert out == "end\n"


def test_a_signal_while_a_childs_engine_is_made_is_told_so():
    out = run("""
        from unittest import mock
        from spinney.engine import parts
        engine.enqueue_prediction(rows).result(60)
        seen = []

        def child():
            make = parts.Parts.__init__

            def interrupted(self, *arguments):
                try:
                    engine.enqueue_prediction(rows)
                except spinney.exceptions.EngineShutDownError as error:
                    seen.append(str(error))
                make(self, *arguments)

            with mock.patch.object(parts.Parts, "__init__", interrupted):
                answer = engine.enqueue_prediction(rows).result(60)
            assert answer.tolist() == [3.0, 3.0]
            assert len(seen) == 1 and "just being started" in seen[0], seen
            engine.shutdown()

        in_a_child(child)
        print("end")
    """)
    assert out == "end\n"
