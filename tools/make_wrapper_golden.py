"""Writes small wrappers of scikit-learn and their own answers, for each of its versions.

Run once under each version that the tests should know; the folder gets one of its name:

    python tools/make_wrapper_golden.py tests/data/sklearn_wrappers
"""

import os
import sys
import warnings

import joblib
import numpy as np
import sklearn
from sklearn import calibration, ensemble, model_selection, multiclass, multioutput
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

FEATURES = 4
METHODS = ("predict", "predict_proba", "decision_function")


def training_data():
    rng = np.random.RandomState(3)
    x = rng.normal(size=(150, FEATURES))
    score = x[:, 0] + x[:, 1] * x[:, 2]
    return x, score, np.digitize(score, [-0.5, 0.6])


def tree(**options):
    return DecisionTreeClassifier(max_depth=3, random_state=0, **options)


def boosting():
    return GradientBoostingClassifier(n_estimators=2, max_depth=2, random_state=0)


def regressor():
    return DecisionTreeRegressor(max_depth=3, random_state=0)


def models():
    """Name -> fitted model."""
    x, score, y = training_data()
    binary = (score > 0).astype(int)
    names = np.array(["low", "middle", "high"])[y]
    several = np.c_[binary, y % 2, y == 2].astype(int)
    some = y.copy()
    some[::3] = -1
    members = [("t", tree()), ("b", boosting())]
    regressors = [("t", regressor()), ("e", ensemble.ExtraTreesRegressor(2, max_depth=2))]
    fitted = {
        "adaboost": ensemble.AdaBoostClassifier(
            tree(), n_estimators=3, random_state=0, **samme()
        ).fit(x, names),
        "adaboost_binary": ensemble.AdaBoostClassifier(
            tree(), n_estimators=3, random_state=0, **samme()
        ).fit(x, binary),
        "adaboost_of_boosting": ensemble.AdaBoostClassifier(
            boosting(), n_estimators=2, random_state=0, **samme()
        ).fit(x, names),
        "adaboost_binary_of_boosting": ensemble.AdaBoostClassifier(
            boosting(), n_estimators=2, random_state=0, **samme()
        ).fit(x, binary),
        "adaboost_regressor": ensemble.AdaBoostRegressor(
            regressor(), n_estimators=3, random_state=0
        ).fit(x, score),
        "bagging": ensemble.BaggingClassifier(boosting(), 2, random_state=0).fit(x, names),
        "bagging_regressor": ensemble.BaggingRegressor(
            regressor(), 3, max_features=0.5, random_state=0
        ).fit(x, score),
        "calibrated_sigmoid": calibration.CalibratedClassifierCV(tree(), cv=2).fit(x, names),
        "calibrated_isotonic": calibration.CalibratedClassifierCV(
            boosting(), method="isotonic", cv=2
        ).fit(x, binary),
        "calibrated_once": calibration.CalibratedClassifierCV(tree(), cv=2, ensemble=False).fit(
            x, names
        ),
        "chain": multioutput.ClassifierChain(boosting(), order=[2, 0, 1]).fit(x, several),
        "chain_regressor": multioutput.RegressorChain(regressor()).fit(x, np.c_[score, x[:, 0]]),
        "multi": multioutput.MultiOutputClassifier(tree()).fit(x, several),
        "multi_regressor": multioutput.MultiOutputRegressor(regressor()).fit(
            x, np.c_[score, x[:, 0]]
        ),
        "one_vs_one": multiclass.OneVsOneClassifier(boosting()).fit(x, names),
        "one_vs_rest": multiclass.OneVsRestClassifier(boosting()).fit(x, names),
        "one_vs_rest_several": multiclass.OneVsRestClassifier(tree()).fit(
            x, np.c_[several, np.ones(len(x), int)]
        ),
        "output_code": multiclass.OutputCodeClassifier(tree(), code_size=2, random_state=0).fit(
            x, names
        ),
        "search": model_selection.GridSearchCV(tree(), {"max_features": [2, 4]}, cv=2).fit(
            x, names
        ),
        "self_training": SelfTrainingClassifier(tree()).fit(x, some),
        "stacking": ensemble.StackingClassifier(members, boosting(), cv=2).fit(x, names),
        "stacking_regressor": ensemble.StackingRegressor(
            regressors, regressor(), cv=2, passthrough=True
        ).fit(x, score),
        "target": TransformedTargetRegressor(regressor(), func=np.sqrt, inverse_func=np.square).fit(
            x, score**2
        ),
        "voting": ensemble.VotingClassifier(members).fit(x, names),
        "voting_soft": ensemble.VotingClassifier(members, voting="soft", weights=[1, 3]).fit(
            x, names
        ),
        "voting_regressor": ensemble.VotingRegressor(regressors).fit(x, score),
    }
    if hasattr(model_selection, "FixedThresholdClassifier"):
        fitted["threshold"] = model_selection.FixedThresholdClassifier(
            boosting(), threshold=0.3, response_method="predict_proba"
        ).fit(x, binary)
        fitted["threshold_tuned"] = model_selection.TunedThresholdClassifierCV(tree(), cv=2).fit(
            x, binary
        )
    return fitted


def samme():
    """The votes that newer versions add anyway."""
    old = tuple(int(part) for part in sklearn.__version__.split(".")[:2]) < (1, 6)
    return {"algorithm": "SAMME"} if old else {}


def main():
    warnings.simplefilter("ignore")
    folder = os.path.join(sys.argv[1], sklearn.__version__)
    os.makedirs(folder, exist_ok=True)
    rows = np.random.RandomState(11).normal(size=(30, FEATURES))
    answers = {"rows": rows}
    fitted = models()
    for name, model in fitted.items():
        for method in METHODS:
            if hasattr(model, method):
                answer = getattr(model, method)(rows)
                answers[name + "." + method] = np.array(answer)  # a list: one array a target
    joblib.dump(fitted, os.path.join(folder, "wrappers.joblib"), compress=("xz", 9))
    np.savez_compressed(os.path.join(folder, "expected.npz"), **answers)


if __name__ == "__main__":
    main()
