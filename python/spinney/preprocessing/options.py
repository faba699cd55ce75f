"""A PreprocessorConfig as the core takes it: numbers, and choices by their numbers in options.h."""

from __future__ import annotations

from spinney.configs import NormalizationType

_NORMALIZATION = {
    NormalizationType.NONE: 0,
    NormalizationType.STANDARD: 1,
    NormalizationType.MINMAX: 2,
    NormalizationType.ROBUST: 3,
    NormalizationType.QUANTILE: 4,
    NormalizationType.LOG: 5,
    NormalizationType.POWER: 6,
}
_BOX_COX = 7
_KEEP = 0
_NAN = {"mean": 1, "median": 2, "most_frequent": 3, "constant": 4}
_INF = {**_NAN, "nan": 5, "max_value": 6}
_RULES = {"iqr": 1, "zscore": 2, "percentile": 3}
_ACTIONS = {"clip": 0, "winsorize": 1, "mean": 2, "remove": 3}

# Options that fitting does not depend on; changing them keeps what was fitted.
RUNTIME = frozenset(
    [
        "parallel_processing",
        "n_jobs",
        "chunk_size",
        "cache_enabled",
        "cache_size",
        "dtype",
        "enable_input_validation",
        "input_size_limit",
        "custom_transform_func",
        "custom_inverse_func",
        "debug_mode",
    ]
)


def core_options(config):
    """Everything in one go."""
    outliers = config.detect_outliers and config.outlier_method != "isolation_forest"
    return {
        "normalization": _normalization(config),
        "robust_low": config.robust_percentiles[0],
        "robust_high": config.robust_percentiles[1],
        "range_low": config.feature_range[0],
        "range_high": config.feature_range[1],
        "quantile_count": config.n_quantiles,
        "quantile_normal": config.quantile_output == "normal",
        "missing": _NAN[config.nan_strategy] if config.handle_nan else _KEEP,
        "missing_constant": config.nan_fill_value,
        "infinite": _INF[config.inf_strategy] if config.handle_inf else _KEEP,
        "infinite_constant": config.inf_fill_value,
        "infinite_buffer": config.inf_buffer,
        "outliers": _RULES[config.outlier_method] if outliers else 0,
        "outlier_action": _ACTIONS[config.outlier_handling],
        "iqr_multiplier": config.outlier_iqr_multiplier,
        "zscore": config.outlier_zscore_threshold,
        "percentile_low": config.outlier_percentiles[0],
        "percentile_high": config.outlier_percentiles[1],
        "clip": config.clip_values,
        "clip_low": config.clip_min,
        "clip_high": config.clip_max,
        "offset": config.scale_offset,
        "epsilon": config.epsilon,
        "sketch_size": config.sketch_size,
    }


def before_rows_are_judged(config):
    """The steps before whole rows are looked at: filling, and bounds that only mark."""
    return {**core_options(config), "normalization": 0, "clip": False, "offset": 0.0}


def after_rows_are_judged(config):
    return {**core_options(config), "missing": _KEEP, "infinite": _KEEP, "outliers": 0}


def judges_rows(config):
    """Whether outliers are found in, or removed as, whole rows."""
    return config.detect_outliers and (
        config.outlier_method == "isolation_forest" or config.outlier_handling == "remove"
    )


def _normalization(config):
    if config.normalization is NormalizationType.POWER and config.power_method == "box-cox":
        return _BOX_COX
    return _NORMALIZATION[config.normalization]
