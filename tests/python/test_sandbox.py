"""The second wall: what unpickled code can do to its host from a worker, with no list at all."""

from __future__ import annotations

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
import spinney
from spinney.exceptions import InvalidInputError, PythonModelError, WorkerStartError
from spinney.workers import WorkerModel, landlock, syscall_filter

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
        pytest.skip("the numbers of the calls are those of x86-64")
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
        pytest.skip(f"this kernel has no {wall}")
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
            pytest.skip("needs scipy, which the sandbox must let be imported late")
        assert model.predict(ALL[:7]).tolist() == [4, "x", 1, 5, 2.0, 5, True]


def _has(name):
    import importlib.util

    return importlib.util.find_spec(name) is not None


@pytest.mark.parametrize("sandbox", [True, False])
def test_files_are_few(here, sandbox):
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < 5000:
        pytest.skip("needs the right to open 5,000 files (ulimit -n)")
    hoarder = pickle.dumps(sandbox_deeds.Hoarder("", 0, 0))
    with WorkerModel(hoarder, trusted=True, sandbox=sandbox) as model:
        assert (model.predict(ALL)[0] < 1024) == sandbox


def test_the_parent_is_not_pinned(here):
    before = os.sched_getaffinity(0)
    if len(before) < 2:
        pytest.skip("needs two processors")
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
        pytest.skip("this architecture has no filter of system calls")
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
