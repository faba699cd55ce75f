"""What answers are measured by, on rows whose truth is known."""

from __future__ import annotations

import numpy as np

COUNTS_MAX = 1 << 20  # of float64 that are held while samples are drawn
LOWEST = 1e-15  # a probability of 0 for what is true would be an infinite loss


def metrics_of(classes, has_probabilities):
    """Name -> (rows' losses or gains as an array, whether more is better) of answers and truth.

    A metric is a function of the means of what each row adds, so that a bootstrap needs no more.
    """
    if classes is None:
        return {"rmse": (_squares, np.sqrt), "mae": (_distances, _as_is)}
    found = {"accuracy": (_hits, _as_is)}
    if has_probabilities:
        found["log_loss"] = (_surprises, _as_is)
    return found


def better(name, left, right):
    """How much better left is than right, by this metric."""
    return left - right if name == "accuracy" else right - left


class Answered:
    """What one model answered: values, or numbers of classes and perhaps probabilities."""

    def __init__(self, values=None, said=None, probabilities=None):
        self.values, self.said, self.probabilities = values, said, probabilities

    def main(self):
        """What correlation is of: values, or probabilities, or whether a class is said."""
        return self.values if self.values is not None else self.probabilities


def measure(answered, truth, metrics):
    """Name -> (what each row adds, the function of their mean)."""
    return {name: (each(answered, truth), of_mean) for name, (each, of_mean) in metrics.items()}


def resampled_means(each, samples, seed):
    """The mean of each column of each (rows, columns) over samples of as many rows, drawn with
    replacement: (samples, columns).

    Drawn a block of samples at a time, which takes a few MiB however many there are.
    """
    rows = len(each)
    rng = np.random.default_rng(seed)
    means = np.empty((samples, each.shape[1]))
    block = max(1, COUNTS_MAX // rows)
    for begin in range(0, samples, block):
        counts = np.empty((min(block, samples - begin), rows))
        for sample in counts:
            sample[:] = np.bincount(rng.integers(0, rows, rows), minlength=rows)
        means[begin : begin + block] = counts @ each / rows
    return means


def interval(found, confidence):
    """(low, high): percentiles of a metric over samples; None where there are none."""
    if not len(found):
        return None
    tail = (1 - confidence) / 2
    return tuple(float(value) for value in np.quantile(found, [tail, 1 - tail]))


def _squares(answered, truth):
    return ((answered.values - truth) ** 2).reshape(len(truth), -1).mean(axis=1)


def _distances(answered, truth):
    return np.abs(answered.values - truth).reshape(len(truth), -1).mean(axis=1)


def _hits(answered, truth):
    return (answered.said == truth).astype(np.float64)


def _surprises(answered, truth):
    of_truth = answered.probabilities[np.arange(len(truth)), truth].astype(np.float64)
    return -np.log(np.clip(of_truth, LOWEST, 1.0))


def _as_is(mean):
    return mean


def best_weights(parts, truth, of_classes):
    """Weights, none negative, that add up to 1: of the mean of `parts` that is nearest to the truth
    in squares; of probabilities, to 1 for the class that is true (their Brier score).

    By projected gradient steps, which end at the one optimum of a convex problem.
    """
    target = np.asarray(truth, dtype=np.float64)
    if of_classes:
        target = np.eye(parts[0].shape[1])[truth]
    columns = np.stack([np.asarray(part, dtype=np.float64).ravel() for part in parts], axis=1)
    gram, pull = columns.T @ columns, columns.T @ target.ravel()
    step = 1.0 / max(np.linalg.eigvalsh(gram)[-1], np.finfo(np.float64).tiny)
    weights = ahead = np.full(len(parts), 1.0 / len(parts))
    momentum = 1.0
    for _ in range(20_000):
        moved = _onto_shares(ahead - step * (gram @ ahead - pull))
        further = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        if np.abs(moved - weights).max() < 1e-13 and np.abs(moved - ahead).max() < 1e-13:
            break
        ahead = moved + (momentum - 1) / further * (moved - weights)
        weights, momentum = moved, further
    return weights


def _onto_shares(point):
    """The nearest point whose numbers are not negative and add up to 1."""
    ordered = np.sort(point)[::-1]
    beyond = (np.cumsum(ordered) - 1) / np.arange(1, len(point) + 1)
    return np.maximum(point - beyond[ordered > beyond][-1], 0)
