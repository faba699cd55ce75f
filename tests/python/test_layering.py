"""The shape of the source tree: who includes whom, names, lengths, and what must not be named.

The table of allowed includes is the one in ARCHITECTURE.md. Each check is also shown to catch a
planted violation.
"""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCE = ROOT / "src" / "spinney"
SERVER = ROOT / "src" / "server"
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)
LINES_MAX = 400  # files are about 80 to 250 lines; beyond this one they are cut in two
COLUMNS_MAX = 100
VAGUE_NAMES = {"util", "utils", "helper", "helpers", "manager", "misc", "common"}
TEXT = {
    ".h",
    ".cpp",
    ".py",
    ".pyi",
    ".md",
    ".txt",
    ".toml",
    ".json",
    ".cmake",
    ".sh",
    ".yml",
    ".yaml",
}
# Kernels know no locks, clocks, threads or files.
KERNEL_FORBIDDEN = {"mutex", "chrono", "thread", "future", "condition_variable", "fstream"}
# No registry, mirror or developer's folder is named in the repository.
FORBIDDEN_TEXT = [
    "pypi" + ".org",
    "python" + "hosted.org",
    "deb.debian" + ".org",
    "registry.npm" + "js",
    "artifact" + "registry",
    "/work" + "/",
    "/root" + "/.pyenv",
]


def read_table(text):
    """The rows of the include table: room -> set of rooms that it may include."""
    allowed = {}
    section = text.split("| room | may include |")[1].split("\n\n")[0]
    for line in section.splitlines()[2:]:
        room, others = (cell.strip() for cell in line.strip("| ").split("|"))
        allowed[room] = {name.strip() for name in others.split(",")} - {"–"}
    return allowed


def room_of(path):
    """The room of a path relative to src/spinney; None for the public door's own files."""
    parts = Path(path).parts
    return parts[0] if len(parts) > 1 else None


def include_faults(path, text, allowed):
    """What is wrong with the includes of one file (path relative to src/spinney)."""
    room = room_of(path)
    faults = []
    if room is not None and room not in allowed:
        return [f"{path}: room '{room}' is not in ARCHITECTURE.md's table"]
    for bracket, target in INCLUDE.findall(text):
        if room == "kernel" and bracket == "<" and target in KERNEL_FORBIDDEN:
            faults.append(f"{path}: kernels do not include <{target}>")
        if bracket != '"':
            continue
        if not target.startswith("spinney/"):
            faults.append(f'{path}: write "spinney/…/{target}"')
            continue
        other = room_of(target[len("spinney/") :])
        if room is None or other in ("base", room):
            continue
        if other not in allowed[room]:
            faults.append(f"{path}: {room} may not include {target}")
    return faults


def read_folders(text):
    """The table of load's folders: folder -> (its doors, the folders that it may include)."""
    section = text.split("| folder of load | its doors | may include |")[1].split("\n\n")[0]
    folders = {}
    for line in section.splitlines()[2:]:
        folder, *lists = (cell.strip() for cell in line.strip("| ").split("|"))
        doors, others = ({name.strip() for name in cell.split(",")} - {"–"} for cell in lists)
        folders[folder] = (doors, others)
    return folders


def folder_faults(path, text, folders):
    """What is wrong with a file's includes of load (path relative to src/spinney)."""
    parts = Path(path).parts
    own = parts[1] if parts[0] == "load" and len(parts) > 2 else None
    if own is not None and own not in folders:
        return [f"{path}: folder '{own}' is not in ARCHITECTURE.md's table"]
    faults = []
    for _, target in INCLUDE.findall(text):
        if not target.startswith("spinney/load/"):
            continue
        other, _, header = target[len("spinney/load/") :].rpartition("/")
        if other == (own or ""):
            continue
        if not other:
            allowed = own is None or header in ("choice.h", "estimator.h")
        else:
            doors, _ = folders.get(other, (set(), set()))
            allowed = header[:-2] in doors and (own is None or other in folders[own][1])
        if not allowed:
            faults.append(f"{path}: may not include {target}")
    return faults


def read_server_table(text):
    """The server's table: room -> (its rooms, headers of spinney); "–" is its door."""
    head = "| room of the server | may include | of `src/spinney` besides base |"
    section = text.split(head)[1].split("\n\n")[0]
    rooms = {}
    for line in section.splitlines()[2:]:
        room, *lists = (cell.strip() for cell in line.strip("| ").split("|"))
        rooms[room] = tuple({name.strip() for name in one.split(",")} - {"–"} for one in lists)
    return rooms


def server_faults(path, text, rooms):
    """What is wrong with the includes of one file (path relative to src/server)."""
    room = room_of(path) or "–"
    if room not in rooms:
        return [f"{path}: room '{room}' is not in ARCHITECTURE.md's table of the server"]
    own, headers = rooms[room]
    faults = []
    for bracket, target in INCLUDE.findall(text):
        if bracket == "<" and target.startswith("boost/") and path != Path("http1/parser.cpp"):
            faults.append(f"{path}: Boost's headers are slow; http1/parser.cpp alone has them")
        if bracket != '"':
            continue
        first, _, rest = target.partition("/")
        if first == "server":
            other = room_of(rest) or "–"
            fine = other in own or other == room
        else:
            fine = first == "spinney" and (rest.startswith("base/") or rest in headers)
        if not fine:
            faults.append(f"{path}: {room} may not include {target}")
    return faults


def order_faults(path, text, has_header):
    """A source includes its own header first; a header says #pragma once.

    A *_body.h is the exception: the text of functions, included once per instruction set inside
    that set's namespace and target region, so it stands alone neither as text nor as a file.
    """
    path = Path(path)
    if path.name.endswith("_body.h"):
        return [f"{path}: a body is included more than once"] if "#pragma once" in text else []
    if path.suffix == ".h":
        return [] if "#pragma once" in text else [f"{path}: lacks #pragma once"]
    if not has_header:
        return []
    own = f"spinney/{path.with_suffix('.h')}"
    includes = [target for _, target in INCLUDE.findall(text)]
    return [] if includes and includes[0] == own else [f"{path}: includes {own} first"]


def name_faults(path):
    path = Path(path)
    stem = path.name.split(".")[0]
    faults = []
    if not re.fullmatch(r"[a-z0-9_]+", stem):
        faults.append(f"{path}: names are snake_case")
    if set(stem.strip("_").split("_")) & VAGUE_NAMES:
        faults.append(f"{path}: the name does not say what it holds")
    return faults


def length_faults(path, text):
    lines = text.splitlines()
    faults = []
    if len(lines) > LINES_MAX:
        faults.append(f"{path}: {len(lines)} lines; cut it in two (at most {LINES_MAX})")
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS_MAX:
            faults.append(f"{path}:{number}: {len(line)} columns (at most {COLUMNS_MAX})")
    return faults


def text_faults(path, text):
    return [f"{path}: names {word}" for word in FORBIDDEN_TEXT if word in text]


def tracked_files():
    """Files of the repository, as git has them (or all of them outside a git checkout)."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    names = listed.stdout.splitlines() if listed.returncode == 0 else []
    paths = [ROOT / name for name in names] or [
        p for p in ROOT.rglob("*") if "build" not in p.parts
    ]
    return [path for path in paths if path.is_file() and not path.is_symlink()]


def sources():
    for path in sorted(SOURCE.rglob("*")):
        if path.suffix in (".h", ".cpp"):
            yield path, path.relative_to(SOURCE), path.read_text()


def test_includes_follow_the_table():
    allowed = read_table((ROOT / "ARCHITECTURE.md").read_text())
    faults = []
    for _, name, text in sources():
        faults += include_faults(name, text, allowed)
    assert not faults, "\n".join(faults)


def test_folders_of_load_are_entered_by_their_doors():
    folders = read_folders((ROOT / "ARCHITECTURE.md").read_text())
    faults = []
    for _, name, text in sources():
        faults += folder_faults(name, text, folders)
    assert not faults, "\n".join(faults)
    assert set(folders) == {path.name for path in (SOURCE / "load").iterdir() if path.is_dir()}


def server_sources():
    for path in sorted(SERVER.rglob("*")):
        if path.suffix in (".h", ".cpp"):
            yield path, path.relative_to(SERVER), path.read_text()


def test_the_server_keeps_to_doors():
    rooms = read_server_table((ROOT / "ARCHITECTURE.md").read_text())
    faults = []
    for path, name, text in server_sources():
        faults += server_faults(name, text, rooms)
        faults += order_faults(
            f"server/{name}",
            text.replace("server/", "spinney/server/"),
            path.with_suffix(".h").exists(),
        )
    assert not faults, "\n".join(faults)
    assert {path.name for path in SERVER.iterdir() if path.is_dir()} == set(rooms) - {"–"}


def test_the_table_has_no_cycle():
    text = (ROOT / "ARCHITECTURE.md").read_text()
    check_no_cycle({room: own for room, (own, _) in read_server_table(text).items()})
    check_no_cycle(read_table(text))
    check_no_cycle({folder: others for folder, (_, others) in read_folders(text).items()})


def check_no_cycle(allowed):
    done = set()
    while len(done) < len(allowed):
        ready = {room for room, others in allowed.items() if room not in done and others <= done}
        assert ready, f"rooms that include each other: {sorted(set(allowed) - done)}"
        done |= ready


def test_own_header_comes_first():
    faults = []
    for path, name, text in sources():
        faults += order_faults(name, text, path.with_suffix(".h").exists())
    assert not faults, "\n".join(faults)


def test_names_lengths_and_columns():
    faults = []
    for path in tracked_files():
        name = path.relative_to(ROOT)
        if path.suffix not in (".h", ".cpp", ".py") or name.parts[0] == "python/modules":
            continue
        faults += name_faults(name) + length_faults(name, path.read_text())
    assert not faults, "\n".join(faults)


def test_no_registry_or_local_path_is_named():
    faults = []
    for path in tracked_files():
        if path.suffix in TEXT:
            faults += text_faults(path.relative_to(ROOT), path.read_text())
    assert not faults, "\n".join(faults)


ALLOWED = {"model": set(), "link": {"model"}, "kernel": {"model"}, "load": {"model"}}
CLEAN = '#include "spinney/link/link.h"\n#include <vector>\n#include "spinney/model/rows.h"\n'


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("model/forest.h", '#include "spinney/link/link.h"'),
        ("load/load.cpp", '#include "spinney/kernel/forest/registry.h"'),
        ("kernel/forest/walk.cpp", "#include <mutex>"),
        ("kernel/forest/walk.cpp", '#include "walk.h"'),
        ("kernel/forest/walk.cpp", '#  include "spinney/load/load.h"'),
        ("attic/old.h", ""),
    ],
)
def test_a_planted_include_is_caught(path, line):
    assert include_faults(path, line + "\n", ALLOWED)


ROOMS = {"http1": ({"bytes"}, set()), "bytes": (set(), set()), "–": ({"http1"}, {"spinney.h"})}


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("bytes/bytes.h", '#include "server/http1/session.h"'),
        ("http1/session.h", '#include "spinney/engine/engine.h"'),
        ("http1/session.cpp", "#include <boost/beast/http/parser.hpp>"),
        ("http1/session.cpp", '#include "session.h"'),
        ("server.cpp", '#include "spinney/engine/core.h"'),
        ("grpc/frame.h", ""),
    ],
)
def test_a_planted_include_of_the_server_is_caught(path, line):
    assert server_faults(Path(path), line + "\n", ROOMS)


FOLDERS = {"file": ({"budget"}, set()), "json": ({"json"}, {"file"})}


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("load/json/tree.cpp", "load/load.h"),  # the door lists readers, not they it
        ("load/file/budget.cpp", "load/json/json.h"),  # not in the table
        ("load/load.cpp", "load/json/tree.h"),  # no door
        ("plan/plan.cpp", "load/json/tree.h"),
        ("load/attic/old.cpp", "base/result.h"),
    ],
)
def test_a_planted_include_of_a_folder_is_caught(path, target):
    assert folder_faults(path, f'#include "spinney/{target}"\n', FOLDERS)


def test_doors_of_folders_may_be_included():
    text = '#include "spinney/load/json/tree.h"\n#include "spinney/load/file/budget.h"\n'
    assert not folder_faults(
        "load/json/json.cpp", text + '#include "spinney/load/choice.h"', FOLDERS
    )
    assert not folder_faults("load/load.cpp", '#include "spinney/load/json/json.h"', FOLDERS)


def test_clean_files_have_no_fault():
    assert not include_faults("link/link.cpp", CLEAN, ALLOWED)
    assert not order_faults("link/link.cpp", CLEAN, True)
    assert not name_faults("src/spinney/link/link.cpp")
    assert not length_faults("a.cpp", "x" * COLUMNS_MAX + "\n")
    assert not text_faults("a.md", "an ordinary sentence")


def test_other_planted_faults_are_caught():
    assert order_faults("link/link.h", "int x;", True)
    assert order_faults("kernel/walk_body.h", "#pragma once", False)
    assert order_faults("link/link.cpp", "#include <vector>\n" + CLEAN, True)
    assert name_faults("src/spinney/link/linkUtil.cpp")
    assert name_faults("src/spinney/link/string_util.cpp")
    assert length_faults("a.cpp", "x" * (COLUMNS_MAX + 1))
    assert length_faults("a.cpp", "x\n" * (LINES_MAX + 1))
    assert text_faults("a.md", "see " + FORBIDDEN_TEXT[0])
    assert {".yml", ".yaml"} <= TEXT


def test_installed_headers_include_installed_headers():
    text = (ROOT / "cmake" / "install.cmake").read_text()
    doors = re.search(r"foreach\(spinney_door ([^)]*)\)", text)[1].split()
    rooms = re.search(r"install\(DIRECTORY ([^\n]*)\n", text)[1].split()
    installed = {f"spinney/{door}" for door in doors}
    for room in rooms:
        headers = (ROOT / room).glob("*.h")
        installed |= {str(header.relative_to(ROOT / "src")) for header in headers}
    missing = {
        f"{header} includes {name}"
        for header in installed
        for name in re.findall(r'#include "(spinney/[^"]+)"', (ROOT / "src" / header).read_text())
        if name not in installed
    }
    assert not missing, "\n".join(sorted(missing))
