"""Every name and option of the Quantizer, and properties over random arrays."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from modules.engine import quantizer as surface
from spinney import _core
from spinney.configs import QuantizationConfig, QuantizationMode, QuantizationType
from spinney.exceptions import InvalidInputError
from spinney.quantization import Quantizer

TYPES = ["INT8", "UINT8", "INT16"]
X = np.random.default_rng(3).normal(size=(400, 7)).astype(np.float32)


def expected(x, scale, zero, low, high, dtype):
    """The definition, in numpy's float32."""
    with np.errstate(all="ignore"):
        codes = np.clip(np.rint(x / np.float32(scale)), low - zero, high - zero) + zero
    return np.where(np.isnan(x), zero, codes).astype(dtype)


def test_the_specification_s_path_gives_the_same_class():
    assert surface.Quantizer is Quantizer
    assert surface.QuantizationConfig is QuantizationConfig


@settings(max_examples=200, deadline=None)
@given(
    x=arrays.arrays(
        np.float32,
        arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=40),
        elements=st.floats(width=32, allow_nan=True, allow_infinity=True),
    ),
    kind=st.sampled_from(TYPES),
    bits=st.integers(2, 8),
    symmetric=st.booleans(),
)
def test_any_array_is_quantized_as_defined(x, kind, bits, symmetric):
    quantizer = Quantizer(
        {"quantization_type": kind, "symmetric": symmetric, "num_bits": bits, "enable_cache": False}
    )
    codes = quantizer.quantize(x)
    scale, zero = quantizer.scale, quantizer.zero_point
    low, high = (0, 2**bits - 1) if kind == "UINT8" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    assert codes.shape == x.shape and codes.dtype == kind.lower()
    assert scale > 0 and np.isfinite(scale) and low <= zero <= high
    assert np.array_equal(codes, expected(x, scale, zero, low, high, codes.dtype))
    back = quantizer.dequantize(codes)
    assert back.dtype == np.float32 and back.shape == x.shape
    with np.errstate(over="ignore"):
        steps = (codes.astype(np.int32) - zero).astype(np.float32)
        assert np.array_equal(back, steps * np.float32(scale))
    assert (quantizer.scale, quantizer.zero_point) == pytest.approx(
        quantizer.compute_scale_and_zero_point(x), rel=0
    )
    finite = np.isfinite(x) & (np.abs(x) < 1e37)
    if np.all(np.isfinite(x) == finite) and finite.any():
        # Half a step, a step where the zero point was rounded, and the codes' own rounding.
        error = np.abs(back.astype(np.float64) - x)[finite].max()
        assert error <= scale * (0.5001 if symmetric else 1.0001) + np.abs(x[finite]).max() * 1e-6


@settings(max_examples=100, deadline=None)
@given(
    x=arrays.arrays(
        np.float32,
        arrays.array_shapes(min_dims=2, max_dims=4, min_side=1, max_side=20),
        elements=st.floats(-1e6, 1e6, width=32),
    ),
    kind=st.sampled_from(TYPES),
    axis=st.integers(-4, 3),
    symmetric=st.booleans(),
)
def test_channels_are_what_each_channel_alone_gives(x, kind, axis, symmetric):
    axis %= x.ndim
    config = {"quantization_type": kind, "symmetric": symmetric, "enable_cache": False}
    quantizer, alone = Quantizer(config), Quantizer(config)
    codes = quantizer.quantize(x, channel_dim=axis - x.ndim)
    scales, zeros = quantizer.scale, quantizer.zero_point
    back = quantizer.dequantize(codes, channel_dim=axis)
    for c in range(x.shape[axis]):
        part = np.take(x, c, axis)
        assert np.array_equal(np.take(codes, c, axis), alone.quantize(part))
        assert (scales[c], zeros[c]) == (np.float32(alone.scale), alone.zero_point)
        assert np.array_equal(np.take(back, c, axis), alone.dequantize(np.take(codes, c, axis)))


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int32, np.uint8, np.int64, bool])
@pytest.mark.parametrize("buffer_size", [0, 64, 1 << 20])
def test_other_dtypes_and_strides_are_rounded_to_float32_first(dtype, buffer_size):
    quantizer = Quantizer({"buffer_size": buffer_size, "enable_cache": False})
    x = (X * 10).astype(dtype)
    want = Quantizer().quantize(x.astype(np.float32))
    for given_x, result in [(x, want), (x.T, want.T), (x[::-1, ::2], None), (x.tolist(), want)]:
        before = np.array(given_x, copy=True)
        codes = quantizer.quantize(given_x)
        if result is not None:
            assert np.array_equal(codes, result)
        assert np.array_equal(given_x, before), "the caller's array was changed"
    assert np.array_equal(quantizer.quantize(X[::2]), Quantizer().quantize(X[::2].copy()))


def test_the_conversion_buffer_is_kept_and_zeroed():
    quantizer = Quantizer({"buffer_size": 1 << 14, "enable_cache": False})
    quantizer.quantize(X.astype(np.float64))
    buffer = quantizer._now._floats._local.buffer
    assert buffer.nbytes == 1 << 14 and not buffer.any()
    quantizer.quantize(X.astype(np.float64) * 2)
    assert quantizer._now._floats._local.buffer is buffer and not buffer.any()


def test_halves_that_nobody_else_has_are_zeroed(monkeypatch):
    made = []
    convert = _core.to_half

    def keep(x):
        made.append(convert(x))
        return made[-1]

    monkeypatch.setattr(_core, "to_half", keep)
    half = Quantizer({"quantization_type": "FLOAT16"})
    back = half.quantize_dequantize(X)
    assert np.array_equal(back, X.astype(np.float16).astype("f4"))
    assert len(made) == 1 and not made[0][0].any()
    assert half.quantize(X).any()


def test_what_is_no_array_of_numbers_is_refused():
    for data in (["a"], np.array([object()]), np.array([1j]), np.array(["2020"], "M8[Y]")):
        with pytest.raises(InvalidInputError, match="cannot be quantized"):
            Quantizer().quantize(data)
    with pytest.raises(InvalidInputError, match="channel_dim is 2"):
        Quantizer().quantize(X, channel_dim=2)
    with pytest.raises(InvalidInputError, match="no parameters"):
        Quantizer().dequantize(np.int8([1]))
    quantizer = Quantizer()
    quantizer.quantize(X)
    with pytest.raises(InvalidInputError, match="expected int8"):
        quantizer.dequantize(np.int16([1]))


def test_nan_and_infinity_policies():
    x = np.float32([1, np.nan, -np.inf, np.inf, -2])
    quantizer = Quantizer()
    assert quantizer.quantize(x).tolist() == [64, 0, -128, 127, -127]
    stats = quantizer.get_stats()
    assert (stats["nan_values"], stats["inf_values"], stats["clipped_values"]) == (1, 2, 0)
    shifted = Quantizer({"quantization_type": "UINT8", "symmetric": False})
    codes = shifted.quantize(x)
    assert codes[1] == shifted.zero_point and (codes[2], codes[3]) == (0, 255)
    with pytest.raises(InvalidInputError, match="1 values are NaN"):
        Quantizer({"error_on_nan": True}).quantize(x)
    with pytest.raises(InvalidInputError, match="2 values are infinite"):
        Quantizer({"error_on_inf": True}).quantize(x)
    strict = Quantizer({"error_on_nan": True, "error_on_inf": True, "quantization_mode": "STATIC"})
    with pytest.raises(InvalidInputError):
        strict.quantize(x)
    strict.quantize(x[:1])  # what was refused left no parameters
    assert strict.scale == pytest.approx(1 / 127)
    assert strict.quantize(x, validate=False).tolist()[1] == 0
    assert Quantizer().quantize(np.float32([np.nan, np.inf])).tolist() == [0, 127]


def test_outliers_do_not_widen_the_range():
    x = np.append(X.ravel(), np.float32(1e6))
    wide, narrow = Quantizer(), Quantizer({"outlier_threshold": 4.0})
    assert narrow.compute_scale_and_zero_point(x)[0] < wide.compute_scale_and_zero_point(x)[0]
    assert narrow.quantize(x)[-1] == 127
    assert narrow.get_stats()["clipped_values"] == 1
    cut = Quantizer({"use_percentile": True, "min_percentile": 1, "max_percentile": 99})
    low, high = np.percentile(X.astype(np.float64), [1, 99])
    assert cut.compute_scale_and_zero_point(X)[0] == pytest.approx(max(-low, high) / 127, rel=1e-6)
    cut.quantize(X, channel_dim=1)
    assert cut.scale.shape == (7,)


def test_static_keeps_the_first_and_dynamic_follows():
    kept = Quantizer({"quantization_mode": "STATIC"})
    kept.quantize(np.float32([1.27]))
    assert kept.quantize(np.float32([5.0])).tolist() == [127]
    assert kept.quantize(np.float32([5.0]), layer_name="other").tolist() == [127]
    assert kept.scale == pytest.approx(0.01)
    for mode in ("DYNAMIC", "DYNAMIC_PER_BATCH", "SYMMETRIC"):
        moving = Quantizer({"quantization_mode": mode, "symmetric": False})
        moving.quantize(np.float32([0, 1.0]))
        first = moving.scale
        moving.quantize(np.float32([0, 2.0]))
        assert moving.scale == pytest.approx(2 * first)
        assert (moving.zero_point == 0) == (mode == "SYMMETRIC")
    channels = Quantizer({"quantization_mode": "DYNAMIC_PER_CHANNEL"})
    channels.quantize(X)
    assert channels.scale.shape == (7,)


@pytest.mark.parametrize("bits", range(2, 17))
@pytest.mark.parametrize("symmetric", [False, True])
def test_every_number_of_bits(bits, symmetric):
    quantizer = Quantizer({"quantization_type": "INT16", "num_bits": bits, "symmetric": symmetric})
    codes = quantizer.quantize(X)
    assert codes.dtype == np.int16
    assert codes.min() >= -(2 ** (bits - 1)) and codes.max() <= 2 ** (bits - 1) - 1
    assert len(np.unique(codes)) > min(2**bits, 2000) * 0.4
    with pytest.raises(ValueError, match="num_bits"):
        QuantizationConfig(quantization_type="INT8", num_bits=max(bits, 9))
    assert QuantizationConfig(quantization_type="INT16").num_bits == 16


def test_float16_none_and_layer_rules():
    half = Quantizer({"quantization_type": "FLOAT16"})
    assert half.quantize(X).dtype == np.float16
    assert np.array_equal(half.quantize(X), X.astype(np.float16))
    assert np.array_equal(half.dequantize(half.quantize(X)), X.astype(np.float16).astype("f4"))
    assert half.compute_scale_and_zero_point(X) == (1.0, 0)
    half.calibrate([X])
    with pytest.raises(InvalidInputError, match="NaN"):
        Quantizer({"quantization_type": "FLOAT16", "error_on_nan": True}).quantize([np.nan])
    same = Quantizer({"quantization_type": "NONE"}).quantize(X)
    assert same.dtype == np.float32 and np.array_equal(same, X)

    mixed = Quantizer(
        {
            "quantization_type": "MIXED",
            "mixed_precision_layers": ["head*"],
            "skip_layers": ["embedding"],
        }
    )
    assert mixed.quantize(X).dtype == np.int8
    assert mixed.quantize(X, layer_name="head.1").dtype == np.float16
    assert mixed.quantize(X, layer_name="body").dtype == np.int8
    left = mixed.quantize(X, layer_name="embedding")
    assert left.dtype == np.float32 and np.array_equal(mixed.dequantize(left), X)
    assert not mixed.should_quantize_layer("embedding") and mixed.should_quantize_layer("body")
    kinds = {
        name: mixed.get_layer_quantization_params(name)["quantization_type"]
        for name in ("head.1", "body", "embedding")
    }
    assert kinds == {"head.1": "float16", "body": "int8", "embedding": "none"}
    assert "scale" in mixed.get_layer_quantization_params("body")
    bits = {name: mixed.get_layer_quantization_params(name)["bits"] for name in ("body", "head.0")}
    assert bits == {"body": 8, "head.0": 16}
    assert Quantizer({"num_bits": 5}).get_layer_quantization_params("any")["bits"] == 5
    also = Quantizer({"enable_mixed_precision": True, "mixed_precision_layers": ["a"]})
    assert also.quantize(X, layer_name="a").dtype == np.float16
    assert Quantizer({"mixed_precision_layers": ["a"]}).quantize(X, layer_name="a").dtype == np.int8


def test_layers_keep_parameters_of_their_own():
    quantizer = Quantizer()
    a, b = quantizer.quantize(X, layer_name="a"), quantizer.quantize(X * 9, layer_name="b")
    assert np.array_equal(a, b)
    error = np.abs(quantizer.dequantize(b, layer_name="b") - X * 9).max()
    assert error < np.abs(X * 9).max() / 200
    assert np.abs(quantizer.dequantize(a, layer_name="a") - X).max() < np.abs(X).max() / 200


@pytest.mark.parametrize("axis", [None, 0, 1])
@pytest.mark.parametrize("size", [10, 9000])
@pytest.mark.parametrize("optimize_memory", [False, True])
def test_quantize_dequantize_is_one_after_the_other(axis, size, optimize_memory):
    x = np.random.default_rng(1).normal(size=(size, 9)).astype(np.float32)
    quantizer = Quantizer({"optimize_memory": optimize_memory, "enable_cache": False})
    back = quantizer.quantize_dequantize(x, channel_dim=axis)
    assert np.array_equal(back, quantizer.dequantize(quantizer.quantize(x, channel_dim=axis)))
    assert quantizer.get_stats()["total_values"] == 2 * x.size
    half = Quantizer({"quantization_type": "FLOAT16"})
    assert np.array_equal(half.quantize_dequantize(x), x.astype(np.float16).astype(np.float32))


@pytest.mark.parametrize("options", [{}, {"per_channel": True}, {"quantization_type": "UINT8"}])
def test_parameters_travel_as_plain_data(options):
    config = {**options, "quantization_mode": "CALIBRATED"}
    quantizer = Quantizer(config)
    quantizer.calibrate([X])
    quantizer.calibrate([X * 3], layer_name="a")
    text = json.dumps(quantizer.export_import_parameters())
    other = Quantizer(config)
    other.load_parameters(json.loads(text))
    assert other.export_import_parameters() == quantizer.export_import_parameters()
    for layer in (None, "a", "unknown"):
        codes = quantizer.quantize(X, layer_name=layer)
        assert np.array_equal(codes, other.quantize(X, layer_name=layer))
        assert np.array_equal(
            quantizer.dequantize(codes, layer_name=layer), other.dequantize(codes, layer_name=layer)
        )
    with pytest.raises(InvalidInputError, match="for"):
        Quantizer({"quantization_type": "INT16"}).load_parameters(json.loads(text))


@pytest.mark.parametrize(
    "change",
    [
        {"scale": 0.0},
        {"scale": float("nan")},
        {"scale": "x"},
        {"scale": 1e300},
        {"scale": [1.0]},
        {"zero_point": 500},
        {"zero_point": None},
        {"storage": "int4"},
        {"low": 5, "high": 4},
        {"high": 128},
        {"surplus": 1},
        {"channel_dim": 0},
    ],
)
def test_parameters_that_do_not_fit_are_refused(change):
    quantizer = Quantizer({"quantization_mode": "STATIC"})
    quantizer.quantize(X)
    data = quantizer.export_import_parameters()
    data["parameters"].update(change)
    with pytest.raises(InvalidInputError):
        quantizer.load_parameters(data)
    for nothing in (None, {}, {"version": 2}, {"version": 1, "layers": 3}):
        with pytest.raises(InvalidInputError):
            quantizer.load_parameters(nothing)


def test_configuration():
    quantizer = Quantizer({"num_bits": 4})
    found = quantizer.get_config()
    assert found["num_bits"] == 4 and list(found) == QuantizationConfig.option_names()
    assert found["quantization_type"] is QuantizationType.INT8
    assert found["quantization_mode"] is QuantizationMode.DYNAMIC_PER_BATCH
    assert Quantizer(found).config == quantizer.config
    json.dumps(quantizer.config.to_dict())
    quantizer.quantize(X)
    quantizer.update_config({"symmetric": False})
    assert quantizer.get_config()["num_bits"] == 4 and not quantizer.get_config()["symmetric"]
    assert quantizer.scale == 1.0 and quantizer.zero_point == 0
    quantizer.update_config(QuantizationConfig(quantization_type=QuantizationType.INT16))
    assert quantizer.quantize(X).dtype == np.int16
    assert quantizer.config.quantization_mode is QuantizationMode.DYNAMIC_PER_BATCH
    with pytest.raises(TypeError):
        Quantizer({"no_such_option": 1})


def test_statistics():
    quantizer = Quantizer({"quantization_mode": "STATIC", "enable_cache": False})
    quantizer.quantize(np.float32([1.0]))
    quantizer.dequantize(quantizer.quantize(np.float32([2.0, 0.5])))
    stats = quantizer.get_stats()
    assert (stats["quantize_calls"], stats["dequantize_calls"]) == (2, 1)
    assert (stats["total_values"], stats["clipped_values"]) == (3, 1)
    assert stats["clipped_ratio"] == pytest.approx(1 / 3)
    quantizer.reset_stats()
    assert not any(quantizer.get_stats().values())


def test_threads_dequantize_by_their_own_parameters():
    quantizer = Quantizer({"enable_cache": False})
    failures = []

    def work(factor):
        for _ in range(300):
            back = quantizer.dequantize(quantizer.quantize(X[:9] * np.float32(factor)))
            if np.abs(back - X[:9] * factor).max() > np.abs(X[:9]).max() * factor / 200:
                failures.append(factor)

    threads = [threading.Thread(target=work, args=(10.0**k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert quantizer.get_stats()["dequantize_calls"] > 0


@pytest.mark.parametrize("options", [{}, {"per_channel": True}, {"quantization_type": "FLOAT16"}])
def test_dequantize_into_an_array(options):
    for mode in ("DYNAMIC", "STATIC"):
        quantizer = Quantizer({**options, "quantization_mode": mode})
        codes = quantizer.quantize(X)
        out = np.empty_like(X)
        assert quantizer.dequantize(codes, out=out) is out
        assert np.array_equal(out, quantizer.dequantize(codes))
        for wrong in (np.empty(3, np.float32), np.empty(X.shape), np.empty_like(X)[:, :3]):
            with pytest.raises(InvalidInputError, match=r"must"):
                quantizer.dequantize(codes, out=wrong)
    if not options:
        memory = np.zeros(X.size, np.float32)
        inside = memory.view(np.int8)[: X.size].reshape(X.shape)
        with pytest.raises(InvalidInputError, match="overlap"):
            quantizer.dequantize(inside, out=memory.reshape(X.shape))
