"""How members' answers become one, in numpy's own arithmetic."""

from __future__ import annotations

import numpy as np

METHODS = ("average", "vote", "rank", "median", "stack")


def average(scores, weights):
    """The mean over members; the weighted one where weights are given. As numpy.average has it."""
    return np.average(np.asarray(scores), axis=0, weights=weights)


def votes(classes, weights, n_classes):
    """The sum of the weights of those that say a class, shape (rows, n_classes)."""
    rows = np.arange(len(classes[0]))
    counts = np.zeros((len(rows), n_classes))
    for i, own in enumerate(classes):
        counts[rows, own] += 1.0 if weights is None else weights[i]
    return counts


def median(scores, weights):
    """numpy.median over members; with weights the first value, in ascending order, up to which half
    of them all is reached.
    """
    stacked = np.asarray(scores)
    if weights is None:
        return np.median(stacked, axis=0)
    order = np.argsort(stacked, axis=0, kind="stable")
    reached = np.cumsum(np.asarray(weights)[order], axis=0)
    first = np.argmax(reached >= reached[-1:] / 2, axis=0)[np.newaxis]
    found = np.take_along_axis(stacked, np.take_along_axis(order, first, axis=0), axis=0)[0]
    # numpy.median says of a NaN among the members that there is no median.
    return np.where(np.isnan(stacked).any(axis=0), np.nan, found).astype(stacked.dtype)


def ranks(scores, among):
    """The share of each column of `among` that is smaller, and half of what is equal."""
    columns, known = _as_columns(scores), _as_columns(among)
    found = np.empty(columns.shape)
    for j in range(columns.shape[1]):
        ordered = np.sort(known[:, j])
        below = np.searchsorted(ordered, columns[:, j], side="left")
        up_to = np.searchsorted(ordered, columns[:, j], side="right")
        found[:, j] = (below + up_to) / (2.0 * max(1, len(ordered)))
    return found.reshape(np.shape(scores))


def shares(scores):
    """Each row divided by its sum; equal shares where that is 0."""
    total = scores.sum(axis=1, keepdims=True)
    none = total == 0
    return np.where(none, 1.0 / scores.shape[1], scores / np.where(none, 1.0, total))


def stacked_columns(scores, of_classes):
    """What a meta-model is given: side by side each member's values, or probabilities; of two
    classes the second's alone.
    """
    parts = [_as_columns(one) for one in scores]
    if of_classes:
        parts = [one[:, 1:] if one.shape[1] == 2 else one for one in parts]
    return np.hstack(parts)


def _as_columns(scores):
    return scores.reshape(len(scores), -1) if scores.ndim != 2 else scores
