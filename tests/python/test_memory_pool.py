"""MemoryPool: zero whenever it changes hands, never shared, bounded, safe with threads."""

from __future__ import annotations

import ctypes
import json
import os
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spinney import _core
from spinney.exceptions import InvalidInputError
from spinney.memory_pool import MemoryPool


def test_the_names_that_programs_use():
    pool = MemoryPool(max_buffers=32)
    buffer = pool.get_buffer((4, 5))
    assert buffer.dtype == np.float32 and buffer.shape == (4, 5) and not buffer.any()
    buffer[:] = 3
    pool.return_buffer(buffer)
    stats = pool.get_stats()
    assert stats["total_buffers"] == 1
    assert stats["memory_usage_bytes"] == 80
    assert stats["memory_usage_mb"] == 80 / 2**20
    assert stats["shape_counts"] == {"(4, 5)": 1}
    assert stats["shape_counts"][(4, 5)] == 1 and (4, 5) in stats["shape_counts"]
    assert stats["shape_counts"].get((1, 2), 0) == 0
    json.dumps(stats)
    pool.clear()
    assert pool.get_stats()["total_buffers"] == 0


def test_raw_memory_is_zero_when_returned_and_when_handed_out_again():
    pool = MemoryPool()
    buffer = pool.get_buffer((100,), np.uint8)
    raw = (ctypes.c_uint8 * 100).from_address(buffer.ctypes.data)
    buffer[:] = 0xAB
    assert bytes(raw) == b"\xab" * 100
    pool.return_buffer(buffer)
    assert bytes(raw) == bytes(100)
    address = buffer.ctypes.data
    del buffer
    raw[5] = 7  # a pointer kept too long
    again = pool.get_buffer((100,), np.uint8)
    assert again.ctypes.data == address and not again.any()
    assert pool.get_stats()["reused"] == 1


def test_what_somebody_still_refers_to_is_not_handed_out():
    pool = MemoryPool()
    buffer = pool.get_buffer(10)
    assert pool.return_buffer(buffer)
    other = pool.get_buffer(10)
    assert not np.shares_memory(buffer, other)
    pool.clear()
    for refer in (lambda b: b[2:], memoryview, lambda b: b.reshape(2, 5).T, lambda b: [b]):
        first = pool.get_buffer(10)
        reference = refer(first)
        address = first.ctypes.data
        assert pool.return_buffer(first)
        del first
        assert pool.get_buffer(10).ctypes.data != address
        del reference
        assert pool.get_buffer(10).ctypes.data == address
        pool.clear()


def test_what_is_not_the_pool_s_is_left_alone():
    pool = MemoryPool()
    foreign = np.ones(10, np.float32)
    assert pool.return_buffer(foreign) is False and foreign.all()
    buffer = pool.get_buffer(10)
    buffer[:] = 1
    assert pool.return_buffer(buffer[2:]) is False and pool.return_buffer(buffer[:]) is False
    assert buffer.all()
    assert pool.return_buffer(buffer) is True
    assert pool.return_buffer(buffer) is False  # back already
    assert pool.get_stats()["total_buffers"] == 1 and pool.get_stats()["refused"] == 4
    with pytest.raises(TypeError, match="takes an array, not list"):
        pool.return_buffer([1])


def test_another_pool_may_take_it_but_not_both():
    one, other = MemoryPool(), MemoryPool()
    buffer = one.get_buffer(3)
    assert other.return_buffer(buffer) and one.return_buffer(buffer)
    # Both refer to it, so neither hands it out.
    address = buffer.ctypes.data
    del buffer
    assert one.get_buffer(3).ctypes.data != address
    assert other.get_buffer(3).ctypes.data != address


def test_buffers_that_were_changed():
    pool = MemoryPool()
    frozen = pool.get_buffer(4)
    frozen[:] = 1
    frozen.flags.writeable = False
    assert pool.return_buffer(frozen) and not frozen.any()
    assert pool.get_stats()["total_buffers"] == 0
    reshaped = pool.get_buffer((2, 6))
    reshaped.shape = (3, 4)
    assert pool.return_buffer(reshaped)
    del reshaped
    assert pool.get_stats()["shape_counts"] == {"(3, 4)": 1}
    assert pool.get_buffer((3, 4)).shape == (3, 4)
    assert pool.get_stats()["reused"] == 1


def test_it_keeps_at_most_max_buffers():
    pool = MemoryPool(max_buffers=3)
    buffers = [pool.get_buffer((n,)) for n in range(1, 6)]
    for buffer in buffers:
        pool.return_buffer(buffer)
    assert pool.get_stats()["shape_counts"] == {"(3,)": 1, "(4,)": 1, "(5,)": 1}
    assert pool.trim(1) == 2 and pool.get_stats()["shape_counts"] == {"(5,)": 1}
    none = MemoryPool(max_buffers=0)
    assert none.return_buffer(none.get_buffer(2))
    assert none.get_stats()["total_buffers"] == 0


def test_memory_goes_back():
    before = _core.buffer_bytes()
    pool = MemoryPool(max_buffers=2)
    kept = [pool.get_buffer(100_000) for _ in range(4)]
    assert _core.buffer_bytes() >= before + 1_600_000
    for buffer in kept:
        pool.return_buffer(buffer)
    del kept, buffer
    assert before + 800_000 <= _core.buffer_bytes() <= before + 1_100_000
    pool.clear()
    lost = pool.get_buffer(1000)
    del lost
    assert _core.buffer_bytes() == before


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_buffers_are_zero_and_never_overlap(data):
    pool = MemoryPool(max_buffers=data.draw(st.integers(0, 4)))
    held = []
    for _ in range(data.draw(st.integers(1, 40))):
        if held and data.draw(st.booleans()):
            pool.return_buffer(held.pop(data.draw(st.integers(0, len(held) - 1))))
            continue
        shape = data.draw(st.sampled_from([(), (0,), (3,), (2, 3), (3, 2), (64, 9)]))
        dtype = data.draw(st.sampled_from(["f4", "f8", "i1", "c16", "?", "S3", ">i4", "M8[ns]"]))
        buffer = pool.get_buffer(shape, dtype)
        assert buffer.shape == shape and buffer.dtype == np.dtype(dtype)
        assert buffer.flags.carray and not any(buffer.tobytes())
        buffer[...] = np.ones((), np.dtype(dtype)) if dtype != "S3" else b"abc"
        assert not any(np.shares_memory(buffer, other) for other in held)
        held.append(buffer)
    assert pool.get_stats()["total_buffers"] <= pool.max_buffers


@pytest.mark.parametrize(
    ("shape", "dtype", "message"),
    [
        ((-1,), "f4", "shape is"),
        ((1.5,), "f4", "shape is"),
        ("ab", "f4", "shape is"),
        ((2,), object, "dtype is object"),
        ((2,), "nonsense", "dtype is 'nonsense'"),
        ((1,) * 33, "f4", "up to 32"),
    ],
)
def test_arguments_are_checked(shape, dtype, message):
    with pytest.raises(InvalidInputError, match=message):
        MemoryPool().get_buffer(shape, dtype)


def test_what_does_not_fit_in_memory():
    for shape in ((2**62,), (2**40, 2**40), (2**31, 2**31)):
        with pytest.raises(MemoryError):
            MemoryPool().get_buffer(shape, "f8")
    with pytest.raises(InvalidInputError, match="max_buffers is -1"):
        MemoryPool(max_buffers=-1)
    with pytest.raises(InvalidInputError, match="max_buffers is 'x'"):
        MemoryPool(max_buffers="x")


def test_threads_never_share_a_buffer():
    pool = MemoryPool(max_buffers=6)
    wrong = []

    def use(number):
        for i in range(500):
            buffer = pool.get_buffer((8, 1 + i % 3))
            if buffer.any():
                wrong.append("not zero")
            buffer[:] = number
            if not (buffer == number).all():
                wrong.append("shared")
            pool.return_buffer(buffer)

    threads = [threading.Thread(target=use, args=(n,)) for n in range(1, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert pool.get_stats()["lent"] == 2500 and pool.get_stats()["reused"] > 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_does_not_wait_for_its_parent_s_lock():
    pool = MemoryPool()
    with pool._lock:
        child = os.fork()
        if child == 0:
            os._exit(0 if pool.get_buffer(3).shape == (3,) else 1)
    assert os.waitpid(child, 0)[1] == 0
