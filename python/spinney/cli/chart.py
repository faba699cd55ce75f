"""Bar charts of benchmark results, as PNG or SVG by the file's name."""

from __future__ import annotations

import os

from spinney.cli.errors import UserError

OURS, THEIRS = "#0b6e4f", "#9aa5b1"


def _pyplot(path):
    if os.path.splitext(path)[1].lower() not in (".png", ".svg"):
        raise UserError(f"{path}: charts are written as .png or .svg")
    try:
        import matplotlib
    except ImportError:
        raise UserError("charts need matplotlib: pip install 'spinney[cli]'") from None
    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "spinney"  # the same chart is the same file
    from matplotlib import pyplot

    return pyplot


def save_times(path, title, results):
    """results: rows in a call -> {name: seconds per call}; one panel each, bars of rows/s."""
    pyplot = _pyplot(path)
    figure, panels = pyplot.subplots(
        1, len(results), figsize=(4.2 * len(results), 3.2), squeeze=False
    )
    for panel, (rows, times) in zip(panels[0], results.items()):
        names = sorted(times, key=times.get, reverse=True)
        rates = [rows / times[name] for name in names]
        colours = [OURS if name == "Spinney" else THEIRS for name in names]
        bars = panel.barh(names, rates, color=colours)
        panel.bar_label(bars, [f" {rate:,.0f}" for rate in rates], fontsize=8)
        panel.set_title(f"{rows:,} row{'s' if rows > 1 else ''} a call", fontsize=10)
        panel.set_xlabel("rows/s")
        panel.margins(x=0.3)
        panel.spines[["top", "right"]].set_visible(False)
        panel.ticklabel_format(axis="x", style="sci", scilimits=(0, 3))
    figure.suptitle(title)
    figure.tight_layout()
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


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
