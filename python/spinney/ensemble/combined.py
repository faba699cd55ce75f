"""Ensemble: several models, of whatever kind, that answer as one."""

from __future__ import annotations

import math
import os
from threading import Lock
from typing import TYPE_CHECKING, Any, Mapping, NamedTuple, NoReturn, Sequence

import numpy as np

from spinney.ensemble import labels, methods
from spinney.ensemble.members import checked_weights, members_of, opener
from spinney.ensemble.schema import Schema, fused, has_probabilities
from spinney.ensemble.together import Late, ask
from spinney.exceptions import (
    EnsembleError,
    InvalidInputError,
    MemberLateError,
    PythonModelError,
    UnsupportedModelError,
)
from spinney.rows import labelled
from spinney.tables import adopt
from spinney.workers import child, codec
from spinney.workers.surface import PythonModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spinney._core import Model
    from spinney.ensemble.report import ValidationReport

POLICIES = ("error", "leave_out")


class EnsembleAnswer(NamedTuple):
    """An answer, and which members it is of.

    answer: what predict or predict_proba gives. weights: of each member that answered, the share
    that its answer had; None for stack. left_out: name -> why, of those that did not.
    """

    answer: Any
    weights: dict[str, float] | None
    left_out: dict[str, str]


class Ensemble(PythonModel):
    """Models of any kind that answer as one: native ones, worker processes, functions.

    >>> from sklearn.linear_model import LinearRegression
    >>> x = [[0.0], [1.0], [2.0]]
    >>> one, two = LinearRegression().fit(x, [0, 1, 2]), LinearRegression().fit(x, [4, 5, 6])
    >>> ensemble = Ensemble({"one": one, "two": two}, method="average", weights=[3, 1])
    >>> ensemble.predict([[1.0]])
    array([2.])

    Native members with method "average" or "vote" become one model (`fused`), which ranks columns
    that several forests read once. Members in Python are asked beside each other.

    Attributes as of spinney.Model, and: method, members (their names), weights (or None), fused
    (the spinney.Model that answers, or None), timeout_s, on_failure.
    """

    def __init__(
        self,
        members: Sequence[Any] | Mapping[str, Any],
        method: str = "average",
        weights: Sequence[float] | None = None,
        meta: Any = None,
        *,
        classes: Sequence[Any] | None = None,
        reference: Any = None,
        timeout_s: float | None = None,
        on_failure: str = "error",
        members_min: int = 1,
        trusted: bool = False,
        allowed_classes: Sequence[str] | None = None,
        in_process: bool = False,
        worker_options: Mapping[str, Any] | None = None,
        _open: Any = None,
    ) -> None:
        """members: models, fitted objects, paths of model files or functions of rows; as a list,
            with names as (name, member) pairs, or as a mapping of names.
        method: "average" of probabilities, or of values where no member is a classifier; "vote" for
            a class; "median" of the same as average; "rank", the mean of ranks, between 0 and 1;
            "stack": `meta` answers to what the members say.
        weights: one a member, none negative; None is all alike. Not with stack.
        meta: any model, for stack: its columns are the members' values, or their probabilities (of
            two classes the second's alone), one member after the other.
        classes: the labels that members without classes_ (functions) give probabilities for.
        reference: rows, for rank: those that a score's rank is among. Without, the rows of a call
            are ranked among each other, so that an answer depends on what else is asked.
        timeout_s: the longest that members in Python are waited for, for each call.
        on_failure: of a member that cannot be loaded, fails or is late: "error", or "leave_out" to
            answer without it, by the weights of the others. See ask() and info(). Rows that do not
            fit are always an error.
        members_min: how many members an answer needs, with leave_out.
        trusted, allowed_classes, in_process, worker_options: as in spinney.load, for members that
            are loaded here.
        """
        if method not in methods.METHODS:
            raise InvalidInputError(
                f"method is {method!r}; it may be {', '.join(methods.METHODS)}"
            )
        if on_failure not in POLICIES:
            raise InvalidInputError(f"on_failure is {on_failure!r}; it may be error or leave_out")
        self.method, self.on_failure = method, on_failure
        self.timeout_s = _checked_timeout(timeout_s)
        self._lock = Lock()
        self._chosen_classes = classes
        open_source = _open or opener(
            {
                "trusted": trusted,
                "allowed_classes": allowed_classes,
                "in_process": in_process,
                "worker_options": worker_options,
            }
        )
        self._refuse_options(meta, weights, reference)
        found = members_of(members, open_source, on_failure == "leave_out")
        self.weights = checked_weights(weights, len(found))
        for i, member in enumerate(found):
            member.weight = 1.0 if self.weights is None else self.weights[i]
        if not isinstance(members_min, int) or not 1 <= members_min <= len(found):
            raise InvalidInputError(
                f"members_min is {members_min!r}; expected a number from 1 to {len(found)}"
            )
        self._members_min = members_min
        self._take(found)
        self._meta = self._checked_meta(meta, open_source)
        self._reference = self._read_reference(reference)

    def _refuse_options(self, meta, weights, reference):
        if (meta is None) == (self.method == "stack"):
            raise InvalidInputError(
                "stack needs a meta-model: meta="
                if meta is None
                else f"meta goes with method='stack', not with {self.method!r}"
            )
        if self.method == "stack" and weights is not None:
            raise InvalidInputError("weights have no meaning to stack: its meta-model weighs")
        if self.method == "stack" and self.on_failure == "leave_out":
            raise InvalidInputError(
                "stack needs all of its members: its meta-model knows no answer without one"
            )
        if reference is not None and self.method != "rank":
            raise InvalidInputError(f"reference goes with method='rank', not with {self.method!r}")

    def _take(self, found):
        """Make these the members: the only place where what they are changes."""
        present = [member for member in found if member.model is not None]
        if len(present) < self._members_min:
            why = "; ".join(f"{one.name!r}: {one.why}" for one in found if one.model is None)
            raise EnsembleError(
                f"only {len(present)} of {len(found)} members are there, and members_min is "
                f"{self._members_min}: {why}"
            )
        schema = Schema(present, self._chosen_classes)
        if self.method == "vote" and schema.classes is None:
            raise InvalidInputError("vote is for classifiers, and the members predict values")
        if self.weights is not None:
            checked_weights([member.weight for member in present], len(present))
        weights = None if self.weights is None else [member.weight for member in present]
        made = fused(schema, self.method, weights, self._chosen_classes)
        with self._lock:
            self._members = found
            self._state = schema, made
        self.n_features, self.feature_names = schema.n_features, schema.feature_names
        self._classes = schema.classes
        proba = schema.classes is not None and self.method != "vote"
        self._methods = ["predict", "predict_proba"] if proba else ["predict"]
        self._called = "predict"
        columns = 1 if schema.classes is None else len(schema.classes)
        self.n_outputs = columns if columns > 2 else 1
        self.n_trees = sum(member.model.n_trees for member in present)
        self.objective = self.method
        self.source = {
            "library": "spinney",
            "version": "",
            "kind": f"ensemble of {len(found)}",
            "format": "ensemble",
        }
        self._refuse_without_probabilities(schema)

    def _refuse_without_probabilities(self, schema):
        if schema.classes is None or self.method == "vote":
            return
        for member in schema.members:
            if labels.labels_of(member.model) is not None and not has_probabilities(member.model):
                raise InvalidInputError(
                    f"member {member.name!r} ({member.model.source['kind']}) has no probabilities, "
                    f"which {self.method} needs of classifiers; method='vote' takes labels"
                )

    def _checked_meta(self, meta, open_source):
        if meta is None:
            return None
        model = open_source(meta)
        schema = self._state[0]
        if schema.classes is not None:
            classes = len(schema.classes)
            width = len(schema.members) * (1 if classes == 2 else classes)
        elif all(member.is_native for member in schema.members):
            width = sum(member.model.n_outputs for member in schema.members)
        else:
            width = None
        if width is not None and model.n_features not in (None, width):
            raise InvalidInputError(
                f"the meta-model takes {model.n_features} columns, and the members give {width}"
            )
        own = labels.labels_of(model)
        self._classes = own
        self._methods = ["predict"]
        if own is not None and has_probabilities(model):
            self._methods.append("predict_proba")
        return model

    def _read_reference(self, rows):
        if rows is None:
            return None
        schema = self._state[0]
        prepared = self._prepared(rows)
        return {
            member.name: self._scores(schema, member, prepared) for member in schema.members
        }

    @property
    def members(self) -> list[str]:
        """The members' names, in order; those that are missing too."""
        return [member.name for member in self._members]

    @property
    def fused(self) -> Model | None:
        """The one native model that all members became, or None."""
        return self._state[1]

    @property
    def meta(self) -> Any:
        """The model that stack asks, or None."""
        return self._meta

    def __getitem__(self, name: str) -> Any:
        """The model of the member with this name; None where it is missing."""
        return self._member(name).model

    def ask(
        self, x: Any, method: str = "predict", timeout_s: float | None = None
    ) -> EnsembleAnswer:
        """An EnsembleAnswer: what `method` (predict or predict_proba) gives, and by which members.

        timeout_s: for this call, instead of the ensemble's own.

        Raises EnsembleError for a member that failed, MemberLateError for one that was late;
        with leave_out where less than members_min are left.
        """
        if method not in self._methods:
            raise self._lacks(method)
        timeout_s = self.timeout_s if timeout_s is None else _checked_timeout(timeout_s)
        schema, made = self._state
        if made is not None:
            return EnsembleAnswer(
                getattr(made, method)(x), self._shares(schema.members), self._missing()
            )
        return self._ask(schema, method, self._prepared(x), timeout_s)

    def _answer(self, method, x):
        return self.ask(x, method).answer

    def _answer_rows(self, method, rows, count):
        """Of rows that waited in an engine's queue."""
        return self._answer(method, child.restore(rows, codec))

    def _prepared(self, x):
        """Rows that have names as they are, which each member reads; others as an array, once."""
        if adopt(x) is not None or labelled(x) is not None:
            return x
        return child.restore(self._rows(x)[0], codec)

    def _ask(self, schema, method, rows, timeout_s):
        what = self._classes_said if self.method == "vote" else self._scores
        found = ask(schema.members, lambda member: what(schema, member, rows), timeout_s)
        told, left_out = [], self._missing()
        for member, (value, error) in zip(schema.members, found):
            if error is None:
                told.append((member, value))
            else:
                left_out[member.name] = self._excuse(member, error, timeout_s)
        if len(told) < self._members_min:
            raise EnsembleError(
                f"only {len(told)} members answered, and members_min is {self._members_min}: "
                + "; ".join(f"{name!r}: {why}" for name, why in left_out.items())
            )
        members = [member for member, _ in told]
        answer = self._combine(schema, method, members, [value for _, value in told])
        return EnsembleAnswer(answer, self._shares(members), left_out)

    def _excuse(self, member, error, timeout_s):
        """Why it is left out; raises where it may not be."""
        if isinstance(error, (InvalidInputError, KeyboardInterrupt, MemoryError)):
            raise error
        if isinstance(error, Late):
            why = f"no answer within {timeout_s:g} s"
            failure = MemberLateError(f"member {member.name!r}: {why}")
        else:
            why = f"{type(error).__name__}: {error}"
            failure = EnsembleError(f"member {member.name!r} failed: {why}")
        if self.on_failure == "error":
            raise failure from error
        member.count_left_out()
        return why

    def _missing(self):
        return {one.name: one.why for one in self._members if one.model is None}

    def _shares(self, members):
        if self.method == "stack":
            return None
        total = sum(member.weight for member in members)
        if not total > 0:
            raise EnsembleError("the members that answered have no weight")
        return {member.name: member.weight / total for member in members}

    def _scores(self, schema, member, rows):
        """Probabilities of all classes, shape (rows, classes), or values."""
        own = schema.rows_for(member, rows)
        model = member.model
        if schema.classes is None:
            return _numbers(member, model.predict(own))
        n_classes = len(schema.classes)
        if labels.labels_of(model) is not None:
            return labels.spread(model.predict_proba(own), schema.places[member.name], n_classes)
        found = _numbers(member, model.predict(own))
        if found.ndim == 1 and n_classes == 2:
            found = np.stack([1 - found, found], axis=1)
        if found.ndim != 2 or found.shape[1] != n_classes:
            raise PythonModelError(
                f"gave shape {found.shape}; expected probabilities of {n_classes} classes"
            )
        return found

    def _classes_said(self, schema, member, rows):
        said = np.asarray(member.model.predict(schema.rows_for(member, rows)))
        if said.ndim != 1:
            raise PythonModelError(f"gave shape {said.shape}; expected a label for each row")
        return labels.numbers_of(said, schema.classes, member.name)

    def _combine(self, schema, method, members, values):
        _check_shapes(members, values)
        weights = None if self.weights is None else [member.weight for member in members]
        if weights is not None:
            self._shares(members)
        if self.method == "stack":
            columns = methods.stacked_columns(values, schema.classes is not None)
            return getattr(self._meta, method)(columns)
        if self.method == "vote":
            counts = methods.votes(values, weights, len(schema.classes))
            return schema.classes[counts.argmax(axis=1)]
        if self.method == "rank":
            known = self._reference or {}
            values = [
                methods.ranks(value, known.get(member.name, value))
                for member, value in zip(members, values)
            ]
        middle = methods.median if self.method == "median" else methods.average
        found = middle(values, weights)
        if schema.classes is None:
            return found
        if self.method != "average":
            found = methods.shares(found)
        return found if method == "predict_proba" else schema.classes[found.argmax(axis=1)]

    def reload(self, name: str, source: Any = None) -> None:
        """Load one member anew, from where it came from or from another source; the others stay.

        Calls under way finish on the old one. What it is must fit: the ensemble's columns and
        classes stay. If it cannot be loaded, the old one goes on answering and the error is raised.
        """
        old = self._member(name)
        new = old.opened(old.source if source is None else source)
        new.source = old.source if source is None else source
        found = [new if member is old else member for member in self._members]
        present = [member for member in found if member.model is not None]
        if not Schema(present, self._chosen_classes).same_as(self._state[0]):
            raise InvalidInputError(
                f"the new {name!r} would change the ensemble's columns or classes; make another "
                "Ensemble of it"
            )
        if self._reference is not None and self._reference.keys() >= {name}:
            raise InvalidInputError("with reference rows, rank needs another Ensemble to reload")
        self._take_anew(found)

    def _take_anew(self, found):
        methods_before, classes_before = self._methods, self._classes
        self._take(found)
        if self._meta is not None:
            self._methods, self._classes = methods_before, classes_before

    def _member(self, name):
        for member in self._members:
            if member.name == name:
                return member
        raise InvalidInputError(f"there is no member {name!r}; there are {self.members}")

    def info(self) -> dict[str, Any]:
        """What the ensemble is, with a dict for each member: left_out counts its failures, missing
        says why it could not be loaded.
        """
        return {
            **self.source,
            "n_features": self.n_features,
            "n_outputs": self.n_outputs,
            "method": self.method,
            "methods": list(self._methods),
            "runs": "native kernels" if self.fused is not None else "members beside each other",
            "pid": os.getpid(),
            "timeout_s": self.timeout_s,
            "on_failure": self.on_failure,
            "members_min": self._members_min,
            "members": [member.describe() for member in self._members],
        }

    def save(self, path: Any) -> None:
        """Writes a fused ensemble as one .spinney file."""
        self._whole("save").save(path)

    def to_bytes(self) -> bytes:
        """The bytes of a .spinney file of a fused ensemble."""
        return self._whole("to_bytes").to_bytes()

    def _whole(self, what):
        if self.fused is None:
            raise UnsupportedModelError(
                f"{what} needs an ensemble of native members with method average or vote; keep "
                "the members' files and a manifest"
            )
        return self.fused

    def close(self) -> None:
        """Let go of the members that were loaded here; models that were given stay open."""
        for member in self._members:
            if member.model is not None and member.model is not member.source:
                getattr(member.model, "close", lambda: None)()

    def __getstate__(self) -> NoReturn:
        raise TypeError("an Ensemble holds models and cannot be pickled; keep its manifest")


def _numbers(member, answer):
    found = np.asarray(answer)
    if found.dtype.kind not in "biuf":
        raise PythonModelError(f"gave {found.dtype}; expected numbers")
    return found if found.dtype.kind == "f" else found.astype(np.float64)


def _check_shapes(members, values):
    for member, value in zip(members, values):
        if value.shape != values[0].shape:
            raise EnsembleError(
                f"member {member.name!r} gave shape {value.shape}, and {members[0].name!r} "
                f"{values[0].shape}"
            )


def _checked_timeout(timeout_s):
    if timeout_s is None:
        return None
    try:
        found = float(timeout_s)
    except (TypeError, ValueError):
        found = math.nan
    if not 0 < found < math.inf:
        raise InvalidInputError(f"timeout_s is {timeout_s!r}; expected seconds, more than 0")
    return found
