"""Options of a Quantizer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

from spinney.configs.base import Config, option
from spinney.configs.enums import QuantizationMode, QuantizationType
from spinney.configs.kinds import Bool, Choice, Int, Named, Names, Optional, Real

_WIDE = (QuantizationType.NONE, QuantizationType.INT16, QuantizationType.FLOAT16)


@dataclass(eq=False, repr=False)
class QuantizationConfig(Config):
    """Options of a Quantizer: the number format, where scales come from, what is refused."""

    env_prefix = "SPINNEY_QUANTIZATION__"

    quantization_type: QuantizationType = option(
        QuantizationType.INT8, Named(QuantizationType), "the number format"
    )
    quantization_mode: QuantizationMode = option(
        QuantizationMode.DYNAMIC_PER_BATCH,
        Named(QuantizationMode),
        "where the scale comes from: the data at hand, its columns, or a calibration",
    )
    per_channel: bool = option(False, Bool(), "a scale for each channel instead of one for all")
    symmetric: bool = option(
        True, Bool(), "zero is the middle code; False lets it move to use every code"
    )
    calibration_samples: int = option(
        100, Int(1, 10**9), "rows that a calibration looks at, at the most"
    )
    calibration_method: str = option(
        "percentile",
        Choice("minmax", "percentile", "entropy", "mse"),
        "how a calibration finds the range of values",
    )
    percentile: float = option(
        99.99, Real(50.0, 100.0, above=True), "share of values that the range covers, in percent"
    )
    use_percentile: bool = option(
        False, Bool(), "the range from min_percentile to max_percentile instead of all values"
    )
    min_percentile: float = option(0.1, Real(0.0, 100.0), "lower end of that range, in percent")
    max_percentile: float = option(99.9, Real(0.0, 100.0), "upper end of that range, in percent")
    skip_layers: Sequence[str] = option((), Names(), "layers that are left as they are")
    enable_mixed_precision: bool = option(
        False, Bool(), "float16 for mixed_precision_layers, the quantization type for the others"
    )
    mixed_precision_layers: Sequence[str] = option((), Names(), "layers kept in float16")
    enable_cache: bool = option(True, Bool(), "keep quantized arrays for inputs that come again")
    cache_size: int = option(256, Int(1, 10**7), "arrays that the cache holds")
    buffer_size: int = option(
        0,
        Int(0, 1 << 33),
        "bytes of a buffer, one a thread, that input of other dtypes is converted in; 0 keeps none",
    )
    error_on_nan: bool = option(False, Bool(), "refuse NaN instead of storing it as zero")
    error_on_inf: bool = option(False, Bool(), "refuse infinities instead of clipping them")
    outlier_threshold: float | None = option(
        None,
        Optional(Real(0.0, above=True)),
        "values further than this many standard deviations from the mean do not widen the range",
    )
    num_bits: int = option(8, Int(2, 16), "bits of a quantized value")
    optimize_memory: bool = option(
        True, Bool(), "quantize_dequantize holds codes of a block of values, not of all"
    )

    max_error: float | None = option(
        None,
        Optional(Real(0.0)),
        "a model whose raw scores quantizing changes by more is refused",
    )

    def settle(self) -> None:
        kind = self.quantization_type
        self._fit("num_bits", 16 if kind is QuantizationType.INT16 else 8)
        bits_max = 16 if kind in _WIDE else 8
        self._check(
            self.num_bits <= bits_max,
            f"num_bits is {self.num_bits}, but {kind.name} holds {bits_max} at the most",
        )
        self._check(
            self.min_percentile < self.max_percentile,
            f"min_percentile ({self.min_percentile}) is not below max_percentile "
            f"({self.max_percentile})",
        )
