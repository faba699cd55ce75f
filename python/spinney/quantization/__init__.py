"""Numbers in fewer bits: arrays by a Quantizer, models by quantize_model."""

from __future__ import annotations

from spinney.quantization.models import (
    QuantizationReport,
    input_loss,
    quantize_for_engine,
    quantize_model,
    quantizes_nothing,
)
from spinney.quantization.parameters import Parameters
from spinney.quantization.quantizer import Quantizer

__all__ = [
    "Parameters",
    "QuantizationReport",
    "Quantizer",
    "input_loss",
    "quantize_for_engine",
    "quantize_model",
    "quantizes_nothing",
]
