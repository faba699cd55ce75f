#!/usr/bin/env python3
"""Writes artifacts of this build's version with its answers: tests/data/artifacts/VERSION.

Run once before the version of the format is raised; later builds must open what it wrote and
answer the same. A folder that is there already is left alone.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import numpy as np
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression

import spinney

DATA = Path(__file__).resolve().parent.parent / "tests" / "data" / "artifacts"


def models(x, y):
    """{name: a fitted model} with every kind of scorer and of combination."""
    named = np.array(["low", "middle", "high"])[y]
    forest = RandomForestClassifier(4, max_depth=3, random_state=0)
    logistic = LogisticRegression(max_iter=500)
    half = BaggingClassifier(forest, 3, max_features=0.5, random_state=0)
    binary = (y > 0).astype(int)
    return {
        "forest": RandomForestClassifier(4, max_depth=3, random_state=0).fit(x, named),
        "linear": LogisticRegression(max_iter=500).fit(x, named),
        "probabilities": half.fit(x, named),
        "values": BaggingRegressor(LinearRegression(), 3, random_state=0).fit(x, x[:, 0] * y),
        "votes": VotingClassifier([("f", forest), ("l", logistic)], weights=[2, 1]).fit(x, named),
        "samme": AdaBoostClassifier(forest, n_estimators=3, random_state=0).fit(x, named),
        "samme_binary": AdaBoostClassifier(forest, n_estimators=3, random_state=0).fit(x, binary),
        "median": AdaBoostRegressor(
            HistGradientBoostingRegressor(max_iter=3, max_depth=2), n_estimators=3, random_state=0
        ).fit(x, x[:, 0] * y),
        "nested": VotingClassifier(
            [("b", half), ("v", VotingClassifier([("f", forest), ("l", logistic)], voting="soft"))],
            voting="soft",
            weights=[0.3, 0.7],
        ).fit(x, named),
        "single": VotingRegressor([("l", LinearRegression())]).fit(x.astype("f4"), x[:, 1]),
    }


def main():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 5))
    y = np.digitize(x[:, 0] + 0.4 * x[:, 1] * x[:, 2], [-0.5, 0.5])
    made = {name: spinney.load(model) for name, model in models(x, y).items()}
    version = struct.unpack_from("<I", next(iter(made.values())).to_bytes(), 8)[0]
    folder = DATA / str(version)
    if folder.exists():
        sys.exit(f"{folder} is there already")
    folder.mkdir(parents=True)
    rows = rng.normal(size=(70, 5))
    answers = {"rows": rows}
    for name, model in made.items():
        model.save(folder / f"{name}.spinney")
        answers[name + "_predict"] = model.predict(rows)
        answers[name + "_raw"] = model.predict_raw(rows)
        if model.info()["has_probabilities"]:
            answers[name + "_proba"] = model.predict_proba(rows)
    np.savez_compressed(folder / "expected.npz", **answers)


if __name__ == "__main__":
    main()
