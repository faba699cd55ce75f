"""A BatchProcessor's pause as an event, and the load that it reports."""

from __future__ import annotations

import gc
import os
import threading

import numpy as np

from batching_clock import manual_processor, run_pending
from spinney.metrics.cpu import CpuMeter


def double(rows):
    return rows * 2


def test_paused_event_is_set_while_paused_and_pauses():
    processor = manual_processor(double)
    event = processor.paused_event
    assert isinstance(event, threading.Event) and not event.is_set()
    processor.pause()
    assert event.is_set() and processor.paused_event is event
    assert event.wait(0)
    processor.resume()
    assert not event.is_set()
    event.set()  # as pause()
    assert processor.get_stats()["state"] == "paused"
    waiting = processor.enqueue_predict(np.array([[1.0]]))
    assert run_pending(processor) == 0 and not waiting.done()
    event.clear()
    assert processor.get_stats()["state"] == "running"
    assert run_pending(processor) == 1 and waiting.result(0)[0, 0] == 2
    processor.pause()
    processor.stop()
    processor.start(double)
    assert not event.is_set() and processor.get_stats()["state"] == "running"
    del processor
    gc.collect()
    event.set()  # of a processor that is gone
    assert event.is_set()


def test_a_forked_child_s_event_can_be_used():
    processor = manual_processor(double)
    processor.pause()
    event = processor.paused_event
    assert event._cond.acquire()  # as another thread may, when the process forks
    try:
        child = os.fork()
        if not child:
            try:
                processor.resume()
                os._exit(0 if not event.is_set() else 1)
            except BaseException:
                os._exit(2)
    finally:
        event._cond.release()
    assert os.waitpid(child, 0)[1] == 0


def test_system_load_is_a_share_of_the_cpus(monkeypatch):
    seconds = [0.0]
    monkeypatch.setattr(CpuMeter, "percent", lambda meter, now=None: seconds[0])
    processor = manual_processor(double)
    for percent, load in ((0.0, 0.0), (35.0, 0.35), (100.0, 1.0), (130.0, 1.0)):
        seconds[0] = percent
        assert processor.get_stats()["system_load"] == load
    monkeypatch.undo()
    assert 0.0 <= processor.get_stats()["system_load"] <= 1.0
