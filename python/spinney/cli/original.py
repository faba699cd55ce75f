"""The training library's own object behind a model file, to compare with and to time against."""

from __future__ import annotations

import importlib
import warnings
from dataclasses import dataclass, field

import numpy as np

from spinney.cli.errors import UserError


@dataclass
class Original:
    """A model as its own library has it.

    answers: "predict", "predict_proba", "predict_raw" -> a function of rows that gives what the
    Spinney method of that name must give.
    """

    library: str
    version: str
    model: object
    answers: dict = field(default_factory=dict)


def import_library(name):
    try:
        return importlib.import_module(name)
    except ImportError:
        package = {"sklearn": "scikit-learn"}.get(name, name)
        raise UserError(
            f"the model was trained by {package}, which is not installed: pip install {package}"
        ) from None


def open_original(path, model, trusted=False):
    """Opens the file with the library that wrote it; on one thread where the library lets one.

    Pickles run code when they are opened: trusted says that this one may.
    """
    form = model.source["format"]
    if form in ("json", "ubj"):
        return _xgboost(path)
    if form == "text":
        return _lightgbm(path)
    if form in ("pickle", "joblib"):
        return _pickled(path, trusted)
    raise UserError(
        f"{path}: a {form} file holds no training library's model; name the file it was made from"
    )


def _xgboost(path):
    xgboost = import_library("xgboost")
    booster = xgboost.Booster({"nthread": 1}, model_file=str(path))
    booster.set_param({"nthread": 1})
    return _xgboost_booster(xgboost, booster)


def _xgboost_booster(xgboost, booster):
    names = booster.feature_names
    types = booster.feature_types

    def matrix(rows):
        return xgboost.DMatrix(rows, feature_names=names, feature_types=types, nthread=1)

    answers = {
        "predict": lambda rows: booster.predict(matrix(rows)),
        "predict_raw": lambda rows: booster.predict(matrix(rows), output_margin=True),
    }
    return Original("xgboost", xgboost.__version__, booster, answers)


def _lightgbm(path):
    lightgbm = import_library("lightgbm")
    return _lightgbm_booster(lightgbm, lightgbm.Booster(model_file=str(path)))


def _lightgbm_booster(lightgbm, booster):
    answers = {
        "predict": lambda rows: booster.predict(rows, num_threads=1),
        "predict_raw": lambda rows: booster.predict(rows, num_threads=1, raw_score=True),
    }
    return Original("lightgbm", lightgbm.__version__, booster, answers)


def _pickled(path, trusted):
    if not trusted:
        raise UserError(
            f"{path}: to compare with its own library the file must be unpickled, which can run "
            "any code in it; say --trusted if you know where it comes from"
        )
    joblib = import_library("joblib")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = joblib.load(path)
    return original_of(model)


def original_of(model):
    """The Original of a live object."""
    library = type(model).__module__.split(".")[0]
    module = import_library(library)
    if library == "xgboost" and type(model).__name__ == "Booster":
        return _xgboost_booster(module, model)
    if library == "lightgbm" and type(model).__name__ == "Booster":
        return _lightgbm_booster(module, model)
    answers = {"predict": model.predict}
    if hasattr(model, "predict_proba"):
        answers["predict_proba"] = model.predict_proba
    if library == "xgboost":
        answers["predict_raw"] = lambda rows: model.predict(rows, output_margin=True)
    elif library == "lightgbm":
        answers["predict_raw"] = lambda rows: model.predict(rows, raw_score=True)
    elif hasattr(model, "score_samples"):
        answers["score_samples"] = model.score_samples
        answers["decision_function"] = model.decision_function
    elif hasattr(model, "decision_function"):
        answers["predict_raw"] = model.decision_function
    if "n_jobs" in model.get_params(deep=False):
        model.set_params(n_jobs=1)
    return Original(library, module.__version__, model, answers)


def as_named_rows(original, model, rows):
    """Rows as the library wants them: a data frame with names where it was trained with names."""
    names = getattr(original.model, "feature_names_in_", None)
    if names is None or original.library == "xgboost":
        return rows
    pandas = import_library("pandas")
    return pandas.DataFrame(np.asarray(rows), columns=list(names))
