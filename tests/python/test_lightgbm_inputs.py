"""Every form of input to a LightGBM model means what it means to LightGBM."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

import spinney
from lightgbm_models import (
    decisive_rows,
    lightgbm,
    same_bits,
    train,
    training_data,
)


def saved(booster, tmp_path):
    booster.save_model(tmp_path / "m.txt")
    return spinney.load(tmp_path / "m.txt")


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64", "uint64", "bool", "float16"])
def test_other_number_types_are_read_as_lightgbm_reads_them(dtype, tmp_path):
    x, y = training_data(0)
    x = np.round(x * 40000000)
    booster = lightgbm.train({"verbose": -1, "num_leaves": 60}, lightgbm.Dataset(x, y), 10)
    with np.errstate(invalid="ignore", over="ignore"):
        rows = np.nan_to_num(x).astype(dtype)
    same_bits(saved(booster, tmp_path).predict(rows), booster.predict(rows))


@pytest.mark.parametrize("missing", [{}, {"zero_as_missing": True}, {"use_missing": False}])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sparse_rows(missing, dtype, tmp_path):
    x, y = training_data(0)
    x[np.random.default_rng(0).random(x.shape) < 0.6] = 0
    booster = lightgbm.train({"verbose": -1, **missing}, lightgbm.Dataset(x, y), 10)
    ours = saved(booster, tmp_path)
    for kind in (scipy.sparse.csr_matrix, scipy.sparse.csc_matrix):
        rows = kind(x.astype(dtype))
        same_bits(ours.predict(rows), booster.predict(rows))
    same_bits(ours.predict(rows), ours.predict(x.astype(dtype)))


@pytest.mark.parametrize("order", ["C", "F"])
def test_memory_orders(order, tmp_path):
    booster = train({"objective": "regression"})
    ours = saved(booster, tmp_path)
    rows = np.asarray(decisive_rows(booster, np.float64), order=order)
    same_bits(ours.predict(rows), booster.predict(rows))
    same_bits(ours.predict(rows[::-3]), booster.predict(rows[::-3]))


def frame(seed):
    rng = np.random.default_rng(seed)
    n = 400
    return pd.DataFrame(
        {
            "size": rng.standard_normal(n),
            "colour": pd.Categorical(rng.choice(["red", "green", "ünï", "blue"], n)),
            "grade": pd.Categorical(rng.choice([3, 1, 2], n), ordered=True),
            "count": rng.integers(0, 9, n),
            "share": pd.Categorical(rng.choice([0.5, 1.5, -2.0], n)),
            "flag": pd.Categorical(rng.choice([True, False], n)),
        }
    )


def test_pandas_categories(tmp_path):
    x = frame(0)
    y = (
        (x["colour"] == "ünï") * 2.0
        + x["grade"].astype(float)
        + (x["share"] == 1.5)
        + x["flag"].astype(int)
    )
    estimator = lightgbm.LGBMRegressor(n_estimators=20, verbose=-1, min_child_samples=3).fit(x, y)
    ours = saved(estimator.booster_, tmp_path)
    other = frame(1)
    same_bits(ours.predict(other), estimator.predict(other))
    # Other codes for the same categories, fewer of them, new ones, and missing values.
    other["colour"] = pd.Categorical(["blue", "pink", "ünï", None] * 100)
    other["grade"] = pd.Categorical([2, 3, 2, 3] * 100, ordered=True)
    theirs = estimator.predict(other)
    same_bits(ours.predict(other), theirs)
    same_bits(spinney.load(estimator).predict(other), theirs)
    with pytest.raises(spinney.InvalidInputError, match="categorical columns"):
        ours.predict(other.assign(count=pd.Categorical(other["count"])))
