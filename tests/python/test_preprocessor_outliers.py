"""Outliers: each way of telling them and each way of treating them."""

from __future__ import annotations

import numpy as np
import pytest

from modules.engine.data_preprocessor import DataPreprocessor, StatisticsError


@pytest.mark.parametrize("method", ["iqr", "zscore", "percentile"])
def test_outliers_column_by_column(method):
    x = np.r_[np.random.default_rng(1).normal(0, 1, 500), [40.0, -60.0]].reshape(-1, 1)
    make = {
        "normalization": "none",
        "detect_outliers": True,
        "outlier_method": method,
        "outlier_iqr_multiplier": 1.5,
        "outlier_zscore_threshold": 3.0,
        "outlier_percentiles": (1.0, 99.0),
    }
    values = np.sort(x[:, 0])
    if method == "iqr":
        q1, q3 = np.percentile(values, [25, 75])
        low, high = q1 - 1.5 * (q3 - q1), q3 + 1.5 * (q3 - q1)
    elif method == "zscore":
        low, high = values.mean() - 3 * values.std(), values.mean() + 3 * values.std()
    else:
        low, high = np.percentile(values, [1, 99])
    inside = values[(values >= low) & (values <= high)]
    out = (x[:, 0] < low) | (x[:, 0] > high)
    clipped = DataPreprocessor({**make, "outlier_handling": "clip"}).fit(x)
    np.testing.assert_allclose(clipped.transform(x), np.clip(x, low, high), rtol=1e-12)
    assert np.array_equal(clipped.outlier_rows(x), out)
    wins = DataPreprocessor({**make, "outlier_handling": "winsorize"}).fit_transform(x)
    np.testing.assert_array_equal(wins, np.clip(x, inside.min(), inside.max()))
    mean = DataPreprocessor({**make, "outlier_handling": "mean"}).fit_transform(x)
    np.testing.assert_allclose(mean[out], inside.mean(), rtol=1e-9)
    removing = DataPreprocessor({**make, "outlier_handling": "remove"}).fit(x)
    assert removing.removes_rows and not clipped.removes_rows
    np.testing.assert_array_equal(removing.transform(x), x[~out])
    with pytest.raises(StatisticsError, match=r"remove.*fit\(\)"):
        DataPreprocessor({**make, "outlier_handling": "remove"}).partial_fit(x)


@pytest.mark.parametrize("handling", ["clip", "winsorize", "mean", "remove"])
def test_isolation_forests_mark_the_rows_that_scikit_learn_marks(handling, tmp_path):
    ensemble = pytest.importorskip("sklearn.ensemble")
    x = np.random.default_rng(2).normal(size=(300, 4))
    x[:5] *= 30
    options = {
        "normalization": "none",
        "detect_outliers": True,
        "outlier_method": "isolation_forest",
        "outlier_handling": handling,
        "isolation_contamination": 0.05,
        "random_state": 7,
    }
    fitted = DataPreprocessor(options).fit(x)
    theirs = ensemble.IsolationForest(random_state=7, contamination=0.05).fit(x)
    marked = theirs.predict(x) == -1
    assert np.array_equal(fitted.outlier_rows(x), marked)
    kept, y = x[~marked], fitted.transform(x)
    if handling == "remove":
        assert np.array_equal(y, kept)
    else:
        assert np.array_equal(y[~marked], kept)
        assert (y >= kept.min(axis=0)).all() and (y <= kept.max(axis=0)).all()
        assert not np.array_equal(y[marked], x[marked])
    fitted.serialize(tmp_path / "p")
    assert np.array_equal(DataPreprocessor.deserialize(tmp_path / "p").transform(x), y)
    with pytest.raises(StatisticsError, match="isolation forest"):
        DataPreprocessor(options).partial_fit(x)
