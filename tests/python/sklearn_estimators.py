"""Every estimator of scikit-learn, fitted on simple data, with rows to ask it about."""

from __future__ import annotations

import inspect
import warnings

import numpy as np

METHODS = ("predict", "transform", "score_samples", "decision_function")
TEXT = np.array(["red green blue", "green blue grey", "blue grey pink"] * 10, dtype=object)


def fitted_estimators():
    """{name: (estimator, method, rows)} of all that can be fitted on one of a few data sets."""
    from sklearn.utils import all_estimators
    from threadpoolctl import threadpool_limits

    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        found = {}
        for name, kind in all_estimators():
            estimator, method, rows = _fit(kind)
            if method is not None:
                found[name] = estimator, method, rows
        return {**found, **_compositions()}


def answer(estimator, method, rows):
    """What it says of the rows, as an array; a random state in it starts from where it was."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        given = getattr(estimator, method)(rows)
    return np.asarray(given.toarray() if hasattr(given, "toarray") else given)


def _data():
    from sklearn.datasets import load_iris

    x, y = load_iris(return_X_y=True)
    x, y = x[::3], y[::3]
    return [
        (x, y),
        (np.abs(x), y),
        (x[:, 0], x[:, 1]),
        (x, np.c_[y, y % 2]),
        (TEXT, None),
        ([{"a": 1, "b": 2}, {"a": 3}], None),
        (y, None),
        ([[1, 2], [2]], None),
        (np.abs(x), x[:, :2]),
    ]


def _fit(kind):
    for x, y in _data():
        try:
            estimator = kind(**_arguments(kind))
            estimator.fit(x) if y is None else estimator.fit(x, y)
            method = next((each for each in METHODS if hasattr(estimator, each)), None)
            if method is not None:
                answer(estimator, method, x)
            return estimator, method, x
        except Exception:  # not its kind of data
            continue
    return None, None, None


def _arguments(kind):
    from scipy.stats import uniform
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.preprocessing import StandardScaler

    inner = Ridge() if "Regress" in kind.__name__ else LogisticRegression()
    distributions = {"C": uniform(0.1, 1)}
    given = {
        "estimator": inner,
        "estimators": [("a", inner)],
        "steps": [("a", inner)],
        "transformer_list": [("a", StandardScaler())],
        "transformers": [("a", StandardScaler(), [0, 1])],
        "param_grid": {"C": [0.1, 1]},
        "param_distributions": distributions,
        "dictionary": np.eye(4),
    }
    parameters = inspect.signature(kind.__init__).parameters.values()
    wanted = {each.name for each in parameters if each.default is each.empty}
    arguments = {name: value for name, value in given.items() if name in wanted}
    if "RandomProjection" in kind.__name__:
        arguments["n_components"] = 2
    if kind.__name__ == "RandomizedSearchCV":
        arguments["n_iter"] = 2
    return arguments


def _compositions():
    from scipy.special import expit
    from scipy.stats import randint
    from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_selector
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.feature_selection import SelectKBest, f_regression, mutual_info_classif
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, Matern, WhiteKernel
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.model_selection import GridSearchCV, KFold, RandomizedSearchCV
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, SplineTransformer, StandardScaler
    from sklearn.svm import SVC
    from sklearn.tree import DecisionTreeClassifier

    x, y = _data()[0]
    trees = {"max_depth": randint(1, 4)}
    columns = [("n", StandardScaler(), make_column_selector("a|b")), ("k", "passthrough", ["c"])]
    made = {
        "functions": make_pipeline(FunctionTransformer(np.log1p, expit), LinearRegression()),
        "function of scipy": make_pipeline(FunctionTransformer(expit), LinearRegression()),
        "best": make_pipeline(SelectKBest(f_regression, k=2), LinearRegression()),
        "informed": make_pipeline(SelectKBest(mutual_info_classif, k=2), SVC()),
        "splines": make_pipeline(SplineTransformer(), LinearRegression()),
        "grid": GridSearchCV(
            make_pipeline(StandardScaler(), SVC()), {"svc__C": [1, 2]}, cv=KFold()
        ),
        "scored": GridSearchCV(SVC(), {"C": [1, 2]}, scoring="f1_macro"),
        "random": RandomizedSearchCV(DecisionTreeClassifier(), trees, n_iter=2),
        "kernels": GaussianProcessRegressor(Matern() + RBF() * WhiteKernel()),
        "target": TransformedTargetRegressor(
            LinearRegression(), func=np.log1p, inverse_func=np.expm1
        ),
        "distance": KNeighborsClassifier(metric="minkowski", p=3, algorithm="ball_tree"),
    }
    found = {name: (each.fit(x, y), "predict", x) for name, each in made.items()}
    text = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(TEXT, np.arange(30) % 2)
    found["text"] = text, "predict", TEXT
    try:
        import pandas as pd
    except ImportError:
        return found
    frame = pd.DataFrame(x[:, :3], columns=["a", "b", "c"])
    frame["word"] = pd.Categorical(np.array(["u", "v"])[y % 2])
    choose = make_pipeline(ColumnTransformer(columns), SVC()).fit(frame, y)
    return {**found, "columns": (choose, "predict", frame)}
