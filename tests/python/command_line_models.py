"""Model files of three features for tests of the command line."""

from __future__ import annotations

import numpy as np


def save_models(folder, **features):
    """Saves an XGBoost model NAME.json for each NAME=names of its features, or None; the folder."""
    import xgboost

    x = np.random.default_rng(0).normal(size=(50, 3))
    for name, names in features.items():
        matrix = xgboost.DMatrix(x, x @ [1, 2, 3], feature_names=names)
        xgboost.train({}, matrix, 3).save_model(folder / f"{name}.json")
    return folder
