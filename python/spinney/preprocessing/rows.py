"""Outliers that are whole rows: rows that are removed, and those that an isolation forest finds."""

from __future__ import annotations

import numpy as np

from spinney._core import Model
from spinney.preprocessing.errors import StatisticsError


class RowJudge:
    """Marks rows as outliers and treats them, between a preprocessor's two programs.

    bounds: a program that marks rows by its columns' bounds, or None.
    forest: an isolation forest as a Model of this package, or None.
    handling: clip, winsorize, mean or remove. The first three change the values of a marked row
        that lie outside the range of the unmarked training rows: to that range's end, or to the
        mean of the unmarked.
    """

    def __init__(self, bounds, forest, handling):
        self.bounds, self.forest, self.handling = bounds, forest, handling
        self.low = self.high = self.mean = None

    def mark(self, raw, filled):
        """One bool a row. raw: the rows as they came; filled: after the first program."""
        if self.forest is None:
            return self.bounds.mark_outliers(raw)
        if len(filled) == 0:
            return np.zeros(0, dtype=bool)
        return self.forest.predict(filled) == -1

    def learn(self, filled, marks):
        """Take ranges and means of the unmarked rows."""
        kept = filled[~marks]
        if len(kept) == 0:
            raise StatisticsError(
                "every row counts as an outlier; widen the bounds, or lower isolation_contamination"
            )
        if self.handling != "remove":
            self.low, self.high = kept.min(axis=0), kept.max(axis=0)
            self.mean = kept.mean(axis=0, dtype=np.float64)

    def treat(self, filled, marks):
        """The rows after treatment: fewer with remove; else `filled` itself, changed."""
        if self.handling == "remove":
            return filled[~marks]
        if marks.any():
            rows = filled[marks]
            if self.handling == "mean":
                outside = (rows < self.low) | (rows > self.high)
                rows = np.where(outside, self.mean.astype(rows.dtype), rows)
            else:
                rows = np.clip(rows, self.low.astype(rows.dtype), self.high.astype(rows.dtype))
            filled[marks] = rows
        return filled

    def to_plain(self):
        numbers = {"low": self.low, "high": self.high, "mean": self.mean}
        return {
            name: None if value is None else [float(item) for item in value]
            for name, value in numbers.items()
        }

    def from_plain(self, plain, width):
        for name in ("low", "high", "mean"):
            values = plain.get(name)
            if values is not None:
                values = np.array(values, dtype=np.float64)
                if values.shape != (width,):
                    raise ValueError(f"{name} of unmarked rows has shape {values.shape}")
            elif self.handling != "remove":
                raise ValueError(f"{name} of unmarked rows is missing")
            setattr(self, name, values)


def train_forest(config, filled):
    """scikit-learn's IsolationForest on these rows, as a Model that this package scores."""
    try:
        from sklearn.ensemble import IsolationForest
    except ImportError:
        raise StatisticsError(
            "outlier_method='isolation_forest' is trained by scikit-learn, which is not installed: "
            "pip install scikit-learn"
        ) from None
    from spinney.loading import load

    if not np.isfinite(filled).all():
        raise StatisticsError(
            "an isolation forest needs finite values; leave handle_nan and handle_inf on"
        )
    contamination = config.isolation_contamination
    forest = IsolationForest(
        random_state=config.random_state,
        contamination="auto" if contamination is None else contamination,
    )
    return load(forest.fit(filled))


def forest_from_bytes(data):
    return Model.from_bytes(data, "spinney", name="isolation forest")
