"""The documentation as a site: python tools/build_docs.py [--no-site]

Gathers docs/, the pages beside README.md and the API pages in build/docs, and has MkDocs build them
in build/site; any warning fails. --no-site stops after gathering, which needs no MkDocs. The site's
navigation is the list "All pages" of docs/README.md, heading by heading.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import site_markdown
from api_pages import render_pages
from site_markdown import LINK

ROOT = Path(__file__).resolve().parent.parent
GATHERED = ROOT / "build" / "docs"
BESIDE = ("ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")
CONTENTS = "## All pages\n"
TITLES = {  # of tables that have no heading of their own
    "overload": "Table: the engine under load",
    "arrivals": "Table: requests that arrive in asyncio",
    "batching": "Table: batchers of a Python function",
    "preprocessing": "Table: preprocessing",
    "quantization": "Table: quantization",
    "catboost": "Table: CatBoost",
}
WITHIN = ("compare", "load", "threads")  # tables that docs/benchmarks.md holds already
ALONE = "---\nhide: [navigation]\n---\n\n"  # a page without the navigation at its side
# Folders of pages that are listed by their names: heading of the navigation -> folder.
FOLDERS = {"Reference": ("The Python API", "api"), "Project": ("Decisions", "decisions")}


def gather():
    """Fill build/docs anew."""
    shutil.rmtree(GATHERED, ignore_errors=True)
    shutil.copytree(ROOT / "docs", GATHERED)
    for name in BESIDE:
        shutil.copy(ROOT / name, GATHERED / name)
    decisions = sorted((GATHERED / "decisions").glob("*.md"))
    lines = [f"- [{title(path)}]({path.name})" for path in decisions]
    index = GATHERED / "decisions" / "README.md"
    index.write_text("# Decisions\n\n" + "\n".join(lines) + "\n", encoding="utf-8")
    for path in (GATHERED / "benchmarks").glob("*.md"):
        if path.stem in WITHIN:
            path.unlink()
        else:
            path.write_text(with_title(path), encoding="utf-8")
    for name, text in render_pages().items():
        (GATHERED / "api").mkdir(exist_ok=True)
        (GATHERED / "api" / name).write_text(text, encoding="utf-8")
    for path in GATHERED.rglob("*.md"):
        origin = ROOT if path.name in BESIDE else ROOT / "docs" / path.relative_to(GATHERED).parent
        text = with_links(path.read_text(encoding="utf-8"), path, origin)
        text = site_markdown.with_narrow_options(site_markdown.with_plain_examples(text))
        path.write_text(text, encoding="utf-8")
    home = GATHERED / "README.md"
    home.write_text(ALONE + home.read_text(encoding="utf-8"), encoding="utf-8")


def with_links(text, path, origin):
    """Links of a page that stood in the folder `origin`, for where it is now."""
    return site_markdown.with_links(text, path, origin, ROOT, GATHERED)


def with_title(path):
    """A benchmark's table, which has no heading of its own."""
    text = path.read_text(encoding="utf-8")
    return text if text.startswith("# ") else f"# {TITLES[path.stem]}\n\n{text}"


def title(path):
    """The first heading of a page."""
    found = re.search(r"^# (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return found[1].replace("`", "") if found else path.stem


def nav():
    """The site's navigation: the contents of docs/README.md, with the folders' pages in place."""
    readme = (GATHERED / "README.md").read_text(encoding="utf-8")
    groups = [{"Home": "README.md"}]
    for part in readme.split(CONTENTS, 1)[1].split("\n### ")[1:]:
        heading, links = part.split("\n", 1)
        folder_title, folder = FOLDERS.get(heading, ("", ""))
        items = [
            {" ".join(words.split()): target}
            for words, target, _ in LINK.findall(links)
            if not folder or not target.startswith(f"{folder}/")
        ]
        if folder:
            items.append({folder_title: entries(folder)})
        groups.append({heading: items})
    return groups


def entries(folder):
    """Pages of a folder: the API's in their order, others by name, an overview first."""
    names = [path.name for path in (GATHERED / folder).glob("*.md")]
    order = ["README.md", *render_pages()] if folder == "api" else ["README.md", *sorted(names)]
    return [
        {title(GATHERED / folder / name): f"{folder}/{name}"}
        for name in dict.fromkeys(order)
        if name in names
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
