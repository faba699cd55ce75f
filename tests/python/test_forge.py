"""The workflows of a public forge, and the hooks of a commit, do what .ci/run and make lint do."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).resolve().parent.parent.parent
WORKFLOWS = ROOT / ".github" / "workflows"
RUN = (ROOT / ".ci" / "run").read_text()


def workflow(name):
    return yaml.safe_load((WORKFLOWS / f"{name}.yml").read_text())


def listed(name):
    """The steps that .ci/run lists under a name."""
    return re.search(rf"^{name}=\((.*)\)$", RUN, re.MULTILINE)[1].split()


def steps_run(job):
    """The names of .ci/run's steps that a job runs, over all of its matrix."""
    scripts = [step["run"] for step in job["steps"] if ".ci/run" in step.get("run", "")]
    assert len(scripts) == 1
    named = scripts[0].split(".ci/run")[1].strip()
    if named == "${{ matrix.steps }}":
        return [name for entry in job["strategy"]["matrix"]["steps"] for name in entry.split()]
    return named.split()


def test_the_jobs_run_each_step_once():
    jobs = workflow("ci")["jobs"]
    usual = [name for job in ("debian", "wheels") for name in steps_run(jobs[job])]
    assert sorted(usual) == sorted(listed("usual"))
    assert sorted(steps_run(jobs["long"])) == sorted(listed("long"))
    assert jobs["long"]["if"] == "github.event_name == 'schedule'"
    for job in ("debian", "wheels"):
        assert jobs[job]["if"] == "github.event_name != 'schedule'"


def test_every_step_has_a_function_and_begins_with_what_it_needs():
    """A job runs a step alone, on a machine where no step before it has built anything."""
    for name in [*listed("usual"), *listed("long")]:
        body = re.search(rf"^step_{name}\(\) (\{{.*?\}})$", RUN, re.MULTILINE | re.DOTALL)[1]
        prepares = r"\b(packages|built|sanitized_tests|make (test|lint|build))\b"
        assert re.search(prepares, body), f"step {name} counts on an earlier one"


def scripts():
    for path in sorted(WORKFLOWS.glob("*.yml")):
        for name, job in yaml.safe_load(path.read_text())["jobs"].items():
            for step in job["steps"]:
                yield f"{path.stem}/{name}", step


def test_scripts_are_bash_and_actions_are_pinned():
    seen = 0
    for where, step in scripts():
        assert ("run" in step) != ("uses" in step), where
        if "run" in step:
            text = re.sub(r"\$\{\{.*?\}\}", "x", step["run"])
            checked = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True)
            assert checked.returncode == 0, (where, checked.stderr)
            assert "${{ github.event" not in step["run"], f"{where}: what others write, in a script"
        else:
            assert re.search(r"^[\w-]+/[\w-]+@[0-9a-f]{40}$", step["uses"]), (where, step["uses"])
            seen += 1
    assert seen > 8
    texts = "".join(path.read_text() for path in WORKFLOWS.glob("*.yml"))
    for use in re.findall(r"uses: \S+.*", texts):
        assert re.search(r"  # v\d+\.\d+\.\d+$", use), f"{use}: say which version that is"


def test_only_a_tag_is_published_and_without_a_token():
    release = workflow("release")
    assert release[True] == {"push": {"tags": ["v*"]}, "workflow_dispatch": None}  # YAML's `on`
    jobs = release["jobs"]
    assert release["permissions"] == {"contents": "read"} and "permissions" not in jobs["build"]
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert jobs["publish"]["needs"] == "build" and jobs["announce"]["needs"] == "publish"
    for name in ("publish", "announce"):
        assert jobs[name]["if"] == "github.ref_type == 'tag'"
    assert "secrets." not in (WORKFLOWS / "release.yml").read_text()
    build = "\n".join(step.get("run", "") for step in jobs["build"]["steps"])
    for part in ("tools/release_notes.py", "make wheels", "build --sdist", "twine check --strict"):
        assert part in build


def test_releases_have_a_wheel_for_each_python(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    from build_wheels import VERSIONS

    for path, job in (("ci", "wheels"), ("release", "build")):
        steps = workflow(path)["jobs"][job]["steps"]
        (given,) = [one["with"] for one in steps if "setup-python" in one.get("uses", "")]
        versions = given["python-version"].split()
        assert sorted(versions) == sorted(VERSIONS)
        assert versions[-1] == "3.11"  # the last is `python3`, which the pinned libraries need
    build = workflow("release")["jobs"]["build"]["steps"]
    assert any(f"= {len(VERSIONS)}" in step.get("run", "") for step in build)


def test_hooks_check_what_make_lint_checks():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repo["repo"] for repo in hooks] == ["local"]
    entries = " ".join(hook["entry"] for hook in hooks[0]["hooks"])
    lint = (ROOT / "Makefile").read_text().split("\nlint:")[1].split("\n\n")[0]
    for tool in re.findall(r"\.venv/bin/(clang-format|ruff \w+)", lint):
        assert f".venv/bin/{tool}" in entries
    assert "tests/python/test_layering.py" in lint and "tests/python/test_layering.py" in entries
    (formatted,) = [hook["files"] for hook in hooks[0]["hooks"] if "files" in hook]
    assert re.search(formatted, "src/spinney/a.cpp") and re.search(formatted, "a.h")
    assert all(hook["language"] == "system" for hook in hooks[0]["hooks"])
