"""Ensemble: several models, of whatever kind, that answer as one."""

from __future__ import annotations

import os
from threading import Lock
from typing import TYPE_CHECKING, Any, Mapping, NoReturn, Sequence

from spinney.ensemble import labels, methods
from spinney.ensemble.answers import Answers, EnsembleAnswer
from spinney.ensemble.members import checked_timeout, checked_weights, members_of, opener
from spinney.ensemble.schema import Schema, fused, has_probabilities
from spinney.exceptions import (
    EnsembleError,
    InvalidInputError,
    SpinneyError,
    UnsupportedModelError,
)
from spinney.rows import labelled
from spinney.tables import adopt
from spinney.workers import child, codec
from spinney.workers.surface import PythonModel

if TYPE_CHECKING:
    from spinney._core import Model
    from spinney.ensemble.report import ValidationReport

POLICIES = ("error", "leave_out")


class Ensemble(Answers, PythonModel):
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

    method: str
    on_failure: str
    timeout_s: float | None
    weights: list[float] | None
    n_features: int | None
    feature_names: list[str]
    n_outputs: int
    n_trees: int
    objective: str
    source: dict[str, str]

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
            raise InvalidInputError(f"method is {method!r}; it may be {', '.join(methods.METHODS)}")
        if on_failure not in POLICIES:
            raise InvalidInputError(f"on_failure is {on_failure!r}; it may be error or leave_out")
        self.method, self.on_failure = method, on_failure
        self.timeout_s = checked_timeout(timeout_s)
        self._lock = Lock()
        self._reloading = Lock()
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
        if type(members_min) is not int or not 1 <= members_min <= len(found):
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
        return {member.name: self._scores(schema, member, prepared) for member in schema.members}

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

    @property
    def ranks_within_calls(self) -> bool:
        """Whether an answer depends on what other rows the call has: rank without a reference."""
        return self.method == "rank" and self._reference is None

    def told(self, answer: EnsembleAnswer | None = None) -> dict[str, Any]:
        """What an engine's metadata says of an answer: member_weights and members_left_out.

        None for any answer of a fused ensemble.
        """
        present = self._state[0].members
        weights = self._shares(present) if answer is None else answer.weights
        return {
            "member_weights": weights,
            "members_left_out": self._missing() if answer is None else answer.left_out,
        }

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
        timeout_s = self.timeout_s if timeout_s is None else checked_timeout(timeout_s)
        schema, made = self._state
        if made is not None:
            return EnsembleAnswer(
                getattr(made, method)(x), self._shares(schema.members), self._missing()
            )
        return self._ask(schema, method, self._prepared(x), timeout_s)

    def _answer(self, method, x):
        made = self._state[1]
        if made is not None and method in self._methods:  # one row is answered in a microsecond
            return getattr(made, method)(x)
        return self.ask(x, method).answer

    def _answer_rows(self, method, rows, count):
        """Of rows that waited in an engine's queue."""
        return self._answer(method, child.restore(rows, codec))

    def _prepared(self, x):
        """Rows that have names as they are, which each member reads; others as an array, once."""
        if adopt(x) is not None or labelled(x) is not None:
            return x
        return child.restore(self._rows(x)[0], codec)

    def reload(self, name: str, source: Any = None) -> None:
        """Load one member anew, from where it came from or from another source; the others stay.

        Calls under way finish on the old one. What it is must fit: the ensemble's columns and
        classes stay. If it cannot be loaded, the old one goes on answering and the error is raised.
        """
        old = self._member(name)
        try:
            new = old.opened(old.source if source is None else source)
        except SpinneyError as error:
            raise type(error)(f"member {name!r}: {error}") from error
        new.source = old.source if source is None else source
        with self._reloading:  # others may have been reloaded while this one was opened
            self._put(name, new)

    def _put(self, name, new):
        found = [new if member.name == name else member for member in self._members]
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

    def validate(
        self,
        X: Any,
        y: Any,
        *,
        intervals: int = 1000,
        confidence: float = 0.95,
        seed: int = 0,
        fit_weights: bool = False,
        holdout: float = 0.5,
        trusted: bool = False,
    ) -> ValidationReport:
        """How good the ensemble and its members are on labelled rows; a ValidationReport, whose
        text is a table and whose save_chart() draws one.

        X, y: rows, and their labels or values. Use rows that no member was trained on.
        intervals, confidence, seed: the metrics' intervals are percentiles of so many bootstrap
            samples of the rows; 0 for none.
        fit_weights: find weights, none negative, that are best on a random part of the rows, and
            say how many rows that were; the metrics of such weights are those on the other rows.
        holdout: the share of rows that weights are fitted on.
        trusted: that members' pickles may be unpickled to compare with their own library.
        """
        from spinney.ensemble.validation import Options, validate  # most programs never need it

        options = Options(intervals, confidence, seed, fit_weights, holdout, trusted)
        return validate(self, X, y, options)

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
