"""Codes and values are those of ONNX Runtime's operators, bit for bit, NaN aside."""

from __future__ import annotations

import numpy as np
import pytest

from spinney import _core
from spinney.quantization import Quantizer

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

ONNX_TYPES = {"int8": "INT8", "uint8": "UINT8", "int16": "INT16", "uint16": "UINT16"}
STORAGES = ["int8", "uint8", "int16", "uint16"]
RANGES = {name: (np.iinfo(name).min, np.iinfo(name).max) for name in STORAGES}


def session(operator, inputs, outputs, **attributes):
    """A graph of one operator over inputs and outputs given as {name: element type}."""

    def values(types):
        return [
            onnx.helper.make_tensor_value_info(name, getattr(onnx.TensorProto, kind), None)
            for name, kind in types.items()
        ]

    node = onnx.helper.make_node(operator, list(inputs), list(outputs), **attributes)
    graph = onnx.helper.make_graph([node], "one", values(inputs), values(outputs))
    opsets = [onnx.helper.make_opsetid("", 21)]
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=10)
    return onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )


def quantize_linear(x, scale, zero, **attributes):
    kind = ONNX_TYPES[zero.dtype.name]
    run = session(
        "QuantizeLinear", {"x": "FLOAT", "s": "FLOAT", "z": kind}, {"y": kind}, **attributes
    )
    return run.run(None, {"x": x, "s": scale, "z": zero})[0]


def dequantize_linear(codes, scale, zero, **attributes):
    kind = ONNX_TYPES[zero.dtype.name]
    run = session(
        "DequantizeLinear", {"x": kind, "s": "FLOAT", "z": kind}, {"y": "FLOAT"}, **attributes
    )
    return run.run(None, {"x": codes, "s": scale, "z": zero})[0]


def hard_values(scale, seed):
    """Ties and their neighbours, the ends and beyond, infinities, denormals, and many at random."""
    rng = np.random.default_rng(seed)
    ties = (np.arange(-400, 400) * np.float32(0.5)).astype(np.float32) * np.float32(scale)
    wide = (np.arange(-70000, 70000, 97) + np.float32(0.5)).astype(np.float32) * np.float32(scale)
    edges = np.concatenate([ties, wide])
    near = [np.nextafter(edges, np.float32(end)).astype(np.float32) for end in (-np.inf, np.inf)]
    special = np.float32([0, -0.0, np.inf, -np.inf, 1e-45, -1e-45, 1e-38, 3e38, -3e38])
    scattered = rng.normal(size=5000) * 10.0 ** rng.integers(-30, 30, 5000)
    return np.concatenate([edges, *near, special, scattered.astype(np.float32)])


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("scale", [1.0, 0.1, 3.0, 1 / 127, 7.3e-4, 1e-30, 1e30, 0.3333333])
def test_quantize_and_dequantize_linear(storage, scale):
    low, high = RANGES[storage]
    x = hard_values(scale, seed=int(scale * 1000) % 97)
    for zero in {0, low, high, (low + high) // 2 + 3}:
        codes, *_ = _core.quantize_tensor(x, STORAGES.index(storage), low, high, scale, zero)
        theirs = quantize_linear(x, np.array(scale, np.float32), np.array(zero, storage))
        assert codes.dtype == theirs.dtype
        assert np.array_equal(codes, theirs)
        every = np.arange(low, high + 1).astype(storage)
        back = _core.dequantize_tensor(every, scale, zero)
        theirs = dequantize_linear(every, np.array(scale, np.float32), np.array(zero, storage))
        assert np.array_equal(back.view(np.uint32), theirs.view(np.uint32))


@pytest.mark.parametrize("kind", ["INT8", "UINT8", "INT16"])
@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_channels(kind, symmetric, axis):
    rng = np.random.default_rng(axis)
    x = (rng.normal(size=(6, 5, 33)) * rng.lognormal(sigma=3, size=(6, 5, 33))).astype(np.float32)
    quantizer = Quantizer({"quantization_type": kind, "symmetric": symmetric})
    codes = quantizer.quantize(x, channel_dim=axis)
    scale, zero = quantizer.scale, quantizer.zero_point.astype(codes.dtype)
    assert np.array_equal(codes, quantize_linear(x, scale, zero, axis=axis))
    back = quantizer.dequantize(codes, channel_dim=axis)
    assert np.array_equal(back, dequantize_linear(codes, scale, zero, axis=axis))


@pytest.mark.parametrize("seed", range(40))
def test_asymmetric_uint8_is_dynamic_quantize_linear(seed):
    rng = np.random.default_rng(seed)
    run = session(
        "DynamicQuantizeLinear", {"x": "FLOAT"}, {"y": "UINT8", "s": "FLOAT", "z": "UINT8"}
    )
    x = rng.normal(loc=rng.normal() * 3, size=rng.integers(1, 300)) * 10.0 ** rng.integers(-20, 20)
    x = [x, np.abs(x), -np.abs(x), np.zeros(5)][seed % 4].astype(np.float32)
    codes, scale, zero = run.run(None, {"x": x})
    quantizer = Quantizer({"quantization_type": "UINT8", "symmetric": False})
    ours = quantizer.quantize(x)
    assert np.float32(quantizer.scale) == scale and quantizer.zero_point == zero
    assert np.array_equal(ours, codes)


def test_float16_is_cast():
    run = session("Cast", {"x": "FLOAT"}, {"y": "FLOAT16"}, to=onnx.TensorProto.FLOAT16)
    x = hard_values(0.37, seed=5)
    theirs = run.run(None, {"x": x})[0]
    ours = Quantizer({"quantization_type": "FLOAT16"}).quantize(x)
    assert np.array_equal(ours.view(np.uint16), theirs.view(np.uint16))
