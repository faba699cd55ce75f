"""What predict gives: (True, result, metadata) or (False, None, why)."""

from __future__ import annotations

from time import monotonic, perf_counter

from spinney.configs import BatchPriority
from spinney.engine.future import PredictionFuture
from spinney.exceptions import InvalidInputError, RequestRefusedError


def rows_of(result):
    return len(result) if type(result) is not list else len(result[0])


def success(result, took, started, cached, more=None):
    metadata = {
        "inference_time_ms": took * 1e3,
        "total_time_ms": (perf_counter() - started) * 1e3,
        "batch_size": rows_of(result),
        "compiled_model_used": False,
    }
    if cached:
        metadata["cached"] = metadata["cache_hit"] = True
    if more is not None:
        metadata.update(more)
    return True, result, metadata


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
    return success(result, took, began, type(future) is PredictionFuture and timing is None)


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
