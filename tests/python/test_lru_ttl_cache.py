"""LRUTTLCache: LRU and TTL against a plain model, one flight a key, and hostile keys and values."""

from __future__ import annotations

import gc
import threading
import weakref
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules.engine.lru_ttl_cache import LRUTTLCache
from spinney.exceptions import InvalidInputError


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def test_the_names_that_programs_use():
    import spinney.lru_ttl_cache

    assert LRUTTLCache is spinney.lru_ttl_cache.LRUTTLCache
    cache = LRUTTLCache(max_size=1000, ttl_seconds=300, cleanup_interval=60)
    assert cache.get("a") == (False, None)
    cache.set("a", [1])
    found, value = cache.get("a")
    assert found is True and value == [1]
    assert cache.get_or_set("a", lambda: 2) == [1]
    assert cache.get_or_set("b", lambda: 2) == 2
    assert len(cache) == 2 and "a" in cache and "c" not in cache
    assert cache.invalidate("a") is True and cache.invalidate("a") is False
    stats = cache.get_stats()
    assert stats["size"] == 1 and stats["max_size"] == 1000
    assert stats["hits"] == 2 and stats["hit_rate"] == 2 / (stats["hits"] + stats["misses"])
    cache.clear()
    assert len(cache) == 0


def test_values_are_the_very_objects():
    cache = LRUTTLCache()
    value = np.zeros(3)
    cache.set("a", value)
    assert cache.get("a")[1] is value


def test_the_least_recently_used_leaves():
    cache = LRUTTLCache(max_size=2)
    cache.set("a", 1)
    cache.set("b", 2)
    cache.get("a")
    cache.set("c", 3)
    assert cache.get("b") == (False, None)
    assert cache.get("a") == (True, 1)
    assert cache.get_stats()["evictions"] == 1
    assert cache.shrink(1) == 1 and cache.get("a") == (True, 1)


def test_entries_expire():
    clock = Clock()
    cache = LRUTTLCache(ttl_seconds=10, cleanup_interval=100, clock=clock)
    cache.set("a", 1)
    clock.now += 9.9
    assert cache.get("a") == (True, 1)
    clock.now += 0.1
    assert cache.get("a") == (False, None)
    assert cache.get_stats()["expirations"] == 1
    cache.set("b", 2)
    clock.now += 10
    assert len(cache) == 0 and "b" not in cache and not cache.invalidate("b")


def test_cleanup_interval_is_honoured():
    clock = Clock()
    cache = LRUTTLCache(ttl_seconds=10, cleanup_interval=60, clock=clock)
    cache.get("begin")
    value = threading.Event()
    gone = weakref.ref(value)
    cache.set("a", value)
    del value
    clock.now += 59
    cache.get("other")
    assert gone() is not None
    clock.now += 1
    cache.get("other")
    assert gone() is None
    cache.set("a", 1)
    clock.now += 10
    assert cache.cleanup() == 1


def test_ttl_none_is_for_ever():
    clock = Clock()
    cache = LRUTTLCache(ttl_seconds=None, clock=clock)
    cache.set("a", 1)
    clock.now += 1e9
    assert cache.get("a") == (True, 1)


class Colliding:
    def __init__(self, name):
        self.name = name

    def __hash__(self):
        return 7

    def __eq__(self, other):
        return isinstance(other, Colliding) and self.name == other.name


def test_equal_hashes_are_no_equal_keys():
    cache = LRUTTLCache()
    for i in range(50):
        cache.set(Colliding(i), i)
    assert [cache.get(Colliding(i)) for i in range(50)] == [(True, i) for i in range(50)]
    assert cache.get(Colliding(50)) == (False, None)
    assert hash(-1) == hash(-2)
    cache.set(-1, "one")
    assert cache.get(-2) == (False, None)


@settings(max_examples=150, deadline=None)
@given(
    size=st.integers(1, 6),
    private=st.booleans(),
    steps=st.lists(
        st.tuples(
            st.sampled_from(["get", "set", "set", "invalidate", "wait", "clear", "len"]),
            st.sampled_from([b"a", b"b", b"c", b"d", b"", "a", 1, 1.0, (1, b"a"), None]),
        ),
        max_size=80,
    ),
)
def test_it_behaves_as_a_plain_model_does(size, private, steps):
    clock = Clock()
    cache = LRUTTLCache(size, 5, 3, private=private, clock=clock)
    model = OrderedDict()  # the one used last at the end

    def drop_expired():
        for key in [key for key, (_, until) in model.items() if until <= clock.now]:
            del model[key]

    for number, (step, key) in enumerate(steps):
        fresh = key in model and model[key][1] > clock.now
        if step == "get":
            assert cache.get(key) == ((True, model[key][0]) if fresh else (False, None))
            if fresh:
                model.move_to_end(key)
        elif step == "set":
            cache.set(key, number)
            model.pop(key, None)
            if len(model) >= size:
                drop_expired()
            if len(model) >= size:
                model.popitem(last=False)
            model[key] = (number, clock.now + 5)
        elif step == "invalidate":
            assert cache.invalidate(key) == fresh
            model.pop(key, None)
        elif step == "wait":
            clock.now += 1.5
        elif step == "clear":
            cache.clear()
            model.clear()
        else:
            drop_expired()
            assert len(cache) == len(model)


def test_private_arrays_are_copied_in_and_out_and_wiped_when_they_leave():
    cache = LRUTTLCache(max_size=2, private=True)
    value = np.arange(1000.0)
    cache.set(b"key", value)
    value[:] = 7
    first, second = cache.get(b"key")[1], cache.get(b"key")[1]
    assert first is not second and np.array_equal(first, np.arange(1000.0))
    first[:] = 9
    assert np.array_equal(cache.get(b"key")[1], np.arange(1000.0))
    assert cache.get_stats()["memory_usage_bytes"] == 8003
    # The cache's own copy, found among its referents, is read after it has left.
    (kept,) = [each for each in gc.get_referents(cache) if isinstance(each, np.ndarray)]
    assert np.array_equal(kept, np.arange(1000.0))
    cache.invalidate(b"key")
    assert not kept.any()
    for leave in ("evict", "clear", "replace"):
        cache.set(b"key", np.ones(5))
        (kept,) = [each for each in gc.get_referents(cache) if isinstance(each, np.ndarray)]
        if leave == "evict":
            cache.set("other", 1)
            cache.set("another", 1)
        elif leave == "clear":
            cache.clear()
        else:
            cache.set(b"key", 5)
        assert not kept.any(), leave


def test_without_private_nothing_of_the_callers_is_wiped():
    cache = LRUTTLCache(max_size=1)
    value = np.ones(5)
    cache.set(b"key", value)
    cache.set(b"other", 1)
    assert value.all()


def test_object_arrays_are_kept_as_they_are():
    cache = LRUTTLCache(private=True)
    value = np.array([object(), None], dtype=object)
    cache.set("a", value)
    assert cache.get("a")[1] is value
    cache.clear()
    assert value[0] is not None


def test_keys_that_fail_or_meddle():
    class Failing:
        def __hash__(self):
            return 3

        def __eq__(self, other):
            raise ValueError("no")

    cache = LRUTTLCache()
    with pytest.raises(TypeError, match="unhashable"):
        cache.get([])
    cache.set(Failing(), 1)
    for use in (cache.get, cache.invalidate, lambda key: cache.set(key, 2), cache.__contains__):
        with pytest.raises(ValueError, match="no"):
            use(Failing())

    class Meddling:
        def __hash__(self):
            return 4

        def __eq__(self, other):
            cache.clear()
            cache.set(Meddling(), 0)
            return False

    cache = LRUTTLCache()
    cache.set(Meddling(), 1)
    with pytest.raises(RuntimeError, match="again and again"):
        cache.get(Meddling())


def test_values_that_use_the_cache_as_they_go():
    cache = LRUTTLCache(max_size=3)

    class Value:
        def __del__(self):
            cache.get("a")
            cache.set("from del", 1)
            cache.invalidate("b")

    for _ in range(3):
        for key in "abcdefg":
            cache.set(key, Value())
        cache.clear()
    assert len(cache) <= 3


def test_cycles_through_the_cache_are_collected():
    cache = LRUTTLCache()
    cache.set("self", cache)
    gone = weakref.ref(cache)
    del cache
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_size": 0}, "max_size is 0"),
        ({"max_size": 1.5}, "max_size is 1.5"),
        ({"ttl_seconds": 0}, "ttl_seconds is 0"),
        ({"ttl_seconds": "x"}, "ttl_seconds is 'x'"),
        ({"ttl_seconds": float("nan")}, "ttl_seconds is NaN"),
        ({"cleanup_interval": -1}, "cleanup_interval is -1"),
        ({"clock": 3}, "clock is 3"),
    ],
)
def test_arguments_are_checked(arguments, message):
    with pytest.raises(InvalidInputError, match=message):
        LRUTTLCache(**arguments)


def test_a_clock_that_fails():
    cache = LRUTTLCache(clock=lambda: "noon")
    with pytest.raises(TypeError):
        cache.get("a")
    cache = LRUTTLCache(clock=lambda: float("inf"))
    with pytest.raises(ValueError, match="finite"):
        cache.set("a", 1)


def test_threads_see_only_their_keys_values():
    cache = LRUTTLCache(max_size=50, ttl_seconds=0.01, cleanup_interval=0.005)
    wrong = []

    def use(seed):
        random = np.random.default_rng(seed)
        for i, k in enumerate(random.integers(0, 100, 3000).tolist()):
            found, value = cache.get((k, b"x"))
            if found and value != k:
                wrong.append((k, value))
            cache.set((k, b"x"), k)
            if i % 7 == 0:
                assert cache.get_or_set(k, lambda k=k: -k) == -k

    threads = [threading.Thread(target=use, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong and len(cache) <= 50


def test_a_private_value_that_leaves_while_it_is_copied_is_copied_whole():
    """numpy copies large arrays without the interpreter's lock, and what leaves is wiped."""
    cache = LRUTTLCache(max_size=2, private=True)
    value, asked, over = np.ones(500_000), [], threading.Event()

    def drop():
        while not over.is_set():
            if asked:  # it has the lock, so whoever asks copies at this moment, or has not begun
                asked.clear()
                cache.invalidate("key")

    thread = threading.Thread(target=drop)
    thread.start()
    torn = 0
    try:
        for _ in range(100):
            cache.set("key", value)
            asked.append(True)
            found, copy = cache.get("key")
            torn += bool(found and not copy.all())
    finally:
        over.set()
        thread.join()
    assert not torn
