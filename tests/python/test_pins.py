"""The files under requirements/ name an exact version of everything that gets installed."""

from __future__ import annotations

import importlib.metadata
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PIN = re.compile(r"([A-Za-z0-9._-]+)(?:\[([a-z,]+)\])?==([^;\s]+)(?:\s*;\s*(.+))?$")
# What each file is for, and the Pythons that it is for.
NEWER = ("3.11", "3.12", "3.13")
FILES = {"demo": ("3.8", "3.9", "3.10", *NEWER), "dev": NEWER, "bench": NEWER}


def read(name):
    """(normal name, extras, version, marker) of each line, those of the files it names too."""
    for line in (ROOT / "requirements" / f"{name}.txt").read_text().splitlines():
        line = line.partition("#")[0].strip()
        if line.startswith("-r "):
            yield from read(line[3:].partition(".")[0])
        elif line:
            found = PIN.match(line)
            assert found, f"requirements/{name}.txt: {line!r} pins no version"
            yield normal(found[1]), found[2] or "", found[3], found[4] or ""


def normal(name):
    return re.sub("[-_.]+", "-", name).lower()


def holds(marker, version, extra=""):
    markers = pytest.importorskip("packaging.markers")
    environment = {"python_version": version, "python_full_version": f"{version}.0"}
    return not marker or markers.Marker(marker).evaluate({**environment, "extra": extra})


@pytest.mark.parametrize("name", FILES)
def test_each_python_has_one_version_of_everything(name):
    for version in FILES[name]:
        taken = [pin[0] for pin in read(name) if holds(pin[3], version)]
        assert len(taken) == len(set(taken)), (name, version, sorted(taken))
        assert {"numpy", "nanobind", "scikit-learn", "xgboost-cpu", "lightgbm"} <= set(taken)


@pytest.mark.parametrize("name", FILES)
def test_what_the_pinned_need_is_pinned(name):
    """By what is installed here: the version that a line pins tells what it needs."""
    requirements = pytest.importorskip("packaging.requirements")
    version = "{}.{}".format(*sys.version_info)
    if version not in FILES[name]:
        pytest.skip(f"requirements/{name}.txt is for Python {FILES[name][0]} and later")
    pinned = {pin[0]: pin for pin in read(name) if holds(pin[3], version)}
    seen, missing = 0, set()
    for own, extras, wanted, _ in pinned.values():
        try:
            found = importlib.metadata.distribution(own)
        except importlib.metadata.PackageNotFoundError:
            continue  # make test installs less than make bench
        if found.version != wanted:
            continue
        seen += 1
        for line in found.requires or ():
            need = requirements.Requirement(line)
            asked = any(holds(str(need.marker or ""), version, e) for e in ["", *extras.split(",")])
            if asked and normal(need.name) not in pinned:
                missing.add(f"{own} needs {need.name}")
    assert seen > 10 and not missing, sorted(missing)
