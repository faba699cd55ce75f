"""PythonModel: the surface of a Model over an object that Python code answers for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from spinney.exceptions import InvalidInputError, PythonModelError, UnsupportedModelError
from spinney.inputs import Columns, prepare
from spinney.masks import is_masked_array
from spinney.workers import others
from spinney.workers.codec import Frame, Sparse, is_plain

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from typing_extensions import Self

_LABEL_BYTES_MAX = 1 << 28
_METHODS = ("predict", "predict_proba", "decision_function", "score_samples")


class PythonModel(Columns):
    """A model without a native path. It answers as spinney.Model does, at Python's speed.

    Attributes as of spinney.Model: n_features (None if the object does not say), n_outputs, n_trees
    (0), feature_names, classes_ (classifiers only), categories, objective, source.
    """

    n_trees: int = 0
    objective: str = ""
    n_features: int | None
    n_outputs: int
    feature_names: list[str]
    source: dict[str, str]
    _takes_cells = True

    def _adopt(self, facts):
        self.n_features = facts["n_features"]
        self.feature_names = list(facts["feature_names"])
        self._classes = _classes(facts["classes"])
        self._methods = [name for name in _METHODS if name in facts["methods"]]
        if not self._methods and facts["callable"]:
            self._methods = ["predict"]
            self._called = "__call__"
        else:
            self._called = "predict"
        if "predict" not in self._methods:
            raise UnsupportedModelError(
                f"{facts['module']}.{facts['kind']} has no predict and cannot be called"
            )
        labels = self._classes
        columns = len(labels) if isinstance(labels, np.ndarray) and len(labels) > 2 else 1
        self.n_outputs = facts["n_outputs"] or columns
        self.source = {
            "library": facts["library"],
            "version": facts["version"],
            "kind": facts["kind"],
            "format": facts.get("format", "pickle"),
        }

    @property
    def classes_(self) -> NDArray[Any] | list[NDArray[Any]]:
        """The labels of a classifier; AttributeError of any other model."""
        if self._classes is None:
            raise AttributeError(f"{self.source['kind']} has no classes_")
        return self._classes

    def predict(self, x: Any) -> NDArray[Any] | list[NDArray[Any]]:
        """What the object's own predict gives: shape (rows,) or (rows, outputs).

        x: rows, shape (rows, n_features): an array, a pandas or polars frame, a scipy sparse
            matrix, a list of dicts, or what numpy makes an array of. A model that does not say how
            many features it has, such as a pipeline that begins with a vectorizer, also takes one
            text a row, as a list, a 1-D array or a column.

        Raises InvalidInputError if x does not fit, PythonModelError if the object raises or gives
        what is no answer for each row.
        """
        return self._answer("predict", x)

    def predict_proba(self, x: Any) -> NDArray[Any] | list[NDArray[Any]]:
        """Class probabilities, shape (rows, classes); a list of such arrays for several targets."""
        return self._answer("predict_proba", x)

    def decision_function(self, x: Any) -> NDArray[Any] | list[NDArray[Any]]:
        """What the object's own decision_function gives, where it has one."""
        return self._answer("decision_function", x)

    def score_samples(self, x: Any) -> NDArray[Any] | list[NDArray[Any]]:
        """What the object's own score_samples gives, where it has one."""
        return self._answer("score_samples", x)

    def predict_raw(self, x: Any) -> NDArray[Any]:
        raise self._lacks("predict_raw")

    def predict_leaf(self, x: Any) -> NDArray[Any]:
        raise self._lacks("predict_leaf")

    def save(self, path: Any) -> None:
        raise self._lacks("save")

    def to_bytes(self) -> bytes:
        raise self._lacks("to_bytes")

    def close(self) -> None:
        """Let go of the object. May be called more than once; predictions fail afterwards."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        where = self.info()["runs"]
        return f"<spinney.{type(self).__name__} {self.source['kind']} in {where}>"

    def _lacks(self, name):
        return UnsupportedModelError(
            f"{self.source['kind']} is a Python object without a native path, which has no {name}"
        )

    def _answer(self, method, x):
        if method not in self._methods:
            raise self._lacks(method)
        return self._answer_rows(method, *self._rows(x))

    def _answer_rows(self, method, rows, count):
        called = self._called if method == "predict" else method
        result = self._run(called, rows, count)
        return _checked(result, count, method, self._classes)

    def _rows(self, x):
        """(rows as an array, Frame or Sparse; how many)."""
        frame = _as_frame(x)
        if frame is not None:
            self._check_width(len(frame.names))
            return frame, len(x)
        given = others.read(x, self.feature_names, self.n_features)
        if given is not None:
            return given, len(x)
        rows = _Inputs.read(self, x)
        if isinstance(rows, tuple):
            values, columns, begin, width, _ = rows
            self._check_width(width)
            return Sparse((values, columns, begin), (len(begin) - 1, width)), len(begin) - 1
        if rows.ndim != 2:
            width = "n_features" if self.n_features is None else self.n_features
            raise InvalidInputError(
                f"expected a 2-D array of shape (rows, {width}), but x has shape {rows.shape}"
            )
        self._check_width(rows.shape[1])
        return rows, len(rows)

    def _check_width(self, width):
        if self.n_features is not None and width != self.n_features:
            raise InvalidInputError(
                f"the rows have {width} columns, but the model was trained on "
                f"{self.n_features} features"
            )


class _Inputs:
    """Reads what is no frame, as for native models."""

    @staticmethod
    def read(model, x):
        if is_masked_array(x):
            raise InvalidInputError("masked arrays have no meaning to a Python model; fill them")
        return prepare(model, x)


def _as_frame(x):
    """A pandas or polars frame as named columns, which the object gets as a frame again."""
    library = type(x).__module__.split(".")[0]
    if library not in ("pandas", "polars") or type(x).__name__ != "DataFrame":
        return None
    names = [str(name) for name in x.columns]
    if len(set(names)) != len(names):
        raise InvalidInputError("the frame has several columns of one name")
    columns = []
    for i, name in enumerate(names):
        column = (x.iloc[:, i] if library == "pandas" else x[name]).to_numpy()
        if not isinstance(column, np.ndarray):
            raise InvalidInputError(
                f"column {name!r} is of a type that cannot be sent to a Python model; convert it "
                "to numbers or text"
            )
        columns.append(column)
    return Frame(library, names, columns)


def _classes(described):
    if described is None:
        return None
    if isinstance(described, list):
        return [_classes(part) for part in described]
    try:
        values, kind = described["values"], described["dtype"]
        if kind != "object" and not is_plain(kind):
            raise ValueError(f"dtype {kind!r} is not one that may be sent")
        dtype = np.dtype(kind)
        if dtype.itemsize * len(values) > _LABEL_BYTES_MAX:
            raise ValueError(f"they take more than {_LABEL_BYTES_MAX} bytes")
        array = np.array(values, dtype=dtype)
    except (TypeError, ValueError, KeyError, OverflowError) as error:
        raise PythonModelError(
            f"what the object says of its classes_ makes no sense: {error}"
        ) from error
    array.setflags(write=False)
    return array


def _checked(result, count, method, classes):
    """result, if it can be an answer for `count` rows."""
    if isinstance(result, list) and (result or not count):
        return [_checked(part, count, method, None) for part in result]
    if not isinstance(result, np.ndarray) or result.ndim < 1 or len(result) != count:
        shape = getattr(result, "shape", None)
        raise PythonModelError(
            f"{method} gave {f'shape {shape}' if shape is not None else type(result).__name__} for "
            f"{count} rows; expected one answer for each"
        )
    if method == "predict_proba":
        wanted = len(classes) if isinstance(classes, np.ndarray) else None
        if result.ndim != 2 or (wanted is not None and result.shape[1] != wanted):
            raise PythonModelError(
                f"predict_proba gave shape {result.shape}; expected ({count}, "
                f"{'classes' if wanted is None else wanted})"
            )
        if result.dtype.kind not in "fiub":
            raise PythonModelError(f"predict_proba gave {result.dtype}; expected numbers")
    return result


def measured_ms(seconds):
    return round(seconds * 1e3, 4)


class Clock:
    """Counts batches and rows, and the time that they took."""

    def __init__(self):
        self.batches = self.rows = 0
        self.seconds = 0.0

    def time(self, function, rows):
        started = time.perf_counter()
        result = function()
        self.seconds += time.perf_counter() - started
        self.batches += 1
        self.rows += rows
        return result

    def info(self):
        each = self.seconds / self.batches if self.batches else None
        return {
            "batches": self.batches,
            "rows": self.rows,
            "batch_ms_avg": None if each is None else measured_ms(each),
        }
