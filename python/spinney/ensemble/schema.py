"""What an ensemble's members have in common: columns by name, labels by value; checked at once."""

from __future__ import annotations

import numpy as np

from spinney import _core
from spinney.ensemble import labels
from spinney.exceptions import InvalidInputError, SpinneyError, UnsupportedModelError
from spinney.workers.codec import Frame

FUSED = ("average", "vote")


class Schema:
    """Of the members that are there.

    n_features, feature_names: of the ensemble; None and empty where no member says. columns: of
    each member by name, the positions that it sees, or None for all. classes: the labels, or None
    of members that predict values. places: of each member by name, where its labels stand.
    """

    def __init__(self, members, chosen_classes=None):
        self.members = members
        self._read_columns()
        self._read_labels(chosen_classes)

    def _read_columns(self):
        named = [
            (member, names)
            for member in self.members
            for names in [list(member.model.feature_names)]
            if names
        ]
        self.feature_names = list(dict.fromkeys(name for _, names in named for name in names))
        first = named[0][1] if named else []
        differ = [member for member, names in named if names != first]
        for member, names in named:
            if len(set(names)) < len(names) and differ:
                raise InvalidInputError(
                    f"member {member.name!r} has two columns of one name, and the others have "
                    "other columns"
                )
        known = {member.model.n_features for member in self.members} - {None}
        if differ:
            self._refuse_nameless(named)
        elif len(known) > 1:
            told = ", ".join(
                f"{member.name!r} {member.model.n_features}" for member in self.members
            )
            raise InvalidInputError(
                f"the members have differing columns ({told}), and no names that tell which"
            )
        if self.feature_names:
            self.n_features = len(first) if not differ else len(self.feature_names)
        else:
            self.n_features = next(iter(known), None)
        place = {name: i for i, name in enumerate(self.feature_names)}
        self.columns = {member.name: None for member in self.members}
        for member, names in named if differ else ():
            if names != self.feature_names:
                self.columns[member.name] = np.array([place[name] for name in names])
        if not differ:
            self.feature_names = first

    def _refuse_nameless(self, named):
        have = {id(member) for member, _ in named}
        for member in self.members:
            width = member.model.n_features
            if id(member) not in have and width is not None:
                raise InvalidInputError(
                    f"the members have differing columns, and {member.name!r}, which takes "
                    f"{width}, keeps no names that tell which"
                )

    def _read_labels(self, chosen):
        found = [(member, labels.labels_of(member.model)) for member in self.members]
        own = [(member.name, classes) for member, classes in found if classes is not None]
        silent = [member.name for member, classes in found if classes is None]
        self.places = {member.name: None for member in self.members}
        if chosen is None and not own:
            self.classes = None
            return
        if chosen is None and silent:
            raise InvalidInputError(
                f"the classes do not match: {own[0][0]!r} is a classifier and {silent[0]!r} has no "
                "classes_; if it gives probabilities, say of which labels with classes="
            )
        self.classes = labels.united(own) if chosen is None else _chosen(chosen)
        for name, classes in own:
            strange = set(classes.tolist()) - set(self.classes.tolist())
            if strange:
                raise InvalidInputError(
                    f"the classes do not match: {name!r} knows {sorted(map(repr, strange))[0]}, "
                    "which classes= has not"
                )
            self.places[name] = labels.places(classes, self.classes)

    @property
    def reads_alike(self):
        """Whether every member reads the same columns in the same order."""
        return all(positions is None for positions in self.columns.values())

    def rows_for(self, member, rows):
        """The member's columns of rows that go by position; frames find theirs by name."""
        positions = self.columns[member.name]
        if positions is None or isinstance(rows, Frame) or hasattr(rows, "columns"):
            return rows
        return rows[:, positions]

    def same_as(self, other):
        alike = self.n_features == other.n_features and self.feature_names == other.feature_names
        if not alike or (self.classes is None) != (other.classes is None):
            return False
        return self.classes is None or (
            self.classes.dtype.kind == other.classes.dtype.kind
            and np.array_equal(self.classes, other.classes)
        )


def fused(schema, method, weights, chosen_classes):
    """All members as one native model, or None where that is none or would answer otherwise."""
    native = all(member.is_native for member in schema.members)
    if method not in FUSED or not native or chosen_classes is not None:
        return None
    if method == "average" and schema.classes is not None:
        for member in schema.members:
            if not has_probabilities(member.model):
                return None
    try:
        models = [member.model for member in schema.members]
        made = _core.combine_models(models, method == "vote", list(weights or ()))
    except UnsupportedModelError:
        return None
    classes = getattr(made, "classes_", None)
    if (classes is None) != (schema.classes is None):
        return None
    if classes is not None and not np.array_equal(classes, schema.classes):
        return None
    return made


def has_probabilities(model):
    """Whether predict_proba is there; asked of no row where the model can say so."""
    if hasattr(model, "_methods"):
        return "predict_proba" in model._methods
    try:
        model.predict_proba(np.zeros((0, model.n_features), dtype=np.float32))
    except SpinneyError as error:
        return not isinstance(error, UnsupportedModelError)
    return True


def _chosen(classes):
    found = np.asarray(classes)
    if found.ndim != 1 or len(found) < 2 or len(set(found.tolist())) != len(found):
        raise InvalidInputError(f"classes is {classes!r}; expected two or more different labels")
    found = found.copy()
    found.setflags(write=False)
    return found
