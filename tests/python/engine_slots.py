"""A request that stays in an engine for as long as a test needs it there."""

from __future__ import annotations

import threading
from contextlib import contextmanager

from spinney import ModelType


@contextmanager
def one_slot_taken(engine):
    """One request is in the engine, of a model of its own, "holds"; it succeeds in the end."""
    go_on = threading.Event()

    def holding(rows):
        assert go_on.wait(60)
        return rows[:, 0]

    assert engine.load_model(holding, ModelType.CUSTOM, name="holds")
    holder = engine.enqueue_prediction([[1.0]], model="holds")
    try:
        yield
    finally:
        go_on.set()
        assert holder.result(60).tolist() == [1.0]
