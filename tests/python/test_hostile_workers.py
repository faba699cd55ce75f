"""Worker processes that die, hang, eat, lie and fork: the serving process always gets an answer."""

from __future__ import annotations

import gc
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import spinney
import worker_models
from spinney.exceptions import (
    WorkerBackoffError,
    WorkerClosedError,
    WorkerDiedError,
    WorkerError,
    WorkerMemoryError,
    WorkerStartError,
    WorkerTimeoutError,
)
from spinney.workers import WorkerModel

ROWS = np.array([[1.0, 2.0], [3.0, 4.5]])
GOOD = ROWS * 0  # the misbehaving models answer these
LONG_S = 20.0


FREE = {"trusted": True, "sandbox": False}  # for what the sandbox would not let them do


def worker(deed=None, at_load=False, **options):
    model = worker_models.Sum(deed, at_load)
    options = (
        options if "trusted" in options else {"allowed_classes": ["worker_models.Sum"], **options}
    )
    return WorkerModel(pickle.dumps(model), **options)


def gone(pid, within=5.0):
    """Whether it has ended with all its threads; the first one can end before the others."""
    until = time.monotonic() + within
    while time.monotonic() < until:
        try:
            with open(f"/proc/{pid}/stat") as file:
                state = file.read().rpartition(")")[2].split()[0]
            if state == "Z" and len(os.listdir(f"/proc/{pid}/task")) <= 1:
                return True
        except OSError:
            return True
        time.sleep(0.01)
    return False


def group_members(group):
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[2]) == group and fields[0] != "Z":
                found.append(int(entry.name))
    return found


@pytest.mark.parametrize(
    ("deed", "error", "words"),
    [
        ("exit", WorkerDiedError, "exit status 0"),
        ("crash", WorkerDiedError, "SIGSEGV"),
        ("fork_and_exit", WorkerDiedError, "exit status 0"),
        ("write_everywhere", WorkerError, "killed|died"),
        ("close_everything", WorkerDiedError, "channel|exit status"),
    ],
)
def test_a_worker_that_ends_fails_its_batch_alone(deed, error, words):
    with worker(deed, **(FREE if "fork" in deed else {})) as model:
        group = model.info()["pid"]
        started = time.monotonic()
        with pytest.raises(error, match=words):
            model.predict(ROWS)
        assert time.monotonic() - started < 30
        assert model.predict(GOOD).tolist() == [0, 0]
        assert model.info()["restarts"] == 1
        assert not group_members(group)


@pytest.mark.parametrize("deed", ["hang", "spin", "hold_the_lock"])
def test_a_worker_that_hangs_is_killed_in_time(deed):
    with worker(deed, batch_timeout_s=0.3) as model:
        pid = model.info()["pid"]
        started = time.monotonic()
        with pytest.raises(WorkerTimeoutError, match=r"0\.3 s"):
            model.predict(ROWS)
        assert time.monotonic() - started < 30
        assert gone(pid)
        model._batch_timeout_s = LONG_S  # a slow machine may need more to start again
        assert model.predict(GOOD).tolist() == [0, 0]


def test_memory_is_limited():
    with worker("eat_memory", memory_limit_mb=2048) as model:
        with pytest.raises(WorkerMemoryError, match="memory_limit_mb=2048"):
            model.predict(ROWS)
        assert model.info()["restarts"] == 0
    with worker("eat_slowly", memory_limit_mb=2048) as model:
        with pytest.raises((WorkerMemoryError, WorkerDiedError)):
            model.predict(ROWS)
        assert model.predict(GOOD).tolist() == [0, 0]


def test_what_it_prints_goes_to_stderr(tmp_path):
    script = f"""
        import pickle, sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        import numpy, worker_models
        from spinney.workers import WorkerModel
        data = pickle.dumps(worker_models.Sum(sys.argv[1]))
        with WorkerModel(data, allowed_classes=["worker_models.Sum"]) as model:
            print(model.predict(numpy.ones((2, 2))).tolist())
    """
    for deed in ("print_much", "read_stdin"):
        done = run_python(script, deed, stdin=subprocess.DEVNULL)
        assert done.stdout == "[2.0, 2.0]\n", done
    assert "printed by the model" in run_python(script, "print_much").stderr


def run_python(script, *arguments, **options):
    path = os.pathsep.join(p for p in sys.path if p)
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": path},
        **options,
    )


def test_it_cannot_pull_the_shared_memory_away():
    with worker("shrink") as model:
        assert model.predict(ROWS).tolist() == [3.0, 7.5]


def test_killed_from_outside_between_and_during_batches():
    with worker("hang") as model:
        for _ in range(3):
            pid = model.info()["pid"]
            os.kill(pid, signal.SIGKILL)
            assert gone(pid)
            assert model.predict(GOOD).tolist() == [0, 0]
        errors = []

        def wait_for_it():
            try:
                model.predict(ROWS)
            except WorkerError as error:
                errors.append(error)

        thread = threading.Thread(target=wait_for_it)
        thread.start()
        time.sleep(0.2)
        started = time.monotonic()
        os.kill(model.info()["pid"], signal.SIGKILL)
        thread.join(60)
        assert time.monotonic() - started < 30
        assert isinstance(errors[0], WorkerDiedError)
        assert "SIGKILL" in str(errors[0])
        assert model.predict(GOOD).tolist() == [0, 0]


def test_others_that_wait_are_served_by_the_next_worker():
    with worker("exit") as model:
        outcomes = []

        def work(rows):
            try:
                outcomes.append(model.predict(rows).tolist())
            except WorkerDiedError:
                outcomes.append("died")

        threads = [threading.Thread(target=work, args=(GOOD,)) for _ in range(6)]
        threads.insert(2, threading.Thread(target=work, args=(ROWS,)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(map(str, outcomes)) == ["[0.0, 0.0]"] * 6 + ["died"]


def test_one_that_keeps_dying_is_left_alone_for_a_while():
    with worker("exit") as model:
        seen = []
        for _ in range(40):
            try:
                model.predict(ROWS)
            except WorkerBackoffError as error:
                assert 0 < error.retry_after <= 30
                seen.append("wait")
            except WorkerDiedError:
                seen.append("died")
        assert seen[:2] == ["died", "died"]
        assert seen.count("wait") > 20
        starts = model.info()["restarts"]
        time.sleep(max(0.0, model._not_before - time.monotonic()) + 0.01)
        assert model.predict(GOOD).tolist() == [0, 0]  # one good batch, and all is forgotten
        assert model.info()["restarts"] == starts + 1
        with pytest.raises(WorkerDiedError):
            model.predict(ROWS)
        assert model.predict(GOOD).tolist() == [0, 0]


@pytest.mark.parametrize("deed", ["exit", "raise_error", "hang", "eat_memory", "crash"])
def test_loading_that_fails_says_so_and_leaves_nothing(deed):
    before = children()
    with pytest.raises(WorkerError):
        worker(deed, at_load=True, load_timeout_s=2.0, memory_limit_mb=2048)
    assert children() == before


def children():
    out = []
    for task in Path("/proc/self/task").iterdir():
        try:
            out += (task / "children").read_text().split()
        except OSError:
            continue
    return sorted(out)


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def test_starting_and_stopping_leaks_nothing():
    worker().close()  # the thread that starts processes, imports
    gc.collect()
    before = descriptors(), children(), threading.active_count()
    for i in range(20):
        with worker() as model:
            if i % 4 == 0:
                assert model.predict(ROWS).tolist() == [3.0, 7.5]
        del model
    dropped = worker()
    pid = dropped.info()["pid"]
    del dropped
    gc.collect()
    assert gone(pid)
    assert (descriptors(), children(), threading.active_count()) == before


@pytest.mark.slow
def test_two_hundred_workers_one_after_the_other():
    worker().close()
    before = descriptors(), children()
    for _ in range(200):
        worker().close()
    assert (descriptors(), children()) == before


def test_buffers_grow_and_shrink_without_leaking():
    with worker() as model:
        model.predict(np.zeros((200_000, 2)))
        model.predict(GOOD)
        before = descriptors()
        for rows in (1, 300_000, 1, 500_000, 10):
            model.predict(np.zeros((rows, 2)))
        assert descriptors() == before


@pytest.mark.parametrize("end", ["return", "os._exit(1)", "os.kill(os.getpid(), 9)", "sys.exit(2)"])
@pytest.mark.parametrize("deed", ["hold_the_lock", "fork_and_stay"])
def test_the_parent_s_end_leaves_no_process(deed, end):
    script = f"""
        import os, pickle, sys, threading, time
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        import numpy, worker_models
        from spinney.workers import WorkerModel
        model = []
        def start():  # on a thread that ends before the process does
            data = pickle.dumps(worker_models.Sum({deed!r}))
            model.append(WorkerModel(data, trusted=True, sandbox={"fork" not in deed}))
        thread = threading.Thread(target=start)
        thread.start()
        thread.join()
        time.sleep(0.1)
        model = model[0]
        assert model.predict(numpy.zeros((1, 2))).tolist() == [0.0]
        assert model.info()["restarts"] == 0  # not ended with the thread that started it
        print(model.info()["pid"], flush=True)
        caller = threading.Thread(target=model.predict, args=(numpy.ones((1, 2)),), daemon=True)
        caller.start()
        time.sleep(0.3)
        def finish():
            {end}
        finish()
    """
    done = run_python(script)
    assert done.stdout.strip().isdigit(), done
    group = int(done.stdout)
    until = time.monotonic() + 5
    while group_members(group) and time.monotonic() < until:
        time.sleep(0.02)
    assert not group_members(group)


def test_a_fork_of_the_parent_starts_its_own():
    with worker() as model:
        pid = model.info()["pid"]
        child = os.fork()
        if child == 0:
            try:
                right = model.predict(ROWS).tolist() == [3.0, 7.5]
                own = model.info()["pid"] not in (None, pid)
                model.close()
                os._exit(0 if right and own else 1)
            finally:
                os._exit(2)
        assert model.predict(ROWS).tolist() == [3.0, 7.5]
        assert os.waitpid(child, 0)[1] == 0
        assert model.predict(ROWS).tolist() == [3.0, 7.5]
        assert model.info()["pid"] == pid


def test_closing_ends_a_batch_that_runs():
    model = worker("hang")
    outcome = []

    def call():
        try:
            model.predict(ROWS)
        except spinney.SpinneyError as error:
            outcome.append(type(error))

    thread = threading.Thread(target=call)
    thread.start()
    time.sleep(0.2)
    started = time.monotonic()
    model.close()
    thread.join(60)
    assert time.monotonic() - started < 30
    assert outcome == [WorkerClosedError]
    model.close()
    with pytest.raises(WorkerClosedError):
        model.predict(GOOD)


def test_a_file_that_changed_is_not_loaded_again(tmp_path):
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(worker_models.Sum()))
    with WorkerModel(path, allowed_classes=["worker_models.*", "worker_models.Sum"]) as model:
        os.kill(model.info()["pid"], signal.SIGKILL)
        path.write_bytes(pickle.dumps(worker_models.Layout()))
        time.sleep(0.1)
        with pytest.raises(WorkerStartError, match="changed"):
            model.predict(ROWS)
    path.write_bytes(pickle.dumps(worker_models.Sum()))
    with WorkerModel(path, allowed_classes=["worker_models.Sum"]) as model:
        path.unlink()  # the file is held open, so another under its name changes nothing
        os.kill(model.info()["pid"], signal.SIGKILL)
        time.sleep(0.1)
        assert model.predict(ROWS).tolist() == [3.0, 7.5]


def test_secrets_of_the_environment_stay_here(monkeypatch):
    monkeypatch.setenv("MY_SECRET", "1")
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")  # changes last bits: must be the same there
    with worker(environment={"EXTRA": "2"}) as model:
        told = Path(f"/proc/{model.info()['pid']}/environ").read_text()
    names = {entry.partition("=")[0] for entry in told.split("\0")}
    assert "MY_SECRET" not in names
    assert {"EXTRA", "OPENBLAS_CORETYPE", "OMP_NUM_THREADS"} <= names
