"""DataPreprocessor: fills, bounds and scales columns in one fused pass of the core."""

from __future__ import annotations

import threading
from time import perf_counter
from typing import TYPE_CHECKING, Any, Mapping, Sequence

from spinney.configs import PreprocessorConfig
from spinney.exceptions import ConfigError
from spinney.forks import lock_for
from spinney.preprocessing import files, options
from spinney.preprocessing import fitted as fitting
from spinney.preprocessing.errors import (
    InputValidationError,
    PreprocessingError,
    StatisticsError,
    raised_as,
)
from spinney.preprocessing.report import Timings, statistics_of
from spinney.preprocessing.serving import Serving, input_of, log_call, threads_of

if TYPE_CHECKING:
    from os import PathLike

    import numpy as np
    from numpy.typing import NDArray
    from typing_extensions import Self


class DataPreprocessor:
    """Learns columns' statistics and applies them: infinities, NaN, outliers, one scale, clipping.

    config: a PreprocessorConfig, a mapping of its options, or None for the defaults.

    Any number of threads may transform at once; fitting waits for no transform: those that run
    finish with what was fitted before.
    """

    def __init__(self, config: PreprocessorConfig | Mapping[str, Any] | None = None) -> None:
        self._lock = lock_for(self, threading.RLock)
        self._timings = Timings()
        self._names = None
        self._fitted = self._statistics = None
        self._pending = False  # whether _fitted is still to be made of _statistics
        self._serving = self._small = None
        self.config: PreprocessorConfig = _config_of(config)
        self._arrange()

    # Fitting

    def fit(self, X: Any, y: Any = None, feature_names: Sequence[str] | None = None) -> Self:
        """Learn from all rows at once, with exact percentiles; what was known before is forgotten.

        X: rows as a 2-D array of numbers, a data frame or an arrow table. y takes no part; it is
            there for scikit-learn's pipelines. feature_names: names for an array's columns.
        Returns self. InputValidationError or StatisticsError if the rows do not do.
        """
        began = perf_counter()
        x, names = input_of(self.config, X, None, None)
        names = _names_for(feature_names, names, x.shape[1])
        with self._lock:
            config = self.config.replace()
            fitted = fitting.fit(config, x, threads_of(self.config))
            self._names, self._fitted, self._statistics = names, fitted, fitted.statistics
            self._pending = False
            self._arrange()
        self._timings.add("fit", len(x), perf_counter() - began)
        log_call(self.config, "fit", x, began)
        return self

    def partial_fit(
        self, X: Any, y: Any = None, feature_names: Sequence[str] | None = None
    ) -> Self:
        """Learn from rows that come after those given before, in one pass and bounded memory.

        The outcome does not depend on how rows are divided between calls. Percentiles are exact up
        to 16 * sketch_size values a column, and within get_statistics()["rank_error_max"] beyond.
        Power transforms, isolation forests, removed rows and custom centres and scales are fitted
        over all rows at once: StatisticsError. Returns self.
        """
        began = perf_counter()
        with self._lock:
            width = None if self._statistics is None else self._width()
            x, names = input_of(self.config, X, self._names, width)
            statistics = self._statistics
            if statistics is None:
                names = _names_for(feature_names, names, x.shape[1])
                statistics = fitting.begin(self.config, x.shape[1])
            elif feature_names is not None and list(feature_names) != self.get_feature_names():
                raise InputValidationError("feature_names are not those of the rows before")
            else:
                names = self._names
                fitting.check_one_pass(self.config, self._fitted)
            seen = statistics.rows
            try:
                with raised_as(StatisticsError):
                    statistics.update(x, threads_of(self.config))
                self._statistics, self._names = statistics, names
            finally:
                # Also where an interrupt comes between: what is known and what serves agree.
                if self._statistics is statistics and statistics.rows > seen:
                    self._fitted, self._pending = None, True
                    self._arrange()
        self._timings.add("fit", len(x), perf_counter() - began)
        log_call(self.config, "partial_fit", x, began)
        return self

    def merge(self, other: DataPreprocessor) -> Self:
        """Take in what another preprocessor of the same configuration has seen by partial_fit.

        Both must have the same columns in the same order. Returns self.
        """
        if not isinstance(other, DataPreprocessor):
            raise PreprocessingError(f"a {type(other).__name__} is no DataPreprocessor to merge")
        # Always in the same order, so that two that merge each other do not wait forever.
        first, second = sorted((self, other), key=id)
        with first._lock, second._lock:
            if self._statistics is None or other._statistics is None:
                raise PreprocessingError("both preprocessors must have seen rows before merging")
            if self.get_feature_names() != other.get_feature_names():
                raise PreprocessingError(
                    f"the columns of one are {self.get_feature_names()}, "
                    f"and of the other {other.get_feature_names()}"
                )
            differing = set(_changed(self.config, other.config)) - options.RUNTIME
            if differing:
                raise PreprocessingError(
                    f"the configurations differ in {', '.join(sorted(differing))}"
                )
            for each in (self, other):
                fitting.check_one_pass(each.config, each._fitted)
            seen = self._statistics.rows
            try:
                with raised_as(StatisticsError):
                    self._statistics.merge(other._statistics)
            finally:
                if self._statistics.rows > seen:
                    self._fitted, self._pending = None, True
                    self._arrange()
        return self

    # Transforming

    def transform(self, X: Any, copy: bool = True) -> NDArray[Any]:
        """Rows through all steps.

        X: as many columns as were fitted on; a frame's are found by name. copy=False writes into X
            where it is a writeable array of the answers' dtype whose values lie apart, and gives X.
        Returns a new array (rows, columns) of `dtype`, or of the input's; Fortran order where the
        input has it. Fewer rows only with outlier_handling="remove".
        """
        small = self._small
        if small is not None and copy:
            answer = small(X)
            if answer is not None:
                return answer
        return self._require().transform(X, copy)

    def fit_transform(
        self, X: Any, y: Any = None, copy: bool = True, feature_names: Sequence[str] | None = None
    ) -> NDArray[Any]:
        """fit(X), then transform(X)."""
        return self.fit(X, y, feature_names).transform(X, copy)

    def reverse_transform(self, X: Any, copy: bool = True) -> NDArray[Any]:
        """From transformed rows back to the original scale.

        Values that were filled, clipped or replaced come back as what replaced them. Centres and
        scales are undone within 4 eps max(|x|, |centre|); see docs/preprocessing.md for the
        curves. PreprocessingError with a custom_transform_func that has no custom_inverse_func.
        """
        return self._require().reverse(X, copy)

    inverse_transform = reverse_transform

    def outlier_rows(self, X: Any) -> NDArray[np.bool_]:
        """One bool a row: whether the row holds an outlier by the fitted bounds or forest."""
        return self._require().outlier_rows(X)

    # Reports

    def get_statistics(self) -> dict[str, Any]:
        """What was learnt, as a dict of arrays with one number a column; empty before fitting."""
        with self._lock:
            fitted = self._settle()
            if fitted is None:
                return {}
            return statistics_of(fitted, self.get_feature_names())

    def get_feature_names(self) -> list[str]:
        """The columns' names: those of the frame or of feature_names, else feature_0, …"""
        if self._names is not None:
            return list(self._names)
        if self._statistics is None:
            return []
        return [f"feature_{i}" for i in range(self._width())]

    def get_performance_metrics(self) -> dict[str, Any]:
        """Calls, rows and seconds of fits, transforms and reversals, and the cache's counts.

        fit_time, transform_time, reverse_time: the seconds of each of the latest 1,000 calls, the
        last one at the end.
        """
        serving = self._serving
        metrics = self._timings.report(serving.small if serving else None)
        cache = serving.cache if serving else None
        metrics["cache_active"] = cache is not None
        metrics["cache_hits"] = cache.hits if cache else 0
        metrics["cache_misses"] = cache.misses if cache else 0
        metrics["cache_entries"] = len(cache) if cache else 0
        return metrics

    @property
    def removes_rows(self) -> bool:
        """Whether transform may give fewer rows than it was given."""
        return self._fitted is not None and self._fitted.removes_rows

    # Life

    def reset(self) -> None:
        """Forget everything that was learnt; the configuration stays."""
        with self._lock:
            self._names = None
            self._fitted, self._statistics, self._pending = None, None, False
            self._timings = Timings()
            self._arrange()

    def update_config(self, config: PreprocessorConfig | Mapping[str, Any] | None) -> None:
        """Take another configuration. What was learnt stays if only options that fitting does not
        depend on differ (threads, chunks, cache, dtype, validation), and is forgotten otherwise."""
        config = _config_of(config)
        with self._lock:
            before, self.config = self.config, config
            if not options.RUNTIME.issuperset(_changed(config, before)):
                self._names = None
                self._fitted, self._statistics, self._pending = None, None, False
            self._arrange()

    def serialize(self, path: str | PathLike[str]) -> bool:
        """Write everything to one file, by way of a temporary name beside it: data, never code.

        Returns True. SerializationError if the path cannot be written, or with a
        custom_transform_func. Numbers that custom centre and scale functions gave are written; the
        functions are not.
        """
        with self._lock:
            fitted = self._settle()
            data = files.to_bytes(self.config, self._names, fitted, self._statistics)
        files.write(path, data)
        return True

    @classmethod
    def deserialize(cls, path: str | PathLike[str]) -> Self:
        """The preprocessor in a file of serialize(). SerializationError if it is damaged."""
        config, names, fitted, statistics = files.from_bytes(files.read(path))
        self = cls(config)
        self._names, self._fitted, self._statistics = names, fitted, statistics
        self._arrange()
        return self

    # Inside

    def _arrange(self):
        """Decide what serves transform(), after anything changed."""
        before, fitted = self._serving, self._fitted
        self._small = self._serving = None
        if before is not None:
            before.end()
        if fitted is not None:
            self._serving = Serving(self.config, self._names, fitted, self._timings)
            if self._serving.small is not None:
                self._small = fitted.program.transform_small

    def _require(self):
        serving = self._serving
        if serving is None and self._pending:
            self._settle()
            serving = self._serving
        if serving is None:
            raise PreprocessingError("the preprocessor is not fitted yet; call fit first")
        return serving

    def _settle(self):
        """What partial_fit has learnt, made into a program when it is first needed.

        Percentiles sort all that is kept, which would cost each of many small calls more than the
        rows themselves.
        """
        with self._lock:
            if self._pending:
                with raised_as(StatisticsError):
                    self._fitted = fitting.Fitted(self._statistics.program(), self._statistics)
                self._pending = False
                self._arrange()
            return self._fitted

    def _width(self):
        return self._statistics.width


def _config_of(config):
    if config is None:
        return PreprocessorConfig()
    if isinstance(config, PreprocessorConfig):
        return config
    if hasattr(config, "keys"):
        return PreprocessorConfig.from_dict(config)
    raise ConfigError(
        f"config is a {type(config).__name__}; expected a PreprocessorConfig, a mapping of its "
        "options, or None"
    )


def _changed(a, b):
    """Names of the options in which two configurations differ."""
    return [name for name in a.option_names() if getattr(a, name) != getattr(b, name)]


def _names_for(given, found, width):
    names = found if given is None else [str(name) for name in given]
    if names is not None and (len(names) != width or len(set(names)) != width):
        raise InputValidationError(
            f"expected {width} different feature names, one for each column, but got {names}"
        )
    return names
