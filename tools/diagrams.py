"""Draws docs/images/*.svg: python tools/diagrams.py

Pictures for the pages, as SVG that needs nothing else: legible on a telephone, and light or dark as
the reader's system is. speed.svg is drawn from docs/benchmarks/compare.json. A test fails where a
picture is not what this program draws.
"""

from __future__ import annotations

import json
import math
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
WIDTH = 520
STYLE = """<style>
text{font:15px system-ui,sans-serif;fill:#1d2a2a}.s{font-size:13px;fill:#4b5c5c}.b{font-weight:600}
.box{fill:#e6f4f1;stroke:#00796b;stroke-width:1.5}.plain{fill:#f4f5f6;stroke:#8a9696}
.stop{fill:#fdecea;stroke:#b3261e}.line{fill:none;stroke:#5a6b6b;stroke-width:1.6}
.dash{stroke-dasharray:5 4}.head{fill:#5a6b6b}.one{fill:#00796b}.two{fill:#4db6ac}
.three{fill:#b2dfdb}
@media(prefers-color-scheme:dark){text{fill:#e3ecec}.s{fill:#a9bbbb}
.box{fill:#12332f;stroke:#4db6ac}
.plain{fill:#2b3136;stroke:#7c8a8a}.stop{fill:#42201d;stroke:#f2b8b5}.line{stroke:#9fb0b0}
.head{fill:#9fb0b0}.one{fill:#4db6ac}.two{fill:#26867b}.three{fill:#1b5a53}}
</style>"""


class Drawing:
    """Boxes with lines of text, arrows between points, and words."""

    def __init__(self, title, height, width=WIDTH):
        self.size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        self.title = title
        self.parts = []

    def box(self, x, y, width, lines, kind="box", height=None):
        """A box whose first line is bold; the middle of its lower edge."""
        height = height or 16 + 20 * len(lines)
        self.parts.append(
            f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{height}" rx="7"/>'
        )
        top = y + height / 2 - 10 * len(lines) + 15
        for i, line in enumerate(lines):
            self.text(x + width / 2, top + 20 * i, line, "s" if i else "b", "middle")
        return x + width / 2, y + height

    def text(self, x, y, words, kind="s", anchor="start"):
        place = f'x="{x:g}" y="{y:g}" text-anchor="{anchor}"'
        self.parts.append(f'<text class="{kind}" {place}>{escape(words)}</text>')

    def arrow(self, *points, dashed=False):
        """A line through points with a head at its end."""
        route = " ".join(f"{x:g},{y:g}" for x, y in points)
        kind = "line dash" if dashed else "line"
        self.parts.append(f'<polyline class="{kind}" points="{route}"/>')
        (x0, y0), (x1, y1) = points[-2:]
        length = math.hypot(x1 - x0, y1 - y0)
        dx, dy = (x1 - x0) / length * 8, (y1 - y0) / length * 8
        head = [
            (x1, y1),
            (x1 - dx - dy / 2, y1 - dy + dx / 2),
            (x1 - dx + dy / 2, y1 - dy - dx / 2),
        ]
        route = " ".join(f"{x:.1f},{y:.1f}" for x, y in head)
        self.parts.append(f'<polygon class="head" points="{route}"/>')

    def bar(self, x, y, width, height, kind):
        place = f'x="{x:g}" y="{y:g}" width="{width:.1f}" height="{height}"'
        self.parts.append(f'<rect class="{kind}" {place} rx="2"/>')

    def svg(self):
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {self.size} role="img">'
        return "\n".join(
            [head, f"<title>{escape(self.title)}</title>", STYLE, *self.parts, "</svg>\n"]
        )


def journey():
    """A model file's way to answers."""
    d = Drawing("A model file is read once; rows go through ranks, a kernel and the link", 330)
    d.box(10, 10, 240, ["Model file", "JSON, text, pickle, .spinney"], "plain")
    d.arrow((130, 66), (130, 96))
    d.text(140, 86, "load: read as data, checked")
    d.box(10, 98, 240, ["Description", "trees, weights, link, labels"])
    d.arrow((130, 154), (130, 184))
    d.text(140, 174, "plan: measured on this CPU")
    d.box(10, 186, 240, ["Plan", "which kernel for how many rows"])
    d.box(320, 98, 190, ["Rows", "array, frame, sparse"], "plain")
    d.arrow((415, 154), (415, 184))
    d.text(405, 174, "ranked", anchor="end")
    d.box(320, 186, 190, ["Kernel", "walk, blocks or lanes"])
    d.arrow((252, 214), (316, 214))
    d.arrow((415, 242), (415, 270))
    d.text(405, 261, "raw scores", anchor="end")
    d.box(320, 272, 190, ["Link", "the library's own formula"])
    d.arrow((320, 300), (254, 300))
    d.box(10, 272, 240, ["Answer", "values, probabilities, labels"], "plain")
    return d


def engine():
    """How an engine answers many callers."""
    d = Drawing("Callers are answered at once or through a queue, batches and workers", 402)
    d.box(10, 10, 150, ["predict", "this thread"], "plain")
    d.box(185, 10, 150, ["predict_async", "asyncio"], "plain")
    d.box(360, 10, 150, ["enqueue_…", "a future"], "plain")
    d.box(10, 100, 500, ["One door", "width and type, limits, cache of answers, counts"])
    for x in (85, 260, 435):
        d.arrow((x, 66), (x, 96))
    d.arrow((85, 156), (85, 330))
    d.text(95, 205, "at once: predict,")
    d.text(95, 223, "and cheap rows in asyncio")
    d.arrow((400, 156), (400, 184))
    d.box(290, 186, 220, ["Queue of the model", "5 priorities, deadlines"])
    d.arrow((400, 242), (400, 258))
    d.box(290, 260, 220, ["Batch", "what is queued, no waiting"])
    d.arrow((400, 316), (400, 332))
    d.box(
        10, 334, 500, ["Model", "native: on the engine's workers; Python: on a thread of its own"]
    )
    return d


def permission():
    """What becomes of a file that is loaded."""
    d = Drawing("A pickle is read as data; other objects need permission and a worker process", 380)
    d.box(130, 10, 260, ["spinney.load(file)", "read as data, nothing runs"], "plain")
    d.arrow((260, 66), (260, 92))
    d.box(130, 94, 260, ["Is there a native reader?", "forests, linear models, ensembles"])
    d.arrow((130, 122), (75, 122), (75, 184))
    d.text(82, 158, "yes")
    d.box(10, 186, 150, ["Native model", "no library needed"])
    d.arrow((390, 122), (445, 122), (445, 184))
    d.text(438, 158, "no", anchor="end")
    d.box(300, 186, 210, ["Is there permission?", "allowed_classes, trusted"])
    d.arrow((345, 242), (345, 268), (130, 268), (130, 300))
    d.text(240, 262, "no", anchor="middle")
    d.box(30, 302, 200, ["Refused", "by the class's name"], "stop")
    d.arrow((445, 242), (445, 300))
    d.text(438, 276, "yes", anchor="end")
    d.box(290, 302, 220, ["Worker process", "unpickled in a sandbox", "with limits and a time-out"])
    return d


def preload():
    """A model that is loaded before a server forks."""
    d = Drawing("The master loads the model once, its forked workers share the pages", 300)
    d.box(110, 10, 300, ["gunicorn --preload: master", "engine.load_model(…), once"])
    for x, name in ((80, "worker 1"), (260, "worker 2"), (440, "worker 3")):
        d.arrow((260, 66), (260, 86), (x, 86), (x, 112)) if x != 260 else d.arrow((x, 66), (x, 112))
        d.box(x - 70, 114, 140, [name, "own queue", "own threads, cache"], "plain")
        d.arrow((x, 192), (x, 226), dashed=True)
    d.text(270, 101, "fork()")
    d.box(
        10, 228, 500, ["The model's memory, shared between the processes", "nobody writes into it"]
    )
    return d


def speed():
    """Times faster than the best rival, for the README's models, from the benchmark's file."""
    facts = json.loads((ROOT / "docs" / "benchmarks" / "compare.json").read_text())
    chosen = [result for result in facts["results"] if result["goals"]]
    sizes = (("1", "1 row", "one"), ("64", "64 rows", "two"), ("10000", "10,000 rows", "three"))
    d = Drawing("Times faster than the best of its rivals", 86 + 84 * len(chosen))
    x = 10
    for _, words, kind in sizes:
        d.bar(x, 12, 14, 14, kind)
        d.text(x + 20, 24, words)
        x += 110
    most = max(_ratio(result, size) for result in chosen for size, *_ in sizes)
    for i, result in enumerate(chosen):
        y = 44 + 84 * i
        d.text(10, y + 12, result["title"], "b")
        for j, (size, _, kind) in enumerate(sizes):
            ratio = _ratio(result, size)
            d.bar(10, y + 19 + 18 * j, 430 * ratio / most, 15, kind)
            d.text(16 + 430 * ratio / most, y + 32 + 18 * j, f"{_shown(ratio)}×")
    foot = 60 + 84 * len(chosen)
    d.text(10, foot, "Times faster than the best rival, one thread, Python's part included.")
    d.text(10, foot + 18, f"{facts['machine']}.")
    return d


def _ratio(result, size):
    times = result["times"][size]
    rivals = [best for name, (best, _) in times.items() if name != "Spinney"]
    return min(rivals) / times["Spinney"][0]


def _shown(ratio):
    return f"{ratio:.1f}" if ratio < 9.95 else f"{ratio:.0f}"


DRAWINGS = {"journey": journey, "engine": engine, "permission": permission, "preload": preload}
DRAWINGS["speed"] = speed


def main():
    for name, draw in DRAWINGS.items():
        (IMAGES / f"{name}.svg").write_text(draw().svg(), encoding="utf-8")


if __name__ == "__main__":
    main()
