"""Bar charts of benchmark results, as PNG or SVG by the file's name."""

from __future__ import annotations

import os
import textwrap

from spinney.cli.errors import UserError
from spinney.cli.table import shown_ratio, shown_seconds

OURS, THEIRS = "#0b6e4f", "#9aa5b1"


def refuse_chart(path):
    """UserError where no chart can be written to path; asked before hours of work, not after."""
    if os.path.splitext(path)[1].lower() not in (".png", ".svg"):
        raise UserError(f"{path}: charts are written as .png or .svg")
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise UserError(f"{path}: there is no folder {folder}")
    if not os.access(path if os.path.exists(path) else folder, os.W_OK) or os.path.isdir(path):
        raise UserError(f"{path}: cannot be written")
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise UserError("charts need matplotlib: pip install matplotlib") from None


def _pyplot(path):
    refuse_chart(path)
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "spinney"  # the same chart is the same file
    from matplotlib import pyplot

    return pyplot


def save_times(path, title, results, notes=()):
    """results: rows in a call -> {name: seconds per call}; a panel each, bars of time a call.

    The axis is logarithmic: beside a rival that takes 1,000 times as long, one that takes twice as
    long would not be seen. notes: what is said of rivals that could not run.
    """
    pyplot = _pyplot(path)
    names = list(dict.fromkeys(name for times in results.values() for name in times))[::-1]
    height = 1.5 + 0.42 * len(names)
    figure, panels = pyplot.subplots(
        1, len(results), figsize=(1.3 + 3.4 * len(results), height), squeeze=False, sharey=True
    )
    for panel, (rows, times) in zip(panels[0], results.items()):
        _draw_times(panel, pyplot, names, rows, times)
    figure.suptitle(
        f"{os.path.basename(title)}: time of a call on one thread, logarithmic\n"
        "(in brackets how many times as long as Spinney takes)",
        fontsize=10,
    )
    figure.tight_layout()
    if notes:
        lines = [
            line for note in notes for line in textwrap.wrap(note, int(30 * len(results)) + 10)
        ]
        figure.text(0.01, -0.01, "\n".join(lines), fontsize=7, color="#444444", va="top")
    figure.savefig(path, dpi=150, bbox_inches="tight")
    pyplot.close(figure)


def _draw_times(panel, pyplot, names, rows, times):
    ours = times["Spinney"]
    shown = [name for name in names if name in times]
    places = [names.index(name) for name in shown]
    colours = [OURS if name == "Spinney" else THEIRS for name in shown]
    least = min(times.values()) / 3
    bars = panel.barh(
        places, [times[name] - least for name in shown], 0.7, left=least, color=colours
    )
    labels = [
        f" {shown_seconds(times[name])}"
        + (f" ({shown_ratio(times[name] / ours)})" if name != "Spinney" else "")
        for name in shown
    ]
    panel.bar_label(bars, labels, fontsize=8)
    panel.set_xscale("log")
    # Room for the labels beside the longest bar.
    panel.set_xlim(least, max(times.values()) * (max(times.values()) / least) ** 0.75)
    panel.set_yticks(range(len(names)), names)
    for place, name in enumerate(names):
        if name not in times:
            panel.text(least * 1.1, place, "not run", fontsize=8, va="center", color="#888888")
    panel.set_title(f"{rows:,} row{'s' if rows > 1 else ''} a call", fontsize=10)
    panel.xaxis.get_major_locator().set_params(numticks=6)
    panel.xaxis.set_major_formatter(
        pyplot.FuncFormatter(lambda value, _: shown_seconds(value).replace(".0 ", " "))
    )
    panel.xaxis.set_minor_formatter(pyplot.NullFormatter())
    panel.tick_params(axis="x", labelsize=7)
    panel.spines[["top", "right"]].set_visible(False)


def save_ratios(path, title, ratios):
    """ratios: model's title -> {rows in a call: times faster than the best rival}."""
    pyplot = _pyplot(path)
    titles = list(ratios)[::-1]
    sizes = list(next(iter(ratios.values())))
    figure, axes = pyplot.subplots(figsize=(9, 0.55 * len(titles) + 1.4))
    thickness = 0.8 / len(sizes)
    for i, rows in enumerate(sizes):
        places = [k - 0.4 + thickness * (len(sizes) - i - 0.5) for k in range(len(titles))]
        values = [ratios[name].get(rows, 0) for name in titles]
        shade = ["#0b6e4f", "#3fa37c", "#9bd3bb"][i % 3]
        bars = axes.barh(
            places, values, thickness, label=f"{rows:,} row{'s' * (rows > 1)} a call", color=shade
        )
        axes.bar_label(bars, [f" {v:.1f}×" if v else "" for v in values], fontsize=7)
    axes.set_xscale("log")  # ratios of 1,000 would leave no room to tell 2 from 10
    axes.set_xlim(left=min(0.5, *(v for one in ratios.values() for v in one.values() if v)))
    axes.margins(x=0.1)
    axes.axvline(1, color="#444444", linewidth=1)
    axes.xaxis.set_major_formatter(pyplot.FuncFormatter(lambda value, _: f"{value:g}×"))
    axes.set_yticks(range(len(titles)), titles, fontsize=9)
    axes.set_xlabel("times faster than the best rival (one thread)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, loc="upper right")
    figure.suptitle(title)
    figure.tight_layout()
    figure.savefig(path, dpi=150)
    pyplot.close(figure)
