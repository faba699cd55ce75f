"""The distribution: one version, its name, what it declares, its release notes."""

from __future__ import annotations

import re
import subprocess
import sys
from email import message_from_string
from pathlib import Path

import pytest

import spinney

ROOT = Path(__file__).resolve().parent.parent.parent
PROJECT = (ROOT / "pyproject.toml").read_text()
CMAKE = (ROOT / "CMakeLists.txt").read_text()
VERSION = re.search(r"^project\(spinney VERSION ([0-9.]+)", CMAKE, re.M)[1]


@pytest.fixture(scope="module")
def metadata(tmp_path_factory):
    """What an index is told of the distribution, as the build back end makes it."""
    pytest.importorskip("scikit_build_core")
    folder = tmp_path_factory.mktemp("metadata")
    script = (
        "import sys, scikit_build_core.build as back\n"
        "print(back.prepare_metadata_for_build_wheel(sys.argv[1]))"
    )
    made = subprocess.run(
        [sys.executable, "-c", script, str(folder)], cwd=ROOT, capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr
    return message_from_string((folder / made.stdout.split()[-1] / "METADATA").read_text())


def test_there_is_one_version(metadata):
    version = VERSION
    assert spinney.__version__ == version
    assert metadata["Version"] == version
    assert 'dynamic = ["version"]' in PROJECT and not re.search(r"^version =", PROJECT, re.M)
    assert re.search(rf"^## {re.escape(version)} ", (ROOT / "CHANGELOG.md").read_text(), re.M)


def test_the_installed_cmake_package_has_it_too():
    built = ROOT / "build" / "release" / "spinneyConfigVersion.cmake"
    if not built.exists():
        pytest.skip("build/release is not configured here")
    assert f'set(PACKAGE_VERSION "{VERSION}")' in built.read_text()


def test_no_other_file_has_a_version_of_its_own():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    stated = re.compile(r"^\s*(__version__|version|SPINNEY_VERSION)\s*=\s*[\"'][0-9]", re.M)
    found = [
        name
        for name in listed.stdout.split()
        if name.endswith((".py", ".pyi", ".toml", ".cmake", ".txt", ".h", ".cpp"))
        and stated.search((ROOT / name).read_text())
        and not name.startswith("tests/")
    ]
    assert not found


def test_the_distribution_has_its_own_name(metadata):
    assert metadata["Name"] == "spinney-engine"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata.get_all("License-File") == ["LICENSE", "THIRD_PARTY_LICENSES.txt"]
    assert metadata["Requires-Python"] == ">=3.8"
    assert "pip install ." in metadata.get_payload() and "spinney.load(" in metadata.get_payload()


def test_the_terms_of_what_a_wheel_holds_are_in_it():
    libraries = (ROOT / "cmake" / "dependencies.cmake").read_text()
    linked = set(re.findall(r"^spinney_find_library\((\w+)", libraries, re.M))
    headers = {name.split("/")[0] for name in re.findall(r"find_path\(\w+ (\S+)\)", libraries)}
    known = {"xxhash.h": "xxHash", "flatbuffers": "flatbuffers", "boost": "Boost", "hwloc.h": None}
    compiled = {"nanobind", "robin_map", *(known[name] for name in headers - {"${header}"})}
    told = (ROOT / "THIRD_PARTY_LICENSES.txt").read_text()
    named = set(re.findall(r"^    (\w+) ", told, re.M))
    # zlib stays outside a wheel (manylinux has it), and hwloc is opened where it is installed.
    assert named == (linked - {"zlib"}) | (compiled - {None})
    for name in named - {"lzma", "flatbuffers"}:  # in the public domain, and as Spinney itself
        assert re.search(rf"^={{80}}\n(.*\n)?{name}\b", told, re.M), name


def test_what_messages_and_pages_install_is_this_distribution():
    """`spinney` alone is somebody else's."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    wrong = re.compile(r"pip install (-\S+ )*[\"']?spinney(?!-engine)|\bspinney\[(?!\d|:)")
    found = []
    for name in listed.stdout.split():
        path = ROOT / name
        text = path.suffix in (".py", ".md", ".toml", ".yml", ".yaml", ".sh", ".txt", ".cpp", ".h")
        if text and path != Path(__file__) and wrong.search(path.read_text()):
            found.append(name)
    assert not found
    assert wrong.search("pip install spinney") and wrong.search("'spinney[cli]'")
    assert not wrong.search("pip install 'spinney-engine[cli]'")


def test_it_says_on_which_pythons_it_is_tested(metadata):
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        from build_wheels import VERSIONS
    finally:
        sys.path.pop(0)
    classifiers = metadata.get_all("Classifier")
    named = {c.split(" :: ")[-1] for c in classifiers if re.search(r"Python :: 3\.\d+$", c)}
    assert named == set(VERSIONS)
    assert "Typing :: Typed" in classifiers
    assert (ROOT / "python" / "spinney" / "py.typed").exists()


def test_extras_are_what_the_package_can_do_without(metadata):
    extras = metadata.get_all("Provides-Extra")
    assert {"cli", "toml", "threads", "sklearn", "xgboost", "lightgbm"} <= set(extras)
    needed = [need for need in metadata.get_all("Requires-Dist") if "extra" not in need]
    assert [re.match(r"[a-z-]+", need)[0] for need in needed] == ["numpy"]


def test_the_notes_of_a_release_are_its_part_of_the_changelog(tmp_path):
    script = ROOT / "tools" / "release_notes.py"

    def notes(changelog, tag):
        page = tmp_path / "CHANGELOG.md"
        page.write_text(changelog)
        command = [sys.executable, script, tag, page]
        return subprocess.run(command, capture_output=True, text=True)

    version = VERSION
    news = "New.\n\n### A\n\n- one\n"
    text = f"# Changelog\n\n## {version} (2026-12-01)\n\n{news}\n## 0.0.1 (2020-01-01)\n\nOld.\n"
    told = notes(text, f"v{version}")
    assert told.returncode == 0 and told.stdout == news
    other = notes(text, "v9.9.9")
    assert other.returncode == 1 and "9.9.9" in other.stderr and version in other.stderr
    assert "unreleased" in notes(text.replace("2026-12-01", "unreleased"), f"v{version}").stderr
    assert "no part" in notes("# Changelog\n", f"v{version}").stderr
