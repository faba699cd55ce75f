"""What rows go through before the model: a DataPreprocessor and a Quantizer, where asked for."""

from __future__ import annotations

from collections import deque
from time import perf_counter

import numpy as np

from spinney.configs import QuantizationConfig, chooses_what_to_quantize
from spinney.engine.collaborators import collaborator
from spinney.exceptions import InvalidInputError, UnsupportedOptionError
from spinney.inputs import by_name
from spinney.preprocessing.columns import as_array
from spinney.quantization import input_loss
from spinney.rows import has_labels, labelled


class Preparation:
    """scale: (rows, served) -> rows, or None; quantize: the same, and what that lost, or None. The
    latter is for models with quantizes_rows.

    served: the ServedModel that is asked, which tells how columns are called.
    """

    def __init__(self, config):
        # (scaling, quantizing) of the latest requests, in seconds.
        self.times = deque(maxlen=config.monitoring_window)
        self.quantizer = self.quantize = self.scale = self._preprocessor = None
        if config.enable_feature_scaling:
            made = collaborator("DataPreprocessor")(config.preprocessor_config)
            if _removes_rows(made):
                raise UnsupportedOptionError(
                    "preprocessor_config.outlier_handling is 'remove': each row of a prediction "
                    "needs an answer; use 'clip', 'winsorize' or 'mean'"
                )
            self.preprocessor = made
        if config.enable_input_quantization or chooses_what_to_quantize(config):
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

    def prepared(self, features, served):
        """(rows, what quantizing them lost, or None), for the queue."""
        began = perf_counter()
        scaling = quantizing = 0.0
        loss = None
        if self.scale is not None:
            features = self.scale(features, served)
            scaling = perf_counter() - began
        if served.quantizes_rows:
            features, loss = self.quantize(features, served)
            quantizing = perf_counter() - began - scaling
        self.took(scaling, quantizing)
        return features, loss

    def took(self, scaling, quantizing):
        """A request's preparation, in seconds."""
        self.times.append((scaling, quantizing))

    def _scale(self, features, served):
        # Nearly all rows come as this, and the rest of the call is a quarter of a microsecond.
        if type(features) is not np.ndarray or features.ndim != 2:
            features = _as_rows(features)
            if not isinstance(features, np.ndarray):
                return self._scale_named(features, served.model)
        return self._transformed(features)

    def _transformed(self, features):
        rows = self._preprocessor.transform(features)
        if len(rows) != len(features):
            raise InvalidInputError(
                f"the preprocessor made {len(rows)} rows of {len(features)}, and each row of a "
                "prediction needs an answer"
            )
        return rows

    def _scale_named(self, features, model):
        """What comes out has no names any more, so it is put in the model's own order."""
        names, wanted = getattr(self._preprocessor, "_names", None), list(model.feature_names or ())
        if not isinstance(names, list):  # it goes by position, and so must what it is given
            return self._transformed(as_array(features, wanted, None)[0] if wanted else features)
        rows = self._transformed(features)
        if wanted == names or sorted(wanted) != sorted(names):
            return rows
        return rows[:, [names.index(name) for name in wanted]]

    def _quantize(self, features, served):
        if type(features) is not np.ndarray:
            features = by_name(served.model, features)  # what comes out has no names any more
        rows = _as_rows(features)
        restored = self.quantizer.quantize_dequantize(rows)
        return restored, input_loss(rows, restored)


def _as_rows(features):
    rows = labelled(features)
    if rows is not None:
        return rows
    plain = type(features) in (list, tuple) and not has_labels(features)
    rows = np.asarray(features) if plain else features
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
