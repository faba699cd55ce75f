"""Statistics and timings as the preprocessor reports them."""

from __future__ import annotations

from collections import deque

import numpy as np

from spinney.forks import lock_for

CALLS_KEPT = 1000  # of each kind, whose times are kept one by one; as the core does


def statistics_of(fitted, names):
    """Everything known of the columns, one number each."""
    seen = fitted.statistics.describe()
    count = seen["count"]
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = np.where(count > 0, seen["m2"] / count, np.nan)
    known = count > 0
    report = {
        "n_samples": int(seen["rows"]),
        "n_features": len(count),
        "feature_names": names,
        "count": count.astype(np.int64),
        "nan_count": seen["missing"].astype(np.int64),
        "positive_inf_count": seen["positive"].astype(np.int64),
        "negative_inf_count": seen["negative"].astype(np.int64),
        "mean": np.where(known, seen["mean"], np.nan),
        "var": variance,
        "std": np.sqrt(variance),
        "min": np.where(known, seen["min"], np.nan),
        "max": np.where(known, seen["max"], np.nan),
        "rank_error_max": seen["rank_error_max"],
        "frequency_error_max": seen["frequency_error_max"].astype(np.int64),
    }
    if fitted.first is not None:
        report.update(_steps(fitted.first.recipe()))
    report.update(_steps(fitted.program.recipe()))
    return report


def _steps(recipe):
    renamed = {
        "missing_fill": "nan_fill",
        "positive_fill": "positive_inf_fill",
        "negative_fill": "negative_inf_fill",
    }
    return {renamed.get(name, name): values for name, values in recipe.items()}


class Timings:
    """Calls, rows and seconds of each kind of work."""

    def __init__(self):
        self._lock = lock_for(self)
        self._sums = {kind: [0, 0, 0.0] for kind in ("fit", "transform", "reverse")}
        self._latest = {kind: deque(maxlen=CALLS_KEPT) for kind in self._sums}

    def add(self, kind, rows, seconds):
        """One call."""
        self._add(kind, 1, rows, seconds, (seconds,))

    def _add(self, kind, calls, rows, seconds, each):
        with self._lock:
            sums = self._sums[kind]
            sums[0] += calls
            sums[1] += rows
            sums[2] += seconds
            self._latest[kind].extend(each)

    def keep(self, program):
        """Take over what a program counted by itself, before it is given up."""
        if program is not None:
            calls, rows, ns, each = program.take_small_counts()
            self._add("transform", calls, rows, ns * 1e-9, [one * 1e-9 for one in each])

    def report(self, program):
        self.keep(program)
        with self._lock:
            sums = {kind: tuple(values) for kind, values in self._sums.items()}
            metrics = {f"{kind}_time": list(each) for kind, each in self._latest.items()}
        for kind, (calls, rows, seconds) in sums.items():
            metrics[f"{kind}_calls"] = calls
            metrics[f"{kind}_rows"] = rows
            metrics[f"{kind}_seconds"] = seconds
            metrics[f"avg_{kind}_time_ms"] = 1e3 * seconds / calls if calls else 0.0
        seconds = metrics["transform_seconds"]
        metrics["transform_rows_per_second"] = (
            metrics["transform_rows"] / seconds if seconds > 0 else 0.0
        )
        return metrics
