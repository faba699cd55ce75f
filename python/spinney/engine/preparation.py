"""What rows go through before the model: a DataPreprocessor and a Quantizer, where asked for."""

from __future__ import annotations

from time import perf_counter

import numpy as np

from spinney.configs import QuantizationConfig
from spinney.engine.collaborators import collaborator


class Preparation:
    """preprocessor.transform, then quantizer.quantize_dequantize; either may be None."""

    def __init__(self, config):
        self.preprocessor = self.quantizer = None
        if config.enable_feature_scaling:
            self.preprocessor = collaborator("DataPreprocessor")(config.preprocessor_config)
        if config.enable_quantization and config.enable_input_quantization:
            self.quantizer = collaborator("Quantizer")(_quantization(config))

    def __bool__(self):
        return self.preprocessor is not None or self.quantizer is not None

    def __call__(self, features):
        """(rows, seconds of preprocessing, seconds of quantization)."""
        began = perf_counter()
        rows = features
        if type(rows) in (list, tuple):
            rows = np.asarray(rows)
        if isinstance(rows, np.ndarray) and rows.ndim == 1:
            rows = rows.reshape(1, -1)
        if self.preprocessor is not None:
            rows = self.preprocessor.transform(rows)
        middle = perf_counter()
        if self.quantizer is not None:
            rows = self.quantizer.quantize_dequantize(rows)
        return rows, middle - began, perf_counter() - middle


def _quantization(config):
    given = config.quantization_config
    if given is not None:
        return given
    return QuantizationConfig(quantization_type=config.quantization_dtype)
