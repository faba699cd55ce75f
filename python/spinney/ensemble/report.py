"""ValidationReport: what validation found, as numbers, as a table and as a chart."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any
from xml.sax.saxutils import escape

import numpy as np

from spinney.exceptions import InvalidInputError, ModelIOError

_MEMBER, _WHOLE, _TEXT = "#9aa5b1", "#0b6e4f", "#1f2933"
_LEFT, _WIDTH, _BAR = 170, 420, 26


@dataclass
class ValidationReport:
    """What Ensemble.validate found. str() of it is a table.

    members, ensemble: metric -> (value, (low, high)), of each member and of all together. metric:
    the one that contribution is measured by: accuracy, where more is better, or rmse. contribution:
    of each member, how much better the ensemble is with it than without, by that metric; None where
    there is no ensemble without it. correlation: of the members' answers, in their order. schema:
    of each member, n_features, all_columns, all_classes: whether it reads and knows all of the
    ensemble's. sources: of each member, "equal" to its own library, or what is different, or why it
    was not compared. fitted: None, or weights by name, the rows that they were fitted on, and
    metrics of the given and the fitted ones on the rows measured_on, which are other ones.
    """

    method: str
    rows: int
    metric: str
    members: dict[str, Any]
    ensemble: dict[str, Any]
    contribution: dict[str, float | None]
    correlation: np.ndarray
    schema: dict[str, dict[str, Any]]
    sources: dict[str, str]
    left_out: dict[str, str]
    confidence: float
    intervals: int
    fitted: dict[str, Any] | None

    @property
    def valid(self) -> bool:
        """Whether no member differs from its own library, and none is missing."""
        differ = any(said.startswith("different") for said in self.sources.values())
        return not differ and not self.left_out

    def to_dict(self) -> dict[str, Any]:
        """Everything, as what JSON can hold."""
        return {**asdict(self), "correlation": self.correlation.tolist(), "valid": self.valid}

    def __str__(self) -> str:
        heads = ["", *self.ensemble, "contribution", "own library"]
        lines = [heads]
        for name, found in self.members.items():
            share = self.contribution[name]
            gain = "–" if share is None else f"{share:+.4f}"
            lines.append([name, *map(_shown, found.values()), gain, self.sources[name]])
        lines.append(["ensemble", *map(_shown, self.ensemble.values()), "", ""])
        widths = [max(len(line[i]) for line in lines) for i in range(len(heads))]
        table = "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip()
            for line in lines
        )
        return "\n".join([self._title(), table, *self._notes()])

    def _title(self):
        bounds = f", {self.confidence:.0%} intervals of {self.intervals:,} bootstrap samples"
        return f"{self.method} on {self.rows:,} rows" + (bounds if self.intervals else "")

    def _notes(self):
        notes = [f"{name} is left out: {why}" for name, why in self.left_out.items()]
        size = len(self.correlation)
        if size > 1:
            pairs = self.correlation[np.triu_indices(size, 1)]
            notes.append(f"members correlate by {pairs.min():.3f} to {pairs.max():.3f}")
        if self.fitted is not None:
            weights = ", ".join(f"{name} {w:.3f}" for name, w in self.fitted["weights"].items())
            before, after = (self.fitted[what][self.metric] for what in ("given", "fitted"))
            notes.append(
                f"weights fitted on {self.fitted['rows']:,} rows: {weights}; on the other "
                f"{self.fitted['measured_on']:,}: {self.metric} {before:.4f} -> {after:.4f}"
            )
        return notes

    def save_chart(self, path: Any) -> None:
        """A bar for each member and for all together, with intervals, as an SVG file."""
        if os.path.splitext(os.fspath(path))[1].lower() != ".svg":
            raise InvalidInputError(f"{os.fspath(path)!r}: charts are written as .svg")
        try:
            with open(path, "w", encoding="utf-8") as file:
                file.write(self.chart())
        except OSError as error:
            raise ModelIOError(f"{os.fspath(path)!r} cannot be written: {error}") from error

    def chart(self) -> str:
        """The text of that SVG file."""
        bars = [(name, found[self.metric]) for name, found in self.members.items()]
        bars.append(("ensemble", self.ensemble[self.metric]))
        ends = [value if bounds is None else bounds[1] for _, (value, bounds) in bars]
        scale = _WIDTH / (max(ends) or 1.0)
        height = 40 + _BAR * len(bars)
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LEFT + _WIDTH + 90}" '
            f'height="{height}" font-family="sans-serif" font-size="12" fill="{_TEXT}">',
            f'<text x="8" y="20">{escape(self.metric)}: {escape(self._title())}</text>',
        ]
        for i, (name, (value, bounds)) in enumerate(bars):
            parts.extend(_bar(i, len(bars), name, value, bounds, scale))
        return "\n".join([*parts, "</svg>\n"])


def _bar(i, n_bars, name, value, bounds, scale):
    y = 32 + _BAR * i
    middle = y + _BAR / 2 - 3
    colour = _WHOLE if i == n_bars - 1 else _MEMBER
    end = _LEFT + (value if bounds is None else bounds[1]) * scale
    shown = name if len(name) < 24 else name[:22] + "…"
    yield f'<text x="{_LEFT - 8}" y="{middle + 4}" text-anchor="end">{escape(shown)}</text>'
    yield (
        f'<rect x="{_LEFT}" y="{y}" width="{value * scale:.1f}" height="{_BAR - 6}" '
        f'fill="{colour}"/>'
    )
    if bounds is not None:
        low, high = (_LEFT + bound * scale for bound in bounds)
        yield (
            f'<path d="M{low:.1f} {middle}H{high:.1f}M{low:.1f} {middle - 4}v8'
            f'M{high:.1f} {middle - 4}v8" stroke="{_TEXT}"/>'
        )
    yield f'<text x="{end + 6:.1f}" y="{middle + 4}">{value:.4f}</text>'


def _shown(measured):
    value, bounds = measured
    return f"{value:.4f}" + ("" if bounds is None else f" [{bounds[0]:.4f}, {bounds[1]:.4f}]")
