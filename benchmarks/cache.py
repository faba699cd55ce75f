"""What a lookup costs, and how often keys of bytes and keys of ranks are found again.

python benchmarks/cache.py

Rows repeat with noise: a sensor's reading comes back a little off. A key of bytes finds only what
is equal to the last bit; a key of ranks finds every row in the same cells of the model.
"""

from __future__ import annotations

import argparse
import timeit

import numpy as np

import spinney
import zoo
from spinney._core import RankKey
from spinney.cli.table import print_table
from spinney.engine.rank_keys import worth
from spinney.lru_ttl_cache import LRUTTLCache


def time_us(function):
    timer = timeit.Timer(function)
    number, _ = timer.autorange()
    number = max(1, number // 5)
    return min(timer.repeat(7, number)) / number * 1e6


def lookups():
    cache, private = LRUTTLCache(), LRUTTLCache(private=True)
    keys = [bytes([i]) * 120 for i in range(200)]
    for key in keys:
        cache.set(key, 1.0)
        private.set(key, np.ones(1))
    names = {"cache": cache, "private": private, "key": keys[50], "value": np.ones(1)}
    calls = [
        ("hit", "cache.get(key)"),
        ("miss", "cache.get(b'other')"),
        ("set", "cache.set(key, 1.0)"),
        ("get_or_set, hit", "cache.get_or_set(key, None)"),
        ("hit of a private array", "private.get(key)"),
    ]
    rows = []
    for shown, statement in calls:
        timer = timeit.Timer(statement, globals=names)
        best = min(timer.repeat(15, 50_000)) / 50_000
        rows.append([shown, f"{best * 1e9:.0f}"])
    print_table(["lookup", "ns"], rows, "LRUTTLCache")


def hit_rate(keys):
    cache = LRUTTLCache(max_size=100_000)
    for key in keys:
        if not cache.get(key)[0]:
            cache.set(key, True)
    return cache.get_stats()["hit_rate"]


def jittered(rows, scale, repeats=20):
    """Each of the rows `repeats` times, in random order, with noise relative to its columns."""
    random = np.random.default_rng(1)
    order = random.permutation(np.repeat(np.arange(len(rows)), repeats))
    spread = np.nanstd(rows, axis=0)
    noise = random.normal(size=(len(order), rows.shape[1])) * spread * scale
    return (rows[order] + noise).astype(rows.dtype)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", help="names of benchmarks/zoo.py, with commas between")
    arguments = parser.parse_args()
    lookups()
    table = []
    for entry in zoo.ensure(arguments.models.split(",") if arguments.models else None):
        if entry.data == "sparse":
            continue
        model = spinney.load(entry.path)
        key = RankKey.make(model)
        if key is None:
            continue
        rows = np.ascontiguousarray(entry.rows()[:200])
        one = rows[:1]
        line = [
            entry.name,
            f"{model.n_features}",
            f"{key.row_bytes}",
            f"{time_us(one.tobytes):.2f}",
            f"{time_us(lambda: key.of(one)):.2f}",  # noqa: B023
            f"{time_us(lambda: model.predict(one)):.2f}",  # noqa: B023
            "ranks" if worth(key, model, one) else "bytes",
        ]
        for scale in (0, 1e-6, 1e-4, 1e-2):
            seen = jittered(rows, scale)
            by_bytes = hit_rate([seen[i : i + 1].tobytes() for i in range(len(seen))])
            by_ranks = hit_rate([key.of(seen[i : i + 1]) for i in range(len(seen))])
            line.append(f"{by_bytes:.0%} / {by_ranks:.0%}")
        table.append(line)
    headings = ["model", "features", "key bytes", "bytes µs", "ranks µs", "predict µs", "engine's"]
    headings += [f"found at noise {scale}" for scale in ("0", "1e-6", "1e-4", "1e-2")]
    print_table(headings, table, "Keys of one row: bytes / ranks")


if __name__ == "__main__":
    main()
