"""Numbers of XGBoost's JSON that no float32 holds are what XGBoost makes of them."""

from __future__ import annotations

import locale
import re

import numpy as np
import pytest

import spinney
from differential import assert_same

xgboost = pytest.importorskip("xgboost")
X = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
NUMBERS = [
    *("1e-46", "7e-46", "7.1e-46", "1e-45", "-1e-60", "1e-300", "1e-400", "-1e-400"),
    *("0.000000000000000000000000000000000000000000000000001", "0.00000001e-39", "-0.0", "0e999"),
    *("3.40282347e38", "3.4028236e38", "1e39", "-1e39", "1e309", "123.5e400", "-0.01e500"),
    "1e99999999999",
    "1e-99999999999",
]


@pytest.fixture(scope="module")
def text():
    parameters = {"max_depth": 1, "base_score": 0.0, "eta": 1}
    return xgboost.train(parameters, xgboost.DMatrix(X, X[:, 0]), 1).save_raw("json").decode()


def with_number(text, key, place, number):
    found = re.search(rf'"{key}":\[([^\]]*)\]', text)
    parts = found.group(1).split(",")
    parts[place] = number
    return (text[: found.start(1)] + ",".join(parts) + text[found.end(1) :]).encode()


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("place", [0, 1], ids=["threshold", "leaf"])
def test_numbers_beyond_float32(text, number, place):
    data = with_number(text, "split_conditions", place, number)
    theirs = xgboost.Booster(model_file=bytearray(data)).predict(xgboost.DMatrix(X))
    assert_same(spinney.load(data).predict(X), theirs)


@pytest.mark.parametrize("number", ["1e-50", "1e-400"])
@pytest.mark.parametrize("key", ["base_weights", "sum_hessian", "loss_changes"])
def test_numbers_that_predict_nothing(text, number, key):
    data = with_number(text, key, 0, number)
    theirs = xgboost.Booster(model_file=bytearray(data)).predict(xgboost.DMatrix(X))
    assert_same(spinney.load(data).predict(X), theirs)


def test_a_decimal_comma_changes_nothing(text):
    for name in ("de_DE.UTF-8", "fr_FR.UTF-8", "de_DE"):
        try:
            locale.setlocale(locale.LC_NUMERIC, name)
            break
        except locale.Error:
            pass
    else:
        pytest.skip("no locale with a decimal comma is installed")
    try:
        for number, value in (("123.5e400", np.inf), ("0.5e-400", 0.0)):
            model = spinney.load(with_number(text, "split_conditions", 1, number))
            assert value in model.predict(X)
    finally:
        locale.setlocale(locale.LC_NUMERIC, "C")


@pytest.mark.parametrize("number", ["1e", "--1", "1e-", ".", "e5", "1,5x", "0x1p3"])
def test_what_is_no_number_is_refused_still(text, number):
    with pytest.raises(spinney.CorruptModelError):
        spinney.load(with_number(text, "split_conditions", 1, number))
