"""What predict gives: (True, result, metadata) or (False, None, why)."""

from __future__ import annotations

from concurrent.futures import CancelledError
from time import monotonic

from spinney._core import succeeded
from spinney.configs import BatchPriority
from spinney.engine.future import PredictionFuture
from spinney.exceptions import (
    InvalidInputError,
    QueueFullError,
    RequestRefusedError,
    ThrottledError,
)

_FULL = 1  # what spinney._core.Served answers; 2 is throttled


def failure(error):
    metadata = {"error": str(error) or type(error).__name__}
    if isinstance(error, RequestRefusedError):
        metadata["throttled"] = True
        metadata["retry_after"] = error.retry_after
    return metadata


def refusal(entry, config, watch):
    """The error of a request that the core did not let in. entry: what Served answered."""
    if entry == _FULL:
        error = QueueFullError(
            f"{config.max_concurrent_requests} requests are in the engine, as many as "
            "max_concurrent_requests allows"
        )
        error.retry_after = 0.001
        return error
    if watch.throttle is None or watch.over_memory:
        error = ThrottledError(
            f"the process uses more than memory_limit_gb ({config.memory_limit_gb:g})"
        )
        error.retry_after = 1.0
        return error
    error = ThrottledError(
        f"the CPU is at {watch.cpu_percent:.0f} %, above cpu_threshold_percent "
        f"({config.cpu_threshold_percent:g}), so fewer requests run at once"
    )
    error.retry_after = watch.throttle.retry_after
    return error


def outcome_of(future, began, deadline):
    """What predict would give, of a queued request."""
    try:
        result = future.result(None if deadline is None else max(0.0, deadline - monotonic()))
    except Exception as error:
        future.cancel()
        return False, None, failure(error)
    if type(future) is not PredictionFuture:  # of a DynamicBatcher that a program put in place
        return succeeded(result, 0.0, began, False, None)
    if future._told is not None:
        return True, result, dict(future._told)
    timing = future._timing()
    took = 0.0 if timing is None else timing[1] * 1e-3
    return succeeded(result, took, began, timing is None, future._more)


def metadata_of(future):
    """PredictionFuture.metadata."""
    if not future.done():
        return None
    try:
        error = future.exception()
    except CancelledError as cancelled:
        error = cancelled
    if error is not None:
        return failure(error)
    if future._told is not None:
        return dict(future._told)
    timing = future._timing()
    took, total = (0.0, 0.0) if timing is None else timing[1:3]
    _, _, metadata = succeeded(future.result(), took * 1e-3, 0.0, timing is None, future._more)
    metadata["total_time_ms"] = total
    return metadata


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


def rows_in(features):
    """How many rows these seem to be, for those who must not ask for too many at once."""
    shape = getattr(features, "shape", None)
    if isinstance(shape, tuple):
        return int(shape[0]) if len(shape) == 2 else 1
    if isinstance(features, (list, tuple)) and features:
        return 1 if isinstance(features[0], (int, float)) else len(features)
    return 1
