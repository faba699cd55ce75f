"""What a MetricsManager that a program put in place of Spinney's own is told of failures."""

from __future__ import annotations

import inspect

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def error_recorder(metrics):
    """A function of a kind of failures that calls metrics.record_error with as much as that takes.

    PerformanceMetrics' takes a count or nothing, and MetricsManager's what failed.
    """
    record = metrics.record_error
    given = _given(record)
    if given == "keyword":
        return lambda kind: record(kind=kind)
    return record if given == "first" else lambda kind: record()


def _given(record):
    """How record is told what failed: as the "keyword" kind, as its "first" argument, or None."""
    try:
        parameters = list(inspect.signature(record).parameters.values())
    except (TypeError, ValueError):  # one written in C, that does not say
        return None
    if any(each.name == "kind" for each in parameters):
        return "keyword"
    first = parameters[0] if parameters else None
    if first is None or first.kind is inspect.Parameter.VAR_KEYWORD:
        return None
    wanted = first.kind in _POSITIONAL and first.default is inspect.Parameter.empty
    return "first" if wanted or first.kind is inspect.Parameter.VAR_POSITIONAL else None
