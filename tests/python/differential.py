"""Rows that find wrong comparisons, and assertions of bit-for-bit equality.

Training libraries and their models are given to these functions; nothing here trains.
"""

from __future__ import annotations

import json

import numpy as np

ROW_COUNTS = [1, 2, 3, 5, 7, 8, 15, 16, 17, 31, 33, 63, 64, 65, 127, 128, 129, 130, 1000, 1027]


def specials(dtype):
    """NaN, infinities, zeros, denormals and extremes of a float type."""
    info = np.finfo(dtype)
    return np.array(
        [
            np.nan, np.inf, -np.inf, 0.0, -0.0, info.tiny, -info.tiny, info.max, info.min,
            np.nextafter(dtype(0), dtype(1)), np.nextafter(dtype(0), dtype(-1)),
            1e-35, -1e-35, np.float32(1e-35), 1.0, -1.0, -0.5, 0.5,
        ],
        dtype=dtype,
    )  # fmt: skip


def beside(thresholds, dtype):
    """Each threshold in dtype and its two neighbours."""
    t = np.asarray(thresholds, dtype=np.float64).astype(dtype)
    return np.concatenate([t, np.nextafter(t, dtype(np.inf)), np.nextafter(t, dtype(-np.inf))])


def rows(n, thresholds, dtype=np.float32, seed=0, finite=False):
    """n rows of random values, specials and values at and beside each feature's thresholds.

    thresholds: one array per feature (may be empty). finite: no NaN and no infinity, for libraries
    that refuse them.
    """
    rng = np.random.default_rng(seed)
    out = np.empty((n, len(thresholds)), dtype=dtype)
    for j, t in enumerate(thresholds):
        pool = specials(dtype)
        if len(t):
            pool = np.concatenate([pool, beside(t, dtype)])
        if finite:
            pool = pool[np.isfinite(pool) & (np.abs(pool) < 1e30)]
        picked = rng.choice(pool, n)
        scale = float(np.std(t)) + 1.0 if len(t) else 1.0
        middle = float(np.mean(t)) if len(t) else 0.0
        drawn = (rng.normal(size=n) * scale + middle).astype(dtype)
        out[:, j] = np.where(rng.random(n) < 0.6, picked, drawn)
    return out


def xgboost_thresholds(booster, n_features):
    """Numeric thresholds per feature of an xgboost.Booster."""
    found = [[] for _ in range(n_features)]
    model = json.loads(booster.save_raw("json"))
    booster_part = model["learner"]["gradient_booster"]
    trees = booster_part.get("gbtree", booster_part).get("model", {}).get("trees", [])
    for tree in trees:
        split_types = tree.get("split_type", [0] * len(tree["left_children"]))
        for node, left in enumerate(tree["left_children"]):
            if left != -1 and split_types[node] == 0:
                found[tree["split_indices"][node]].append(tree["split_conditions"][node])
    return [np.unique(np.array(t, dtype=np.float64)) for t in found]


def lightgbm_thresholds(booster):
    """Numeric thresholds per feature of a lightgbm.Booster."""
    found = [[] for _ in range(booster.num_feature())]

    def visit(node):
        if "split_feature" not in node:
            return
        if node["decision_type"] == "<=":
            found[node["split_feature"]].append(node["threshold"])
        visit(node["left_child"])
        visit(node["right_child"])

    for tree in booster.dump_model()["tree_info"]:
        visit(tree["tree_structure"])
    return [np.unique(np.array(t, dtype=np.float64)) for t in found]


def sklearn_thresholds(trees, n_features):
    """Thresholds per feature of fitted sklearn.tree estimators."""
    found = [[] for _ in range(n_features)]
    for estimator in trees:
        tree = estimator.tree_
        for feature, threshold in zip(tree.feature, tree.threshold):
            if feature >= 0:
                found[feature].append(threshold)
    return [np.unique(np.array(t, dtype=np.float64)) for t in found]


def assert_same(given, expected, what=""):
    """Equal in dtype, shape and every bit, except that NaN equals any NaN."""
    if isinstance(expected, list):
        assert isinstance(given, list) and len(given) == len(expected), what
        for g, e in zip(given, expected):
            assert_same(g, e, what)
        return
    given, expected = np.asarray(given), np.asarray(expected)
    assert given.shape == expected.shape, f"{what}: shape {given.shape}, not {expected.shape}"
    assert given.dtype == expected.dtype, f"{what}: dtype {given.dtype}, not {expected.dtype}"
    if expected.dtype.kind != "f":
        assert (given == expected).all(), f"{what}: {(given != expected).sum()} differ"
        return
    bits = f"u{expected.dtype.itemsize}"
    same = (given.view(bits) == expected.view(bits)) | (np.isnan(given) & np.isnan(expected))
    if same.all():
        return
    first = tuple(np.argwhere(~same)[0])
    raise AssertionError(
        f"{what}: {(~same).sum()} of {same.size} differ, first at {first}: "
        f"{given[first]!r} instead of {expected[first]!r}"
    )
