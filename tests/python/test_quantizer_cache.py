"""The cache: equal results, bounded, zeroed, aside when it does not pay, safe from many threads."""

from __future__ import annotations

import threading

import numpy as np

from spinney.quantization import Quantizer
from spinney.quantization.cache import ContentCache

X = np.random.default_rng(3).normal(size=(400, 7)).astype(np.float32)


def test_the_cache_gives_equal_results_and_is_bounded():
    quantizer = Quantizer({"cache_size": 3, "outlier_threshold": 3.0})
    plain = Quantizer({"enable_cache": False, "outlier_threshold": 3.0})
    batches = [X[i : i + 50] for i in range(5)]
    for _ in range(4):
        for x in batches:
            for _ in range(2):
                codes = quantizer.quantize(x)
                assert np.array_equal(codes, plain.quantize(x))
                assert quantizer.scale == plain.scale
                codes.fill(1)  # the caller's own
    stats = quantizer.get_stats()
    assert (stats["cache_hits"], stats["cache_misses"]) == (20, 20)
    assert stats["cache_size"] == 3 and stats["cache_evictions"] == 17
    changed = batches[4].copy()
    changed[-1, -1] += 1
    assert np.array_equal(quantizer.quantize(changed), plain.quantize(changed))
    assert quantizer.get_stats()["cache_hits"] == 20
    kept = next(iter(quantizer._now._cache._entries.values()))[:2]
    quantizer.clear_cache()
    assert quantizer.get_stats()["cache_size"] == 0 == quantizer.get_stats()["cache_bytes"]
    assert not kept[0].any() and not kept[1].any(), "what leaves the cache is zeroed"


def test_a_cache_that_does_not_pay_steps_aside():
    quantizer = Quantizer()
    rows = np.random.default_rng(0).normal(size=(300, 1, 28)).astype(np.float32)
    for row in rows:
        quantizer.quantize(row)
    stats = quantizer.get_stats()
    assert stats["cache_paused"] and stats["cache_misses"] == 256 and stats["cache_size"] == 0
    large = np.zeros(1 << 19, np.float32)  # beyond what is ever kept
    quantizer.clear_cache()
    quantizer.quantize(large)
    assert quantizer.get_stats()["cache_size"] == 0


def test_the_cache_from_many_threads():
    quantizer = Quantizer({"cache_size": 4, "outlier_threshold": 3.0})
    plain = Quantizer({"enable_cache": False, "outlier_threshold": 3.0})
    batches = [X[i : i + 20].copy() for i in range(6)]
    wanted = [plain.quantize(x) for x in batches]
    failures = []

    def work(seed):
        for i in np.random.default_rng(seed).integers(0, 6, 400):
            if not np.array_equal(quantizer.quantize(batches[i]), wanted[i]):
                failures.append(i)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_what_a_hit_saves_is_measured_anew(monkeypatch):
    clock = [0.0]

    def tick():
        clock[0] += 1.0
        return clock[0]

    monkeypatch.setattr("spinney.quantization.cache.perf_counter", tick)

    def lookups(cost_s, first_s, n=256):
        cache, costs = ContentCache(8), iter([first_s])

        def make():
            clock[0] += next(costs, cost_s)
            return np.ones(3, np.int8), None

        for _ in range(n):
            codes, _ = cache.get_or_make(np.ones(3, np.float32), None, make)
            assert codes.tolist() == [1, 1, 1]
        return cache.stats()

    cold = lookups(cost_s=0.0, first_s=1e6)
    assert cold["cache_paused"] and cold["cache_hits"] == 255, "a slow first call is no gain"
    assert not lookups(cost_s=10.0, first_s=10.0)["cache_paused"]
