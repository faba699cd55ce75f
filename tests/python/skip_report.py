"""At the end of a run: why tests were skipped, a line for each reason, and how many there were."""

from __future__ import annotations

import os
import re
from collections import defaultdict


def reason_of(report):
    """What a skipped test says of itself, in one line."""
    told = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    told = " ".join(told.split())
    told = told[len("Skipped: ") :] if told.startswith("Skipped: ") else told
    absent = re.match(r"could not import '([\w.]+)'", told)
    return f"{absent[1]} is not installed" if absent else told


def lines_of(reports):
    files = defaultdict(list)
    for report in reports:
        files[reason_of(report)].append(os.path.basename(report.nodeid.split("::")[0]))
    for reason in sorted(files, key=lambda reason: (-len(files[reason]), reason)):
        where = ", ".join(sorted(set(files[reason])))
        yield f"{len(files[reason]):6}  {reason} ({where})"


def pytest_terminal_summary(terminalreporter):
    stats = terminalreporter.stats
    skipped = stats.get("skipped", [])
    if not skipped:
        return
    total = sum(len(stats.get(kind, [])) for kind in ("passed", "failed", "error")) + len(skipped)
    terminalreporter.section(f"{len(skipped)} of {total} tests skipped", sep="-")
    for line in lines_of(skipped):
        terminalreporter.write_line(line)
