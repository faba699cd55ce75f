"""Every kernel gives a quantized forest the same bits, whichever way it adds its codes."""

from __future__ import annotations

import numpy as np
import pytest

import spinney

KERNELS = [
    "walk.scalar",
    "walk.avx2",
    "walk.avx512",
    "blocks.avx2",
    "blocks.avx512",
    "blocks.avx512vbmi",
    "lanes.avx512vbmi",
]
X = np.random.default_rng(4).normal(size=(700, 10)).astype(np.float32)
X[::13, 2] = np.nan


def boosted(n_trees, depth, **options):
    xgboost = pytest.importorskip("xgboost")
    y = np.nan_to_num(X[:, 0] * X[:, 1] + X[:, 2])
    return xgboost.train(
        {"max_depth": depth, "nthread": 1, **options}, xgboost.DMatrix(X, y), n_trees
    )


def forest():
    from sklearn.ensemble import RandomForestClassifier

    x = np.nan_to_num(X)
    y = np.digitize(x[:, 0] + x[:, 1] * x[:, 2], [-0.6, 0.6])
    return RandomForestClassifier(70, max_depth=7, random_state=0).fit(x, y)


MODELS = {
    "shallow": lambda: boosted(100, 3),
    "one tree": lambda: boosted(1, 4),
    "deep": lambda: boosted(40, 8, min_child_weight=0.1),
    # So many trees that sums of int16 codes need float64.
    "many": lambda: boosted(900, 2, learning_rate=0.01),
    "vectors": forest,
}


@pytest.mark.parametrize("dtype", ["int8", "int16"])
@pytest.mark.parametrize("name", MODELS)
def test_kernels_agree(name, dtype, monkeypatch):
    quantized, _ = spinney.quantize_model(spinney.load(MODELS[name]()), dtype)
    data = quantized.to_bytes()
    rows = np.nan_to_num(X) if name == "vectors" else X
    monkeypatch.setenv("SPINNEY_KERNEL", "reference.scalar")
    wanted = spinney.Model.from_bytes(data, "spinney").predict_raw(rows)
    assert np.array_equal(wanted, quantized.predict_raw(rows))
    compared = 0
    for kernel in KERNELS:
        monkeypatch.setenv("SPINNEY_KERNEL", kernel)
        try:
            model = spinney.Model.from_bytes(data, "spinney")
        except spinney.UnsupportedModelError:
            continue  # not on this CPU, or beyond the kernel's limits
        for n in (1, 5, 31, 32, 64, 65, 200, 700):
            assert np.array_equal(model.predict_raw(rows[:n]), wanted[:n]), (kernel, n)
        compared += 1
    assert compared >= 1


def test_an_ordinary_forest_of_whole_numbers_keeps_its_bits(monkeypatch):
    """Its leaves are added as integers too: votes, counts, and a base that is no integer not."""
    xgboost = pytest.importorskip("xgboost")
    y = np.digitize(np.nan_to_num(X[:, 0]), [-1, 0, 1]).astype(np.float32) * 4
    for base in (0.0, 0.5):
        parameters = {"max_depth": 3, "learning_rate": 1.0, "reg_lambda": 0.0, "base_score": base}
        booster = xgboost.train(parameters, xgboost.DMatrix(X[:, :1], y), 1)
        data = bytes(booster.save_raw("json"))
        for kernel in ("reference.scalar", "blocks.avx2", "blocks.avx512vbmi"):
            monkeypatch.setenv("SPINNEY_KERNEL", kernel)
            try:
                model = spinney.Model.from_bytes(data, "json")
            except spinney.UnsupportedModelError:
                continue
            theirs = booster.predict(xgboost.DMatrix(X[:, :1]), output_margin=True)
            assert np.array_equal(model.predict_raw(X[:, :1]), theirs)
