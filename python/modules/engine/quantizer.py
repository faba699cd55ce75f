"""The import path that existing programs use; the code is in spinney.quantization."""

from spinney.configs import QuantizationConfig, QuantizationMode, QuantizationType
from spinney.quantization import Quantizer

__all__ = ["QuantizationConfig", "QuantizationMode", "QuantizationType", "Quantizer"]
