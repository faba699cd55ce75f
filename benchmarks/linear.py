"""Linear models against scikit-learn and, where it is installed, ONNX Runtime.

    python benchmarks/linear.py

Calls of 1, 64 and 10,000 rows through each package's own predict, on one thread; every call sees
other rows and the ways take turns. "float32" is a model and rows of float32, "sparse" rows of
float64 that store a tenth of their cells.
"""

from __future__ import annotations

import argparse

import numpy as np
import scipy.sparse
from sklearn.linear_model import LogisticRegression, Ridge
from threadpoolctl import threadpool_limits

import spinney
from machine import describe
from spinney.cli.table import markdown_table, shown_ratio, shown_seconds
from spinney.cli.timing import measure

SIZES = (1, 64, 10_000)


def cases():
    rng = np.random.default_rng(0)
    for kind, features, dtype, name in (
        (Ridge, 4, np.float64, "Ridge, 4 columns"),
        (Ridge, 28, np.float64, "Ridge, 28 columns"),
        (Ridge, 28, np.float32, "Ridge, 28 columns, float32"),
        (Ridge, 300, np.float64, "Ridge, 300 columns"),
        (LogisticRegression, 28, np.float64, "LogisticRegression, 28 columns, 2 classes"),
        (LogisticRegression, 28, np.float64, "LogisticRegression, 28 columns, 10 classes"),
        (Ridge, 300, None, "Ridge, 300 columns, sparse"),
    ):
        x = rng.normal(size=(20_000, features)).astype(dtype or np.float64)
        score = x @ rng.normal(size=features) + rng.normal(size=len(x))
        if kind is LogisticRegression:
            parts = 2 if "2 classes" in name else 10
            score = np.digitize(score, np.quantile(score, np.arange(1, parts) / parts))
        model = kind().fit(x[:3000], score[:3000].astype(dtype if kind is Ridge else None))
        if dtype is None:
            x = scipy.sparse.csr_matrix(np.where(rng.random(x.shape) < 0.1, x, 0))
        yield name, model, x


def onnx_call(model, x):
    """The model in ONNX Runtime, or None; it takes float32 rows only where its converter does."""
    try:
        import onnxruntime
        from skl2onnx import to_onnx
    except ImportError:
        return None
    if scipy.sparse.issparse(x):
        return None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    zipmap = {"zipmap": False} if hasattr(model, "classes_") else None
    converted = to_onnx(model, x[:1], options=zipmap)
    session = onnxruntime.InferenceSession(converted.SerializeToString(), options)
    name = session.get_inputs()[0].name
    return lambda part: session.run(None, {name: part})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=0.5, help="for each way and size")
    arguments = parser.parse_args()
    lines = []
    for name, model, x in cases():
        loaded = spinney.load(model)
        method = "predict_proba" if hasattr(model, "classes_") else "predict"
        calls = {"Spinney": getattr(loaded, method), "scikit-learn": getattr(model, method)}
        onnx = onnx_call(model, x)
        if onnx:
            calls["ONNX Runtime"] = onnx
        for size in SIZES:
            with threadpool_limits(1):
                times = measure(calls, x, size, arguments.seconds)
            ours = times["Spinney"].best
            cells = [f"{name}, {size:,} rows", shown_seconds(ours)]
            for rival in ("scikit-learn", "ONNX Runtime"):
                if rival in times:
                    best = times[rival].best
                    cells.append(f"{shown_seconds(best)} ({shown_ratio(best / ours)})")
                else:
                    cells.append("–")
            lines.append(cells)
    print(markdown_table(["model", "Spinney", "scikit-learn", "ONNX Runtime"], lines))
    print(describe())


if __name__ == "__main__":
    main()
