"""tools/setup.sh: what it finds too old, and what it says without a terminal."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


def run(script, folder=ROOT, **variables):
    """What bash gives with the functions of setup.sh at hand."""
    script = f"source {ROOT}/tools/setup.sh\n{script}"
    environment = {**os.environ, **{name: str(value) for name, value in variables.items()}}
    return subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True
    )


def program(folder, name, says):
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("have", "wanted", "enough"),
    [
        ("3.25.1", "3.25", True),
        ("3.25", "3.25", True),
        ("4.0.3", "3.25", True),
        ("3.100", "3.25", True),
        ("3.22.1", "3.25", False),
        ("3.9", "3.11", False),
        ("12", "11", True),
        ("9", "11", False),
        ("", "3.25", False),
    ],
)
def test_versions_are_compared_by_their_numbers(have, wanted, enough):
    assert (run(f"at_least '{have}' '{wanted}'").returncode == 0) == enough


@pytest.fixture
def checkout(tmp_path):
    """A folder with a CMakeLists.txt, requirements, a build folder, and programs first in PATH."""
    (tmp_path / "CMakeLists.txt").write_text("cmake_minimum_required(VERSION 3.25)\n")
    (tmp_path / "build").mkdir()
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    return tmp_path


def provided(checkout, version):
    """What provide_cmake says where the system's CMake is of that version."""
    program(checkout / "programs", "cmake", f"cmake version {version}")
    script = (
        "PATH=$PWD/build/bin:$PWD/programs:$PATH\npython=$PWD/programs/python\n"
        "provide_cmake\ncmake --version | head -n 1\n"
    )
    # Stands for a Python: makes an environment whose pip installs a newer CMake.
    python = checkout / "programs" / "python"
    python.write_text(
        """#!/bin/sh
case "$2" in
  venv) mkdir -p "$3/bin"; cp "$0" "$3/bin/python" ;;
  pip)
    for last; do :; done
    version=$(sed -n 's/^cmake==//p' "$last")
    printf '#!/bin/sh\\necho cmake version %s\\n' "$version" >"$(dirname "$0")/cmake"
    chmod +x "$(dirname "$0")/cmake" ;;
esac
"""
    )
    python.chmod(0o755)
    done = run(script, checkout)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_cmake_that_is_too_old_is_replaced(checkout):
    said = provided(checkout, "3.22.1")
    assert "Installing a CMake into build/cmake: 3.22.1 is here, 3.25 is needed" in said
    pinned = (ROOT / "requirements" / "cmake.txt").read_text().split("==")[1].strip()
    assert said.endswith(f"cmake version {pinned}\n")
    assert "Installing" not in provided(checkout, "3.22.1"), "the second time it is there"


def test_a_cmake_that_is_new_enough_is_used(checkout):
    assert provided(checkout, "3.25.1") == "cmake version 3.25.1\n"
    assert provided(checkout, "4.1.0-rc2") == "cmake version 4.1.0-rc2\n"


def test_progress_is_told_without_a_terminal(checkout):
    script = (
        "progress_s=0\nstep 'Counting' bash -c 'for i in 1 2 3; do echo part $i; sleep 0.5; done'"
    )
    lines = run(script, checkout).stdout.splitlines()
    assert lines[0] == "Counting …" and lines[-1].startswith("Counting: done in ")
    assert any(line.strip().endswith("part 2") for line in lines[1:-1])
    assert "\r" not in "".join(lines)


def test_the_end_of_a_failed_step_s_output_is_shown(checkout):
    done = run("step 'Failing' bash -c 'echo why; exit 3'", checkout)
    assert done.returncode == 1
    assert "why" in done.stderr and "Failing failed" in done.stderr


def test_an_old_python_is_refused_by_name(tmp_path):
    old = program(tmp_path, "python", "3.8")
    check = f"check_python {old}"
    assert run(check, requirements="demo").returncode == 0
    refused = run(check, requirements="dev")
    assert (
        refused.returncode == 1 and "is Python 3.8, but this needs 3.11 or newer" in refused.stderr
    )
    ancient = program(tmp_path, "python", "3.7")
    refused = run(f"check_python {ancient}", requirements="demo")
    assert refused.returncode == 1 and "needs 3.8 or newer" in refused.stderr
    assert "there is no" in run("check_python no-such-python", requirements="demo").stderr


def test_an_environment_of_another_python_is_not_taken_for_the_one_asked_for(checkout):
    program(checkout / ".venv", "unused", "")
    program(checkout / ".venv" / "bin", "python", "3.11")
    other = program(checkout / "programs", "python3.8", "3.8")
    done = run("make_environment", checkout, requirements="demo", python=other)
    assert done.returncode == 1 and ".venv has Python 3.11" in done.stderr


def test_an_old_compiler_is_refused_by_name(tmp_path):
    old = tmp_path / "g++"
    old.write_text(
        "#!/bin/sh\n[ $1 = -dumpversion ] && echo 9 || echo 'Copyright Free Software Foundation'\n"
    )
    old.chmod(0o755)
    refused = run("check_compiler", CXX=old)
    assert refused.returncode == 1 and "is GCC 9, but Spinney needs 11" in refused.stderr
    old.write_text(old.read_text().replace("echo 9", "echo 12"))
    assert run("check_compiler", CXX=old).returncode == 0
    assert "no C++ compiler" in run("check_compiler", CXX="no-such-compiler").stderr


def test_only_tests_need_the_packages_of_tests():
    without, having = (run(f"tests={on}; system_packages").stdout.split() for on in ("OFF", "ON"))
    assert set(having) - set(without) == {"libgtest-dev"}
    assert {"g++", "cmake", "zlib1g-dev"} <= set(without)
    written = (ROOT / "requirements" / "debian.txt").read_text()
    for name in without:  # what one release alone has stands beside another name
        assert not re.search(r"\d\.\d", name) or f"{name} |" in written


def test_the_first_package_that_there_is_is_taken(tmp_path):
    """libboost1.81-dev is Debian 12's; others have a libboost-dev that will do."""
    log = tmp_path / "log"
    programs = (
        "dpkg-query() { [ ${!#} = here-dev ] && echo install ok installed; }\n"
        'apt-cache() { [ $2 != old-dev ]; }\nas_root() { echo "$*" >>$told; }\n'
        'step() { shift; "$@"; }\n'
        "system_packages() { printf '%s\\n' 'old-dev | new-dev' 'gone-dev | here-dev' 'g++'; }\n"
        "id() { echo 0; }\n"
    )
    done = run(programs + "install_system_packages", told=log, SPINNEY_APT="")
    assert done.returncode == 0, done.stderr
    assert "with apt: old-dev | new-dev, g++" in done.stdout
    assert log.read_text().splitlines()[1].split()[-2:] == ["new-dev", "g++"]


def configured(tmp_path, requirements, cached=""):
    """The commands with which build() calls CMake."""
    (tmp_path / "build" / "release").mkdir(parents=True, exist_ok=True)
    (tmp_path / "CMakePresets.json").write_text("{}")
    (tmp_path / "build" / "release" / "CMakeCache.txt").write_text(cached)
    script = (
        'cmake() { echo "cmake $*" >>calls; }\nstep() { shift; "$@"; }\n'
        "tests=OFF; [ $requirements != dev ] || tests=ON\nbuild; cat calls; rm calls\n"
    )
    return run(script, tmp_path, requirements=requirements).stdout


def test_the_demonstration_builds_no_tests(tmp_path):
    said = configured(tmp_path, "demo")
    assert "-DSPINNEY_TESTS=OFF" in said and "--target _core" in said
    said = configured(tmp_path, "dev")
    assert "-DSPINNEY_TESTS=ON" in said and "--target" not in said
    # After make test, a demonstration leaves the configuration as it is.
    (tmp_path / "build" / "release" / "build.ninja").write_text("")
    said = configured(tmp_path, "demo", "SPINNEY_TESTS:BOOL=ON\n")
    assert "-DSPINNEY" not in said and "--target _core" in said
