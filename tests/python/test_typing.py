"""Type checkers accept a user's program that uses the whole public surface, and know its types."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = Path(__file__).parent / "user_program.py"
MODEL = ROOT / "tests" / "fuzz" / "corpus" / "lightgbm_text" / "two_trees.txt"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "python")}
# The public modules, whose __all__ is the surface.
MODULES = (
    "spinney",
    "spinney.batching",
    "spinney.configs",
    "spinney.engine",
    "spinney.metrics",
    "spinney.preprocessing",
    "spinney.quantization",
    "spinney.workers",
    "modules.configs",
    "modules.engine.batch_processor",
    "modules.engine.data_preprocessor",
    "modules.engine.inference_engine",
    "modules.engine.lru_ttl_cache",
    "modules.engine.quantizer",
)
WRONG = """
import spinney
from modules.engine.inference_engine import InferenceEngine

spinney.load("a", verbose=True)
number: str = spinney.load("a").n_trees
InferenceEngine().predict()
spinney.InferenceEngineConfig(num_threads="many")
InferenceEngine().predict([], iteration_rang=(0, 1))
"""


def run(*command):
    return subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
    )


def mypy(path, tmp_path):
    pytest.importorskip("mypy")
    cache = tmp_path / "cache"
    return run("-m", "mypy", "--strict", "--no-error-summary", "--cache-dir", cache, path)


def pyright(tmp_path, *arguments):
    """basedpyright as pyright's strict mode, over files in tmp_path."""
    pytest.importorskip("basedpyright")
    settings = {"typeCheckingMode": "strict", "pythonVersion": "3.11"}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    options = ["--pythonpath", sys.executable, "--outputjson"]
    done = run("-m", "basedpyright", *options, *arguments)
    return json.loads(done.stdout)


def test_mypy_accepts_a_user_s_program(tmp_path):
    done = mypy(PROGRAM, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    wrong = tmp_path / "wrong.py"
    wrong.write_text(WRONG)
    found = mypy(wrong, tmp_path).stdout
    for line in (5, 6, 7, 8, 9):
        assert f"wrong.py:{line}: error" in found, found


def test_pyright_accepts_a_user_s_program(tmp_path):
    copy = tmp_path / "program.py"
    copy.write_text(PROGRAM.read_text())
    (tmp_path / "wrong.py").write_text(WRONG)
    told = pyright(tmp_path, "--project", tmp_path)
    by_file = {"program.py": [], "wrong.py": []}
    for one in told["generalDiagnostics"]:
        if one["severity"] == "error":
            text = f"{one['range']['start']['line'] + 1}: {one['message']}"
            by_file[Path(one["file"]).name].append(text)
    assert not by_file["program.py"], "\n".join(by_file["program.py"])
    assert {int(text.split(":")[0]) for text in by_file["wrong.py"]} >= {5, 6, 7, 8, 9}


def homes():
    """Where each public class and function, and each base of the package's, is defined."""
    found = set()
    for name in MODULES:
        module = importlib.import_module(name)
        for each in map(vars(module).get, module.__all__):
            kinds = inspect.getmro(each) if inspect.isclass(each) else [each]
            found |= {
                f"{kind.__module__}.{kind.__qualname__}"
                for kind in kinds
                if getattr(kind, "__module__", "").startswith("spinney")
            }
    return found


def test_no_type_of_the_surface_is_unknown(tmp_path):
    told = pyright(tmp_path, "--ignoreexternal", "--verifytypes", "spinney")
    symbols = told["typeCompleteness"]["symbols"]
    public = homes()
    assert len(public) > 70
    names = {one["name"] for one in symbols}
    assert public <= names, sorted(public - names)
    unknown = [
        one["name"]
        for one in symbols
        if not one["isTypeKnown"] and any(f"{one['name']}.".startswith(f"{at}.") for at in public)
    ]
    assert not unknown, "annotate " + ", ".join(unknown)


def test_the_program_uses_the_whole_surface():
    nodes = list(ast.walk(ast.parse(PROGRAM.read_text())))
    used = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    imports = [node for node in nodes if isinstance(node, ast.ImportFrom)]
    used |= {alias.name for node in imports for alias in node.names}
    # What these modules offer to the engine itself.
    internal = {"Config", "Parameters", "engine_config", "startup_messages"}
    internal |= {
        "chooses_what_to_quantize",
        "input_loss",
        "load_here",
        "quantize_for_engine",
        "quantizes_nothing",
    }
    for name in MODULES:
        missing = set(importlib.import_module(name).__all__) - used - internal
        assert not missing, f"user_program.py uses nothing of {name}: {sorted(missing)}"


def test_the_program_runs(tmp_path):
    pytest.importorskip("typing_extensions")
    script = (
        f"import sys; sys.path.insert(0, {str(PROGRAM.parent)!r})\n"
        "import user_program, pathlib\n"
        f"user_program.main(pathlib.Path({str(MODEL)!r}), pathlib.Path({str(tmp_path)!r}))"
    )
    done = run("-W", "error", "-c", script)
    assert done.returncode == 0, done.stdout + done.stderr


def test_markers_of_typed_packages_are_there():
    # Of a namespace package, type checkers look for one in each of its folders.
    for folder in ("spinney", "modules", "modules/engine"):
        assert (ROOT / "python" / folder / "py.typed").is_file()
