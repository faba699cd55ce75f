"""scikit-learn's linear models against scikit-learn itself."""

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.linear_model import (
    BayesianRidge,
    ElasticNet,
    ElasticNetCV,
    HuberRegressor,
    Lars,
    Lasso,
    LassoCV,
    LassoLars,
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    Ridge,
    RidgeCV,
    SGDRegressor,
)
from sklearn.svm import LinearSVR

from sklearn_cases import assert_same, load, training_data

LINEAR = [
    LinearRegression(),
    LinearRegression(fit_intercept=False),
    Ridge(),
    RidgeCV(),
    Lasso(alpha=0.01),
    LassoCV(),
    ElasticNet(alpha=0.01),
    ElasticNetCV(),
    Lars(),
    LassoLars(alpha=0.01),
    BayesianRidge(),
    HuberRegressor(),
    SGDRegressor(),
    LinearSVR(),
]


def assert_within_the_bound(model, x, given, expected):
    """4 eps sum |w x|, since no BLAS promises an order; n terms and an intercept."""
    weights, bias = np.atleast_2d(model.coef_), np.atleast_1d(model.intercept_)
    bound = 4 * np.finfo(expected.dtype).eps * (np.abs(x) @ np.abs(weights.T) + np.abs(bias))
    assert given.dtype == expected.dtype
    assert given.shape == expected.shape
    assert (np.abs(given - expected) <= bound.reshape(-1, *expected.shape[1:])).all()


@pytest.mark.parametrize("model", LINEAR, ids=lambda m: type(m).__name__)
def test_linear_regressors(model):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 9))
    y = x @ rng.normal(size=9) + 0.1 * rng.normal(size=300)
    model.fit(x, y)
    assert_within_the_bound(model, x, load(model).predict(x), model.predict(x))


@pytest.mark.parametrize("kind", [LinearRegression, Ridge, Lasso, ElasticNet])
@pytest.mark.parametrize("targets", [1, 3])
def test_linear_regressors_of_several_targets(kind, targets):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 9))
    model = kind().fit(x, x @ rng.normal(size=(9, targets)))
    assert_within_the_bound(model, x, load(model).predict(x), model.predict(x))


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("kind", [LogisticRegression, LogisticRegressionCV])
def test_logistic_regression(kind, classes):
    x, y, _ = training_data(11, classes=classes)
    x = x[:, :4]
    model = kind().fit(x, y)
    loaded = load(model)
    assert_within_the_bound(model, x, loaded.predict_raw(x), model.decision_function(x))
    np.testing.assert_allclose(loaded.predict_proba(x), model.predict_proba(x), rtol=1e-13)
    assert_same(model.predict(x), loaded.predict(x))
