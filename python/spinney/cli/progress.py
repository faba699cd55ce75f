"""A progress line on standard error, only where that is a terminal."""

from __future__ import annotations

import sys
import time


class Progress:
    """Shows the share done, rows and rows a second; redraws ten times a second at most."""

    def __init__(self, shown=True):
        self.shown = shown and sys.stderr.isatty()
        self.start = time.monotonic()
        self.drawn = 0.0
        self.rows = 0
        self.share = None

    def add_rows(self, count):
        self.rows += count
        self._draw()

    def at(self, done, total):
        self.share = min(1.0, done / total) if total else None

    def _draw(self, last=False):
        now = time.monotonic()
        if not self.shown or (now - self.drawn < 0.1 and not last):
            return
        self.drawn = now
        rate = self.rows / max(1e-9, now - self.start)
        bar = ""
        if self.share is not None:
            filled = round(30 * (1.0 if last else self.share))
            bar = "█" * filled + "░" * (30 - filled) + " "
        sys.stderr.write(f"\r\x1b[K{bar}{self.rows:,} rows, {rate:,.0f} rows/s")
        if last:
            sys.stderr.write("\n")
        sys.stderr.flush()

    def close(self):
        self._draw(last=True)
