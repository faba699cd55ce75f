"""Locks that another thread holds at a fork are free in the child: of what an engine prepares rows
with, and of quantizers and preprocessors by themselves.
"""

from __future__ import annotations

import os
import signal
import threading

import numpy as np
import pytest

from spinney.forks import _makers
from spinney.preprocessing import DataPreprocessor
from spinney.quantization import Quantizer


def in_a_child(function):
    """True if it ends well there; a lock that stays held is found by the alarm."""
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        code = 1
        try:
            function()
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1] == 0


@pytest.fixture
def rows():
    return np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_every_lock_that_lives_on_is_free_in_a_child(rows):
    preprocessor = DataPreprocessor({"cache_enabled": True}).fit(rows)
    quantizer = Quantizer({"enable_cache": True})
    expected = preprocessor.transform(rows), quantizer.quantize(rows)
    held, go_on = threading.Event(), threading.Event()
    locks = [owner._lock for owner in list(_makers)]
    assert len(locks) >= 5

    def hold():
        for lock in locks:
            lock.acquire()
        held.set()
        go_on.wait(60)
        for lock in locks:
            lock.release()

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(60)

    def child():
        np.testing.assert_array_equal(preprocessor.transform(rows), expected[0])
        np.testing.assert_array_equal(quantizer.quantize(rows), expected[1])
        preprocessor.partial_fit(rows)
        quantizer.update_config(quantizer.config)

    assert in_a_child(child)
    go_on.set()
    holder.join()
    np.testing.assert_array_equal(preprocessor.transform(rows), expected[0])
