"""How far answers may be from the library's own, by docs/exactness.md: mostly not at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

import numpy as np

from spinney.ulp import ulp_distance

EPS = {np.dtype(np.float32): 2.0**-23, np.dtype(np.float64): 2.0**-52}

VECTOR_CODE = "numpy has vector code of its own for exp, log and pow on this kind of CPU"
BLAS = "a BLAS adds in no fixed order"
JSON = "CatBoost's own reader of its JSON is up to a step off each leaf"


@dataclass
class Bound:
    """ulp: steps between numbers; margin(rows, values): an absolute distance, if not None.

    An answer is within the bound if it keeps either of the two.
    """

    ulp: int = 0
    margin: Callable | None = None
    shown: str = "equal"
    reason: str = ""

    def distances(self, ours, theirs, rows):
        """Steps apart and whether that is allowed, for each value."""
        apart = ulp_distance(ours, theirs)
        allowed = apart <= self.ulp
        if self.margin is not None and not allowed.all():
            with np.errstate(invalid="ignore", over="ignore"):
                margin = self.margin(np.asarray(rows, dtype=np.float64), theirs)
                allowed |= np.abs(ours - theirs) <= margin
        return apart, allowed


def steps(ulp):
    return Bound(ulp, shown=f"{ulp} ulp", reason=VECTOR_CODE)


def bounds_of(model, original):
    """Name of a method -> its Bound, for the methods that are not equal bit for bit."""
    library, kind = model.source["library"], model.source["kind"]
    if library == "xgboost":
        softmax = kind.endswith("Classifier") and model.objective == "multi:softmax"
        return {"predict_proba": steps(8)} if softmax else {}
    if library == "catboost" and model.source["format"] == "json":
        return _catboost_json_bounds(original.model)
    if library != "sklearn":
        return {}
    if model.info()["scorer"] == "linear":
        return _linear_bounds(original.model)
    if kind == "IsolationForest":
        one = Bound(0, lambda rows, values: EPS[values.dtype], "1 eps", VECTOR_CODE)
        return {"score_samples": steps(2), "decision_function": one}
    if kind == "HistGradientBoostingRegressor" and model.objective in ("poisson", "gamma"):
        return {"predict": steps(4)}
    if kind == "GradientBoostingClassifier" and model.n_outputs > 2:

        def start(rows, values):
            return 4 * EPS[values.dtype] * np.maximum(1, np.abs(values))

        def exponent(rows, values):
            # Until scikit-learn 1.4: exp(score - log(sum(exp(scores)))), whose argument is rounded.
            largest = np.abs(original.model.decision_function(rows)).max(axis=1, keepdims=True)
            return 4 * EPS[values.dtype] * values * (1 + largest)

        raw = Bound(0, start, "4 eps of max(1, |score|)", VECTOR_CODE)
        old = hasattr(original.model, "_loss") and hasattr(
            original.model._loss, "_raw_prediction_to_proba"
        )
        proba = Bound(16, exponent if old else None, "16 ulp", VECTOR_CODE)
        return {"predict_raw": raw, "predict_proba": proba}
    if getattr(original.model, "algorithm", None) == "SAMME.R":
        return _samme_r_bounds(original.model)
    if kind == "AdaBoostClassifier" or (
        kind == "HistGradientBoostingClassifier" and model.n_outputs > 2
    ):
        return {"predict_proba": steps(8)}
    return {}


def _catboost_json_bounds(model):
    """CatBoost reads its own JSON up to one step off a leaf; a sum is off by as much of each tree.

    Every addition of the two sums may round otherwise then, which the number of trees covers.
    """
    leaves = np.abs(np.asarray(model.get_leaf_values(), dtype=np.float64))
    counts = np.asarray(model.get_tree_leaf_counts())
    width = max(1, len(leaves) // max(1, counts.sum()))
    starts = np.concatenate([[0], np.cumsum(counts * width)[:-1]]).astype(np.int64)
    largest = np.maximum.reduceat(leaves, starts).sum() if len(leaves) else 0.0
    scale, bias = model.get_scale_and_bias()
    size = largest * abs(scale) + np.abs(np.atleast_1d(bias)).max()
    off = (len(counts) + 4) * EPS[np.dtype(np.float64)] * size

    def sums(rows, values):
        return np.full(np.shape(values), off)

    def linked(rows, values):
        # exp moves by as much, relatively, as its exponent does absolutely; twice that of 2 x.
        return np.abs(values) * (4 * off + 8 * EPS[np.dtype(np.float64)]) + off

    raw = Bound(0, sums, "JSON", JSON)
    value = Bound(8, linked, "JSON", JSON)
    return {"predict_raw": raw, "predict": value, "predict_proba": value}


def _samme_r_bounds(estimator):
    """SAMME.R adds logarithms of its trees' probabilities, which numpy's vector code rounds anew.

    Those of a row's leaf differ by at most 5 eps of the largest, L (numpy promises 4 ulp, the C
    library 1). Centring them adds n + 3 roundings for n classes, and the sum over m trees m more,
    each of numbers that are at most 2 (n - 1) L; two classes' scores are a difference of two such.
    """
    trees, n = estimator.estimators_, len(estimator.classes_)
    factor = 2 * (n - 1) * (len(trees) + n + 8) * (2 if n == 2 else 1) * EPS[np.dtype(np.float64)]

    def scores(rows, values):
        least = EPS[np.dtype(np.float64)]  # to which scikit-learn raises probabilities
        largest = [
            -np.log(np.maximum(tree.predict_proba(rows).min(axis=1), least)) for tree in trees
        ]
        margin = factor * np.mean(largest, axis=0)
        return margin.reshape((-1,) + (1,) * (values.ndim - 1))

    def probabilities(rows, values):
        # exp moves by as much, relatively, as its exponent does absolutely; so does the sum.
        return values * (2 * scores(rows, values) / (n - 1) + 8 * EPS[values.dtype])

    raw = Bound(0, scores, "rounding of log", VECTOR_CODE)
    return {"predict_raw": raw, "predict_proba": Bound(8, probabilities, "follows it", VECTOR_CODE)}


def _linear_bounds(estimator):
    """What a BLAS may be off the exact sum, which Spinney gives; probabilities follow the scores.

    n products and n - 1 additions in any order are off by at most n / 2 eps of sum(|w * x|). Ours
    is rounded once, and both add the intercept, which counts as one term. A BLAS that adds in
    several lanes stays within 4 eps of that sum however many there are.
    """
    weights = np.abs(np.atleast_2d(np.asarray(estimator.coef_, dtype=np.float64)))
    start = np.abs(np.asarray(estimator.intercept_, dtype=np.float64)).reshape(-1)
    factor = min(4.0, (weights.shape[1] + 3) / 2)

    def scores(rows, eps):
        with np.errstate(all="ignore"):
            return factor * eps * (np.abs(rows) @ weights.T + start)

    def sums(rows, values):
        return scores(rows, EPS[values.dtype]).reshape(values.shape)

    def probabilities(rows, values):
        eps = EPS[values.dtype]
        # exp moves by as much, relatively, as its exponent does absolutely; so does the sum.
        return values * (2 * scores(rows, eps).max(axis=1, keepdims=True) + 8 * eps)

    bound = Bound(0, sums, f"{factor:g} eps of sum |w x|", BLAS)
    proba = Bound(8, probabilities, "follows the scores", BLAS)
    out = {"predict_raw": bound, "predict_proba": proba}
    if not hasattr(estimator, "classes_"):
        out["predict"] = bound
    return out
