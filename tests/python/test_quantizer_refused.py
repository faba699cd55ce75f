"""What was made of an array that error_on_nan or error_on_inf refuses is zeroed before it goes."""

from __future__ import annotations

import numpy as np
import pytest

from spinney import _core
from spinney.exceptions import InvalidInputError
from spinney.quantization import Quantizer
from spinney.quantization import calibration as calibrating

STRICT = {"error_on_nan": True, "error_on_inf": True}
NAN = np.arange(12, dtype=np.float32).reshape(3, 4) + 1
NAN[1, 2] = np.nan
INFINITE = np.where(np.isnan(NAN), np.inf, NAN)
MAKERS = (
    "quantize_dynamic",
    "quantize_channels_dynamic",
    "quantize_tensor",
    "quantize_channels",
    "dequantize_tensor",
    "to_half",
)


@pytest.fixture
def made(monkeypatch):
    """Every array that the compiled core makes meanwhile."""
    found = []

    def watched(function):
        def call(*args, **keywords):
            result = function(*args, **keywords)
            parts = result if isinstance(result, tuple) else (result,)
            found.extend(part for part in parts[:1] if isinstance(part, np.ndarray))
            return result

        return call

    for name in MAKERS:
        monkeypatch.setattr(_core, name, watched(getattr(_core, name)))
    return found


WAYS = {
    "quick": {"enable_cache": False},
    "cached": {},
    "channels": {"enable_cache": False, "per_channel": True},
    "cached channels": {"per_channel": True},
    "static": {"quantization_mode": "STATIC", "enable_cache": False},
    "cached static": {"quantization_mode": "STATIC"},
    "static channels": {"quantization_mode": "STATIC", "per_channel": True},
    "half": {"quantization_type": "FLOAT16"},
}


@pytest.mark.parametrize("refused", [NAN, INFINITE], ids=["nan", "infinite"])
@pytest.mark.parametrize("method", ["quantize", "quantize_dequantize"])
@pytest.mark.parametrize("way", WAYS)
def test_codes_of_what_is_refused_are_zeroed(made, way, method, refused):
    quantizer = Quantizer({**STRICT, **WAYS[way]})
    if "static" in way:
        quantizer.calibrate([np.abs(np.nan_to_num(refused, posinf=9.0))])
        made.clear()
    for data in (refused, refused.astype(np.float64), refused.tolist()):
        before = np.array(data)
        with pytest.raises(InvalidInputError, match="refuses"):
            getattr(quantizer, method)(data)
        assert made, "nothing was made, so the test says nothing"
        assert not any(array.any() for array in made)
        np.testing.assert_array_equal(data, before)  # the caller's own is only read
        made.clear()
    assert quantizer.get_stats()["cache_size"] == 0
    assert quantizer.get_stats()["quantize_calls"] == 3


def test_what_is_not_refused_is_left_alone(made):
    for options in WAYS.values():
        lenient = Quantizer(options)
        lenient.quantize(NAN)
        assert any(array.any() for array in made)
        made.clear()
    codes = Quantizer(STRICT).quantize(NAN, validate=False)
    assert codes.any()


def test_values_of_large_arrays_are_zeroed_too(made, monkeypatch):
    large = np.ones(200_000, np.float32)
    large[123_456] = np.nan
    results = []
    empty = np.empty

    def watched(*args, **keywords):
        results.append(empty(*args, **keywords))
        return results[-1]

    quantizer = Quantizer({**STRICT, "quantization_mode": "STATIC"})
    quantizer.calibrate([[1.0]])
    made.clear()
    monkeypatch.setattr("spinney.quantization.configured.np.empty", watched)
    with pytest.raises(InvalidInputError, match="refuses"):
        quantizer.quantize_dequantize(large)
    assert results and not any(array.any() for array in [*results, *made])


@pytest.mark.parametrize("data", ["refused", "taken"])
def test_a_calibration_s_copies_are_zeroed(monkeypatch, data):
    copies = []
    looked_at, searched = _core.array_range, calibrating.calibrated_range

    def look(array):
        copies.append(array)
        return looked_at(array)

    def search(values, *rest):
        copies.append(values)
        return searched(values, *rest)

    monkeypatch.setattr(_core, "array_range", look)
    monkeypatch.setattr("spinney.quantization.kept.calibrated_range", search)
    quantizer = Quantizer({**STRICT, "calibration_samples": 9, "buffer_size": 4096})
    own = np.ones((9, 4), np.float32)  # is sampled; the other is converted
    arrays = [np.full((3, 4), np.nan) if data == "refused" else [[5.0] * 4], own]
    if data == "refused":
        with pytest.raises(InvalidInputError, match="refuses"):
            quantizer.calibrate(arrays)
    else:
        quantizer.calibrate(arrays)
        assert quantizer.scale > 0
    assert copies and not any(array.any() for array in copies)
    assert own.all()
