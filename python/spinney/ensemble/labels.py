"""The labels of an ensemble's members, aligned by their values."""

from __future__ import annotations

import numpy as np

from spinney.exceptions import InvalidInputError, PythonModelError, UnsupportedModelError

_NUMBERS, _TEXTS = "biuf", "US"


def labels_of(model):
    """A classifier's labels as an array; None of a model that has none."""
    found = getattr(model, "classes_", None)
    if isinstance(found, list):
        raise UnsupportedModelError(
            f"a {model.source['kind']} predicts several targets, of which no ensemble is made"
        )
    return found


def united(named):
    """All labels of the members in (name, labels), as scikit-learn would order them."""
    first_name, first = named[0]
    if all(_equal(first, own) for _, own in named):
        return first
    for name, own in named:
        if _kind(own) != _kind(first):
            raise InvalidInputError(
                f"the classes do not match: {first_name!r} has {_kind(first)} ({_shown(first)}) "
                f"and {name!r} has {_kind(own)} ({_shown(own)})"
            )
    try:
        everything = np.unique(np.concatenate([own for _, own in named]))
    except TypeError:
        raise InvalidInputError(
            f"the classes of {first_name!r} and the others have no order, so that they cannot be "
            "put together; train the members on the same classes"
        ) from None
    for name, own in named:
        others = [label for other, labels in named if other != name for label in labels.tolist()]
        if not set(own.tolist()) & set(others):
            raise InvalidInputError(
                f"the classes do not match: none of those of {name!r} ({_shown(own)}) is known to "
                f"another member ({_shown(np.array(others))})"
            )
    everything.setflags(write=False)
    return everything


def places(own, everything):
    """Where each of a member's labels stands among all; None if they are the same."""
    if own is everything or _equal(own, everything):
        return None
    position = {label: i for i, label in enumerate(everything.tolist())}
    return np.array([position[label] for label in own.tolist()])


def spread(probabilities, where, n_classes):
    """A member's columns at their places among all; a class that it does not know has 0."""
    if where is None:
        return probabilities
    full = np.zeros((len(probabilities), n_classes), dtype=probabilities.dtype)
    full[:, where] = probabilities
    return full


def numbers_of(labels, everything, name):
    """The number of each label among all."""
    known, inverse = np.unique(labels, return_inverse=True)
    position = {label: i for i, label in enumerate(everything.tolist())}
    unknown = [label for label in known.tolist() if label not in position]
    if unknown:
        raise PythonModelError(
            f"member {name!r} says {unknown[0]!r}, which is none of the classes "
            f"{_shown(everything)}"
        )
    return np.array([position[label] for label in known.tolist()], dtype=np.intp)[
        inverse.reshape(-1)
    ]


def _equal(left, right):
    return left.dtype == right.dtype and np.array_equal(left, right)


def _kind(labels):
    if labels.dtype.kind in _NUMBERS:
        return "numbers"
    if labels.dtype.kind in _TEXTS or all(isinstance(one, str) for one in labels.tolist()):
        return "texts"
    return "objects"


def _shown(labels):
    first = ", ".join(repr(label) for label in labels.tolist()[:6])
    return f"{first} …" if len(labels) > 6 else first
