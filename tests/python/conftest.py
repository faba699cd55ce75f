"""Models that several tests share, each trained once."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from skip_report import pytest_terminal_summary  # noqa: F401

N_FEATURES = 10


@pytest.fixture(scope="session")
def training_data():
    """500 rows of ten float32 features, one of them with gaps, and three classes."""
    rng = np.random.default_rng(11)
    x = rng.normal(size=(500, N_FEATURES)).astype(np.float32)
    score = x[:, 0] + 0.5 * x[:, 1] * x[:, 2]
    x[rng.random(500) < 0.2, 3] = np.nan
    return x, np.digitize(score, [-0.6, 0.6])


@pytest.fixture(scope="session")
def lightgbm_booster(training_data):
    lightgbm = pytest.importorskip("lightgbm")
    x, y = training_data
    parameters = {"objective": "regression", "verbose": -1, "num_leaves": 15, "num_threads": 1}
    return lightgbm.train(parameters, lightgbm.Dataset(x, y), 40)


@pytest.fixture(scope="session")
def xgboost_booster(training_data):
    xgboost = pytest.importorskip("xgboost")
    x, y = training_data
    parameters = {"objective": "binary:logistic", "max_depth": 4, "nthread": 1}
    return xgboost.train(parameters, xgboost.DMatrix(x, y > 0), 30)


@pytest.fixture(scope="session")
def model(lightgbm_booster):
    """A LightGBM regressor: one float64 value a row."""
    import spinney

    return spinney.Model.from_bytes(lightgbm_booster.model_to_string().encode(), "text")


@pytest.fixture(scope="session")
def xgboost_model(xgboost_booster):
    """An XGBoost binary classifier's Booster: one float32 probability a row."""
    import spinney

    return spinney.Model.from_bytes(bytes(xgboost_booster.save_raw("json")), "json")
