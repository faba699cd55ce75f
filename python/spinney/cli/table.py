"""Tables for people: drawn with rich on a terminal, plain aligned text elsewhere."""

from __future__ import annotations

import sys
import unicodedata


def shown_seconds(seconds):
    """A duration with the unit that suits it: 812 ns, 5.3 µs, 1.2 ms, 3.4 s."""
    for scale, unit in ((1e9, "ns"), (1e6, "µs"), (1e3, "ms")):
        value = seconds * scale
        if value < 1000:
            return f"{value:.0f} {unit}" if value >= 100 or unit == "ns" else f"{value:.1f} {unit}"
    return f"{seconds:.1f} s"


def shown_ratio(ratio):
    return f"{ratio:.1f}×" if ratio < 10 else f"{ratio:.0f}×"


def shown_bytes(count):
    for scale, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count} bytes"


def _width(text):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def plain_table(headings, rows, title=None):
    """The table as text: first column left, the others right, a rule below the headings."""
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(_width, column)) for column in zip(headings, *rows)]

    def line(cells):
        parts = []
        for i, (cell, width) in enumerate(zip(cells, widths)):
            space = " " * (width - _width(cell))
            parts.append(cell + space if i == 0 else space + cell)
        return "  ".join(parts).rstrip()

    lines = [title] if title else []
    lines += [line(headings), "  ".join("-" * width for width in widths)]
    return "\n".join(lines + [line(row) for row in rows])


def markdown_table(headings, rows):
    """The same table in Markdown."""
    lines = ["| " + " | ".join(map(str, headings)) + " |"]
    lines.append("|---|" + "---:|" * (len(headings) - 1))
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows])


def print_table(headings, rows, title=None):
    """Writes the table to standard output."""
    if sys.stdout.isatty():
        try:
            from rich.console import Console
            from rich.table import Table
        except ImportError:
            pass
        else:
            table = Table(title=title, title_justify="left")
            for i, heading in enumerate(headings):
                table.add_column(heading, justify="left" if i == 0 else "right")
            for row in rows:
                table.add_row(*map(str, row))
            Console(highlight=False, markup=False).print(table)
            return
    print(plain_table(headings, rows, title))
