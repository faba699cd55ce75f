"""Members of an ensemble: what they are given as, and the models that they become."""

from __future__ import annotations

import math
import os
from threading import Lock

import numpy as np

from spinney._core import Model
from spinney.exceptions import InvalidInputError, SpinneyError
from spinney.sources import is_path
from spinney.workers.surface import PythonModel

MEMBERS_MAX = 256


class Member:
    """One model of an ensemble. model is None where it could not be had, for the reason `why`.

    source: what it is loaded from again; open(source) gives the model.
    """

    def __init__(self, name, source, open_source, weight=None):
        self.name, self.source, self.weight = name, source, weight
        self.model = self.why = None
        self._open = open_source
        self._lock = Lock()
        self._late = 0  # calls that nobody waits for any more
        self.left_out = 0

    def opened(self, source):
        """A Member like this one whose model was loaded anew."""
        made = Member(self.name, source, self._open, self.weight)
        made.model = self._open(source)
        made.left_out = self.left_out
        return made

    @property
    def is_native(self):
        return isinstance(self.model, Model)

    def gave_up(self, by):
        """Counts calls that are waited for no longer, and those of them that end after all."""
        with self._lock:
            self._late += by

    def count_left_out(self):
        with self._lock:
            self.left_out += 1

    @property
    def late(self):
        return self._late

    def describe(self):
        if self.model is None:
            return {"name": self.name, "weight": self.weight, "missing": self.why}
        return {
            "name": self.name,
            "weight": self.weight,
            "runs": "native kernels" if self.is_native else self.model.info()["runs"],
            "left_out": self.left_out,
            **self.model.source,
        }


def opener(permissions):
    """Makes models of paths, fitted objects, functions and models, with these permissions."""
    from spinney.loading import load
    from spinney.workers import CallableModel

    def open_source(source):
        if isinstance(source, (Model, PythonModel)):
            return source
        if callable(source) and not isinstance(source, type) and not hasattr(source, "predict"):
            return CallableModel(source)
        return load(source, **permissions)

    return open_source


def members_of(given, open_source, may_lack):
    """Members of a list of what they are loaded from, of (name, that) pairs, or of a mapping."""
    if is_path(given) or isinstance(given, (bytes, Model, PythonModel)):
        raise InvalidInputError(
            f"members is a {type(given).__name__}; expected a list of models, paths or objects"
        )
    items = given.items() if hasattr(given, "items") else given
    try:
        pairs = [_named(i, item) for i, item in enumerate(items)]
    except TypeError:
        raise InvalidInputError(
            f"members is a {type(given).__name__}; expected a list of models, paths or objects"
        ) from None
    if not pairs:
        raise InvalidInputError("members is empty; an ensemble has at least one model")
    if len(pairs) > MEMBERS_MAX:
        raise InvalidInputError(f"there are {len(pairs)} members; at most {MEMBERS_MAX}")
    names = names_apart([name for name, _ in pairs], [named for _, (named, _) in pairs])
    return [
        _member(name, source, open_source, may_lack) for name, (_, (_, source)) in zip(names, pairs)
    ]


def _named(i, item):
    if isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str):
        return item[0], (True, item[1])
    if is_path(item):
        base = os.path.basename(os.fspath(item))
        return os.path.splitext(base)[0] or base, (False, item)
    return str(i), (False, item)


def names_apart(names, chosen):
    """Names that were chosen must differ; those that were made are numbered until they do."""
    known = set()
    for i, name in enumerate(names):
        if chosen[i] and name in known:
            raise InvalidInputError(f"two members are called {name!r}")
        if chosen[i]:
            known.add(name)
    found = []
    for i, name in enumerate(names):
        if not chosen[i]:
            base, number = name, 1
            while name in known:
                number += 1
                name = f"{base}-{number}"
            known.add(name)
        found.append(name)
    return found


def _member(name, source, open_source, may_lack):
    member = Member(name, source, open_source)
    try:
        member.model = open_source(source)
    except SpinneyError as error:
        if not may_lack or isinstance(error, InvalidInputError):
            raise type(error)(f"member {name!r}: {error}") from error
        member.why = str(error)
    return member


def checked_weights(weights, n_members):
    """Weights as floats: finite, none negative, not all 0."""
    if weights is None:
        return None
    try:
        found = [float(weight) for weight in np.asarray(weights, dtype=object).ravel().tolist()]
    except (TypeError, ValueError):
        raise InvalidInputError(f"weights is {weights!r}; expected numbers") from None
    if len(found) != n_members:
        raise InvalidInputError(f"there are {len(found)} weights for {n_members} members")
    for i, weight in enumerate(found):
        if not math.isfinite(weight) or weight < 0:
            raise InvalidInputError(
                f"weight {i} is {weight!r}; weights are finite numbers of 0 and more"
            )
    if sum(found) <= 0 or not math.isfinite(sum(found)):
        raise InvalidInputError("the weights add up to nothing that can be divided by")
    return found


def checked_timeout(timeout_s):
    """Seconds as a float; None is none."""
    if timeout_s is None:
        return None
    try:
        found = float(timeout_s)
    except (TypeError, ValueError):
        found = math.nan
    if not 0 < found < math.inf:
        raise InvalidInputError(f"timeout_s is {timeout_s!r}; expected seconds, more than 0")
    return found
