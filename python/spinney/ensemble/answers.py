"""How an ensemble's members are asked, who is left out, and what their answers become."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from spinney.ensemble import labels, methods
from spinney.ensemble.together import Late, ask
from spinney.exceptions import (
    EnsembleError,
    InvalidInputError,
    MemberLateError,
    PythonModelError,
)


class EnsembleAnswer(NamedTuple):
    """An answer, and which members it is of.

    answer: what predict or predict_proba gives. weights: of each member that answered, the share
    that its answer had; None for stack. left_out: name -> why, of those that did not.
    """

    answer: Any
    weights: dict[str, float] | None
    left_out: dict[str, str]


class Answers:
    """The half of Ensemble that answers; the other half has the members."""

    method: str
    on_failure: str

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
