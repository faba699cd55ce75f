"""scikit-learn's links: equal bit for bit where numpy takes exp, log and pow from the C library.

numpy has vector versions of these for some CPUs, which differ by an ulp or a few. As this file is
run, answers may differ by what docs/exactness.md states; run again with numpy's vector code turned
off, which the last test does, nothing may differ. The links of XGBoost and LightGBM are in
test_xgboost.py and test_lightgbm.py.
"""

import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
)
from sklearn.tree import DecisionTreeClassifier

from sklearn_cases import adaboost, load
from spinney.ulp import ulp_distance

SWITCH = "NPY_DISABLE_CPU_FEATURES"
EXACT = SWITCH in os.environ
EPS = 2.0**-52


def data(classes, seed=0, rows=1200):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 5))
    score = x[:, 0] + x[:, 1] ** 2 + 0.1 * rng.normal(size=rows)
    return x, np.digitize(score, np.quantile(score, np.arange(1, classes) / classes)), score


def assert_within(ulp, given, wanted):
    assert given.dtype == wanted.dtype
    assert given.shape == wanted.shape
    ulp = 0 if EXACT else ulp
    assert ulp_distance(given, wanted).max() <= ulp
    if ulp == 0:
        np.testing.assert_array_equal(np.signbit(given), np.signbit(wanted))


def assert_close(eps, given, wanted):
    """Within eps machine epsilons of the larger of 1 and the value."""
    assert given.shape == wanted.shape
    bound = 0 if EXACT else eps * EPS * np.maximum(1, np.abs(wanted))
    assert (np.abs(given - wanted) <= bound).all()


@pytest.mark.parametrize("loss", ["log_loss", "exponential"])
@pytest.mark.parametrize("rate", [0.1, 1.0])
def test_boosting_of_two_classes_uses_scipy_s_expit(loss, rate):
    x, y, _ = data(2)
    model = GradientBoostingClassifier(n_estimators=5, loss=loss, learning_rate=rate).fit(x, y)
    ours = load(model)
    assert_within(0, ours.predict_raw(x), model.decision_function(x))
    assert_within(0, ours.predict_proba(x), model.predict_proba(x))


@pytest.mark.parametrize("classes", [3, 8, 12])
@pytest.mark.parametrize("seed", range(6))
def test_boosting_of_many_classes(classes, seed):
    x, y, _ = data(classes, seed)
    model = GradientBoostingClassifier(n_estimators=5, learning_rate=0.5, max_depth=2).fit(x, y)
    ours = load(model)
    assert_close(4, ours.predict_raw(x), model.decision_function(x))
    theirs = model.predict_proba(x)
    if hasattr(model._loss, "_raw_prediction_to_proba"):  # before scikit-learn 1.4
        largest = np.abs(model.decision_function(x)).max(axis=1, keepdims=True)
        moved = 4 * np.finfo(float).eps * theirs * (1 + largest)
        assert (np.abs(ours.predict_proba(x) - theirs) <= moved).all()
    else:
        assert_within(16, ours.predict_proba(x), theirs)
    np.testing.assert_array_equal(ours.predict(x), model.predict(x))


@pytest.mark.parametrize("classes", [2, 3, 12])
def test_histogram_boosting(classes):
    x, y, _ = data(classes)
    model = HistGradientBoostingClassifier(max_iter=5, learning_rate=0.5).fit(x, y)
    ours = load(model)
    np.testing.assert_array_equal(ours.predict_raw(x), model.decision_function(x))
    assert_within(0 if classes == 2 else 8, ours.predict_proba(x), model.predict_proba(x))


def test_histogram_boosting_adds_up_a_single_row_in_another_order():
    """One row in Fortran order is one in C order, which numpy adds pairwise from 8 classes on."""
    x, y, _ = data(12)
    model = HistGradientBoostingClassifier(max_iter=5, learning_rate=0.5).fit(x, y)
    ours = load(model)
    for row in x[:100].reshape(100, 1, -1):
        assert ulp_distance(ours.predict_proba(row), model.predict_proba(row)).max() <= 8


@pytest.mark.parametrize("loss", ["poisson", "gamma"])
def test_histogram_boosting_of_positive_values(loss):
    x, _, score = data(2)
    model = HistGradientBoostingRegressor(loss=loss, max_iter=9).fit(x, np.abs(score) + 0.1)
    ours = load(model)
    np.testing.assert_array_equal(ours.predict_raw(x), model._raw_predict(x).ravel())
    assert_within(4, ours.predict(x), model.predict(x))


@pytest.mark.parametrize("classes", [2, 3, 12])
def test_adaboost(classes):
    x, y, _ = data(classes)
    tree = DecisionTreeClassifier(max_depth=3, random_state=0)
    model = adaboost(tree, n_estimators=6).fit(x, y)
    ours = load(model)
    np.testing.assert_array_equal(ours.predict_raw(x), model.decision_function(x))
    assert_within(8, ours.predict_proba(x), model.predict_proba(x))


@pytest.mark.parametrize("seed", range(3))
def test_isolation_forest(seed):
    x, _, _ = data(2, seed)
    model = IsolationForest(n_estimators=20, random_state=seed).fit(x)
    ours = load(model)
    assert_within(2, ours.score_samples(x), model.score_samples(x))
    assert_close(1, ours.decision_function(x), model.decision_function(x))


@pytest.mark.parametrize("classes", [3, 12, 300])
def test_xgboost_s_wrapper_takes_the_softmax_of_scipy(classes):
    xgboost = pytest.importorskip("xgboost")
    x, y, _ = data(classes)
    model = xgboost.XGBClassifier(
        objective="multi:softmax", n_estimators=3, max_depth=2, learning_rate=1.0, n_jobs=1
    ).fit(x, y)
    ours = load(model)
    np.testing.assert_array_equal(ours.predict_raw(x), model.predict(x, output_margin=True))
    assert_within(8, ours.predict_proba(x), model.predict_proba(x))


@pytest.mark.skipif(EXACT, reason="this is the run without vector code itself")
def test_nothing_differs_without_numpy_s_vector_code():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        core = pytest.importorskip("numpy._core._multiarray_umath")
    environment = {**os.environ, SWITCH: " ".join(core.__cpu_dispatch__)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout
