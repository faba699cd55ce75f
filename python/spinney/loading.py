"""spinney.load: a model file, or a fitted object, becomes a Model."""

from __future__ import annotations

import io
import operator
import os
import pickle
import sys
import types
from typing import TYPE_CHECKING, Any, Mapping, Sequence

from spinney._core import Model
from spinney.exceptions import (
    CorruptModelError,
    ForbiddenClassError,
    InvalidInputError,
    ModelTooLargeError,
    UnsupportedModelError,
    WorkerStartError,
)
from spinney.sources import content, is_path, may_be_pickled
from spinney.subclasses import base_that_predicts, reduce_as
from spinney.workers.surface import PythonModel

if TYPE_CHECKING:
    from typing import overload

    from typing_extensions import Literal

    from spinney.workers.local_model import LocalModel
    from spinney.workers.worker_model import WorkerModel

    @overload
    def load(
        source: Any,
        *,
        format: str | None = ...,
        trusted: Literal[False] = ...,
        allowed_classes: None = ...,
        in_process: Literal[False] = ...,
        worker_options: None = ...,
        as_booster: bool = ...,
        iteration_range: tuple[int, int] | None = ...,
        start_iteration: int | None = ...,
        num_iteration: int | None = ...,
        ntree_start: int | None = ...,
        ntree_end: int | None = ...,
        missing: float | None = ...,
        copy: bool = ...,
    ) -> Model: ...

    @overload
    def load(
        source: Any,
        *,
        format: str | None = ...,
        trusted: bool = ...,
        allowed_classes: Sequence[str] | None = ...,
        in_process: bool = ...,
        worker_options: Mapping[str, Any] | None = ...,
        as_booster: bool = ...,
        iteration_range: tuple[int, int] | None = ...,
        start_iteration: int | None = ...,
        num_iteration: int | None = ...,
        ntree_start: int | None = ...,
        ntree_end: int | None = ...,
        missing: float | None = ...,
        copy: bool = ...,
    ) -> Model | WorkerModel | LocalModel: ...


def load(
    source: Any,
    *,
    format: str | None = None,
    trusted: bool = False,
    allowed_classes: Sequence[str] | None = None,
    in_process: bool = False,
    worker_options: Mapping[str, Any] | None = None,
    as_booster: bool = False,
    iteration_range: tuple[int, int] | None = None,
    start_iteration: int | None = None,
    num_iteration: int | None = None,
    ntree_start: int | None = None,
    ntree_end: int | None = None,
    missing: float | None = None,
    member: str | None = None,
    copy: bool = True,
) -> Model | WorkerModel | LocalModel:
    """Load a model from a file, or take a fitted object as it is.

    source: a path (str or os.PathLike) to a model file: XGBoost JSON, UBJSON or its old binary
        format, LightGBM text, CatBoost cbm or JSON, a Treelite checkpoint, a pickle, joblib or
        .skops file, a .spinney file, compressed or not, or in a zip or tar archive; or to a folder
        that MLflow wrote. Or the content of a file: bytes, or a file that is open for reading. Or a
        fitted object: a scikit-learn estimator, an XGBoost or LightGBM Booster or scikit-learn
        wrapper, a CatBoost model; or a dict, list or tuple that holds one. A manifest, which names
        the models of an ensemble, gives a spinney.Ensemble, whose surface is the same.
    format: "json", "ubj", "binary", "text", "cbm", "treelite", "pickle", "joblib", "skops" or
        "spinney"; "ensemble" for a manifest; None tells by the content.
    trusted, allowed_classes, in_process: permissions to unpickle and run an object for which there
        is no native path; a model that is read natively needs none of them and ignores none of
        what they forbid, since nothing in it is run. trusted=True permits any object;
        allowed_classes is a list of 'module.Class' or 'package.*' and permits what those need.
        The object lives in a worker process (spinney.workers.WorkerModel), or, with in_process=True
        besides, in this one.
    worker_options: a mapping of further keywords of WorkerModel (num_threads, batch_timeout_s,
        load_timeout_s, memory_limit_mb, result_limit_mb, environment, sandbox, readable); with
        in_process only num_threads has a meaning. Models that are read natively take none.
    as_booster: of a file, pickle or object that is a scikit-learn wrapper of XGBoost or LightGBM,
        take the bare Booster: values instead of labels, and for XGBoost all trees. Without it the
        answers are those of the object that was saved; XGBoost's JSON and UBJSON say whether a
        wrapper saved them. Of a model of CatBoost, a bare CatBoost's answers: raw scores. Its files
        do not say which object saved them; without as_booster they give those of the classifier,
        regressor or ranker that trains by the file's loss.
    iteration_range: (a, b), XGBoost's: only the trees of iterations a to b - 1. With b = 0 those
        that the object itself takes: a wrapper up to its best iteration, a Booster from a on.
    start_iteration, num_iteration: LightGBM's: num_iteration iterations (0 and less: all that
        are left) from start_iteration on; more than there are is all. Without num_iteration up to
        the best iteration, where there is one and start_iteration is not positive.
    ntree_start, ntree_end: CatBoost's: trees ntree_start to ntree_end - 1; an end of 0 means the
        last tree's. As in CatBoost, the bias comes with the first tree.
        info() says which trees are used, of how many (n_trees, n_trees_in_file, trees_rule).
    missing: XGBoost's: another value that is missing besides NaN, which JSON and UBJSON of wrappers
        do not keep.
    member: of a file or object that is a dict, list or tuple with several models: which one, by its
        path, such as "model", "models.0" or "folds.*". "*" takes all of them for an ensemble that
        answers with the mean of their probabilities, or of their values, as scikit-learn's
        VotingClassifier and VotingRegressor do. Of an archive with several: the entry's name, and
        behind a colon the path within it. One that holds a single model needs no saying.
        What lies beside the model (numbers, texts, lists, small arrays) is in info()["beside"]:

        >>> from sklearn.tree import DecisionTreeRegressor
        >>> tree = DecisionTreeRegressor().fit([[0.0], [1.0]], [2.0, 4.0])
        >>> model = load({"model": tree, "columns": ["age"]})
        >>> model.info()["beside"]
        {'columns': ['age']}
        >>> load([tree, tree], member="*").predict([[1.0]])
        array([4.])

    copy: True reads the file into this process's own memory; whatever happens to it afterwards, the
        model stays what was checked. False maps a .spinney file, so that processes share the pages
        of its leaf values: replace such a file by renaming another over it, as Model.save does. If
        it is truncated in place, the process ends (SIGBUS); if its bytes are changed, answers are
        wrong, but nothing outside the model is read. Other sources have nothing to map and refuse
        copy=False.

    Pickles are read as data first: nothing in them is imported or run, and the training library
    need not be installed.

    Raises ModelNotFoundError, CorruptModelError, UnsupportedModelError, ModelTooLargeError or
    ModelIOError for the file, InvalidInputError for the arguments.
    """
    choice = _choice(as_booster, iteration_range, member)
    whole = {
        "start_iteration": start_iteration,
        "num_iteration": num_iteration,
        "ntree_start": ntree_start,
        "ntree_end": ntree_end,
    }
    choice.update((name, _whole(name, n)) for name, n in whole.items() if n is not None)
    permissions = (trusted, allowed_classes, in_process, worker_options)
    model = _load(source, format, choice, copy, permissions)
    return model if missing is None else _with_missing(model, missing)


def _with_missing(model, missing):
    if model.source["library"] != "xgboost" or not isinstance(model, Model):
        raise InvalidInputError(
            f"missing={missing!r} goes with models of XGBoost, not with {model.source['kind']}"
        )
    try:
        value = float(missing)
    except (TypeError, ValueError):
        raise InvalidInputError(f"missing is {missing!r}; expected a number") from None
    return model._with_missing(value)


def _load(source, format, choice, copy, permissions):
    trusted, allowed_classes, in_process, worker_options = permissions
    data, name = content(source) or (None, None)
    if format in (None, "ensemble") and (data is not None or is_path(source)):
        from spinney.ensemble import is_manifest  # which is made of models that are loaded here

        if format == "ensemble" or is_manifest(source if data is None else data):
            return _load_manifest(source, data, choice, copy, permissions)
    try:
        if is_path(source):
            return Model.load(os.fspath(source), format, copy=copy, **choice)
        if not copy:
            kind = type(source).__name__
            raise InvalidInputError(
                "copy=False maps a .spinney file by its path, but source is "
                + (f"a {kind} object" if data is None else f"its content, from a {kind}")
            )
        if data is not None:
            return Model.from_bytes(data, format, name=name, **choice)
        return _load_object(source, format, choice)
    except ForbiddenClassError:
        raise
    except (UnsupportedModelError, CorruptModelError, ModelTooLargeError) as error:
        if not (trusted or allowed_classes):
            if not in_process or not isinstance(error, UnsupportedModelError):
                raise
            raise UnsupportedModelError(
                f"{error}\nin_process=True alone permits nothing: it goes with trusted=True or "
                "allowed_classes"
            ) from error
        if isinstance(error, UnsupportedModelError) and list(choice) == ["member"]:
            raise UnsupportedModelError(
                f"{error}\nmember= chooses among models that are read natively; have Python run "
                "the object by a file of its own"
            ) from error
        if choice or not may_be_pickled(source, data, format):
            raise
        given = source if data is None else data
        try:
            return _run_by_python(given, trusted, allowed_classes, in_process, worker_options)
        except (CorruptModelError, WorkerStartError) as second:
            # Python can make nothing of it either, so that the reader's word is the better one.
            if isinstance(error, UnsupportedModelError):
                raise
            raise error from second


def from_saved(data: bytes) -> Model:
    """The model in the bytes of a .spinney file; a pickled Model names this function."""
    return Model.from_bytes(data, "spinney")


def _load_manifest(source, data, choice, copy, permissions):
    from spinney.ensemble import load_manifest

    if data is not None:
        raise InvalidInputError(
            "a manifest of an ensemble is loaded by its path, which its members' paths go by"
        )
    if choice or not copy:
        raise InvalidInputError(
            f"{next(iter(choice), 'copy')} goes with a model, and this is a manifest of several"
        )
    names = ("trusted", "allowed_classes", "in_process", "worker_options")
    return load_manifest(source, dict(zip(names, permissions)))


def _choice(as_booster, iteration_range, member):
    """The keywords that choose among a model's answers, those that were given."""
    choice = {"as_booster": True} if as_booster else {}
    if iteration_range is not None:
        try:
            first, behind = iteration_range
        except (TypeError, ValueError):
            raise InvalidInputError(
                f"iteration_range is {iteration_range!r}; expected two whole numbers"
            ) from None
        choice["iteration_range"] = (
            _whole("iteration_range", first),
            _whole("iteration_range", behind),
        )
    if member is not None:
        if not isinstance(member, str) or not member:
            raise InvalidInputError(
                f"member is {member!r}; expected the path of a model, such as 'model', or '*'"
            )
        choice["member"] = member
    return choice


def _whole(name, value):
    try:
        number = operator.index(value)
    except TypeError:
        raise InvalidInputError(f"{name} has {value!r}; expected a whole number") from None
    if not -(2**31) <= number < 2**31:
        raise InvalidInputError(f"{name} has {value!r}; expected at most 2147483647")
    return number


def _run_by_python(source, trusted, allowed_classes, in_process, options):
    from spinney import workers  # most programs never need it

    options = dict(options or {})
    if in_process and set(options) - {"num_threads"}:
        names = ", ".join(sorted(set(options) - {"num_threads"}))
        raise InvalidInputError(f"worker_options has {names}, which mean nothing with in_process")
    if not is_path(source) and not isinstance(source, bytes):
        if in_process:
            return workers.LocalModel(source, **options)
        source = _pickled(source)
    if in_process:
        return workers.load_here(source, trusted, allowed_classes, **options)
    return workers.WorkerModel(source, trusted=trusted, allowed_classes=allowed_classes, **options)


class _Pickler(pickle.Pickler):
    """Writes functions, which no reader looks into, as the records of a call that names them.

    pickle refuses the lambdas and local functions that people give as objectives and metrics.
    """

    def reducer_override(self, obj):
        if isinstance(obj, types.FunctionType) and not _can_be_named(obj):
            return operator.attrgetter, (f"{obj.__module__}.{obj.__qualname__}",)
        return NotImplemented


def _can_be_named(function):
    """Whether pickle finds it again by its name, as it does those that make numpy's arrays."""
    found = sys.modules.get(function.__module__)
    for part in function.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is function


class _PicklerOfBases(_Pickler):
    """Writes objects of users' classes as what they derive from, where these answer alike."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._bases = {}
        self.found = False

    def reducer_override(self, obj):
        kind = type(obj)
        if kind not in self._bases:
            self._bases[kind] = None if isinstance(obj, type) else base_that_predicts(kind)
        base = self._bases[kind]
        reduced = reduce_as(base, obj) if base is not None else None
        if reduced is None:
            return super().reducer_override(obj)
        self.found = True
        return reduced


def _as_bases(source):
    """The bytes of the object, its users' classes taken for their bases; None if it has none."""
    written = io.BytesIO()
    pickler = _PicklerOfBases(written, protocol=5)
    pickler.dump(source)
    return written.getvalue() if pickler.found else None


def _pickled(source):
    try:
        return pickle.dumps(source, protocol=5)
    except (pickle.PicklingError, AttributeError):
        written = io.BytesIO()
        _Pickler(written, protocol=5).dump(source)
        return written.getvalue()


def _load_object(source, format, choice):
    if isinstance(source, (Model, PythonModel)):
        if choice:
            raise InvalidInputError(
                f"{next(iter(choice))} goes with a file or a fitted object, but source is a "
                f"{type(source).__name__} already"
            )
        return source
    if isinstance(source, type) or source is None:
        raise InvalidInputError(
            f"source is {source!r}; expected a path, the bytes of a model, an open file or a "
            "fitted object"
        )
    if format is not None:
        raise InvalidInputError(
            f"format={format!r} goes with a file, but source is a {type(source).__name__} object"
        )
    name = f"{type(source).__module__}.{type(source).__qualname__}"
    try:
        # The one way in for objects: the same reader as for files, so that the answers are too.
        data = _pickled(source)
    except Exception as error:
        raise UnsupportedModelError(
            f"the {name} object cannot be pickled: {error}; give its Booster, or save it with the "
            "training library's own save_model and load the file"
        ) from error
    known = {"name": f"the {name} object", "source_format": "object", **choice}
    try:
        return Model.from_bytes(data, "pickle", **known)
    except UnsupportedModelError:
        data = _as_bases(source)
        if data is None:
            raise
        try:
            return Model.from_bytes(data, "pickle", **known)
        except (UnsupportedModelError, CorruptModelError):
            pass  # the first error names the class that was given
        raise
