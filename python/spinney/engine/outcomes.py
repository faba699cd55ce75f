"""What predict gives: (True, result, metadata) or (False, None, why)."""

from __future__ import annotations

from time import monotonic

from spinney._core import succeeded
from spinney.configs import BatchPriority
from spinney.engine.future import PredictionFuture
from spinney.exceptions import InvalidInputError, RequestRefusedError


def failure(error):
    metadata = {"error": str(error) or type(error).__name__}
    if isinstance(error, RequestRefusedError):
        metadata["throttled"] = True
        metadata["retry_after"] = error.retry_after
    return metadata


def outcome_of(future, began, deadline):
    """What predict would give, of a queued request."""
    try:
        result = future.result(None if deadline is None else max(0.0, deadline - monotonic()))
    except Exception as error:
        future.cancel()
        return False, None, failure(error)
    timing = future._timing() if type(future) is PredictionFuture else None
    took = 0.0 if timing is None else timing[1] * 1e-3
    cached = type(future) is PredictionFuture and timing is None
    return succeeded(result, took, began, cached, None)


def level_of(priority):
    try:
        return BatchPriority(priority).value
    except ValueError:
        pass
    name = getattr(priority, "name", priority)
    levels = ", ".join(f"{level.name} ({level.value})" for level in BatchPriority)
    if isinstance(name, str) and name.upper() in BatchPriority.__members__:
        return BatchPriority[name.upper()].value
    raise InvalidInputError(f"priority is {priority!r}; it may be {levels}")
