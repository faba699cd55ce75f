"""Other ways to run the same model, of those that are installed: the rivals of `spinney bench`.

Each answers the same question on one thread, by the fastest call that its Python package offers.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import os
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Rival:
    """name: what tables say; several rivals may share it, and the fastest then counts."""

    name: str
    version: str
    call: Callable  # float32 rows -> predictions


@dataclass
class Subject:
    """What is to be run: the file, its library's object, and which answer is asked for."""

    path: str
    library: str  # xgboost, lightgbm, catboost or sklearn
    original: object  # Booster or estimator
    n_features: int
    method: str  # "predict" or "predict_proba", as Spinney calls it
    compiled: str | None = None  # folder for rivals that compile for minutes; None: without them
    trees: dict = field(default_factory=dict)  # keywords of the library's predict that choose them
    all_trees: bool = True  # of the file are used
    missing: float = np.nan  # what is missing besides NaN


LIBRARIES = {
    "xgboost": "XGBoost",
    "lightgbm": "LightGBM",
    "catboost": "CatBoost",
    "sklearn": "scikit-learn",
}


def find_rivals(subject):
    """The rivals that can run the subject, and a note on each that cannot."""
    rivals, notes = [], []
    makers = {LIBRARIES[subject.library]: _library, "ONNX Runtime": _onnxruntime}
    makers["daal4py"] = _daal4py
    if subject.compiled:
        makers.update({"lleaves": _lleaves, "TL2cgen": _tl2cgen})
    for name, make in makers.items():
        if make is not _library and not subject.all_trees:
            notes.append(f"{name}: runs all trees of the file, of which the model uses some")
            continue
        if make is not _library and not np.isnan(subject.missing):
            notes.append(f"{name}: takes NaN alone for missing")
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                rivals += make(subject)
        except ImportError as error:
            notes.append(f"{name}: not installed ({error.name})")
        except Exception as error:
            notes.append(f"{name}: cannot run this model ({shown_error(error)})")
    return rivals, notes


def shown_error(error):
    """The first line of what a rival says, cut to a length that a terminal shows."""
    return (str(error).splitlines() or [type(error).__name__])[0][:120]


def _booster(subject):
    """XGBoost's or LightGBM's Booster, which wrappers hold."""
    model = subject.original
    if hasattr(model, "get_booster"):
        return model.get_booster()
    return getattr(model, "booster_", model)


def _library(subject):
    model = _booster(subject)
    module = importlib.import_module(subject.library)
    version = module.__version__
    if subject.library == "xgboost":
        model.set_param({"nthread": 1})
        # Rows are arrays without names, whatever the model was trained on.
        free = {"validate_features": False, **subject.trees}
        return [
            Rival(
                "XGBoost",
                version,
                lambda rows: model.inplace_predict(rows, missing=subject.missing, **free),
            ),
            Rival(
                "XGBoost",
                version,
                lambda rows: model.predict(
                    module.DMatrix(rows, missing=subject.missing, nthread=1), **free
                ),
            ),
        ]
    if subject.library == "lightgbm":
        return [
            Rival(
                "LightGBM",
                version,
                lambda rows: model.predict(rows, num_threads=1, **subject.trees),
            ),
        ]
    if subject.library == "catboost":
        call = getattr(model, subject.method)
        options = {"thread_count": 1, **subject.trees}
        # A Pool knows columns by name where the model does; it may be the quicker way in.
        names = model.feature_names_
        return [
            Rival("CatBoost", version, lambda rows: call(rows, **options)),
            Rival(
                "CatBoost",
                version,
                lambda rows: call(module.Pool(rows, feature_names=names), **options),
            ),
        ]
    return [Rival("scikit-learn", version, getattr(model, subject.method))]


def _onnx_model(subject):
    model = subject.original
    if subject.library == "sklearn":
        import skl2onnx

        options = {}
        if hasattr(model, "predict_proba"):
            options = {id(model): {"zipmap": False}}
        sample = np.zeros((1, subject.n_features), np.float32)
        opset = {"": 17, "ai.onnx.ml": 3}
        return skl2onnx.to_onnx(model, sample, options=options, target_opset=opset)
    if subject.library == "catboost":
        import onnx

        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "model.onnx")
            subject.original.save_model(path, format="onnx")
            return onnx.load(path)
    import onnxmltools
    from onnxmltools.convert.common.data_types import FloatTensorType

    types = [("x", FloatTensorType([None, subject.n_features]))]
    if subject.library == "xgboost":
        import xgboost

        booster = xgboost.Booster(model_file=_booster(subject).save_raw("json"))
        booster.feature_names = None  # the converter knows columns by number only
        return onnxmltools.convert_xgboost(booster, initial_types=types)
    return onnxmltools.convert_lightgbm(_booster(subject), initial_types=types, zipmap=False)


def _onnxruntime(subject):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        _onnx_model(subject).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    source = session.get_inputs()[0].name
    names = [output.name for output in session.get_outputs()]
    # Classifiers give labels and probabilities: only what was asked for is computed and copied.
    wanted = names[-1:] if subject.method == "predict_proba" or len(names) > 1 else names[:1]
    if subject.library == "sklearn" and subject.method == "predict":
        wanted = names[:1]

    def call(rows):
        return session.run(wanted, {source: rows})[0]

    call(np.zeros((1, subject.n_features), np.float32))
    return [Rival("ONNX Runtime", onnxruntime.__version__, call)]


def _daal4py(subject):
    if subject.library in ("sklearn", "catboost"):
        raise ValueError("it converts gradient boosting of XGBoost and LightGBM only")
    import daal4py

    daal4py.daalinit(1)
    model = daal4py.mb.convert_model(subject.original)
    name = "predict_proba" if getattr(model, "_is_regression", True) is False else "predict"
    call = getattr(model, name)
    call(np.zeros((1, subject.n_features), np.float32))
    # Its package is its own or scikit-learn-intelex, by its age; both carry the version of daal.
    return [Rival("daal4py", importlib.metadata.version("daal"), call)]


def _cached(subject, suffix):
    """The place of a compiled model; another file of the same name does not share it."""
    os.makedirs(subject.compiled, exist_ok=True)
    with open(subject.path, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()[:16]
    stem = os.path.basename(subject.path).split(".")[0]
    return os.path.join(subject.compiled, f"{stem}_{digest}{suffix}")


def _lleaves(subject):
    if subject.library != "lightgbm":
        raise ValueError("it compiles LightGBM models only")
    import lleaves

    with tempfile.TemporaryDirectory() as folder:  # the file itself may be a pickle
        text = os.path.join(folder, "model.txt")
        _booster(subject).save_model(text)
        model = lleaves.Model(model_file=text)
        model.compile(cache=_cached(subject, ".lleaves"))
    version = importlib.metadata.version("lleaves")
    return [Rival("lleaves", version, lambda rows: model.predict(rows, n_jobs=1))]


def _tl2cgen(subject):
    import tl2cgen
    import treelite

    library = _cached(subject, ".so")
    if not os.path.exists(library):
        if subject.library == "sklearn":
            model = treelite.sklearn.import_model(subject.original)
        elif subject.library == "xgboost":
            model = treelite.frontend.from_xgboost(_booster(subject))
        elif subject.library == "catboost":
            raise ValueError("Treelite reads no models of CatBoost")
        else:
            model = treelite.frontend.from_lightgbm(_booster(subject))
        tl2cgen.export_lib(model, toolchain="gcc", libpath=library, params={"parallel_comp": 2})
    predictor = tl2cgen.Predictor(library, nthread=1)
    version = importlib.metadata.version("tl2cgen")
    return [Rival("TL2cgen", version, lambda rows: predictor.predict(tl2cgen.DMatrix(rows)))]
