"""Processes that end, and that had a subinterpreter, while an engine's workers hold objects."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

TRAFFIC = """
    import gc, sys, threading
    import numpy as np
    from spinney import InferenceEngine, ModelType

    def traffic(seconds):
        def model(rows):
            if (rows < 0).any():
                raise ValueError("negative")
            return [Answer(row) for row in rows]

        class Answer:
            def __init__(self, row):
                self.row = row.tolist()

        def ask(engine, number):
            while not over.is_set():
                futures = [engine.enqueue_prediction([[float(i)]]) for i in range(20)]
                futures += [engine.enqueue_prediction([[-1.0, float(number)]]) for _ in range(3)]
                for future in futures[::3]:
                    future.cancel()
                for future in futures[1::3]:
                    future.exception(60)
                if number % 2:
                    del futures, future  # workers are the last that hold the rest

        over = threading.Event()
        with InferenceEngine({"cache_ttl_seconds": 0.01, "num_threads": 2}) as engine:
            assert engine.load_model(model, ModelType.CUSTOM)
            threads = [threading.Thread(target=ask, args=(engine, i)) for i in range(4)]
            for thread in threads:
                thread.start()
            over.wait(seconds)
            over.set()
            for thread in threads:
                thread.join()
"""


def run(code, *arguments):
    program = textwrap.dedent(TRAFFIC) + textwrap.dedent(code)
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", program, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, (done.returncode, done.stdout, done.stderr)
    return done.stdout


def test_workers_of_a_process_that_had_a_subinterpreter_leave_objects_alone():
    for name in ("_interpreters", "_xxsubinterpreters"):
        try:
            __import__(name)
            break
        except ImportError:
            continue
    else:
        pytest.skip("this Python makes no subinterpreters")
    run(
        """
        interpreters = __import__(sys.argv[1])
        interpreters.destroy(interpreters.create())
        traffic(2.0)
        """,
        name,
    )


@pytest.mark.parametrize("ending", ["", "raise SystemExit", "del engine", "os._exit(0)"])
@pytest.mark.parametrize("busy", ["hold", "sleep"])
def test_a_process_ends_with_requests_in_flight(ending, busy):
    """The worker is in the model when the interpreter ends, or about to call it."""
    for _ in range(3):
        run(
            f"""
            import os, time

            entered = threading.Event()

            def model(rows):
                entered.set()
                until = time.monotonic() + 1.3  # longer than shutting down at exit may take
                while time.monotonic() < until:
                    time.sleep(0.001 if {busy!r} == "sleep" else 0)
                return [object() for _ in rows]

            engine = InferenceEngine({{"max_batch_size": 2, "num_threads": 2}})
            assert engine.load_model(model, ModelType.CUSTOM)
            futures = [engine.enqueue_prediction([[float(i)]]) for i in range(50)]
            for future in futures[:10]:
                future.add_done_callback(lambda future: future.exception())
            entered.wait(60)
            futures[3].cancel()
            del futures[20:]
            {ending}
            """
        )


def test_a_worker_that_comes_after_the_interpreter_ended_is_refused():
    """Nothing of Python's is touched: the batch fails, and who asked hears of it."""
    out = run(
        """
        from spinney import _core

        entered, go = threading.Event(), threading.Event()
        calls = []

        def model(rows):
            calls.append(len(rows))
            entered.set()
            go.wait(60)
            return rows[:, 0]

        engine = InferenceEngine({"max_batch_size": 1, "enable_warmup": False})
        assert engine.load_model(model, ModelType.CUSTOM)
        first = engine.enqueue_prediction([[1.0]])
        assert entered.wait(60)
        second = engine.enqueue_prediction([[2.0]])
        _core._refuse_newcomers()  # as at exit
        go.set()
        assert first.result(60) == [1.0]
        print(second.exception(60), len(calls))
        """
    )
    assert "interpreter has ended 1" in out


def test_objects_that_workers_held_last_go_soon():
    """They wait for a thread that holds the lock, which every request and delivery is."""
    run(
        """
        import weakref

        class Rows(list):
            pass

        seen = []

        def model(rows):
            answer = Rows(rows.tolist())
            seen.append(weakref.ref(answer))
            return answer

        with InferenceEngine({"enable_request_deduplication": False}) as engine:
            assert engine.load_model(model, ModelType.CUSTOM)
            for i in range(100):
                engine.enqueue_prediction([[float(i)]])  # nobody keeps the future
            engine.enqueue_prediction([[-1.0]]).result(60)
        gc.collect()
        assert seen and not [ref for ref in seen if ref() is not None]
        """
    )


def test_an_engine_that_goes_after_its_own_modules_says_nothing():
    """The interpreter's end makes None of the names in modules, and objects may go afterwards."""
    program = """
        import gc, sys
        from spinney import InferenceEngine

        with InferenceEngine() as engine:
            pass
        for name, module in list(sys.modules.items()):
            if name.startswith("spinney.engine"):
                vars(module).update(dict.fromkeys(vars(module)))
        del engine, module
        gc.collect()
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "__del__" not in done.stderr, done.stderr
