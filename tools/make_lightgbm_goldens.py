"""Writes golden models and their predictions with whichever LightGBM is installed.

usage: python tools/make_lightgbm_goldens.py tests/data/lightgbm

Run once for each version of interest, in an environment of its own (say lightgbm==3.3.5 with
numpy<2 and scikit-learn<1.4). Everything is small: a few trees and one set of rows.
"""

import pickle
import sys
from pathlib import Path

import joblib
import lightgbm
import numpy as np

TINY = float(np.float32(1e-35))


def training_data():
    rng = np.random.RandomState(7)
    x = rng.randn(200, 5)
    x[:, 1] = np.round(x[:, 1])
    x[:, 3] = rng.randint(0, 12, len(x))
    x[rng.rand(200) < 0.2, 0] = np.nan
    y = np.nan_to_num(x[:, 0]) + x[:, 1] * x[:, 2] + x[:, 3] % 3
    return x, y


def rows():
    x, _ = training_data()
    out = x[:40].copy()
    out[:12, 0] = [np.nan, np.inf, -np.inf, 0.0, -0.0, TINY, -TINY, 1e-36, 5e-324, 1e300, -1, 1]
    out[8:20, 1] = out[:12, 0]
    out[20:32, 3] = [np.nan, -0.5, -1, 2.9, 11, 12, 31, 32, 1e10, -1e10, np.inf, 2147483648.0]
    return out


CASES = {
    "regression": {},
    "sqrt": {"objective": "regression", "reg_sqrt": True},
    "binary": {"objective": "binary", "sigmoid": 0.7},
    "multiclass": {"objective": "multiclass", "num_class": 3},
    "ova": {"objective": "multiclassova", "num_class": 3},
    "tweedie": {"objective": "tweedie"},
    "forest": {"objective": "binary", "boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.7},
    "dart": {"boosting": "dart", "drop_rate": 0.5},
    "linear": {"linear_tree": True},
    "zero": {"zero_as_missing": True},
    "ignored": {"use_missing": False},
}


def target(parameters, y):
    if "num_class" in parameters:
        return np.digitize(y, [0, 2])
    if parameters.get("objective") == "binary":
        return (y > 1).astype(int)
    return y - y.min()


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    version = lightgbm.__version__
    x, y = training_data()
    seen = rows()
    np.save(folder / "rows.npy", seen)
    expected = {}
    for name, parameters in CASES.items():
        settings = {"verbose": -1, "num_leaves": 6, "min_data_in_leaf": 8, "num_threads": 1}
        data = lightgbm.Dataset(x, target(parameters, y), categorical_feature=[3])
        booster = lightgbm.train({**settings, **parameters}, data, 3)
        booster.save_model(str(folder / f"{version}_{name}.txt"))
        expected[f"{name}.raw"] = booster.predict(seen, raw_score=True, num_threads=1)
        expected[f"{name}.values"] = booster.predict(seen, num_threads=1)
    labels = np.array(["zebra", "ant", "mole"])[np.digitize(y, [0, 2])]
    classifier = lightgbm.LGBMClassifier(n_estimators=3, num_leaves=5, n_jobs=1).fit(x, labels)
    (folder / f"{version}_classifier.pkl").write_bytes(pickle.dumps(classifier, 4))
    joblib.dump(classifier, folder / f"{version}_classifier.joblib", compress=("zlib", 9))
    expected["classifier.raw"] = classifier.predict(seen, raw_score=True)
    expected["classifier.values"] = classifier.predict_proba(seen)
    expected["classifier.labels"] = classifier.predict(seen)
    np.savez_compressed(folder / f"{version}_expected.npz", **expected)


if __name__ == "__main__":
    main()
