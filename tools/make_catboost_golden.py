"""Writes golden models and their predictions with whichever CatBoost is installed.

usage: python tools/make_catboost_golden.py tests/data/catboost

Run once for each version of interest, in an environment of its own (say catboost==1.0.6 with
numpy<1.24 and pandas<2). Everything is small: a few trees and one set of rows.
"""

import json
import pickle
import sys
from pathlib import Path

import catboost
import numpy as np

FIXED = {"verbose": 0, "allow_writing_files": False, "random_seed": 0, "thread_count": 1}


def training_data():
    rng = np.random.RandomState(7)
    x = rng.randn(200, 4).astype(np.float32)
    x[:, 1] = np.round(x[:, 1])
    x[rng.rand(200) < 0.2, 2] = np.nan
    return x, np.nan_to_num(x[:, 2]) + x[:, 0] * x[:, 1] + x[:, 3]


def rows():
    x, _ = training_data()
    out = x[:40].copy()
    out[:8, 2] = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-45, 3e38, -3e38]
    out[4:12, 0] = out[:8, 2]
    return out


def cells(x):
    """Rows of which two columns are categories, one of them of whole numbers."""
    names = ["ant", "b\u00e9e", "", "zebra " * 12]
    return [
        [
            float(a),
            names[int(abs(b) * 2) % 4],
            int(np.nan_to_num(c) * 3) if abs(c) < 9 else 7,
            float(d),
        ]
        for a, b, c, d in np.nan_to_num(x, posinf=9, neginf=-9)
    ]


CASES = {
    "regression": (catboost.CatBoostRegressor, {}),
    "poisson": (catboost.CatBoostRegressor, {"loss_function": "Poisson"}),
    "uncertainty": (catboost.CatBoostRegressor, {"loss_function": "RMSEWithUncertainty"}),
    "labels": (catboost.CatBoostClassifier, {}),
    "multiclass": (
        catboost.CatBoostClassifier,
        {"loss_function": "MultiClass", "grow_policy": "Lossguide"},
    ),
    "ranker": (catboost.CatBoostRanker, {"loss_function": "YetiRank"}),
}


def target(case, y):
    if case == "labels":
        return np.where(y > 0, "mole", "ant")
    if case in ("multiclass", "ranker"):
        return np.digitize(y, [-0.5, 0.5])
    return np.exp(y / 4) if case == "poisson" else y


def main(folder):
    version = catboost.__version__
    x, y = training_data()
    expected = {}
    for case, (kind, parameters) in CASES.items():
        model = kind(iterations=6, depth=3, **FIXED, **parameters)
        groups = {"group_id": np.arange(len(x)) // 10} if case == "ranker" else {}
        model.fit(catboost.Pool(x, target(case, y), **groups))
        model.save_model(str(folder / f"{version}_{case}.cbm"))
        expected[f"{case}.predict"] = np.asarray(model.predict(rows())).astype(
            "U" if case == "labels" else float
        )
        if case != "ranker":
            raw = model.predict(rows(), prediction_type="RawFormulaVal")
            expected[f"{case}.raw"] = raw
        if case in ("labels", "multiclass"):
            expected[f"{case}.proba"] = model.predict_proba(rows())
        if case == "labels":
            model.save_model(str(folder / f"{version}_{case}.json"), format="json")
            (folder / f"{version}_{case}.pkl").write_bytes(pickle.dumps(model, protocol=4))
    counted = catboost.CatBoostClassifier(iterations=8, depth=3, one_hot_max_size=2, **FIXED)
    counted.fit(catboost.Pool(cells(x), (y > 0).astype(int), cat_features=[1, 2]))
    counted.save_model(str(folder / f"{version}_categories.cbm"))
    expected["categories.raw"] = counted.predict(cells(rows()), prediction_type="RawFormulaVal")
    np.savez_compressed(folder / f"{version}_expected.npz", **expected)
    np.save(folder / "rows.npy", rows())
    (folder / "cells.json").write_text(json.dumps(cells(rows())))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
