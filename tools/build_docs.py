"""The documentation as a site: python tools/build_docs.py [--no-site]

Gathers docs/, the pages beside README.md and the API pages in build/docs, and has MkDocs build them
in build/site; any warning fails. --no-site stops after gathering, which needs no MkDocs.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from api_pages import render_pages

ROOT = Path(__file__).resolve().parent.parent
GATHERED = ROOT / "build" / "docs"
BESIDE = ("ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")
_LINK = re.compile(r"(?<!!)\[([^\]\n]*)\]\(([^)#\s:]+)(#[^)\s]*)?\)")


def gather():
    """Fill build/docs anew. The pages in the order of docs/README.md, the rest behind."""
    shutil.rmtree(GATHERED, ignore_errors=True)
    shutil.copytree(ROOT / "docs", GATHERED)
    for name in BESIDE:
        shutil.copy(ROOT / name, GATHERED / name)
    decisions = sorted((GATHERED / "decisions").glob("*.md"))
    lines = [f"- [{title(path)}]({path.name})" for path in decisions]
    index = GATHERED / "decisions" / "README.md"
    index.write_text("# Decisions\n\n" + "\n".join(lines) + "\n", encoding="utf-8")
    for name, text in render_pages().items():
        (GATHERED / "api").mkdir(exist_ok=True)
        (GATHERED / "api" / name).write_text(text, encoding="utf-8")
    for path in GATHERED.rglob("*.md"):
        origin = ROOT if path.name in BESIDE else ROOT / "docs" / path.relative_to(GATHERED).parent
        path.write_text(with_links(path.read_text(encoding="utf-8"), path, origin), "utf-8")


def with_links(text, path, origin):
    """Links of a page, from where it was in the repository to where things are in build/docs.

    What the site does not hold (the licence, an example's folder) is named instead of linked.
    """

    def moved(found):
        words, target, anchor = found[1], found[2], found[3] or ""
        place = (origin / target).resolve()
        if (path.parent / target).is_file() or not place.exists():
            return found[0]  # in place, or broken, which MkDocs reports
        inside = place.relative_to(ROOT)
        if inside.parts[0] == "docs":
            inside = inside.relative_to("docs")
        if (GATHERED / inside).is_dir():
            inside = inside / "README.md"
        if not (GATHERED / inside).is_file():
            return f"{words} (`{place.relative_to(ROOT)}`)"
        return f"[{words}]({os.path.relpath(GATHERED / inside, path.parent)}{anchor})"

    return _LINK.sub(moved, text)


def title(path):
    """The first heading of a page."""
    found = re.search(r"^# (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return found[1].replace("`", "") if found else path.stem


def nav():
    """The contents: guides, the API, benchmarks' tables, decisions, the repository's pages."""
    readme = (GATHERED / "README.md").read_text(encoding="utf-8")
    ordered = [link[1] for link in _LINK.findall(readme) if "/" not in link[1]]
    guides = [name for name in ordered if (GATHERED / name).is_file() and name not in BESIDE]
    guides += sorted(p.name for p in GATHERED.glob("*.md") if p.name not in {*guides, *BESIDE})
    guides.remove("README.md")

    def entries(folder):
        names = sorted(path.name for path in (GATHERED / folder).glob("*.md"))
        names.sort(key=lambda name: name != "README.md")
        return [entry(f"{folder}/{name}") for name in names]

    def entry(name):
        return {title(GATHERED / name): name}

    api = [entry(f"api/{name}") for name in render_pages()]
    return [
        {"Documentation": "README.md"},
        *[entry(name) for name in guides],
        {"API": api},
        {"Tables": entries("benchmarks")},
        {"Decisions": entries("decisions")},
        {"The repository": [entry(name) for name in BESIDE]},
    ]


def main():
    gather()
    if "--no-site" in sys.argv:
        return 0
    config = ROOT / "build" / "mkdocs.yml"
    settings = {
        "INHERIT": str(ROOT / "mkdocs.yml"),
        "docs_dir": str(GATHERED),
        "site_dir": str(ROOT / "build" / "site"),
        "nav": nav(),
    }
    config.write_text(json.dumps(settings, indent=1), encoding="utf-8")  # JSON is YAML too
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(config)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "DISABLE_MKDOCS_2_WARNING": "true"}
    built = subprocess.run(command, env=environment, stderr=subprocess.PIPE, text=True)
    if built.returncode == 0:
        print("the site is in build/site; python -m http.server -d build/site shows it")
    else:
        print(built.stderr, file=sys.stderr)
    return built.returncode


if __name__ == "__main__":
    sys.exit(main())
