"""Rows that are hard to get right, made from a model's own thresholds.

Each value is drawn from: a threshold of that feature, the number one ulp below and above it (in
float32 and in float64), NaN, +0 and -0, the smallest denormals, huge numbers, infinities, and
plain numbers between the thresholds; categories known and unknown where a feature has them.
"""

from __future__ import annotations

import numpy as np

from spinney import _core

EXTREMES = {
    np.float32: [0.0, -0.0, 1e-45, -1e-45, 3e38, -3e38, 1e-35, -1e-35],
    np.float64: [0.0, -0.0, 5e-324, -5e-324, 1e300, -1e300, 1e-35, -1e-35],
}
HUGE = 1e30  # what float32 holds comfortably


def values_beside(thresholds, dtype):
    """Each threshold as dtype, and its neighbours on both sides."""
    centre = thresholds.astype(dtype)
    infinity = dtype(np.inf)
    return np.concatenate([centre, np.nextafter(centre, infinity), np.nextafter(centre, -infinity)])


def value_range(thresholds):
    """Where ordinary values lie: from the smallest to the largest threshold, within HUGE."""
    plain = thresholds[np.abs(thresholds) < HUGE]
    if not len(plain):
        return -1.0, 1.0
    low, high = plain.min(), plain.max()
    spread = max(high - low, 1e-3)
    return low - spread / 10, high + spread / 10


def hard_rows(model, count, dtype=np.float64, missing=True, infinite=True, seed=0, huge=True):
    """count rows of dtype for the model; NaN, infinities and huge numbers only where asked for.

    Every threshold of a feature is used while there are rows enough.
    """
    rng = np.random.default_rng(seed)
    rows = np.empty((count, model.n_features), dtype)
    for feature, (thresholds, categories) in enumerate(_core._split_values(model)):
        extremes = list(EXTREMES[dtype])
        if missing:
            extremes += [np.nan] * 4
        if infinite:
            extremes += [np.inf, -np.inf]
        if len(categories):
            known = np.concatenate([categories, [-1, 0, len(categories), 1e6, 2.0**31]])
            pool = np.concatenate([known, [np.nan] * missing]).astype(dtype)
            rows[:, feature] = rng.choice(pool, size=count)
            continue
        column = rng.uniform(*value_range(thresholds), size=count).astype(dtype)
        with np.errstate(over="ignore"):
            beside = rng.permutation(values_beside(thresholds, dtype))
            if dtype is np.float64:
                beside = np.concatenate([beside, values_beside(thresholds, np.float32)])
        kind = rng.random(count)
        near = kind < 0.6
        if len(beside):
            column[near] = np.resize(beside, near.sum())
        odd = kind > 0.9
        column[odd] = rng.choice(np.array(extremes, dtype), size=odd.sum())
        rows[:, feature] = rng.permutation(column)
    if not infinite:
        rows[np.isinf(rows)] = 0
    if not huge:
        rows[np.abs(rows) > HUGE] = 1
    return rows


def plain_rows(model, count, seed=0):
    """count ordinary float32 rows: each value uniform over the range of its feature's splits."""
    rng = np.random.default_rng(seed)
    rows = np.empty((count, model.n_features), np.float32)
    for feature, (thresholds, categories) in enumerate(_core._split_values(model)):
        if len(categories):
            rows[:, feature] = rng.choice(categories, size=count)
            continue
        rows[:, feature] = rng.uniform(*value_range(thresholds), size=count)
    return rows
