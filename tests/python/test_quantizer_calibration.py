"""Calibration by every method, by channel and by layer."""

from __future__ import annotations

import numpy as np
import pytest

from spinney.exceptions import InvalidInputError
from spinney.quantization import Quantizer

TYPES = ["INT8", "UINT8", "INT16"]
METHODS = ["minmax", "percentile", "entropy", "mse"]
X = np.random.default_rng(3).normal(size=(400, 7)).astype(np.float32)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("method", METHODS)
def test_calibrated_ranges(kind, method):
    config = {
        "quantization_type": kind,
        "quantization_mode": "CALIBRATED",
        "calibration_method": method,
        "percentile": 99.0,
        "calibration_samples": 10**6,
    }
    quantizer = Quantizer(config)
    with pytest.raises(InvalidInputError, match="not calibrated"):
        quantizer.quantize(X)
    quantizer.calibrate([X[:200], X[200:]])
    scale = quantizer.scale
    largest = Quantizer({**config, "calibration_method": "minmax"})
    largest.calibrate([X])
    assert 0 < scale <= largest.scale * (1 + 1e-6)
    quantizer.quantize(X * 3)
    assert quantizer.scale == scale and quantizer.get_stats()["clipped_values"] > 0
    if method == "percentile":
        low, high = np.percentile(X.astype(np.float64), [1, 99])
        steps = {"INT8": 127, "UINT8": 127, "INT16": 32767}[kind]
        assert scale == pytest.approx(max(-low, high) / steps, rel=1e-6)
    if method == "mse":
        errors = [
            np.mean((q.quantize_dequantize(X) - X) ** 2, dtype=np.float64)
            for q in (quantizer, largest)
        ]
        assert errors[0] <= errors[1]


def test_entropy_cuts_a_long_tail_but_not_even_values():
    rng = np.random.default_rng(0)
    tail = np.append(rng.normal(size=20000), [50.0, -60.0]).astype(np.float32)
    even = np.linspace(-1, 1, 20001, dtype=np.float32)
    for values, cut in ((tail, True), (even, False)):
        quantizer = Quantizer(
            {
                "quantization_mode": "CALIBRATED",
                "calibration_method": "entropy",
                "calibration_samples": 10**6,
            }
        )
        quantizer.calibrate([values])
        largest = float(np.abs(values).max())
        assert (quantizer.scale * 127 < largest / 4) == cut
        assert cut or quantizer.scale * 127 == pytest.approx(largest, rel=0.02)


def test_calibration_by_channel_and_by_layer_and_its_samples():
    config = {"quantization_mode": "CALIBRATED", "calibration_method": "minmax"}
    quantizer = Quantizer({**config, "per_channel": True, "calibration_samples": 10**6})
    quantizer.calibrate([X, X * 2])
    assert quantizer.scale == pytest.approx(np.abs(X * 2).max(axis=0) / 127, rel=1e-6)
    assert quantizer.quantize(X).shape == X.shape
    quantizer.calibrate([X * 8], layer_name="first", channel_dim=0)
    params = quantizer.get_layer_quantization_params("first")
    assert len(params["scale"]) == 400 and params["channel_dim"] == 0
    with pytest.raises(InvalidInputError, match="differ in their number of channels"):
        quantizer.calibrate([X, X[:, :3]])
    for nothing in ([], [np.zeros((0, 4))]):
        with pytest.raises(InvalidInputError, match="at least one array"):
            quantizer.calibrate(nothing)
    few = Quantizer({**config, "calibration_samples": 2})
    few.calibrate([np.float32([[1], [9]]), np.float32([[9], [2]])])
    assert few.scale == pytest.approx(2 / 127)
