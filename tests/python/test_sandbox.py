"""The second wall: what unpickled code can do to its host from a worker, with no list at all."""

from __future__ import annotations

import hashlib
import os
import pickle
import platform
import resource
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import sandbox_deeds
import sandbox_models
import sklearn_estimators
import spinney
from spinney.exceptions import InvalidInputError, PythonModelError, WorkerStartError
from spinney.workers import WorkerModel, landlock, sandbox, syscall_filter

ALL = np.arange(len(sandbox_deeds.NAMES), dtype=float).reshape(-1, 1)
READS = {"read_a_secret", "read_the_parent_s_memory", "read_the_parent_s_environment"}
# Kernels, containers and users differ in whether these are let through to begin with.
PRIVILEGED = set(
    "bpf chroot init_module io_uring_setup keyctl mount move_pages open_by_handle_at "
    "perf_event_open process_vm_readv process_vm_writev ptrace setns swapon umount2 unshare "
    "userfaultfd mq_open "
    "read_the_parent_s_memory read_the_parent_s_environment call_as_32_bits clone3 openat2 "
    "process_madvise pidfd_open pidfd_send_signal io_setup seccomp personality".split()
)


def walls():
    """What this kernel can have."""
    with WorkerModel(pickle.dumps(sandbox_deeds.Harmless("", 0, 0)), trusted=True) as model:
        return model.info()["sandbox"]


@pytest.fixture(scope="module")
def here():
    found = walls()
    if not found["seccomp"]:
        pytest.skip(f"no sandbox can be had here: {found['missing']}")
    return found


@pytest.fixture
def deeds(tmp_path):
    """A model that tries everything, and what must stay as it was."""
    (tmp_path / "canary").write_text("as it was")
    (tmp_path / "spare").write_text("as it was")
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield (
            pickle.dumps(sandbox_deeds.Deeds(tmp_path, os.getpid(), server.getsockname()[1])),
            tmp_path,
        )


def outcomes(data, **options):
    with WorkerModel(data, trusted=True, **options) as model:
        got = dict(zip(sandbox_deeds.NAMES, model.predict(ALL)))
        assert model.info()["restarts"] == 0
        return got


def test_nothing_reaches_the_host(here, deeds):
    data, folder = deeds
    status = (folder / "canary").stat()
    got = outcomes(data)
    let = {name for name, how in got.items() if how not in ("refused", "absent")}
    assert let <= (set() if here["landlock"] else READS)
    assert {name for name, how in got.items() if how == "absent"} >= {"clone3", "openat2"}
    assert sorted(os.listdir(folder)) == ["canary", "spare"]
    assert (folder / "canary").read_text() == (folder / "spare").read_text() == "as it was"
    now = (folder / "canary").stat()
    assert (now.st_mtime_ns, now.st_ctime_ns) == (status.st_mtime_ns, status.st_ctime_ns)


def test_without_the_sandbox_the_same_deeds_are_done(deeds):
    """The probe can see a hole: where nothing stands, nearly everything goes through."""
    data, folder = deeds
    got = outcomes(data, sandbox=False)
    assert {name for name, how in got.items() if how != "did"} <= PRIVILEGED
    assert {"created", "made", "renamed", "shell", "subprocess"} & set(os.listdir(folder))
    assert (folder / "canary").read_text() != "as it was"


@pytest.mark.parametrize("hole", ["ptrace", "rename", "memfd_create", "truncate", "flock"])
def test_a_hole_in_the_filter_is_seen(here, deeds, hole):
    """The same probe, in a worker whose filter permits one call more."""
    numbers = {"ptrace": 101, "rename": 82, "memfd_create": 319, "truncate": 76, "flock": 73}
    if platform.machine() != "x86_64":
        pytest.skip("numbers of x86_64")
    data, folder = deeds
    deed = {"flock": "lock"}.get(hole, hole)
    script = f"""
        import pickle, sys
        import child
        from child import beside
        beside("landlock").restrict = lambda paths: (_ for _ in ()).throw(OSError("not here"))
        beside("syscall_filter").PLAIN += "hole:{numbers[hole]}:"
        print(beside("sandbox").raise_walls())
        sys.path[:] = {sys.path!r}
        import sandbox_deeds
        print(pickle.loads({data!r}).attempt({deed!r}))
    """
    assert run_beside(script).splitlines()[1] == "did"
    sound = script.replace("hole:", "# hole:").replace("PLAIN += ", "UNUSED = ")
    (folder / "spare").write_text("as it was")
    assert run_beside(sound).splitlines()[1] == "refused"


def run_beside(script):
    """What a script prints that runs as child.py does, beside the modules of its folder."""
    folder = Path(spinney.__file__).parent / "workers"
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(folder)},
    )
    assert done.returncode == 0, done
    return done.stdout


@pytest.mark.parametrize("wall", ["seccomp", "landlock"])
def test_each_wall_holds_without_the_other(here, deeds, wall):
    if not here[wall]:
        pytest.skip(f"there is no {wall}")
    data, folder = deeds
    none = "lambda *paths: (_ for _ in ()).throw(OSError('not here'))"
    script = f"""
        import pickle, sys
        import child
        from child import beside
        landlock = beside("landlock")
        beside("syscall_filter")
        sandbox = beside("sandbox")
        if {wall!r} == "seccomp":
            landlock.restrict = {none}
        else:
            sandbox._filter_calls = {none}
        paths = {sys.path!r}
        sys.path[:] = paths
        print(sandbox.raise_walls(paths))
        import sandbox_deeds
        deeds = pickle.loads({data!r})
        print(*(name + ":" + deeds.attempt(name) for name in sandbox_deeds.NAMES), sep="\\n")
    """
    lines = run_beside(script).splitlines()
    assert "not here" in lines[0], lines
    let = {line.partition(":")[0] for line in lines[1:] if line.endswith(":did")}
    if wall == "seccomp":
        assert let <= READS
        assert "read_a_secret" in let
    else:
        writes = (
            "open_for_writing append create create_nameless truncate_by_memmap unlink rename mkdir"
        )
        assert not let & {*writes.split(), *READS, "link", "symlink", "mkfifo", "shell"}
    assert sorted(os.listdir(folder)) == ["canary", "spare"]
    assert (folder / "canary").read_text() == "as it was"


def test_what_models_need_works(here):
    with WorkerModel(
        pickle.dumps(sandbox_deeds.Harmless("", 0, 0)), allowed_classes=["sandbox_deeds.Harmless"]
    ) as model:
        if not _has("scipy"):
            pytest.skip("imports scipy late")
        assert model.predict(ALL[:7]).tolist() == [4, "x", 1, 5, 2.0, 5, True]


def _has(name):
    import importlib.util

    return importlib.util.find_spec(name) is not None


@pytest.mark.parametrize("sandbox", [True, False])
def test_files_are_few(here, sandbox):
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < 5000:
        pytest.skip("few files may be open here")
    hoarder = pickle.dumps(sandbox_deeds.Hoarder("", 0, 0))
    with WorkerModel(hoarder, trusted=True, sandbox=sandbox) as model:
        assert (model.predict(ALL)[0] < 1024) == sandbox


def test_the_parent_is_not_pinned(here):
    before = os.sched_getaffinity(0)
    if len(before) < 2:
        pytest.skip("one processor")
    with WorkerModel(pickle.dumps(sandbox_models.Pins(os.getpid())), trusted=True) as model:
        model.predict(ALL[:1])
    assert os.sched_getaffinity(0) == before


def test_files_are_read_where_that_is_permitted(here, tmp_path):
    path = tmp_path / "words"
    path.write_text("hello")
    data = pickle.dumps(sandbox_models.Reads(path))
    with WorkerModel(data, trusted=True, readable=[tmp_path]) as model:
        assert model.predict(ALL[:1]).tolist() == ["hello"]
    if here["landlock"]:
        model = WorkerModel(data, trusted=True)
        with model, pytest.raises(PythonModelError, match="readable"):
            model.predict(ALL[:1])


def test_it_prints_to_the_end_of_a_log_alone(here, tmp_path):
    log = tmp_path / "log"
    script = """
        import pickle, sys
        import numpy, sandbox_models
        from spinney.workers import WorkerModel
        print("the first line", file=sys.stderr, flush=True)
        with WorkerModel(pickle.dumps(sandbox_models.Writes()), trusted=True) as model:
            model.predict(numpy.zeros((1, 1)))
        print("the last line", file=sys.stderr, flush=True)
    """
    with open(log, "w") as file:
        subprocess.run(
            [sys.executable, "-c", textwrap.dedent(script)],
            stderr=file,
            check=True,
            timeout=60,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
    assert log.read_text().splitlines() == [
        "the first line",
        "written by the model",
        "the last line",
    ]


# Models


class Many:
    """Several models as one: row i asks the i-th about the rows that were kept for it."""

    n_features_in_ = 1

    def __init__(self, models):
        self.models = list(models)

    def predict(self, x):
        return np.array([_words(*self.models[int(i)]) for i in x[:, 0]], dtype=object)


def _words(estimator, method, rows):
    answer = sklearn_estimators.answer(estimator, method, rows)
    values = repr(answer.tolist()).encode() if answer.dtype == object else answer.tobytes()
    return f"{answer.dtype} {answer.shape} {hashlib.sha256(values).hexdigest()}"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_every_estimator_of_scikit_learn_runs_in_the_sandbox(here):
    pytest.importorskip("sklearn")
    found = sklearn_estimators.fitted_estimators()
    models = Many(found.values())
    data = pickle.dumps(models)
    own = pickle.loads(data).predict(np.arange(float(len(found))).reshape(-1, 1))
    allowed = ["sklearn.*", "pandas.*", "test_sandbox.Many"]
    with WorkerModel(data, allowed_classes=allowed, batch_timeout_s=300, num_threads=1) as model:
        got = model.predict(np.arange(float(len(found))).reshape(-1, 1))
    assert [name for name, a, b in zip(found, own, got) if a != b] == []


@pytest.mark.slow
def test_threads_of_numerical_libraries_work(here, capfd):
    pytest.importorskip("sklearn")
    from sklearn.datasets import load_iris
    from sklearn.ensemble import HistGradientBoostingClassifier, VotingClassifier
    from sklearn.multioutput import MultiOutputClassifier
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.svm import SVC

    x, y = load_iris(return_X_y=True)
    voting = VotingClassifier(
        [
            ("trees", HistGradientBoostingClassifier(max_iter=5)),
            ("near", KNeighborsClassifier(n_jobs=2)),
        ]
    ).fit(x, y)
    several = MultiOutputClassifier(SVC(), n_jobs=2).fit(x, np.c_[y, y % 2])
    for fitted in (voting, several):
        with spinney.load(
            fitted, allowed_classes=["sklearn.*"], worker_options={"num_threads": 2}
        ) as model:
            np.testing.assert_array_equal(model.predict(x), fitted.predict(x))
    told = capfd.readouterr().err
    assert "serial" not in told and "Operation not permitted" not in told


def test_cores_are_counted_without_a_program(here, capfd):
    joblib = pytest.importorskip("joblib")
    with WorkerModel(pickle.dumps(sandbox_models.Cores()), trusted=True) as model:
        assert model.predict(ALL[:1])[0] == joblib.cpu_count(only_physical_cores=True)
    assert "physical cores" not in capfd.readouterr().err


def test_processes_of_joblib_are_refused_with_the_reason(here):
    pytest.importorskip("joblib")
    model = WorkerModel(pickle.dumps(sandbox_models.Loky()), trusted=True)
    with model, pytest.raises(PythonModelError, match="sandbox lets it start no process"):
        model.predict(ALL[:4])


def test_libraries_may_ask_for_the_folder_of_temporary_files(here):
    model = WorkerModel(pickle.dumps(sandbox_models.Temporary()), trusted=True)
    with model, pytest.raises(PythonModelError, match="sandbox lets it start no process"):
        model.predict(ALL[:4])


def test_scipy_builds_that_write_files_are_done_without(monkeypatch, tmp_path):
    (tmp_path / "scipy" / "_lib").mkdir(parents=True)
    (tmp_path / "scipy" / "__init__.py").touch()
    extension = tmp_path / "scipy" / "_lib" / "messagestream.any.so"
    monkeypatch.setattr(sandbox, "_WRITER", "a_part_of_scipy")
    monkeypatch.delitem(sys.modules, "scipy", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    extension.write_bytes(b"...open_memstream...")
    sandbox.do_without_files_of_scipy()
    assert "a_part_of_scipy" not in sys.modules
    extension.write_bytes(b"...mkstemp...")
    try:
        sandbox.do_without_files_of_scipy()
        from a_part_of_scipy import Sampler

        with pytest.raises(PermissionError, match="writes files for Sampler"):
            Sampler()
    finally:
        sys.modules.pop("a_part_of_scipy", None)


# Asking for it


def test_the_sandbox_is_turned_off_only_by_who_trusts():
    data = pickle.dumps(sandbox_models.Loky())
    with pytest.raises(InvalidInputError, match="trusted=True"):
        WorkerModel(data, allowed_classes=["sandbox_models.Loky"], sandbox=False)
    with pytest.raises(InvalidInputError, match="sandbox"):
        WorkerModel(data, trusted=True, sandbox="maybe")
    with pytest.raises(InvalidInputError, match="readable"):
        WorkerModel(data, trusted=True, readable="/")
    with WorkerModel(data, trusted=True, sandbox=False) as model:
        assert model.info()["sandbox"] == {
            "seccomp": False,
            "landlock": 0,
            "missing": ["sandbox=False"],
        }


def test_info_says_what_stands(here):
    with WorkerModel(
        pickle.dumps(sandbox_models.Loky()), trusted=True, sandbox="required"
    ) as model:
        info = model.info()
        assert info["sandbox"] == here
        status = Path(f"/proc/{info['pid']}/status").read_text()
        for thread in Path(f"/proc/{info['pid']}/task").iterdir():
            assert "Seccomp:\t2" in (thread / "status").read_text()
    assert "NoNewPrivs:\t1" in status
    assert here["landlock"] == landlock.version()


def test_where_none_can_be_had_it_says_so_once():
    """In a process that may set no filter and no rules, as in some containers."""
    if platform.machine() not in syscall_filter.ARCHITECTURES:
        pytest.skip("has no filter to begin with")
    script = """
        import os, pickle, warnings
        import numpy, sandbox_models
        from spinney.workers import WorkerModel, landlock, sandbox, syscall_filter as calls
        refuse = [(0x20, 0, 0, 0)]
        for number in (sandbox._SECCOMP[os.uname().machine], 444, 445, 446):
            refuse += [(0x15, 0, 1, number), (6, 0, 0, calls.REFUSE)]
        calls.program = lambda *_: [*refuse, (6, 0, 0, calls.ALLOW)]
        landlock.checked(landlock.call("prctl", 38, 1, 0, 0, 0))
        sandbox._filter_calls()
        data = pickle.dumps(sandbox_models.Reads("/proc/self/status"))
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            for _ in range(2):
                with WorkerModel(data, trusted=True) as model:
                    assert "Name" in model.predict(numpy.zeros((1, 1)))[0]
                    info = model.info()["sandbox"]
        print(len([each for each in said if "no sandbox here" in str(each.message)]))
        print(info)
        try:
            WorkerModel(data, trusted=True, sandbox="required")
        except Exception as error:
            print(type(error).__name__, error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done
    count, info, error = done.stdout.splitlines()
    assert count == "1"
    assert "'seccomp': False, 'landlock': 0" in info and "not permitted" in info
    assert error.startswith(WorkerStartError.__name__) and "no sandbox" in error
