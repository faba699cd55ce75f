#!/usr/bin/env python3
"""Prints what CHANGELOG.md says of a release: release_notes.py v1.2.3 [CHANGELOG]

Fails where the tag is not the version in CMakeLists.txt, or where the changelog has no part for it
or calls it unreleased, so that nothing is published under a wrong number.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: release_notes.py v1.2.3 [CHANGELOG]")
    tagged = sys.argv[1][1:] if sys.argv[1].startswith("v") else sys.argv[1]
    cmake = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    version = re.search(r"^project\(spinney VERSION ([0-9.]+)", cmake, re.MULTILINE)[1]
    if tagged != version:
        sys.exit(f"the tag says {tagged}, CMakeLists.txt says {version}")
    changelog = Path(sys.argv[2] if len(sys.argv) == 3 else ROOT / "CHANGELOG.md")
    parts = re.split(r"^## ", changelog.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    found = [part for part in parts if part.split()[0] == version]
    if len(found) != 1:
        sys.exit(f"{changelog.name} has no part for {version}, or several")
    heading, _, text = found[0].partition("\n")
    if "unreleased" in heading:
        sys.exit(f"{changelog.name} calls {version} unreleased; give it the date of today")
    print(text.strip())


if __name__ == "__main__":
    main()
