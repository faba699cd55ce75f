"""The way of single rows gives what the way with all rules gives, errors and counts included."""

from __future__ import annotations

import numpy as np
import pytest

from spinney.configs import QuantizationMode
from spinney.exceptions import InvalidInputError
from spinney.quantization import Quantizer
from spinney.quantization.configured import Configured

RNG = np.random.default_rng(11)
BASE = RNG.normal(size=(6, 28)).astype(np.float32)
ODD = BASE.copy()
ODD[2, 3], ODD[4, 5], ODD[5, 0] = np.nan, np.inf, -100.0
INPUTS = [
    BASE,
    BASE[:1],
    ODD,
    BASE.astype(np.float64),
    BASE[:, ::2],
    np.asfortranarray(BASE),
    BASE[0],
    np.float32(0.5),
    BASE[:0],
]


class Slow(Configured):
    def _quick(self, kept):
        return False


def made(mode, options, slow):
    quantizer = Quantizer({"quantization_mode": mode, "enable_cache": False, **options})
    if slow:
        quantizer._now = Slow(quantizer.config, quantizer._now.counts)
    if mode == "CALIBRATED":
        quantizer.calibrate([BASE])
    return quantizer


def tried(call, *given, **options):
    try:
        return call(*given, **options)
    except InvalidInputError as error:
        return str(error)


def same(a, b):
    if isinstance(a, str) or isinstance(b, str):
        return a == b
    return np.array_equal(a, b, equal_nan=True) and np.asarray(a).dtype == np.asarray(b).dtype


@pytest.mark.parametrize("options", [{}, {"error_on_nan": True}, {"error_on_inf": True}])
@pytest.mark.parametrize("kind", ["INT8", "UINT8", "INT16", "MIXED", "FLOAT16", "NONE"])
@pytest.mark.parametrize("channels", [False, True])
@pytest.mark.parametrize("mode", [mode.name for mode in QuantizationMode])
def test_the_quick_way_gives_what_the_other_gives(mode, channels, kind, options):
    options = {"quantization_type": kind, "per_channel": channels, **options}
    quick, slow = (made(mode, options, slow) for slow in (False, True))
    for x in INPUTS:
        for validate in (True, False):
            got, want = (tried(q.quantize, x, validate) for q in (quick, slow))
            assert same(got, want), (x, validate)
            if not isinstance(got, str):
                assert same(tried(quick.dequantize, got), tried(slow.dequantize, got))
            both = [tried(q.quantize_dequantize, x, validate) for q in (quick, slow)]
            assert same(*both)
            assert same(quick.scale, slow.scale)
            assert same(quick.zero_point, slow.zero_point)
        assert quick.export_import_parameters() == slow.export_import_parameters()
    counts = [q.get_stats() for q in (quick, slow)]
    if "error_on_nan" not in options and "error_on_inf" not in options:
        assert counts[0] == counts[1]


def test_a_converted_copy_is_zeroed_also_when_the_channels_do_not_fit():
    quantizer = Quantizer({"quantization_mode": "STATIC", "per_channel": True, "buffer_size": 4096})
    quantizer.calibrate([BASE])
    with pytest.raises(ValueError, match="channels"):
        quantizer.quantize(np.ones((2, 5)))
    assert not quantizer._now._floats._buffer().any()
