"""Options of a DataPreprocessor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable

import numpy as np

from spinney.configs.base import Config, option
from spinney.configs.enums import NormalizationType
from spinney.configs.kinds import (
    Bool,
    Choice,
    Floating,
    Function,
    Int,
    Named,
    Optional,
    Real,
    Span,
)

if TYPE_CHECKING:
    from numpy.typing import DTypeLike


@dataclass(eq=False, repr=False)
class PreprocessorConfig(Config):
    """Options of a DataPreprocessor: missing values, outliers, scaling."""

    env_prefix = "SPINNEY_PREPROCESSOR__"

    normalization: NormalizationType = option(
        NormalizationType.STANDARD, Named(NormalizationType), "how columns are brought to one scale"
    )
    robust_percentiles: tuple[float, float] = option(
        (25.0, 75.0), Span(0.0, 100.0), "percentiles whose distance is ROBUST's scale"
    )
    feature_range: tuple[float, float] = option(
        (0.0, 1.0), Span(-np.inf, np.inf), "MINMAX: what the training values are brought to"
    )
    n_quantiles: int = option(
        1000, Int(1, 100_000), "QUANTILE: how many are kept, at most as many as training rows"
    )
    quantile_output: str = option(
        "uniform", Choice("uniform", "normal"), "QUANTILE: the distribution of the answers"
    )
    power_method: str = option(
        "yeo-johnson",
        Choice("yeo-johnson", "box-cox"),
        "POWER: box-cox is for positive values only",
    )
    scale_offset: float = option(0.0, Real(), "added to every value after normalizing")
    handle_nan: bool = option(True, Bool(), "replace NaN; False lets it through")
    handle_inf: bool = option(True, Bool(), "replace infinities; False lets them through")
    nan_strategy: str = option(
        "mean", Choice("mean", "median", "most_frequent", "constant"), "what replaces NaN"
    )
    nan_fill_value: float = option(0.0, Real(), "what replaces NaN with the strategy constant")
    inf_strategy: str = option(
        "max_value",
        Choice("max_value", "mean", "median", "most_frequent", "constant", "nan"),
        "what replaces infinities; nan treats them as NaN",
    )
    inf_fill_value: float = option(
        0.0, Real(), "constant: what +infinity becomes; -infinity becomes its negative"
    )
    inf_buffer: float = option(
        1.0, Real(0.0, above=True), "max_value: factor that moves the column's extreme outwards"
    )
    detect_outliers: bool = option(False, Bool(), "look for outliers and treat them")
    outlier_method: str = option(
        "iqr",
        Choice("iqr", "zscore", "percentile", "isolation_forest"),
        "how outliers are told",
    )
    outlier_handling: str = option(
        "clip", Choice("clip", "remove", "winsorize", "mean"), "what is done with outliers"
    )
    outlier_iqr_multiplier: float = option(
        1.5, Real(0.0, above=True), "iqr: distance from the quartiles, in interquartile ranges"
    )
    outlier_zscore_threshold: float = option(
        3.0, Real(0.0, above=True), "zscore: distance from the mean, in standard deviations"
    )
    outlier_percentiles: tuple[float, float] = option(
        (1.0, 99.0), Span(0.0, 100.0), "percentile: what lies outside is an outlier"
    )
    isolation_contamination: float | None = option(
        None,
        Optional(Real(0.0, 0.5, above=True)),
        "isolation_forest: part of the rows that are outliers; None: by the score's origin",
    )
    random_state: int = option(0, Int(0, 2**32 - 1), "isolation_forest: seed of its training")
    clip_values: bool = option(
        False, Bool(), "clip every normalized value, last of all, to clip_min and clip_max"
    )
    clip_min: float = option(-np.inf, Real(infinite=True), "the least value that clipping leaves")
    clip_max: float = option(np.inf, Real(infinite=True), "the greatest value that clipping leaves")
    parallel_processing: bool = option(False, Bool(), "use several threads on large inputs")
    n_jobs: int = option(-1, Int(-1, 4096), "threads; -1 for the CPUs that the process may use")
    chunk_size: int | None = option(
        None, Optional(Int(1, 1 << 40)), "rows that are treated at a time; None for all"
    )
    cache_enabled: bool = option(True, Bool(), "keep answers for inputs that come again")
    cache_size: int = option(128, Int(1, 10**7), "answers that the cache holds")
    dtype: DTypeLike | None = option(
        None, Optional(Floating()), "the type of the answers; None for the input's"
    )
    epsilon: float = option(0.0, Real(0.0), "a column whose scale is not above this is constant")
    sketch_size: int = option(
        2048, Int(64, 65536), "partial_fit: values that a column's quantile sketch is built on"
    )
    enable_input_validation: bool = option(True, Bool(), "refuse input of a wrong shape or type")
    input_size_limit: int | None = option(
        None, Optional(Int(1, 1 << 40)), "rows that one input may have; None for any number"
    )
    custom_center_func: Callable[[Any], Any] | None = option(
        None, Optional(Function()), "column -> its centre, in place of the normalization's"
    )
    custom_scale_func: Callable[[Any], Any] | None = option(
        None, Optional(Function()), "column -> its scale, in place of the normalization's"
    )
    custom_transform_func: Callable[[Any], Any] | None = option(
        None, Optional(Function()), "array -> array of the same shape, applied last"
    )
    custom_inverse_func: Callable[[Any], Any] | None = option(
        None, Optional(Function()), "undoes custom_transform_func, for reverse_transform"
    )
    debug_mode: bool = option(False, Bool(), "log every step with its time")

    def settle(self) -> None:
        self._check(
            self.clip_min < self.clip_max,
            f"clip_min ({self.clip_min}) is not below clip_max ({self.clip_max})",
        )
