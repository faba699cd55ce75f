"""What a Quantizer is given stays as it is: whose memory is zeroed, and what is refused."""

from __future__ import annotations

import array
import sys
import threading

import numpy as np
import pytest

from spinney.exceptions import InvalidInputError
from spinney.quantization import Quantizer

CALLS = ["quantize", "quantize_dequantize", "compute_scale_and_zero_point"]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("options", [{}, {"per_channel": True}, {"enable_cache": False}])
def test_memory_that_is_lent_by_anything_but_an_array_is_left_alone(call, options):
    lent = array.array("f", [1.0, -2.0, 3.0])
    getattr(Quantizer(options), call)(lent)
    assert lent.tolist() == [1.0, -2.0, 3.0]
    constant = memoryview(np.float32([1.0, -2.0]).tobytes()).cast("f")
    getattr(Quantizer(options), call)(constant)
    assert constant.tolist() == [1.0, -2.0]


@pytest.mark.parametrize("kind", ["INT8", "FLOAT16", "NONE"])
def test_a_series_of_float32_is_left_alone(kind):
    pandas = pytest.importorskip("pandas")
    series = pandas.Series(np.float32([1.0, -2.0, 3.0]))
    Quantizer({"quantization_type": kind}).quantize(series)
    assert series.tolist() == [1.0, -2.0, 3.0]


def test_calibration_arrays_do_not_share_the_buffer():
    quantizer = Quantizer({"buffer_size": 4096, "quantization_mode": "CALIBRATED"})
    quantizer.calibrate([np.float64([100.0]), np.float64([1.0])])
    assert quantizer.scale * 127 > 99
    assert not quantizer._now._floats._buffer().any()


@pytest.mark.parametrize("options", [{}, {"enable_cache": False}, {"per_channel": True}])
def test_the_buffer_is_zeroed_when_values_are_refused(options):
    quantizer = Quantizer({"buffer_size": 4096, "error_on_nan": True, **options})
    with pytest.raises(InvalidInputError):
        quantizer.quantize([1.0, np.nan])
    assert not np.nan_to_num(quantizer._now._floats._buffer(), nan=1.0).any()
    Quantizer({"buffer_size": 64}).compute_scale_and_zero_point([1.0, 2.0])


def test_masked_values_are_missing():
    masked = np.ma.array([1.0, 1000.0], mask=[False, True])
    quantizer = Quantizer()
    assert quantizer.quantize(masked).tolist() == [127, 0]
    assert masked.data.tolist() == [1.0, 1000.0]
    with pytest.raises(InvalidInputError, match="NaN"):
        Quantizer({"error_on_nan": True}).quantize(masked)


@pytest.mark.parametrize("axis", ["a", 1.5, 7, -3])
def test_a_channel_axis_that_is_none_is_refused(axis):
    table = np.zeros((3, 2), np.float32)
    with pytest.raises(InvalidInputError, match="channel_dim"):
        Quantizer().quantize(table, channel_dim=axis)
    kept = Quantizer({"quantization_mode": "STATIC", "per_channel": True})
    codes = kept.quantize(table)
    with pytest.raises(InvalidInputError, match="channel_dim"):
        kept.dequantize(codes, channel_dim=axis)


def test_what_is_no_array_is_refused():
    with pytest.raises(InvalidInputError, match="numpy"):
        Quantizer().quantize([[1.0], [2.0, 3.0]])
    with pytest.raises(InvalidInputError, match="list of arrays"):
        Quantizer().calibrate(None)


def test_parameters_are_exported_while_other_threads_add_layers():
    quantizer, row = Quantizer(), np.float32([1.0, 2.0])
    done, failures = threading.Event(), []

    def export():
        while not done.is_set():
            try:
                quantizer.export_import_parameters()
            except Exception as error:
                failures.append(error)
                return

    thread = threading.Thread(target=export)
    thread.start()
    for i in range(3000):
        quantizer.quantize(row, layer_name=f"layer{i}")
        if i % 500 == 0:
            quantizer._now._last = {}
    done.set()
    thread.join()
    assert not failures


@pytest.mark.parametrize("options", [{"per_channel": True}, {"quantization_type": "FLOAT16"}])
def test_results_go_into_memory_that_is_there(options):
    table = np.random.default_rng(0).normal(size=(300, 28)).astype(np.float32)
    quantizer = Quantizer(options)
    codes = quantizer.quantize(table)
    out = np.empty_like(table)
    assert quantizer.dequantize(codes, out=out) is out
    assert np.array_equal(out, quantizer.dequantize(codes))
    for bad in (out[:5], out.astype(np.float64), out.T, out.tolist()):
        with pytest.raises(InvalidInputError):
            quantizer.dequantize(codes, out=bad)


@pytest.mark.parametrize("symmetric", [True, False])
def test_the_quick_way_of_channels_gives_what_the_slow_one_does(symmetric):
    rng = np.random.default_rng(1)
    for shape in [(1, 28), (7, 3), (5, 4, 6), (0, 3), (3, 0), (9,)]:
        x = rng.normal(size=shape).astype(np.float32)
        quick = Quantizer({"per_channel": True, "enable_cache": False, "symmetric": symmetric})
        codes = quick.quantize(x)
        slow = Quantizer({"enable_cache": False, "symmetric": symmetric})
        other = slow.quantize(x, channel_dim=1 if len(shape) > 1 else None)
        assert np.array_equal(codes, other)
        assert np.array_equal(quick.scale, slow.scale)
        assert np.array_equal(quick.zero_point, slow.zero_point)
        assert np.array_equal(quick.dequantize(codes), slow.dequantize(codes))


def test_calls_finish_under_the_configuration_with_which_they_began():
    quantizer, row = Quantizer({"enable_cache": False}), np.float32([[1.0, 2.0]])
    done, failures = threading.Event(), []

    def work():
        while not done.is_set():
            try:
                quantizer.quantize(row)
                quantizer.quantize_dequantize(row, layer_name="a")
            except Exception as error:
                failures.append(error)
                return

    threads = [threading.Thread(target=work) for _ in range(2)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        for i in range(4000):
            quantizer.update_config({"quantization_type": ["INT8", "FLOAT16", "UINT8"][i % 3]})
    finally:
        done.set()
        for thread in threads:
            thread.join()
        sys.setswitchinterval(before)
    assert not failures
    assert quantizer.get_stats()["quantize_calls"] > 0


def test_hash_array_depends_on_dtype_shape_and_all_content():
    x = np.zeros((300, 300), np.float32)
    seen = {Quantizer.hash_array(x), Quantizer.hash_array(x.reshape(-1))}
    seen.add(Quantizer.hash_array(x.view(np.int32)))
    x[299, 299] = 1
    seen.add(Quantizer.hash_array(x))
    assert len(seen) == 4
    assert Quantizer.hash_array(x) == Quantizer.hash_array(np.asfortranarray(x))
    Quantizer.hash_array(np.array(1.0))
    for nothing in ([1.0, 2.0], np.float32(1), None, "text", memoryview(b"abc")):
        with pytest.raises(TypeError, match=r"numpy\.ndarray"):
            Quantizer.hash_array(nothing)
    with pytest.raises(InvalidInputError):
        Quantizer.hash_array(np.array([object()]))
