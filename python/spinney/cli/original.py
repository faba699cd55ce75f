"""The training library's own object behind a model file, to compare with and to time against."""

from __future__ import annotations

import importlib
import json
import os
import warnings
from dataclasses import dataclass, field

import numpy as np

from spinney.cli.errors import UserError


@dataclass
class Original:
    """A model as its own library has it.

    answers: "predict", "predict_proba", "predict_raw" -> a function of rows that gives what the
    Spinney method of that name must give.
    trees: the keywords of the Booster's predict that choose the same trees. missing: what was said
    to be missing besides NaN.
    """

    library: str
    version: str
    model: object
    answers: dict = field(default_factory=dict)
    trees: dict = field(default_factory=dict)
    missing: float = np.nan


def import_library(name):
    try:
        return importlib.import_module(name)
    except ImportError:
        package = {"sklearn": "scikit-learn"}.get(name, name)
        raise UserError(
            f"the model was trained by {package}, which is not installed: pip install {package}"
        ) from None


def open_original(path, model, trusted=False, choice=None):
    """Opens the file with the library that wrote it; on one thread where the library lets one.

    Pickles run code when they are opened: trusted says that this one may. choice: the keywords of
    spinney.load that the model was loaded with.
    """
    form = model.source["format"]
    _refuse_wrapped(path, form)
    if form in ("cbm", "json") and model.source["library"] == "catboost":
        return _catboost_file(path, form, model.source["kind"], choice)
    if form in ("json", "ubj"):
        return _xgboost(path, model.source["kind"], choice)
    if form == "text":
        return _lightgbm(path, choice)
    if form in ("pickle", "joblib"):
        return _pickled(path, trusted, choice)
    if form == "binary":
        raise UserError(f"{path}: XGBoost itself reads its binary format no longer, since 3.1")
    raise UserError(
        f"{path}: a {form} file holds no training library's model; name the file it was made from"
    )


def _refuse_wrapped(path, form):
    """Training libraries open neither folders nor archives, nor compressed files but joblib's."""
    if os.path.isdir(path):
        raise UserError(f"{path} is a folder; name the model's file in it")
    with open(path, "rb") as file:
        head = file.read(512)
    archive = head.startswith(b"PK\3\4") and form != "skops"
    compressed = head.startswith(
        (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"\x04\x22M")
    )
    if archive or head[257:262] == b"ustar" or (compressed and form != "joblib"):
        raise UserError(f"{path}: unpack it first, for its own library reads it only unpacked")


def _xgboost(path, kind, choice):
    xgboost = import_library("xgboost")
    booster = xgboost.Booster({"nthread": 1}, model_file=str(path))
    booster.set_param({"nthread": 1})
    if kind == "Booster":
        return _xgboost_booster(xgboost, booster, choice)
    # Until 1.7 the file says what the wrapper took for missing; later versions do not read it.
    missing = json.loads(booster.attr("scikit_learn")).get("missing")
    wrapper = getattr(xgboost, kind)(n_jobs=1, missing=np.nan if missing is None else missing)
    wrapper.load_model(path)
    return _xgboost_wrapper(xgboost, wrapper, choice)


def _xgboost_missing(choice):
    return (choice or {}).get("missing", np.nan)


def _xgboost_trees(choice):
    return {key: value for key, value in (choice or {}).items() if key == "iteration_range"}


def _xgboost_booster(xgboost, booster, choice):
    names = booster.feature_names
    types = booster.feature_types
    trees, missing = _xgboost_trees(choice), _xgboost_missing(choice)

    def matrix(rows):
        return xgboost.DMatrix(
            rows, missing=missing, feature_names=names, feature_types=types, nthread=1
        )

    answers = {
        "predict": lambda rows: booster.predict(matrix(rows), **trees),
        "predict_raw": lambda rows: booster.predict(matrix(rows), output_margin=True, **trees),
    }
    return Original("xgboost", xgboost.__version__, booster, answers, trees, missing)


def _wrapper_answers(wrapper, raw, options):
    """What a scikit-learn wrapper answers on one thread; `raw` is its keyword for raw scores."""
    wrapper.set_params(n_jobs=1)
    answers = {
        "predict": lambda rows: wrapper.predict(rows, **options),
        "predict_raw": lambda rows: wrapper.predict(rows, **{raw: True}, **options),
    }
    if hasattr(wrapper, "predict_proba"):
        answers["predict_proba"] = lambda rows: wrapper.predict_proba(rows, **options)
    return answers


def _xgboost_wrapper(xgboost, wrapper, choice):
    trees, missing = _xgboost_trees(choice), _xgboost_missing(choice)
    if not np.isnan(missing):
        wrapper.set_params(missing=missing)
    # Rows are arrays without names, whatever the model was trained on.
    options = {"validate_features": False, **trees}
    answers = _wrapper_answers(wrapper, "output_margin", options)
    best = wrapper.get_booster().attr("best_iteration")
    if best is not None and not trees.get("iteration_range", (0, 0))[1]:
        trees = {"iteration_range": (0, int(best) + 1)}
    return Original("xgboost", xgboost.__version__, wrapper, answers, trees, missing)


def _lightgbm(path, choice):
    lightgbm = import_library("lightgbm")
    return _lightgbm_booster(lightgbm, lightgbm.Booster(model_file=str(path)), choice)


def _lightgbm_trees(choice):
    names = ("start_iteration", "num_iteration")
    return {key: value for key, value in (choice or {}).items() if key in names}


def _lightgbm_booster(lightgbm, booster, choice):
    trees = _lightgbm_trees(choice)
    answers = {
        "predict": lambda rows: booster.predict(rows, num_threads=1, **trees),
        "predict_raw": lambda rows: booster.predict(rows, num_threads=1, raw_score=True, **trees),
    }
    return Original("lightgbm", lightgbm.__version__, booster, answers, trees)


def _lightgbm_wrapper(lightgbm, wrapper, choice):
    trees = _lightgbm_trees(choice)
    answers = _wrapper_answers(wrapper, "raw_score", trees)
    return Original("lightgbm", lightgbm.__version__, wrapper, answers, trees)


def _catboost_file(path, form, kind, choice):
    catboost = import_library("catboost")
    model = getattr(catboost, kind)()
    model.load_model(str(path), format=form)
    return _catboost(catboost, model, choice)


def _catboost(catboost, model, choice):
    """One thread; CatBoost takes an end of 0 for the last tree's only from the first tree on."""
    trees = {key: value for key, value in (choice or {}).items() if key.startswith("ntree_")}
    if trees and not trees.get("ntree_end"):
        trees["ntree_end"] = model.tree_count_
    options = {"thread_count": 1, **trees}
    answers = {"predict": lambda rows: model.predict(rows, **options)}
    if type(model).__name__ == "CatBoostRanker":
        answers["predict_raw"] = answers["predict"]
    else:
        raw = {"prediction_type": "RawFormulaVal", **options}
        answers["predict_raw"] = lambda rows: model.predict(rows, **raw)
    if hasattr(model, "predict_proba"):
        answers["predict_proba"] = lambda rows: model.predict_proba(rows, **options)
    return Original("catboost", catboost.__version__, model, answers, trees)


def _as_bare(catboost, model):
    bare = catboost.CatBoost()
    bare.load_model(blob=model._serialize_model())
    return bare


def _pickled(path, trusted, choice):
    if not trusted:
        raise UserError(
            f"{path}: to compare with its own library the file must be unpickled, which can run "
            "any code in it; say --trusted if you know where it comes from"
        )
    joblib = import_library("joblib")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = joblib.load(path)
    return original_of(_member(path, model, (choice or {}).get("member")), choice)


def _member(path, held, member):
    """What answers in the file: the object itself, or the model that lies at a path within it."""
    if hasattr(held, "predict"):
        return held
    found = dict(_models_within(held, "", 8))
    if member is None and len(found) == 1:
        return next(iter(found.values()))
    inside = [one for at, one in found.items() if at.startswith(f"{member}.")]
    if member in found or len(inside) == 1:
        return found[member] if member in found else inside[0]
    raise UserError(
        f"{path}: no library has the ensemble that --member {member} makes; name one of its "
        f"members to compare with: {', '.join(found)}"
    )


def _models_within(held, way, depth):
    items = ()
    if isinstance(held, dict):
        items = held.items()
    elif isinstance(held, (list, tuple)):
        items = enumerate(held)
    for key, value in items if depth else ():
        at = f"{way}.{key}" if way else str(key)
        if hasattr(value, "predict"):
            yield at, value
        else:
            yield from _models_within(value, at, depth - 1)


def original_of(model, choice=None):
    """The Original of a live object; choice as in open_original."""
    library = type(model).__module__.split(".")[0]
    module = import_library(library)
    if library == "catboost":
        bare = choice and choice.get("as_booster")
        return _catboost(module, _as_bare(module, model) if bare else model, choice)
    if choice and choice.get("as_booster") and type(model).__name__ != "Booster":
        model = model.get_booster() if library == "xgboost" else model.booster_
    if library == "xgboost":
        is_booster = type(model).__name__ == "Booster"
        return (_xgboost_booster if is_booster else _xgboost_wrapper)(module, model, choice)
    if library == "lightgbm":
        is_booster = type(model).__name__ == "Booster"
        return (_lightgbm_booster if is_booster else _lightgbm_wrapper)(module, model, choice)
    answers = {"predict": model.predict}
    if hasattr(model, "predict_proba"):
        answers["predict_proba"] = model.predict_proba
    if hasattr(model, "score_samples"):
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
    if original.library == "catboost" and model.feature_names:
        names = model.feature_names
    if names is None or original.library == "xgboost":
        return rows
    pandas = import_library("pandas")
    frame = pandas.DataFrame(np.asarray(rows), columns=list(names))
    if original.library == "sklearn":
        for place, known in (model.categories or {}).items():
            column = frame[names[place]].to_numpy()
            if place in model._number_coded:
                frame[names[place]] = pandas.Categorical(column, categories=known)
            else:
                frame[names[place]] = pandas.Categorical.from_codes(_valid(column, known), known)
    return frame


def _valid(column, known):
    """Codes of a column, -1 for those that the training did not have."""
    with np.errstate(invalid="ignore"):
        whole = (column >= 0) & (column < len(known)) & (column == np.floor(column))
    return np.where(whole, column, -1).astype(np.int64)
