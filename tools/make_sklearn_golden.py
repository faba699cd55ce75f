"""Writes small fitted models and their own library's answers to tests/data/sklearn/VERSION/.

Run once under each version of scikit-learn that the tests should know:

    python tools/make_sklearn_golden.py tests/data/sklearn
"""

import os
import pickle
import sys

import joblib
import numpy as np
import sklearn
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier

if sklearn.__version__.startswith("0."):
    from sklearn.experimental import enable_hist_gradient_boosting  # noqa: F401
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

ROWS = 40
FEATURES = 5


def training_data():
    rng = np.random.RandomState(7)
    x = rng.normal(size=(240, FEATURES))
    x[:, 4] = rng.randint(0, 6, 240)
    score = x[:, 0] + x[:, 1] * x[:, 2] + (x[:, 4] == 3)
    return x, score, np.digitize(score, [-0.5, 0.6])


def models():
    """Name -> fitted model."""
    x, score, y = training_data()
    binary = score > 0
    names = np.array(["low", "middle", "high"])[y]
    weights = np.where(binary, 1.0, 0.3)
    missing = x.copy()
    missing[::7, 0] = np.nan
    categories = {"categorical_features": [4]}
    fitted = {
        "tree_classifier": DecisionTreeClassifier(max_depth=4).fit(x, names, weights),
        "extra_tree_classifier": ExtraTreeClassifier(max_depth=4, random_state=0).fit(x, y),
        "tree_regressor": DecisionTreeRegressor(max_depth=4).fit(x, np.c_[score, y]),
        "forest_classifier": RandomForestClassifier(
            5, max_depth=4, random_state=0, class_weight="balanced"
        ).fit(x, names),
        "forest_several": RandomForestClassifier(3, max_depth=3, random_state=0).fit(
            x, np.c_[y, binary]
        ),
        "forest_regressor": RandomForestRegressor(4, max_depth=4, random_state=0).fit(x, score),
        "extra_regressor": ExtraTreesRegressor(4, max_depth=4, random_state=0).fit(x, score),
        "boosting_binary": GradientBoostingClassifier(n_estimators=6).fit(x, binary),
        "boosting_many": GradientBoostingClassifier(n_estimators=3, max_depth=2).fit(x, names),
        "boosting_regressor": GradientBoostingRegressor(
            loss="huber", n_estimators=6, learning_rate=0.3
        ).fit(x, score),
        "histogram_binary": HistGradientBoostingClassifier(max_iter=4, max_leaf_nodes=8).fit(
            missing, binary
        ),
        "histogram_many": HistGradientBoostingClassifier(max_iter=3, max_leaf_nodes=6).fit(
            missing, names
        ),
        "histogram_regressor": HistGradientBoostingRegressor(max_iter=4, max_leaf_nodes=8).fit(
            missing, score
        ),
        "histogram_poisson": HistGradientBoostingRegressor(
            loss="poisson", max_iter=4, max_leaf_nodes=8, **categories
        ).fit(x, np.exp(score)),
        "logistic_binary": LogisticRegression().fit(x, binary),
        "logistic_many": LogisticRegression().fit(x, names),
        "ridge": Ridge().fit(x, np.c_[score, y]),
        "linear": LinearRegression().fit(x, score),
    }
    if tuple(int(part) for part in sklearn.__version__.split(".")[:2]) < (1, 6):
        fitted["logistic_ovr"] = LogisticRegression(multi_class="ovr").fit(x, names)
        fitted["logistic_pair"] = LogisticRegression(multi_class="multinomial").fit(x, binary)
    return fitted


def rows_for(name):
    x = np.random.RandomState(11).normal(size=(ROWS, FEATURES))
    x[:, 4] = np.random.RandomState(12).randint(0, 6, ROWS)
    if name.startswith("histogram"):
        x[::5, 0] = np.nan
        x[::9, 4] = np.random.RandomState(13).choice([-1, 7, np.nan], len(x[::9]))
    return x


def raw_of(name, model, x):
    if name.startswith("histogram"):
        raw = model._raw_predict(x)
        return raw if len(raw) == len(x) else raw.T  # (outputs, rows) before 1.1
    return model.decision_function(x) if hasattr(model, "decision_function") else model.predict(x)


def main():
    folder = os.path.join(sys.argv[1], sklearn.__version__)
    os.makedirs(folder, exist_ok=True)
    answers = {}
    for i, (name, model) in enumerate(sorted(models().items())):
        x = rows_for(name)
        answers["rows_histogram" if name.startswith("histogram") else "rows"] = x
        answers[name + "_predict"] = model.predict(x)
        if hasattr(model, "predict_proba"):
            proba = model.predict_proba(x)
            answers[name + "_proba"] = np.hstack(proba) if isinstance(proba, list) else proba
        if name.startswith(("histogram", "boosting", "logistic")):
            raw = raw_of(name, model, x)
            answers[name + "_raw"] = raw
        if i % 5:
            compress = ("xz" if i % 2 else "gzip", 9)
            joblib.dump(model, os.path.join(folder, name + ".joblib"), compress=compress)
        else:
            with open(os.path.join(folder, name + ".pkl"), "wb") as out:
                pickle.dump(model, out, protocol=2 + i // 5 % 3)
    np.savez_compressed(os.path.join(folder, "expected.npz"), **answers)


if __name__ == "__main__":
    main()
