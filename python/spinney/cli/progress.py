"""A progress line on standard error, only where that is a terminal."""

from __future__ import annotations

import os
import shutil
import sys
import time


class Progress:
    """Shows the share done, rows and rows a second; redraws ten times a second at most.

    The share is of the file's bytes, or rows where those are counted beforehand; of a pipe nobody
    knows it, and no bar is drawn. output: where the rows go: nothing is drawn into the terminal
    where they are shown.
    """

    def __init__(self, shown=True, output=None):
        self.shown = shown and _is_terminal(sys.stderr) and os.environ.get("TERM") != "dumb"
        if output == "-" and _is_terminal(sys.stdout):
            self.shown = False
        self.start = time.monotonic()
        self.drawn = 0.0
        self.rows = 0
        self.share = None

    def add_rows(self, count):
        self.rows += count
        self._draw()

    def at(self, done, total):
        self.share = min(1.0, done / total) if total else None

    def _line(self, width):
        rate = self.rows / max(1e-9, time.monotonic() - self.start)
        text = f"{self.rows:,} rows, {rate:,.0f} rows/s"
        if self.share is None:
            return text[:width]
        share = f"{int(100 * self.share):3}%"  # 100 only when all is read
        size = min(30, width - len(text) - 7)
        if size < 5:
            return f"{share} {text}"[:width]
        filled = int(size * self.share)
        return "█" * filled + "░" * (size - filled) + f" {share} {text}"

    def _draw(self, last=False):
        now = time.monotonic()
        if not self.shown or (now - self.drawn < 0.1 and not last):
            return
        self.drawn = now
        width = shutil.get_terminal_size().columns - 1
        sys.stderr.write("\r\x1b[K" + self._line(width) + ("\n" if last else ""))
        sys.stderr.flush()

    def close(self, failed=False):
        """The last state stays where all went well; else the line is cleared for the message."""
        if failed:
            if self.shown and self.drawn:
                sys.stderr.write("\r\x1b[K")
                sys.stderr.flush()
            return
        self._draw(last=True)


def _is_terminal(file):
    return file is not None and file.isatty()
