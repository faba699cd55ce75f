"""LRUTTLCache: values by key, for a while; the least recently used leaves when it is full."""

from __future__ import annotations

import math
import operator
import os
import threading
import weakref
from typing import Any, Callable, Hashable, TypeVar

from spinney._core import CacheBase
from spinney.exceptions import InvalidInputError

T = TypeVar("T")
_caches = weakref.WeakSet()


class _Flight:
    """One run of a get_or_set function, and what those who wait for it get."""

    __slots__ = ("done", "error", "has_value", "stale", "thread", "value")

    def __init__(self):
        self.done = threading.Event()
        self.thread = threading.get_ident()
        self.error = None
        self.value = None
        self.has_value = False
        self.stale = False  # invalidated while it ran: those who wait get its value, no others


class LRUTTLCache(CacheBase):
    """A cache for any hashable key and any value, safe to use from any number of threads.

    max_size: entries at most; the one that was read or set longest ago leaves for a new one.
    ttl_seconds: how long an entry is fresh after it was set; None for ever. Reading it does not
    make it live longer.
    cleanup_interval: seconds after which the next get or set drops all expired entries, asked for
    or not. Until then an expired entry that nobody asks for takes up memory, but get never shows
    it. cleanup() drops them at once.
    private: False keeps keys and values as they are: get gives the very object that was set, and
    an entry that leaves is only let go of. True keeps private copies of keys of type bytes and of
    values of type numpy.ndarray (without object fields): get gives a new copy each time, and the
    private copies are overwritten with zeros when they leave. Other keys and values are kept as
    with False.
    clock: a callable that gives seconds, in place of the monotonic clock.

    Keys are compared whole with ==, so that equal hashes are never taken for equal keys.

    >>> cache = LRUTTLCache(max_size=2, ttl_seconds=60)
    >>> cache.set("a", 1)
    >>> cache.get("a"), cache.get("b")
    ((True, 1), (False, None))
    """

    def __init__(
        self,
        max_size: int = 1000,
        ttl_seconds: float | None = 300,
        cleanup_interval: float = 60,
        *,
        private: bool = False,
        clock: Callable[[], float] | None = None,
    ) -> None:
        size = _whole_number("max_size", max_size)
        ttl = math.inf if ttl_seconds is None else _number("ttl_seconds", ttl_seconds)
        interval = _number("cleanup_interval", cleanup_interval)
        if ttl <= 0:
            raise InvalidInputError(f"ttl_seconds is {ttl_seconds}; give more than 0, or None")
        if interval < 0:
            raise InvalidInputError(f"cleanup_interval is {cleanup_interval}; give at least 0")
        if clock is not None and not callable(clock):
            raise InvalidInputError(f"clock is {clock!r}; give a callable that gives seconds")
        self.max_size: int = size
        self.ttl_seconds: float | None = ttl_seconds
        self.cleanup_interval: float = cleanup_interval
        self.private: bool = bool(private)
        self._forget_flights()
        self._shared = 0
        self._configure(size, ttl, interval, self.private, clock)
        _caches.add(self)

    def _forget_flights(self):
        self._flights = {}
        self._waiting = {}  # thread -> the flight that it waits for

    def get_or_set(self, key: Hashable, function: Callable[[], T]) -> T:
        """The key's value, or what function() gives, which is then kept.

        However many threads ask for a key at once, function runs once, on one of their threads, and
        all of them get what it gives. If it raises, all of them get that exception, and nothing is
        kept: the next caller runs it again. A function that asks for its own key gets a
        RuntimeError, because it would wait for itself; so do two that wait for each other. What
        function gives is not kept if the key was invalidated, or all cleared, while it ran: those
        who asked before that get it, and whoever asks afterwards has it run again.
        """
        while True:
            found, value = self.get(key)
            if found:
                return value
            mine = _Flight()
            flight = self._flights.setdefault(key, mine)
            if flight is mine:
                return self._lead(key, function, flight)
            self._wait_for(flight, key)
            if flight.error is not None:
                raise flight.error
            if flight.has_value:
                return flight.value
            # Its thread was interrupted, or values are private copies, which get makes: once more.

    def _wait_for(self, flight, key):
        """Waits until it is done, unless its thread waits for this one, at once or by others."""
        thread = threading.get_ident()
        self._waiting[thread] = flight
        try:
            ahead = flight
            while ahead is not None:
                if ahead.thread == thread and not ahead.done.is_set():
                    raise RuntimeError(
                        f"get_or_set({key!r}) would wait for itself: its function, or one that it "
                        "waits for, asks for a key that this thread is computing"
                    )
                ahead = self._waiting.get(ahead.thread)
            flight.done.wait()
            self._shared += 1
        finally:
            self._waiting.pop(thread, None)

    def _lead(self, key, function, flight):
        try:
            # Whoever led before may have ended between this thread's get and its setdefault.
            found, value = self.get(key)
            if not found:
                value = function()
                if not flight.stale:
                    self.set(key, value)
                    if flight.stale:  # since just now
                        super().invalidate(key)
            if not self.private:
                flight.value, flight.has_value = value, True
            return value
        except Exception as error:
            flight.error = error
            raise
        finally:
            try:
                if self._flights.get(key) is flight:
                    self._flights.pop(key, None)
            finally:
                flight.done.set()

    def invalidate(self, key: Hashable) -> bool:
        """Drops the key's entry; True if there was a fresh one."""
        flight = self._flights.pop(key, None)
        if flight is not None:
            flight.stale = True
        return super().invalidate(key)

    def clear(self) -> None:
        """Drops everything."""
        for key in list(self._flights):
            flight = self._flights.pop(key, None)
            if flight is not None:
                flight.stale = True
        super().clear()

    def get_stats(self) -> dict[str, Any]:
        """Counts since the cache was made, as a dict.

        size, max_size; hits, misses, hit_rate (hits over lookups, 0 before the first); insertions,
        evictions (left because the cache was full), expirations, invalidations (by invalidate and
        clear); shared (get_or_set calls that waited for another's function); memory_usage_bytes (of
        arrays, and of keys kept as private copies); ttl_seconds, cleanup_interval.
        """
        stats = self._counts()
        lookups = stats["hits"] + stats["misses"]
        stats["hit_rate"] = stats["hits"] / lookups if lookups else 0.0
        stats["shared"] = self._shared
        stats["max_size"] = self.max_size
        stats["ttl_seconds"] = self.ttl_seconds
        stats["cleanup_interval"] = self.cleanup_interval
        return stats

    def __repr__(self) -> str:
        return (
            f"LRUTTLCache(max_size={self.max_size}, ttl_seconds={self.ttl_seconds}, "
            f"cleanup_interval={self.cleanup_interval}): {len(self)} entries"
        )


def _number(name, value):
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise InvalidInputError(f"{name} is {value!r}; give a number of seconds") from None
    if math.isnan(number):
        raise InvalidInputError(f"{name} is NaN; give a number of seconds")
    return number


def _whole_number(name, value):
    try:
        number = operator.index(value)
    except TypeError:
        raise InvalidInputError(f"{name} is {value!r}; give a whole number") from None
    if not 1 <= number < 2**62:
        raise InvalidInputError(f"{name} is {number}; give at least 1")
    return number


def _after_fork():
    """The threads that ran functions are the parent's: nobody waits for them in the child."""
    for cache in list(_caches):
        cache._forget_flights()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
