"""Write small XGBoost models and the predictions of the XGBoost that is installed.

    python tools/make_xgboost_golden.py tests/data/xgboost

Makes DIRECTORY/VERSION/ with model files, pickles, and expected.npz: `rows`, and for each file its
margins and predictions. Run it with each version that golden files are wanted of; XGBoost 1.6 needs
Python 3.9 and numpy below 1.24. Uses nothing but numpy, scikit-learn and XGBoost.
"""

import json
import pickle
import sys
from pathlib import Path

import numpy as np
import xgboost as xgb

VERSION = tuple(int(part) for part in xgb.__version__.split(".")[:2])
EXPECTED = {}


def training_rows(rng):
    x = rng.normal(size=(200, 4)).astype(np.float32)
    x[:, 3] = rng.integers(0, 40, 200)
    x[rng.random(x.shape) < 0.1] = np.nan
    return x, np.nan_to_num(x[:, 0]) + np.nan_to_num(x[:, 1]) ** 2


def save(folder, name, booster, rows, suffixes=("json", "ubj"), **data_options):
    data = xgb.DMatrix(rows, **data_options)
    for suffix in suffixes:
        booster.save_model(str(folder / f"{name}.{suffix}"))
        EXPECTED[f"{name}.{suffix}:raw"] = booster.predict(data, output_margin=True)
        EXPECTED[f"{name}.{suffix}"] = booster.predict(data)


def save_pickle(folder, name, fitted, rows):
    (folder / f"{name}.pkl").write_bytes(pickle.dumps(fitted, protocol=4))
    EXPECTED[f"{name}.pkl:raw"] = fitted.predict(rows, output_margin=True)
    EXPECTED[f"{name}.pkl"] = fitted.predict(rows)
    if hasattr(fitted, "predict_proba"):
        EXPECTED[f"{name}.pkl:proba"] = fitted.predict_proba(rows)


def train(x, y, rounds=3, options=None, **params):
    data = xgb.DMatrix(x, y, **(options or {}))
    return xgb.train({"max_depth": 2, "nthread": 1, "verbosity": 0, **params}, data, rounds)


def boosters(folder, rng, x, signal, rows):
    positive = np.abs(signal) + 0.1
    three = np.round(np.abs(signal)).clip(0, 2)
    save(folder, "logistic", train(x, signal > 1, objective="binary:logistic"), rows)
    given = train(x, signal > 1, objective="binary:logistic", base_score=0.3)
    save(folder, "logistic_base", given, rows)
    save(folder, "softprob", train(x, three, objective="multi:softprob", num_class=3), rows)
    save(folder, "gamma", train(x, positive, objective="reg:gamma"), rows, ["json"])
    dart = {"booster": "dart", "rate_drop": 0.5, "seed": 3}
    save(folder, "dart", train(x, positive, 6, objective="count:poisson", **dart), rows, ["ubj"])
    linear = {"booster": "gblinear", "objective": "binary:logistic"}
    data = xgb.DMatrix(x, signal > 1)
    save(folder, "gblinear", xgb.train({**linear, "verbosity": 0, "nthread": 1}, data, 3), rows)
    forest = train(x, signal, num_parallel_tree=2, subsample=0.5, objective="reg:squarederror")
    save(folder, "forest", forest, rows, ["json"])
    pruned = train(x, signal, objective="reg:squarederror", tree_method="exact", gamma=9.0)
    save(folder, "pruned", pruned, rows, ["json"])
    kinds = {"feature_types": ["q", "q", "q", "c"], "enable_categorical": True}
    hist = {"tree_method": "approx", "objective": "reg:squarederror"}
    save(folder, "one_hot", train(x, signal, options=kinds, **hist), rows, ["json"], **kinds)
    if VERSION >= (1, 7):
        sets = train(x, signal, options=kinds, max_cat_to_onehot=1, **hist)
        save(folder, "partition", sets, rows, ["ubj"], **kinds)
    both = np.stack([signal, positive], axis=1)
    save(folder, "targets", train(x, both, objective="reg:squarederror"), rows, ["json"])
    if VERSION >= (3, 2):
        alphas = [0.2, 0.5, 0.8]
        crossing = {
            "objective": "reg:quantileerror",
            "quantile_alpha": alphas,
            "eta": 1.0,
        }
        text = json.loads(bytes(train(x, signal, 2, **crossing).save_raw("json")))
        text["learner"]["learner_model_param"]["base_score"] = "[1E0,5E-1,7E-1]"
        crossed = xgb.Booster(model_file=bytearray(json.dumps(text).encode()))
        save(folder, "quantiles", crossed, rows, ["ubj"])
    if VERSION >= (3, 3):
        crossing = {"objective": "reg:expectileerror", "expectile_alpha": alphas}
        save(folder, "expectiles", train(x, signal, 2, **crossing), rows, ["ubj"])
    if VERSION >= (2, 0):
        leaves = {"multi_strategy": "multi_output_tree", "tree_method": "hist"}
        save(folder, "vectors", train(x, both, objective="reg:squarederror", **leaves), rows)


def wrappers(folder, rng, x, signal, rows):
    few = {"n_estimators": 3, "max_depth": 2, "n_jobs": 1, "verbosity": 0}
    two, three = (signal > 1).astype(int), np.round(np.abs(signal)).clip(0, 2).astype(int)
    save_pickle(folder, "classifier", xgb.XGBClassifier(**few).fit(x, two), rows)
    save_pickle(folder, "classifier_three", xgb.XGBClassifier(**few).fit(x, three), rows)
    save_pickle(folder, "regressor", xgb.XGBRegressor(missing=0.0, **few).fit(x, signal), rows)
    ranker = xgb.XGBRanker(**few).fit(x, three, group=[50] * 4)
    save_pickle(folder, "ranker", ranker, rows)
    stopped = {**few, "n_estimators": 12, "learning_rate": 1.0, "max_depth": 2}
    stopping = xgb.XGBClassifier(early_stopping_rounds=2, **stopped)
    noise = rng.integers(0, 2, len(x))
    stopping.fit(x, two, eval_set=[(x, noise)], verbose=False)
    save_pickle(folder, "stopped", stopping, rows)
    booster = stopping.get_booster()
    (folder / "booster.pkl").write_bytes(pickle.dumps(booster, protocol=4))
    EXPECTED["booster.pkl:raw"] = booster.predict(xgb.DMatrix(rows), output_margin=True)
    EXPECTED["booster.pkl"] = booster.predict(xgb.DMatrix(rows))


def main():
    folder = Path(sys.argv[1]) / xgb.__version__
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    x, signal = training_rows(rng)
    rows = np.concatenate([x[:20], np.round(x[:4], 1)])
    rows[20:, 3] = [39, 40, 64, 7]
    rows[5] = np.nan
    rows[6, :3] = [0.0, -0.0, 0.0]
    EXPECTED["rows"] = rows
    boosters(folder, rng, x, signal, rows)
    wrappers(folder, rng, x, signal, rows)
    np.savez_compressed(folder / "expected.npz", **EXPECTED)


if __name__ == "__main__":
    main()
