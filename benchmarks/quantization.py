"""How fast arrays are quantized, beside numpy and the memory; what quantizing does to models.

python benchmarks/quantization.py [-o docs/benchmarks]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from time import perf_counter

import numpy as np

from machine import describe
from spinney import Quantizer, load, quantize_model
from spinney.cli.table import markdown_table, print_table
from spinney.configs import QuantizationMode, QuantizationType

ROOT = Path(__file__).resolve().parent.parent
N = 16_000_000
CALLS = 500  # in a row, for one timing of a single row


def interleaved(calls, seconds):
    """Best time of each call, taken in turns."""
    best = dict.fromkeys(calls, float("inf"))
    ends = perf_counter() + seconds
    while perf_counter() < ends:
        for name, call in calls.items():
            started = perf_counter()
            call()
            best[name] = min(best[name], perf_counter() - started)
    return best


def numpy_quantize(x, scale):
    return np.clip(np.rint(x / scale), -128, 127).astype(np.int8)


def measure_arrays(seconds):
    rng = np.random.default_rng(0)
    x = rng.normal(size=N).astype(np.float32)
    table = x.reshape(-1, 32)
    target = np.empty_like(x)
    options = {"enable_cache": False}
    kept = Quantizer({**options, "quantization_mode": "STATIC"})
    moving = Quantizer(options)
    channels = Quantizer({**options, "quantization_mode": "STATIC", "per_channel": True})
    half = Quantizer({**options, "quantization_type": "FLOAT16"})
    kept.quantize(x), channels.quantize(table)
    codes, scale = kept.quantize(x), np.float32(kept.scale)
    halves = half.quantize(x)
    # What is read and written for each value, in bytes.
    ways = {
        "copy into place": (8, lambda: np.copyto(target, x), None),
        "copy into new memory": (8, lambda: x.copy(), None),
        "int8, scale known": (5, lambda: kept.quantize(x), lambda: numpy_quantize(x, scale)),
        "int8, scale of the data": (
            9,
            lambda: moving.quantize(x),
            lambda: numpy_quantize(x, np.float32(np.abs(x).max() / 127)),
        ),
        "int8, a scale for each of 32 columns": (
            5,
            lambda: channels.quantize(table),
            lambda: numpy_quantize(table, channels.scale),
        ),
        "int8 to float32": (
            5,
            lambda: kept.dequantize(codes),
            lambda: codes.astype(np.float32) * scale,
        ),
        "int8 to float32, into place": (
            5,
            lambda: kept.dequantize(codes, out=target),
            lambda: np.multiply(codes, scale, out=target),
        ),
        "float16": (6, lambda: half.quantize(x), lambda: x.astype(np.float16)),
        "float16 to float32": (
            6,
            lambda: half.dequantize(halves),
            lambda: halves.astype(np.float32),
        ),
    }
    calls = {name: way[1] for name, way in ways.items()}
    calls.update({name + " numpy": way[2] for name, way in ways.items() if way[2]})
    best = interleaved(calls, seconds)
    rows = []
    copy_rate = 8 * N / best["copy into place"] / 1e9
    for name, (size, _, _) in ways.items():
        theirs = best.get(name + " numpy")
        rate = N * size / best[name] / 1e9
        rows.append(
            {
                "name": name,
                "ms": best[name] * 1e3,
                "gb_per_s": rate,
                "share_of_copy": rate / copy_rate,
                "numpy_ms": theirs and theirs * 1e3,
                "times_numpy": theirs and theirs / best[name],
            }
        )
    return rows


def row_options():
    """(name, options) of every type and mode."""
    for mode in QuantizationMode:
        for channels in (False, True):
            if channels and mode is QuantizationMode.DYNAMIC_PER_CHANNEL:
                continue
            options = {"quantization_mode": mode.name, "per_channel": channels}
            yield f"INT8, {mode.name}" + ", per channel" * channels, options
    for kind in QuantizationType:
        if kind is not QuantizationType.INT8:
            yield kind.name, {"quantization_type": kind.name}


def measure_row():
    """Microseconds for one row of 28."""
    x = np.random.default_rng(0).normal(size=(1, 28)).astype(np.float32)
    found = {}
    for name, options in row_options():
        quantizer = Quantizer({**options, "enable_cache": False})
        if options.get("quantization_mode") == "CALIBRATED":
            quantizer.calibrate([x])
        codes = quantizer.quantize(x)

        def many(call, given):
            for _ in range(CALLS):
                call(given)

        best = interleaved(
            {
                "quantize": lambda q=quantizer: many(q.quantize, x),
                "dequantize": lambda q=quantizer, c=codes: many(q.dequantize, c),
                "both": lambda q=quantizer: many(q.quantize_dequantize, x),
            },
            0.3,
        )
        found[name] = {way: seconds / CALLS * 1e6 for way, seconds in best.items()}
    return found


def fitted_models():
    import lightgbm
    import xgboost

    rng = np.random.default_rng(1)
    x = rng.normal(size=(20_000, 28)).astype(np.float32)
    y = x[:, 0] * x[:, 1] + np.sin(x[:, 2]) + 0.3 * rng.normal(size=len(x)) > 0
    yield (
        "XGBoost, 500 trees of depth 6",
        xgboost.XGBClassifier(n_estimators=500, max_depth=6, learning_rate=0.05).fit(x, y),
    )
    yield (
        "LightGBM, 500 trees of 31 leaves",
        lightgbm.LGBMClassifier(n_estimators=500, learning_rate=0.05, verbose=-1).fit(x, y),
    )
    yield (
        "XGBoost, 1,000 trees of depth 3",
        xgboost.XGBClassifier(n_estimators=1000, max_depth=3, learning_rate=0.1).fit(x, y),
    )


def measure_models():
    rows = np.random.default_rng(2).normal(size=(10_000, 28)).astype(np.float32)
    for title, fitted in fitted_models():
        model = load(fitted)
        for dtype in ("int16", "int8"):
            _, report = quantize_model(model, dtype, calibration=rows)
            yield {"title": title, **report.to_dict()}


def draw(rows, path):
    """Bars: gigabytes a second that each way moves."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 3.6), layout="constrained")
    names = [row["name"] for row in rows][::-1]
    axes.barh(names, [row["gb_per_s"] for row in rows][::-1], label="Spinney, or a copy")
    theirs = [row["gb_per_s"] / (row["times_numpy"] or np.inf) for row in rows][::-1]
    axes.barh(names, theirs, height=0.4, label="numpy")
    axes.set_xlabel("GB/s read and written, one thread, 16 million float32")
    goal = 0.8 * rows[0]["gb_per_s"]
    axes.axvline(goal, color="black", linewidth=1, linestyle=":", label="80 % of a copy into place")
    figure.legend(loc="outside upper center", ncols=3)
    for kind in ("png", "svg"):
        figure.savefig(path.with_suffix("." + kind), dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=8.0, help="time for the arrays")
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "docs" / "benchmarks")
    arguments = parser.parse_args()
    arrays, row, models = measure_arrays(arguments.seconds), measure_row(), list(measure_models())
    tables = [
        (
            ["16 million float32", "time", "traffic", "of a copy's", "numpy's expression", "gain"],
            [
                [
                    way["name"],
                    f"{way['ms']:.2f} ms",
                    f"{way['gb_per_s']:.1f} GB/s",
                    f"{way['share_of_copy']:.0%}",
                    f"{way['numpy_ms']:.1f} ms" if way["numpy_ms"] else "",
                    f"{way['times_numpy']:.1f}×" if way["times_numpy"] else "",
                ]
                for way in arrays
            ],
        ),
        (
            ["one row of 28, from Python", "quantize", "dequantize", "quantize_dequantize"],
            [
                [name, *(f"{best[way]:.2f} µs" for way in ("quantize", "dequantize", "both"))]
                for name, best in row.items()
            ],
        ),
        (
            ["model", "leaves", "proven bound", "measured", "flips", "file", "ns a row"],
            [
                [
                    found["title"],
                    found["dtype"],
                    f"{found['proven_bound']:.2g}",
                    f"{found['measured_error']:.2g}",
                    f"{found['label_flips']} of {found['rows']:,}",
                    f"{found['bytes_before'] >> 10} → {found['bytes_after'] >> 10} KiB",
                    f"{found['ns_per_row_before']:.0f} → {found['ns_per_row_after']:.0f}",
                ]
                for found in models
            ],
        ),
    ]
    for headings, cells in tables:
        print_table(headings, cells, title=describe())
    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / "quantization"
    facts = {"machine": describe(), "arrays": arrays, "row_us": row, "models": models}
    path.with_suffix(".json").write_text(json.dumps(facts, indent=1) + "\n")
    text = "\n".join(markdown_table(*table) + "\n" for table in tables)
    path.with_suffix(".md").write_text(f"Measured on {describe()}.\n\n{text}")
    draw(arrays, path)


if __name__ == "__main__":
    main()
