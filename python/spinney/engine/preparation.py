"""What rows go through before the model: a DataPreprocessor and a Quantizer, where asked for."""

from __future__ import annotations

import numpy as np

from spinney.configs import QuantizationConfig
from spinney.engine.collaborators import collaborator
from spinney.exceptions import InvalidInputError, UnsupportedOptionError
from spinney.quantization import input_loss


class Preparation:
    """scale: rows -> rows, or None; quantize: rows -> (rows, what that lost), or None."""

    def __init__(self, config):
        self.quantizer = self.quantize = self.scale = self._preprocessor = None
        if config.enable_feature_scaling:
            made = collaborator("DataPreprocessor")(config.preprocessor_config)
            if _removes_rows(made):
                raise UnsupportedOptionError(
                    "preprocessor_config.outlier_handling is 'remove': each row of a prediction "
                    "needs an answer; use 'clip', 'winsorize' or 'mean'"
                )
            self.preprocessor = made
        if config.enable_quantization and config.enable_input_quantization:
            self.quantizer = collaborator("Quantizer")(_quantization(config))
            self.quantize = self._quantize

    @property
    def preprocessor(self):
        return self._preprocessor

    @preprocessor.setter
    def preprocessor(self, preprocessor):
        if _removes_rows(preprocessor):
            raise InvalidInputError(
                "this preprocessor removes rows (outlier_handling='remove'), and each row of a "
                "prediction needs an answer; use 'clip', 'winsorize' or 'mean'"
            )
        self._preprocessor = preprocessor
        self.scale = None if preprocessor is None else self._scale

    def prepared(self, features):
        """(rows, what quantizing them lost, or None)."""
        if self.scale is not None:
            features = self.scale(features)
        return (features, None) if self.quantize is None else self.quantize(features)

    def _scale(self, features):
        # Nearly all rows come as this, and the rest of the call is a quarter of a microsecond.
        if type(features) is not np.ndarray or features.ndim != 2:
            features = _as_rows(features)
        rows = self._preprocessor.transform(features)
        if len(rows) != len(features):
            raise InvalidInputError(
                f"the preprocessor made {len(rows)} rows of {len(features)}, and each row of a "
                "prediction needs an answer"
            )
        return rows

    def _quantize(self, features):
        rows = _as_rows(features)
        restored = self.quantizer.quantize_dequantize(rows)
        return restored, input_loss(rows, restored)


def _as_rows(features):
    rows = np.asarray(features) if type(features) in (list, tuple) else features
    if isinstance(rows, np.ndarray) and rows.ndim == 1:
        rows = rows.reshape(1, -1)
    return rows


def _removes_rows(preprocessor):
    """Also of one that is not fitted yet; a stand-in of a test says nothing."""
    if getattr(preprocessor, "removes_rows", False) is True:
        return True
    config = getattr(preprocessor, "config", None)
    return (
        getattr(config, "outlier_handling", None) == "remove"
        and getattr(config, "detect_outliers", True) is not False
    )


def _quantization(config):
    given = config.quantization_config
    if given is not None:
        return given
    return QuantizationConfig(quantization_type=config.quantization_dtype)
