#!/usr/bin/env python3
"""Writes golden files in XGBoost's binary format, which versions up to 3.0 wrote.

    python make_xgboost_binary_golden.py FOLDER

Run with an old XGBoost. Makes FOLDER/VERSION/*.bin (and pickles, where these held the format, until
1.2), and expected.npz: the rows and, under each file's name, what that XGBoost predicted; with
":raw" behind it the margins, with ":leaf" the leaves; the wrapper's answers for files that a
wrapper of scikit-learn saved and loaded again.
"""

import pickle
import sys
import warnings
from pathlib import Path

import numpy as np
import xgboost

warnings.simplefilter("ignore")
VERSION = xgboost.__version__
NUMBER = tuple(int(part) for part in VERSION.split(".")[:2])
N = 120
BASE = {"nthread": 1, "max_depth": 3, "eta": 0.4, "seed": 3, "verbosity": 0, "tree_method": "exact"}
BOOSTERS = {
    "squared": ({"objective": "reg:squarederror", "base_score": 0.7}, 4),
    "linear_old": ({"objective": "reg:linear"}, 4),
    "logistic": ({"objective": "binary:logistic", "base_score": 0.3}, 4),
    "softprob": ({"objective": "multi:softprob", "num_class": 3, "base_score": 0.2}, 3),
    "softmax": ({"objective": "multi:softmax", "num_class": 3}, 2),
    "poisson": ({"objective": "count:poisson", "base_score": 1.5}, 4),
    "tweedie": ({"objective": "reg:tweedie", "base_score": 0.9}, 3),
    "pairwise": ({"objective": "rank:pairwise"}, 3),
    "dart": ({"objective": "reg:squarederror", "booster": "dart", "rate_drop": 0.5,
              "base_score": 0.7}, 5),
    "gblinear": ({"objective": "reg:squarederror", "booster": "gblinear", "base_score": 0.7}, 3),
    "gblinear_softprob": ({"objective": "multi:softprob", "num_class": 3,
                           "booster": "gblinear"}, 3),
    "pruned": ({"objective": "reg:squarederror", "gamma": 3.0, "max_depth": 5,
                "updater": "grow_colmaker,prune"}, 3),
    "parallel": ({"objective": "binary:logistic", "num_parallel_tree": 2, "subsample": 0.6}, 3),
}  # fmt: skip
if NUMBER >= (1, 7):
    del BOOSTERS["linear_old"]


def save(model, path):
    """In the binary format, which since 2.0 only a name that ends in ".deprecated" asks for."""
    other = path.with_suffix(".deprecated")
    model.save_model(str(other))
    other.rename(path)


def load(model, path):
    other = path.with_suffix(".deprecated")
    other.write_bytes(path.read_bytes())
    model.load_model(str(other))
    other.unlink()
    return model


def data():
    rng = np.random.RandomState(5)
    x = rng.normal(size=(N, 4)).astype(np.float32)
    x[:, 2] = rng.randint(0, 4, N)
    x[rng.rand(N, 4) < 0.1] = np.nan
    score = np.nan_to_num(x[:, 0]) + np.nan_to_num(x[:, 2]) * 0.5 + rng.normal(size=N) * 0.1
    return x, score.astype(np.float32)


def label(objective, score):
    if objective.startswith("multi"):
        return np.digitize(score, [0.3, 1.0])
    if objective.startswith(("binary", "rank")):
        return (score > 0.5).astype(np.float32)
    if objective.startswith(("count", "reg:tweedie")):
        return np.round(np.abs(score))
    return score


def save_boosters(folder, x, score, expected):
    for name, (parameters, rounds) in BOOSTERS.items():
        matrix = xgboost.DMatrix(x, label=label(parameters["objective"], score))
        if parameters["objective"].startswith("rank"):
            matrix.set_group([30] * (N // 30))
        booster = xgboost.train(dict(BASE, **parameters), matrix, rounds)
        path = folder / (name + ".bin")
        save(booster, path)
        expect(path.name, path, expected, xgboost.DMatrix(x), parameters)
        if name == "squared":  # since 1.2 files begin with a mark, which may be missing
            again = folder / "squared_other.bin"
            data = path.read_bytes()
            again.write_bytes(data[4:] if data.startswith(b"binf") else b"binf" + data)
            expect(again.name, path, expected, xgboost.DMatrix(x), parameters)
            if NUMBER < (1, 3):
                again = folder / "squared.pkl"
                again.write_bytes(pickle.dumps(booster, protocol=4))
                expect(again.name, path, expected, xgboost.DMatrix(x), parameters)


def expect(name, path, expected, rows, parameters):
    booster = load(xgboost.Booster({"nthread": 1}), path)
    expected[name] = booster.predict(rows)
    expected[name + ":raw"] = booster.predict(rows, output_margin=True)
    if parameters.get("booster") != "gblinear":
        expected[name + ":leaf"] = booster.predict(rows, pred_leaf=True)


def save_wrappers(folder, x, score, expected):
    """Wrappers' files say so since 1.0; before, and in pickles, the wrapper is an object."""
    options = {"n_estimators": 8, "max_depth": 2, "learning_rate": 0.8, "base_score": 0.5}
    options["n_jobs"] = 1
    classes = np.digitize(score, [0.3, 1.0])
    makers = {
        "wrapper_classes": (xgboost.XGBClassifier(**options), classes),
        "wrapper_binary": (xgboost.XGBClassifier(**options), (classes > 1).astype(int)),
        "wrapper_values": (xgboost.XGBRegressor(**options), score),
    }
    for name, (model, y) in makers.items():
        stop = {"early_stopping_rounds": 2, "verbose": False, "eval_set": [(x[80:], y[80:])]}
        if NUMBER >= (2, 0):
            model.set_params(early_stopping_rounds=stop.pop("early_stopping_rounds"))
        model.fit(x[:80], y[:80], **stop)
        if NUMBER < (1, 3):
            keep(folder / (name + ".pkl"), pickle.dumps(model, protocol=4), model, x, expected)
        if NUMBER >= (1, 0):
            path = folder / (name + ".bin")
            save(model, path)
            loaded = load(type(model)(n_jobs=1), path)
            keep(path, path.read_bytes(), loaded, x, expected)


def keep(path, data, model, x, expected):
    path.write_bytes(data)
    expected[path.name] = model.predict(x)
    if hasattr(model, "predict_proba"):
        expected[path.name + ":proba"] = model.predict_proba(x)


def main():
    folder = Path(sys.argv[1]) / VERSION
    folder.mkdir(parents=True, exist_ok=True)
    x, score = data()
    expected = {"rows": x}
    save_boosters(folder, x, score, expected)
    save_wrappers(folder, x, score, expected)
    np.savez_compressed(str(folder / "expected.npz"), **expected)
    print(VERSION, sorted(path.name for path in folder.iterdir()))


if __name__ == "__main__":
    main()
