"""Large results: their memory is wiped once nothing refers to it, kept in bounds, found again."""

from __future__ import annotations

import ctypes
import gc
import pickle
import threading

import numpy as np
import pytest

from spinney import _core
from spinney.quantization import Quantizer

MIB = 1 << 20
CODES = np.full(9 * MIB, 3, np.int8)  # 36 MiB of float32


@pytest.fixture
def quantizer():
    made = Quantizer({"enable_cache": False, "quantization_mode": "STATIC"})
    made.quantize(np.float32([127.0]))
    made.clear_cache()
    assert _core.idle_result_bytes() == 0
    yield made
    gc.collect()
    made.clear_cache()


def test_memory_of_large_results_is_wiped_and_found_again(quantizer):
    result = quantizer.dequantize(CODES)
    place, size = result.ctypes.data, result.nbytes
    assert result[0] == 3 and (result == 3).all() and result.flags.writeable
    view = result[5:]
    del result
    assert _core.idle_result_bytes() == 0, "a view keeps it"
    assert view[-1] == 3
    del view
    assert _core.idle_result_bytes() == size
    raw = (ctypes.c_char * size).from_address(place)
    assert not np.frombuffer(raw, np.uint8).any()
    assert quantizer.dequantize(CODES).ctypes.data == place
    assert _core.idle_result_bytes() == size


def test_what_is_idle_is_bounded_and_freed_on_demand(quantizer):
    results = [quantizer.dequantize(CODES) for _ in range(6)]
    assert len({result.ctypes.data for result in results}) == 6
    results.clear()
    assert 0 < _core.idle_result_bytes() <= 128 * MIB
    quantizer.clear_cache()
    assert _core.idle_result_bytes() == 0


def test_a_small_result_is_numpy_s_own(quantizer):
    assert quantizer.dequantize(CODES[:1000]).base is None


def test_large_results_are_arrays_like_any_other(quantizer):
    result = quantizer.dequantize(CODES)
    assert np.array_equal(pickle.loads(pickle.dumps(result)), result)
    copy = result.copy()
    result += 1
    assert result[0] == 4 and copy[0] == 3
    halves = Quantizer({"quantization_type": "FLOAT16"})
    assert np.array_equal(halves.dequantize(halves.quantize(copy)), copy)


def test_results_of_many_threads_are_their_own(quantizer):
    wrong = []

    def work(value):
        codes = np.full(9 * MIB, value, np.int8)
        for _ in range(4):
            if not (quantizer.dequantize(codes) == value).all():
                wrong.append(value)

    threads = [threading.Thread(target=work, args=(value,)) for value in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert _core.idle_result_bytes() <= 128 * MIB
