"""LRUTTLCache.get_or_set: one run a key, errors shared and never kept, no waiting for oneself."""

from __future__ import annotations

import os
import signal
import threading
import time

import numpy as np
import pytest

from spinney.lru_ttl_cache import LRUTTLCache


def test_get_or_set_runs_the_function_once():
    cache = LRUTTLCache()
    runs = []
    entered = threading.Event()
    release = threading.Event()

    def slow():
        runs.append(threading.get_ident())
        entered.set()
        assert release.wait(10)
        return object()

    results = []
    threads = [
        threading.Thread(target=lambda: results.append(cache.get_or_set("k", slow)))
        for _ in range(8)
    ]
    threads[0].start()
    assert entered.wait(10)
    for thread in threads[1:]:
        thread.start()
    deadline = time.monotonic() + 10
    while len(cache._waiting) < 7 and time.monotonic() < deadline:
        time.sleep(0.001)
    release.set()
    for thread in threads:
        thread.join(10)
    assert len(runs) == 1 and len(results) == 8 and len(set(map(id, results))) == 1
    assert cache.get_stats()["shared"] == 7


def test_get_or_set_shares_errors_and_keeps_none():
    cache = LRUTTLCache()
    entered = threading.Event()
    release = threading.Event()

    def failing():
        entered.set()
        assert release.wait(10)
        raise ZeroDivisionError("once")

    errors = []

    def ask():
        try:
            cache.get_or_set("k", failing)
        except ZeroDivisionError as error:
            errors.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    threads[0].start()
    assert entered.wait(10)
    for thread in threads[1:]:
        thread.start()
    deadline = time.monotonic() + 10
    while len(cache._waiting) < 3 and time.monotonic() < deadline:
        time.sleep(0.001)
    release.set()
    for thread in threads:
        thread.join(10)
    assert len(errors) == 4 and len(set(map(id, errors))) == 1
    assert cache.get("k") == (False, None)
    assert cache.get_or_set("k", lambda: 3) == 3


def test_get_or_set_refuses_to_wait_for_itself():
    cache = LRUTTLCache()
    with pytest.raises(RuntimeError, match="would wait for itself"):
        cache.get_or_set("k", lambda: cache.get_or_set("k", lambda: 1))
    assert cache.get_or_set("k", lambda: cache.get_or_set("other", lambda: 1)) == 1


def test_two_functions_that_wait_for_each_other_are_told():
    cache = LRUTTLCache()
    both = threading.Barrier(2)
    outcomes = []

    def ask(mine, other):
        def compute():
            both.wait(10)
            return cache.get_or_set(other, lambda: None)

        try:
            outcomes.append(cache.get_or_set(mine, compute))
        except RuntimeError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=ask, args=pair) for pair in (("a", "b"), ("b", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(outcomes) == 2 and any(isinstance(each, RuntimeError) for each in outcomes)


def test_get_or_set_of_private_arrays():
    cache = LRUTTLCache(private=True)
    made = cache.get_or_set(b"k", lambda: np.arange(3))
    again = cache.get_or_set(b"k", lambda: 1 / 0)
    assert np.array_equal(made, again) and made is not again


def _under_way(cache, key):
    """A thread that is computing key: (thread, the event that lets it go on, what it got)."""
    begun, go, got = threading.Event(), threading.Event(), []

    def compute():
        begun.set()
        go.wait(20)
        return "old"

    thread = threading.Thread(target=lambda: got.append(cache.get_or_set(key, compute)))
    thread.start()
    assert begun.wait(60)
    return thread, go, got


@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize("drop", [lambda cache: cache.invalidate("k"), lambda cache: cache.clear()])
def test_what_was_invalidated_while_it_was_computed_is_not_kept(drop, private):
    cache = LRUTTLCache(private=private)
    thread, go, got = _under_way(cache, "k")
    drop(cache)
    assert cache.get_or_set("k", lambda: "new") == "new"  # waits for no stale answer
    go.set()
    thread.join()
    assert got == ["old"]
    assert cache.get("k") == (True, "new")
    assert not cache._flights


def test_an_invalidated_answer_is_not_kept_either_where_nobody_asks_meanwhile():
    cache = LRUTTLCache()
    thread, go, _ = _under_way(cache, "k")
    assert cache.invalidate("k") is False
    go.set()
    thread.join()
    assert cache.get("k") == (False, None)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_waits_for_no_thread_of_its_parent():
    cache = LRUTTLCache()
    thread, go, _ = _under_way(cache, "k")
    pid = os.fork()
    if pid == 0:
        signal.alarm(10)
        os._exit(0 if cache.get_or_set("k", lambda: "mine") == "mine" else 1)
    try:
        assert os.waitpid(pid, 0)[1] == 0
    finally:
        go.set()
        thread.join()
