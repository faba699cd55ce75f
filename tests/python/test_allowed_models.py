"""What allow-lists must let through: the models of the libraries that they know, and frames."""

from __future__ import annotations

import io
import pickle

import numpy as np
import pytest

import sklearn_estimators
from spinney.workers import unpickle


def load(data, allowed):
    return unpickle.load_file(io.BytesIO(data), unpickle.AllowList(allowed))


@pytest.fixture(scope="module")
def estimators():
    pytest.importorskip("sklearn")
    return sklearn_estimators.fitted_estimators()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("way", ["2", "joblib"])
def test_every_estimator_of_scikit_learn_loads(estimators, way):
    assert len(estimators) > 150
    wrong = {}
    for name, (estimator, method, rows) in estimators.items():
        data = written(estimator, way)
        allowed = ["sklearn.*", "pandas.*"] if name == "columns" else ["sklearn.*"]
        try:
            got = sklearn_estimators.answer(load(data, allowed), method, rows)
        except pickle.UnpicklingError as error:
            wrong[name] = repr(error)
            continue
        own = pickle.loads(pickle.dumps(estimator))
        np.testing.assert_array_equal(got, sklearn_estimators.answer(own, method, rows))
    assert not wrong


def written(estimator, way):
    if way != "joblib":
        return pickle.dumps(estimator, int(way))
    joblib = pytest.importorskip("joblib")
    stream = io.BytesIO()
    joblib.dump(estimator, stream)
    return stream.getvalue()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("protocol", [2, 4])
def test_wrappers_of_the_boosting_libraries_load(training_data, protocol):
    x, y = training_data[0], (training_data[1] > 0).astype(int)
    models = []
    for library, options in (("xgboost", {}), ("lightgbm", {"verbose": -1}), ("catboost", {})):
        try:
            package = pytest.importorskip(library)
        except pytest.skip.Exception:
            continue
        prefix = {"xgboost": "XGB", "lightgbm": "LGBM", "catboost": "CatBoost"}[library]
        count = {"iterations": 3, "silent": True, "allow_writing_files": False}
        count = count if library == "catboost" else {"n_estimators": 3, **options}
        for kind in ("Classifier", "Regressor"):
            model = getattr(package, prefix + kind)(**count).fit(x, y)
            models.append((library, model))
    assert models
    for library, model in models:
        got = load(pickle.dumps(model, protocol), [f"{library}.*"])
        np.testing.assert_array_equal(got.predict(x), model.predict(x))


@pytest.mark.parametrize("protocol", [2, 4])
def test_frames_load(protocol):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {
            "a": [1, 2],
            "b": [1.0, np.nan],
            "c": ["x", "y"],
            "d": pandas.Categorical(["u", "v"]),
            "e": pandas.to_datetime(["2020-01-01", "2021-01-01"]),
            "f": pandas.array([1, None], dtype="Int64"),
            "g": pandas.array([True, None], dtype="boolean"),
            "h": pandas.to_timedelta([1, 2]),
            "i": pandas.array(["x", None], dtype="string"),
        }
    )
    columns = pandas.MultiIndex.from_tuples([("a", 1), ("b", 2)])
    for given in (
        frame,
        frame["a"],
        frame["c"],
        frame.set_index("c"),
        frame.set_index("e"),
        frame.set_index("d"),
        pandas.DataFrame(np.eye(2), columns=columns),
        pandas.DataFrame(np.eye(2), index=pandas.interval_range(0, 2)),
        pandas.Series(
            [pandas.Timestamp("2020-01-01"), pandas.NaT, pandas.Timedelta(1)], dtype=object
        ),
    ):
        got = load(pickle.dumps(given, protocol), ["pandas.*"])
        assert got.equals(given)
        assert repr(got) == repr(given)
