"""A row that makes a Python model fail, among others of its batch."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from spinney import InferenceEngine, ModelType
from spinney.engine import PredictionFuture
from spinney.exceptions import PythonModelError

POISON = 13.0
ROWS = 20


class Picky:
    """Doubles rows, and fails on one of them; waits at first, so that the rest becomes a batch."""

    def __init__(self):
        self.entered, self.go_on = threading.Event(), threading.Event()
        self.calls = []

    def __call__(self, rows):
        self.calls.append(rows[:, 0].tolist())
        if len(self.calls) == 1:
            self.entered.set()
            assert self.go_on.wait(10)
        if (rows[:, 0] == POISON).any():
            raise ValueError("no such row")
        return 2 * rows[:, 0]


def outcomes(idempotent):
    """(the model, the futures of ROWS rows in one batch, of which row 13 is poison)."""
    model = Picky()
    options = {"enable_warmup": False, "enable_request_deduplication": False, "num_threads": 1}
    options.update(initial_batch_size=ROWS, enable_adaptive_batching=False)
    with InferenceEngine(options) as engine:
        assert engine.load_model(model, ModelType.CUSTOM, idempotent=idempotent)
        first = engine.enqueue_prediction([[-1.0]])
        assert model.entered.wait(10)
        assert first.running() and not first.done()  # as docs/engine.md says
        futures = [engine.enqueue_prediction([[float(i)]]) for i in range(ROWS)]
        model.go_on.set()
        assert first.result(timeout=10).tolist() == [-2.0]
        for future in futures:
            assert isinstance(future, PredictionFuture)
            future.exception(timeout=10)
    return model, futures


def test_one_poison_row_fails_alone_in_an_idempotent_model():
    model, futures = outcomes(True)
    assert len(max(model.calls, key=len)) == ROWS  # they were a batch
    for i, future in enumerate(futures):
        if i == POISON:
            with pytest.raises(PythonModelError, match="no such row"):
                future.result(timeout=10)
        else:
            np.testing.assert_array_equal(future.result(timeout=10), [2.0 * i])


def test_a_batch_is_not_asked_again_without_leave():
    model, futures = outcomes(False)
    seen = [row for call in model.calls for row in call]
    assert len(seen) == len(set(seen)) == ROWS + 1
    for future in futures:
        assert isinstance(future.exception(timeout=10), PythonModelError)
