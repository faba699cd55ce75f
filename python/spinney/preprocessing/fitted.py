"""What fitting gives: one program, or two with whole rows judged between; immutable."""

from __future__ import annotations

import numpy as np

from spinney._core import PrepareProgram, PrepareStatistics, prepare_fit
from spinney.configs import NormalizationType
from spinney.preprocessing import options
from spinney.preprocessing.errors import PreprocessingError, StatisticsError, raised_as
from spinney.preprocessing.rows import RowJudge, train_forest

_STRAIGHT = (
    NormalizationType.NONE,
    NormalizationType.STANDARD,
    NormalizationType.MINMAX,
    NormalizationType.ROBUST,
)


class Fitted:
    """program: the last, or only, fused pass. first, judge: what comes before it, or None.

    statistics: of the values as they came. own_scales: whether functions of the user's gave centres
        or scales, which no statistics can give anew.
    """

    def __init__(self, program, statistics, first=None, judge=None, own_scales=False):
        self.program, self.statistics = program, statistics
        self.first, self.judge = first, judge
        self.own_scales = own_scales

    @property
    def width(self):
        return self.program.width

    @property
    def removes_rows(self):
        return self.judge is not None and self.judge.handling == "remove"

    def transform(self, x, out, threads, chunk):
        """x through all steps into `out`; a new array where rows are removed or out is None."""
        if self.judge is None:
            self.program.transform(x, out, threads, chunk)
            return out
        wide = np.promote_types(x.dtype, out.dtype)
        filled = np.empty(x.shape, dtype=wide)
        self.first.transform(x, filled, threads, chunk)
        rows = self.judge.treat(filled, self.judge.mark(x, filled))
        if self.judge.handling == "remove":
            out = np.empty(rows.shape, dtype=out.dtype)
        self.program.transform(rows, out, threads, chunk)
        return out

    def outlier_rows(self, x, threads):
        """One bool a row: whether it holds an outlier."""
        if self.judge is None:
            return self.program.mark_outliers(x)
        filled = np.empty(x.shape, dtype=x.dtype)
        self.first.transform(x, filled, threads, 0)
        return self.judge.mark(x, filled)


def fit(config, x, threads):
    """A Fitted from all rows at once."""
    with raised_as(StatisticsError):
        if options.judges_rows(config):
            return _fit_judged(config, x, threads)
        program, statistics = prepare_fit(options.core_options(config), x, threads)
        program = _with_custom_scales(config, program, x, options.core_options(config), threads)
        return Fitted(program, statistics, own_scales=_has_own_scales(config))


def _fit_judged(config, x, threads):
    first, statistics = prepare_fit(options.before_rows_are_judged(config), x, threads)
    filled = np.empty(x.shape, dtype=x.dtype)
    first.transform(x, filled, threads, 0)
    by_forest = config.outlier_method == "isolation_forest"
    forest = train_forest(config, filled) if by_forest else None
    judge = RowJudge(None if by_forest else first, forest, config.outlier_handling)
    marks = judge.mark(x, filled)
    judge.learn(filled, marks)
    rows = np.ascontiguousarray(judge.treat(filled, marks))
    after = options.after_rows_are_judged(config)
    program, _ = prepare_fit(after, rows, threads)
    program = _with_custom_scales(config, program, rows, after, threads)
    return Fitted(program, statistics, first, judge, _has_own_scales(config))


def _has_own_scales(config):
    return config.custom_center_func is not None or config.custom_scale_func is not None


def check_one_pass(config, fitted):
    """StatisticsError where what was or would be fitted cannot go on row by row.

    fitted: what is known so far, or None.
    """
    if options.judges_rows(config):
        what = "an isolation forest" if config.outlier_method == "isolation_forest" else "remove"
        raise StatisticsError(
            f"{what} is fitted over all rows at once, not in one pass: use fit() instead of "
            "partial_fit()"
        )
    if _has_own_scales(config) or (fitted is not None and fitted.own_scales):
        raise StatisticsError(
            "custom_center_func and custom_scale_func see whole columns: use fit() instead of "
            "partial_fit()"
        )


def begin(config, width):
    """Empty statistics that partial_fit adds to."""
    check_one_pass(config, None)
    with raised_as(StatisticsError):
        return PrepareStatistics.make(options.core_options(config), width)


def _with_custom_scales(config, program, x, core, threads):
    center_of, scale_of = config.custom_center_func, config.custom_scale_func
    if center_of is None and scale_of is None:
        return program
    if config.normalization not in _STRAIGHT:
        raise PreprocessingError(
            "custom_center_func and custom_scale_func replace the centre and scale of NONE, "
            f"STANDARD, MINMAX or ROBUST, but normalization is {config.normalization.name}"
        )
    plain = {**core, "normalization": 0, "offset": 0.0, "clip": False}
    values = np.empty(x.shape, dtype=x.dtype)
    prepare_fit(plain, x, threads)[0].transform(x, values, threads, 0)
    recipe = program.recipe()
    center, scale = recipe["center"], recipe["scale"]
    if config.normalization is NormalizationType.MINMAX:  # kept as x * scale + center
        center, scale = -center / scale, 1.0 / scale
    center = center if center_of is None else _by_column("custom_center_func", center_of, values)
    scale = scale if scale_of is None else _by_column("custom_scale_func", scale_of, values)
    scale = np.where(np.abs(scale) <= config.epsilon, 1.0, scale)
    return program.with_scales(list(map(float, center)), list(map(float, scale)))


def _by_column(name, function, values):
    found = np.empty(values.shape[1])
    for c in range(values.shape[1]):
        try:
            found[c] = float(function(values[:, c]))
        except Exception as error:
            raise StatisticsError(f"{name} failed for column {c}: {error}") from error
        if not np.isfinite(found[c]):
            raise StatisticsError(f"{name} gave {found[c]} for column {c}; give a finite number")
    return found


def from_parts(program, statistics, first, judge, own_scales):
    """Of a file: bytes of each part, or None."""
    read = PrepareProgram.from_bytes
    return Fitted(
        read(program),
        PrepareStatistics.from_bytes(statistics),
        None if first is None else read(first),
        judge,
        own_scales,
    )
