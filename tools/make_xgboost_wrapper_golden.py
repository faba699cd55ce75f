"""Write files and pickles of XGBoost's scikit-learn wrappers, and what the wrappers predict.

    python tools/make_xgboost_wrapper_golden.py tests/data/xgboost_wrappers

Makes DIRECTORY/VERSION/ with model files, pickles and expected.npz: `rows`, and for each file the
labels or values, margins and probabilities of the wrapper, and `NAME:booster`, its Booster's
values. A JSON file is to give what the wrapper gave that saved it: XGBoost 1.4 and 1.5 forget the
number of parallel trees themselves when they load one. Run it with each version that golden files
are wanted of; XGBoost before 1.6 needs Python 3.8 and numpy below 1.24. Uses nothing but numpy,
scipy, scikit-learn and XGBoost.
"""

import pickle
import sys
import warnings
from pathlib import Path

import numpy as np
import scipy.sparse
import xgboost as xgb

VERSION = tuple(int(part) for part in xgb.__version__.split(".")[:2])
OLD = VERSION < (1, 6)
FEW = {"max_depth": 2, "n_jobs": 1, "verbosity": 0, "learning_rate": 1.0}
EXPECTED = {}


def fit(wrapper, x, y, noise=None):
    """noise: labels to stop early by."""
    options = {}
    if noise is not None:
        options = {"eval_set": [(x, noise)], "verbose": False}
        if OLD:
            options["early_stopping_rounds"] = 2
        else:
            wrapper.set_params(early_stopping_rounds=2)
    if isinstance(wrapper, xgb.XGBRanker):
        options["group"] = [50] * (len(x) // 50)
        if noise is not None:
            options["eval_group"] = [options["group"]]
    return wrapper.fit(x, y, **options)


def keep(name, wrapper, rows):
    EXPECTED[name] = np.asarray(wrapper.predict(rows))
    EXPECTED[name + ":raw"] = wrapper.predict(rows, output_margin=True)
    softmax = getattr(wrapper, "objective", "") == "multi:softmax"  # 1.6 has none then
    if hasattr(wrapper, "predict_proba") and not softmax:
        EXPECTED[name + ":proba"] = wrapper.predict_proba(rows)


def save(folder, name, wrapper, rows, suffixes=("json", "pkl")):
    for suffix in suffixes:
        path = folder / f"{name}.{suffix}"
        if suffix == "pkl":
            path.write_bytes(pickle.dumps(wrapper, protocol=4))
        else:
            wrapper.save_model(str(path))
        keep(path.name, wrapper, rows)
        EXPECTED[path.name + ":booster"] = wrapper.get_booster().predict(xgb.DMatrix(rows))


def wrappers(two, three, signal, noise):
    few = {"use_label_encoder": False, **FEW} if OLD else FEW
    bag = {"num_parallel_tree": 3, "subsample": 0.5, "n_estimators": 5}
    yield "forest", xgb.XGBClassifier(**bag, **few), two, noise
    yield "forest_three", xgb.XGBClassifier(**bag, **few), three, np.arange(len(two)) % 3
    yield "ranker", xgb.XGBRanker(**bag, **FEW), three, np.arange(len(two)) % 3
    forest = xgb.XGBRFRegressor(n_estimators=5, max_depth=2, n_jobs=1, verbosity=0)
    yield "rf", forest, signal, None
    yield (
        "softmax",
        xgb.XGBClassifier(objective="multi:softmax", n_estimators=2, **few),
        three,
        None,
    )
    yield "missing", xgb.XGBRegressor(missing=0.0, n_estimators=6, **FEW), signal, noise * 1.0
    dart = {"booster": "dart", "rate_drop": 0.5, "base_score": 0.7, "n_estimators": 6}
    yield "dart", xgb.XGBRegressor(**dart, **FEW), signal, None
    if OLD:
        kept = {"use_label_encoder": True, "n_estimators": 2, **FEW}
        yield "texts", xgb.XGBClassifier(**kept), np.array(["no", "yes"])[two], None
        yield "doubles", xgb.XGBClassifier(**kept), np.array([0.1, 2.5, 7])[three], None


def main():
    warnings.simplefilter("ignore")
    folder = Path(sys.argv[1]) / xgb.__version__
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    x = rng.normal(size=(200, 4)).astype(np.float32)
    x[rng.random(x.shape) < 0.1] = 0
    signal = x[:, 0] + x[:, 1] ** 2
    rows = np.concatenate([x[:30], np.round(x[:10], 1)]).astype(np.float32)
    rows[3, 1] = np.nan
    EXPECTED["rows"] = rows
    two, three = (signal > 1).astype(int), np.round(np.abs(signal)).clip(0, 2).astype(int)
    noise = rng.integers(0, 2, len(x))
    for name, wrapper, y, stop in wrappers(two, three, signal, noise):
        fit(wrapper, x, y, stop)
        if name == "missing" and VERSION >= (2, 0):
            continue  # the file does not say it any more
        if name == "dart" and VERSION < (1, 4):
            continue  # adds the base score last, which no later version does
        both = name == "dart" or (OLD and name in ("forest", "forest_three", "rf", "ranker"))
        save(folder, name, wrapper, rows, ["json", "pkl"] if both else ["json"])
        if name == "dart":
            for form in ("csr", "csc"):
                sparse = scipy.sparse.csr_matrix(np.nan_to_num(rows)).asformat(form)
                EXPECTED[f"dart:{form}"] = wrapper.predict(sparse)
    np.savez_compressed(folder / "expected.npz", **EXPECTED)


if __name__ == "__main__":
    main()
