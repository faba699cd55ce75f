"""Ensemble.validate: the members beside each other and together, on rows whose truth is known."""

from __future__ import annotations

import os
from typing import NamedTuple

import numpy as np

from spinney.ensemble import labels, methods, scoring
from spinney.ensemble.report import ValidationReport
from spinney.exceptions import InvalidInputError, SpinneyError
from spinney.sources import is_path


class Options(NamedTuple):
    intervals: int
    confidence: float
    seed: int
    fit_weights: bool
    holdout: float
    trusted: bool


def validate(ensemble, x, y, options):
    """A ValidationReport; see Ensemble.validate."""
    schema = ensemble._state[0]
    _check_options(ensemble, options)
    rows = ensemble._prepared(x)
    truth = _truth(ensemble, y)
    answers = {member.name: _answer(ensemble, schema, member, rows) for member in schema.members}
    whole = _together(ensemble, rows, answers)
    n_rows = _check_lengths([*answers.values(), whole], truth)
    metrics = scoring.metrics_of(schema.classes, _all_have(answers, whole))
    main = next(iter(metrics))
    found = _measured({**answers, "ensemble": whole}, truth, metrics, options)
    return ValidationReport(
        method=ensemble.method,
        rows=n_rows,
        metric=main,
        members={name: found[name] for name in answers},
        ensemble=found["ensemble"],
        contribution=_contributions(ensemble, schema, answers, truth, metrics, found),
        correlation=_correlation(list(answers.values())),
        schema=_schemas(ensemble, schema),
        sources={
            member.name: _agrees_with_source(member, schema, rows, options.trusted)
            for member in schema.members
        },
        left_out=ensemble._missing(),
        confidence=options.confidence,
        intervals=options.intervals,
        fitted=_fitted(ensemble, answers, truth, metrics, options),
    )


def _check_options(ensemble, options):
    for name, value, fits in (
        ("intervals", options.intervals, lambda n: type(n) is int and 0 <= n <= 100_000),
        ("confidence", options.confidence, lambda share: 0 < share < 1),
        ("holdout", options.holdout, lambda share: 0 < share < 1),
    ):
        try:
            fine = fits(value)
        except TypeError:
            fine = False
        if not fine:
            raise InvalidInputError(
                f"{name} is {value!r}; expected "
                + ("a number from 0 to 100000" if name == "intervals" else "a share below 1")
            )
    if options.fit_weights and ensemble.method != "average":
        raise InvalidInputError(
            f"weights are fitted for method='average', and this is {ensemble.method!r}"
        )


def _truth(ensemble, y):
    given = np.asarray(y)
    classes = ensemble._classes
    if given.ndim < 1 or len(given) < 2:
        raise InvalidInputError(f"y has shape {given.shape}; expected two rows or more")
    if classes is None:
        if given.dtype.kind not in "biuf" or not np.isfinite(given).all():
            raise InvalidInputError("y has others than finite numbers")
        return given.astype(np.float64)
    if given.ndim != 1:
        raise InvalidInputError(f"y has shape {given.shape}; expected a label for each row")
    position = {label: i for i, label in enumerate(classes.tolist())}
    unknown = [label for label in given.tolist() if label not in position]
    if unknown:
        raise InvalidInputError(f"y has {unknown[0]!r}, which is none of the ensemble's classes")
    return np.array([position[label] for label in given.tolist()], dtype=np.intp)


def _check_lengths(answers, truth):
    for answer in answers:
        first = answer.values if answer.values is not None else answer.said
        if len(first) != len(truth):
            raise InvalidInputError(f"X has {len(first)} rows, and y {len(truth)}")
        if answer.values is not None and answer.values.shape != truth.shape:
            raise InvalidInputError(
                f"y has shape {truth.shape}, and the models answer {answer.values.shape}"
            )
    return len(truth)


def _answer(ensemble, schema, member, rows):
    if schema.classes is None:
        return scoring.Answered(values=ensemble._scores(schema, member, rows))
    if ensemble.method == "vote":
        return scoring.Answered(said=ensemble._classes_said(schema, member, rows))
    probabilities = ensemble._scores(schema, member, rows)
    return scoring.Answered(said=probabilities.argmax(axis=1), probabilities=probabilities)


def _together(ensemble, rows, answers):
    said = np.asarray(ensemble.predict(rows))
    if ensemble._classes is None:
        return scoring.Answered(values=said)
    numbers = labels.numbers_of(said, ensemble._classes, "ensemble")
    if "predict_proba" not in ensemble._methods:
        return scoring.Answered(said=numbers)
    return scoring.Answered(said=numbers, probabilities=ensemble.predict_proba(rows))


def _all_have(answers, whole):
    every = [*answers.values(), whole]
    width = {None if one.probabilities is None else one.probabilities.shape[1] for one in every}
    return None not in width and len(width) == 1


def _measured(answers, truth, metrics, options):
    """Name -> metric -> (value, its interval), the same samples of rows for all."""
    parts = {name: scoring.measure(answer, truth, metrics) for name, answer in answers.items()}
    columns = [(name, metric) for name in parts for metric in metrics]
    each = np.column_stack([parts[name][metric][0] for name, metric in columns])
    means = scoring.resampled_means(each, options.intervals, options.seed)
    found = {name: {} for name in parts}
    for (name, metric), mean, sampled in zip(columns, each.mean(axis=0), means.T):
        of_mean = parts[name][metric][1]
        low_high = scoring.interval(of_mean(sampled), options.confidence)
        found[name][metric] = float(of_mean(mean)), low_high
    return found


def _combined(ensemble, schema, members, answers):
    """What some of the members answer together."""
    parts = [answers[member.name] for member in members]
    if ensemble.method == "vote":
        values = [part.said for part in parts]
    else:
        values = [part.values if part.values is not None else part.probabilities for part in parts]
    if schema.classes is None:
        return scoring.Answered(values=ensemble._combine(schema, "predict", members, values))
    if ensemble.method == "vote":
        said = ensemble._combine(schema, "predict", members, values)
        return scoring.Answered(said=labels.numbers_of(said, schema.classes, "ensemble"))
    found = ensemble._combine(schema, "predict_proba", members, values)
    return scoring.Answered(said=found.argmax(axis=1), probabilities=found)


def _contributions(ensemble, schema, answers, truth, metrics, found):
    """Name -> by how much the ensemble is better with the member than without; None where there is
    no ensemble without it.
    """
    main = next(iter(metrics))
    contribution = {}
    for member in schema.members:
        others = [other for other in schema.members if other is not member]
        weight = sum(other.weight for other in others)
        if ensemble.method == "stack" or not others or not weight > 0:
            contribution[member.name] = None
            continue
        without = _combined(ensemble, schema, others, answers)
        each, of_mean = scoring.measure(without, truth, metrics)[main]
        value = float(of_mean(each.mean()))
        contribution[member.name] = scoring.better(main, found["ensemble"][main][0], value)
    return contribution


def _correlation(answers):
    """Of the members' values or probabilities; of votes, the share of rows with equal ones."""
    size = len(answers)
    found = np.eye(size)
    for i in range(size):
        for j in range(i):
            found[i, j] = found[j, i] = _alike(answers[i], answers[j])
    return found


def _alike(left, right):
    if left.main() is None:
        return float((left.said == right.said).mean())
    one, two = (np.asarray(part.main(), dtype=np.float64).ravel() for part in (left, right))
    one, two = one - one.mean(), two - two.mean()
    size = np.sqrt((one @ one) * (two @ two))
    return float(one @ two / size) if size > 0 else float("nan")


def _fitted(ensemble, answers, truth, metrics, options):
    """Weights by name, the rows that they were fitted on, and metrics on the others."""
    if not options.fit_weights:
        return None
    parts = [
        answer.values if answer.values is not None else answer.probabilities
        for answer in answers.values()
    ]
    order = np.random.default_rng(options.seed).permutation(len(truth))
    n_fit = min(len(truth) - 1, max(1, round(options.holdout * len(truth))))
    on, off = order[:n_fit], order[n_fit:]
    of_classes = ensemble._classes is not None
    weights = scoring.best_weights([part[on] for part in parts], truth[on], of_classes)
    present = [ensemble._member(name).weight for name in answers]
    measured = {}
    for what, shares in (("given", present), ("fitted", weights)):
        mean = methods.average([part[off] for part in parts], shares)
        answer = (
            scoring.Answered(said=mean.argmax(axis=1), probabilities=mean)
            if of_classes
            else scoring.Answered(values=mean)
        )
        measured[what] = {
            name: float(of_mean(each.mean()))
            for name, (each, of_mean) in scoring.measure(answer, truth[off], metrics).items()
        }
    return {
        "weights": dict(zip(answers, weights.tolist())),
        "rows": len(on),
        "measured_on": len(off),
        **measured,
    }


def _schemas(ensemble, schema):
    """Name -> what the member reads and says, and whether that is all of the ensemble's."""
    found = {}
    for member in schema.members:
        own = labels.labels_of(member.model)
        everything = schema.classes is None or own is None or len(own) == len(schema.classes)
        found[member.name] = {
            "n_features": member.model.n_features,
            "all_columns": schema.columns[member.name] is None,
            "all_classes": everything,
        }
    return found


def _agrees_with_source(member, schema, rows, trusted):
    """ "equal", by how much not, or why it was not compared with its own library."""
    if not member.is_native:
        return "not compared: it runs in Python itself"
    from spinney.cli.errors import UserError
    from spinney.cli.original import open_original, original_of
    from spinney.cli.progress import Progress
    from spinney.cli.verify import compare

    own = schema.rows_for(member, rows)
    try:
        array = own if isinstance(own, np.ndarray) else _as_numbers(member.model, own)
        if is_path(member.source):
            if member.model.source["format"] in ("pickle", "joblib") and not trusted:
                return "not compared: a pickle, and trusted=True was not said"
            original = open_original(os.fspath(member.source), member.model, trusted)
        elif hasattr(member.source, "predict") and member.source is not member.model:
            original = original_of(_copied(member.source))
        else:
            return "not compared: it was given as a loaded model"
        tallies = compare(member.model, original, [array], Progress(False), None)
    except (UserError, SpinneyError, ImportError) as error:
        return f"not compared: {str(error).splitlines()[0]}"
    for name, tally in tallies.items():
        if not tally.ok():
            return f"different: {name}, {tally.mismatch or f'{tally.largest:,} ulp'}"
    largest = max(tally.largest for tally in tallies.values())
    return f"within the bound stated ({largest:,} ulp)" if largest else "equal"


def _copied(source):
    """The object's like, whose number of threads may be set."""
    import copy

    return copy.deepcopy(source)


def _as_numbers(model, rows):
    from spinney.inputs import prepare

    found = prepare(model, rows)
    if not isinstance(found, np.ndarray):
        raise InvalidInputError("sparse rows are not compared")
    return found
