"""Models and rows that the XGBoost tests share."""

import json

import numpy as np
import pytest

import spinney

xgb = pytest.importorskip("xgboost")

OBJECTIVES = [
    "binary:logistic",
    "binary:logitraw",
    "binary:hinge",
    "count:poisson",
    "multi:softmax",
    "multi:softprob",
    "rank:map",
    "rank:ndcg",
    "rank:pairwise",
    "reg:absoluteerror",
    "reg:gamma",
    "reg:logistic",
    "reg:pseudohubererror",
    "reg:quantileerror",
    "reg:squarederror",
    "reg:squaredlogerror",
    "reg:tweedie",
    "survival:aft",
    "survival:cox",
]


def bits(array):
    return np.ascontiguousarray(array, dtype=np.float32).view(np.int32)


def assert_same(given, wanted):
    assert given.dtype == wanted.dtype == np.float32
    assert given.shape == wanted.shape
    different = bits(given) != bits(wanted)
    assert not different.any(), f"{different.sum()} of {different.size} values differ"


def training_rows(rng, n=400, width=6):
    x = rng.normal(size=(n, width)).astype(np.float32)
    x[rng.random(x.shape) < 0.1] = np.nan
    return x, np.nan_to_num(x[:, 0]) + np.nan_to_num(x[:, 1]) ** 2


def data_for(objective, x, signal):
    positive = np.abs(signal) + np.float32(0.1)
    labels = {
        "binary": signal > 1,
        "multi": np.round(positive).clip(0, 4),
        "rank": np.round(positive).clip(0, 4),
        "count": np.round(positive),
        "survival": positive,
    }.get(objective.split(":")[0], signal)
    if objective in ("reg:gamma", "reg:tweedie", "reg:squaredlogerror"):
        labels = positive
    if objective == "reg:logistic":
        labels = 1 / (1 + np.exp(-signal))
    if objective == "rank:map":
        labels = signal > 1
    if objective == "survival:aft":
        data = xgb.DMatrix(x)
        data.set_float_info("label_lower_bound", positive)
        data.set_float_info("label_upper_bound", positive + 0.5)
        return data
    data = xgb.DMatrix(x, labels)
    if objective.startswith("rank"):
        data.set_group([50] * (len(x) // 50))
    return data


def params_for(objective, **more):
    params = {"objective": objective, "max_depth": 5, "nthread": 1, "verbosity": 0, **more}
    if objective.startswith("multi"):
        params["num_class"] = 5
    if objective == "reg:quantileerror":
        params["quantile_alpha"] = [0.1, 0.5, 0.9]
    return params


def thresholds_of(booster):
    trees = json.loads(bytes(booster.save_raw("json")))["learner"]["gradient_booster"]
    trees = trees.get("gbtree", trees)["model"]["trees"]
    found = [np.empty(0, np.float32)]
    for tree in trees:
        conditions = np.array(tree["split_conditions"], np.float32)
        found.append(conditions[np.array(tree["left_children"]) != -1])
    return np.unique(np.concatenate(found))


def hostile_rows(rng, booster, n, infinite=False):
    """Rows of thresholds, their neighbours, missing values, zeros, denormals and large numbers."""
    edges = thresholds_of(booster)
    special = [0.0, -0.0, 1e-45, -1e-45, 1e-38, 3.4e38, -3.4e38, np.nan]
    if infinite:
        special += [np.inf, -np.inf]
    pool = np.concatenate(
        [
            edges,
            np.nextafter(edges, np.float32(np.inf)),
            np.nextafter(edges, np.float32(-np.inf)),
            np.array(special * (1 + len(edges) // 8), np.float32),
            rng.normal(size=20).astype(np.float32),
        ]
    ).astype(np.float32)
    return rng.choice(pool, size=(n, booster.num_features()))


def both_formats(booster, tmp_path):
    for suffix in ("json", "ubj"):
        path = tmp_path / f"model.{suffix}"
        booster.save_model(path)
        model = spinney.load(path)
        assert model.n_trees == (booster.num_boosted_rounds() and model.n_trees)
        yield model


def check(booster, rows, tmp_path):
    data = xgb.DMatrix(rows)
    margins = booster.predict(data, output_margin=True)
    values = booster.predict(data)
    for model in both_formats(booster, tmp_path):
        assert_same(model.predict_raw(rows), margins)
        assert_same(model.predict(rows), values)
