"""No shared function of a vector kernel's object file holds instructions of its set.

Inline functions and templates are emitted as weak symbols in every object that uses them, and the
linker keeps any one. Were one of them compiled inside a kernel's target region, the program would
run, say, AVX-512 code on every CPU.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BEYOND_BASELINE = re.compile(
    r"^\s+(v[a-z]\w+|k(mov|unpck|and|or|xor|not|test|shift)\w*|shrx|sarx|shlx|rorx|bextr|pext|pdep|"
    r"mulx|andn|blsr|blsi|tzcnt|lzcnt)\b"
)
# Functions of a set's own namespace exist in that set's objects alone.
OWN_NAMESPACE = re.compile(r"_ZNK?7spinney(\d+[a-z_]+)*?\d+avx(2|512)")


def leaks(obj: Path) -> list[str]:
    """Weak functions of `obj` that hold instructions which not every x86-64 CPU has."""
    names = subprocess.run(["nm", obj], capture_output=True, text=True, check=True).stdout
    weak = {line.split()[-1] for line in names.splitlines() if re.search(r" [WVu] ", line)}
    listing = subprocess.run(
        ["objdump", "-d", "--no-show-raw-insn", "--no-addresses", obj],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found, current = set(), None
    for line in listing.splitlines():
        if line.endswith(">:"):
            current = line.strip("<>: ")
        elif current not in weak or OWN_NAMESPACE.match(current):
            continue
        elif BEYOND_BASELINE.match(line):
            found.add(current)
    return sorted(found)


def kernel_objects() -> list[Path]:
    return [
        obj
        for obj in ROOT.glob("build/*/src/spinney/CMakeFiles/spinney.dir/**/*.o")
        if any(part.startswith("avx") for part in obj.parts)
    ]


needs_binutils = pytest.mark.skipif(
    not (shutil.which("nm") and shutil.which("objdump")), reason="binutils are not installed"
)


@needs_binutils
def test_no_vector_code_in_shared_functions():
    objects = kernel_objects()
    if not objects:
        pytest.skip("nothing was built in build/")
    assert {str(obj.relative_to(ROOT)): leaks(obj) for obj in objects if leaks(obj)} == {}


@needs_binutils
@pytest.mark.skipif(not shutil.which("g++"), reason="needs g++")
def test_a_planted_leak_is_found(tmp_path):
    source = tmp_path / "leak.cpp"
    source.write_text(
        "template <typename T> [[gnu::noinline]] T sum(const T* x) {\n"
        "  T s = 0; for (int i = 0; i < 64; ++i) s += x[i]; return s; }\n"
        "float use(const float* x) { return sum(x); }\n"
    )
    if (
        "x86_64"
        not in subprocess.run(["g++", "-dumpmachine"], capture_output=True, text=True).stdout
    ):
        pytest.skip("vector code is that of x86-64")
    obj = tmp_path / "leak.o"
    subprocess.run(["g++", "-O2", "-mavx2", "-c", source, "-o", obj], check=True)
    assert len(leaks(obj)) == 1
    subprocess.run(["g++", "-O2", "-c", source, "-o", obj], check=True)
    assert leaks(obj) == []
