"""What one call asks for beside its rows: keywords of Model.predict, through an engine."""

from __future__ import annotations

from functools import partial
from typing import Any, TypedDict

from spinney.exceptions import InvalidInputError


class Asked(TypedDict, total=False):
    """The keywords, each of which may be None as well."""

    iteration_range: tuple[int, int] | None
    start_iteration: int | None
    num_iteration: int | None
    missing: float | None
    base_margin: Any
    init_score: Any
    ntree_start: int | None
    ntree_end: int | None


NAMES = tuple(Asked.__annotations__)


def given(asked, method):
    """Those that are not None. TypeError for others than the above."""
    for name in asked:
        if name not in NAMES:
            raise TypeError(
                f"{method}() got an unexpected keyword argument {name!r}; it takes "
                + ", ".join(NAMES)
            )
    return {name: value for name, value in asked.items() if value is not None}


def function_of(served, asked):
    """What answers rows as asked, or served.predict; for a native model None where nothing is.

    asked: what given() gave, perhaps nothing.
    """
    if not asked:
        return None if served.native else served.predict
    if not served.native:
        name, kind = next(iter(asked)), served.model.source["kind"]
        raise InvalidInputError(
            f"{name} goes with a model that is read natively, but {kind} runs in Python; load a "
            "function that passes it on, with model_type CUSTOM"
        )
    return partial(served.predict, **asked)
