"""DataPreprocessor: fills, bounds and scales columns in one fused pass of the core."""

from __future__ import annotations

import logging
import threading
from time import perf_counter

import numpy as np

from spinney.configs import PreprocessorConfig
from spinney.exceptions import ConfigError
from spinney.preprocessing import files, options
from spinney.preprocessing import fitted as fitting
from spinney.preprocessing.cache import VALUES_MAX, AnswerCache
from spinney.preprocessing.columns import as_array, overlaps
from spinney.preprocessing.errors import (
    InputValidationError,
    PreprocessingError,
    StatisticsError,
    raised_as,
)
from spinney.preprocessing.report import Timings, statistics_of

logger = logging.getLogger(__name__)


class DataPreprocessor:
    """Learns columns' statistics and applies them: infinities, NaN, outliers, clipping, one scale.

    config: a PreprocessorConfig, a mapping of its options, or None for the defaults.

    Any number of threads may transform at once; fitting waits for no transform: those that run
    finish with what was fitted before.
    """

    def __init__(self, config=None):
        self._lock = threading.RLock()
        self._timings = Timings()
        self._names = None
        self._fitted = self._statistics = self._cache = None
        self._pending = False  # whether _fitted is still to be made of _statistics
        self._small = self._small_program = None
        self.config = _config_of(config)
        self._arrange()

    # Fitting

    def fit(self, X, y=None, feature_names=None):
        """Learn from all rows at once, with exact percentiles; what was known before is forgotten.

        X: rows as a 2-D array of numbers, a data frame or an arrow table. y takes no part; it is
            there for scikit-learn's pipelines. feature_names: names for an array's columns.
        Returns self. InputValidationError or StatisticsError if the rows do not do.
        """
        began = perf_counter()
        x, names = self._input(X, None, None)
        names = _names_for(feature_names, names, x.shape[1])
        with self._lock:
            config = self.config.replace()
            fitted = fitting.fit(config, x, self._threads())
            self._names, self._fitted, self._statistics = names, fitted, fitted.statistics
            self._pending = False
            self._arrange()
        self._timings.add("fit", len(x), perf_counter() - began)
        self._log("fit", x, began)
        return self

    def partial_fit(self, X, y=None, feature_names=None):
        """Learn from rows that come after those given before, in one pass and bounded memory.

        The outcome does not depend on how rows are divided between calls. Percentiles are exact up
        to 16 * sketch_size values a column, and within get_statistics()["rank_error_max"] beyond.
        Power transforms, isolation forests, removed rows and custom centres and scales are fitted
        over all rows at once: StatisticsError. Returns self.
        """
        began = perf_counter()
        with self._lock:
            width = None if self._statistics is None else self._width()
            x, names = self._input(X, self._names, width)
            statistics = self._statistics
            if statistics is None:
                names = _names_for(feature_names, names, x.shape[1])
                statistics = fitting.begin(self.config, x.shape[1])
            elif feature_names is not None and list(feature_names) != self.get_feature_names():
                raise InputValidationError("feature_names are not those of the rows before")
            else:
                names = self._names
                if self._fitted is not None and self._fitted.judge is not None:
                    fitting.begin(self.config, width)  # says why that cannot go on
            with raised_as(StatisticsError):
                statistics.update(x, self._threads())
                known = self._statistics = statistics
                self._names = names
                if known.describe()["rows"] > 0:
                    self._fitted, self._pending = None, True
            self._arrange()
        self._timings.add("fit", len(x), perf_counter() - began)
        self._log("partial_fit", x, began)
        return self

    def merge(self, other):
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
            with raised_as(StatisticsError):
                self._statistics.merge(other._statistics)
                self._fitted = fitting.Fitted(self._statistics.program(), self._statistics)
            self._pending = False
            self._arrange()
        return self

    # Transforming

    def transform(self, X, copy=True):
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
        return self._transform(X, copy)

    def fit_transform(self, X, y=None, copy=True, feature_names=None):
        """fit(X), then transform(X)."""
        return self.fit(X, y, feature_names).transform(X, copy)

    def reverse_transform(self, X, copy=True):
        """From transformed rows back to the original scale.

        Values that were filled, clipped or replaced come back as what replaced them. Centres and
        scales are undone within 4 eps max(|x|, |centre|); see docs/preprocessing.md for the
        curves. PreprocessingError with a custom_transform_func that has no custom_inverse_func.
        """
        fitted = self._require()
        began = perf_counter()
        x, _ = self._input(X, self._names, fitted.width)
        config = self.config
        if config.custom_transform_func is not None:
            if config.custom_inverse_func is None:
                raise PreprocessingError(
                    "custom_transform_func cannot be reversed; give custom_inverse_func"
                )
            x = _applied("custom_inverse_func", config.custom_inverse_func, x)
        out = self._output(x, copy)
        fitted.program.reverse(x, out, self._threads(), self.config.chunk_size or 0)
        self._timings.add("reverse", len(x), perf_counter() - began)
        return out

    inverse_transform = reverse_transform

    def outlier_rows(self, X):
        """One bool a row: whether the row holds an outlier by the fitted bounds or forest."""
        fitted = self._require()
        x, _ = self._input(X, self._names, fitted.width)
        return fitted.outlier_rows(x, self._threads())

    # Reports

    def get_statistics(self):
        """What was learnt, as a dict of arrays with one number a column; empty before fitting."""
        with self._lock:
            fitted = self._settle()
            if fitted is None:
                return {}
            return statistics_of(fitted, self.get_feature_names())

    def get_feature_names(self):
        """The columns' names: those of the frame or of feature_names, else feature_0, …"""
        if self._names is not None:
            return list(self._names)
        if self._statistics is None:
            return []
        return [f"feature_{i}" for i in range(self._width())]

    def get_performance_metrics(self):
        """Calls, rows and seconds of fits, transforms and reversals, and the cache's counts."""
        metrics = self._timings.report(self._small_program)
        cache = self._cache
        metrics["cache_active"] = cache is not None
        metrics["cache_hits"] = cache.hits if cache else 0
        metrics["cache_misses"] = cache.misses if cache else 0
        metrics["cache_entries"] = len(cache) if cache else 0
        return metrics

    @property
    def removes_rows(self):
        """Whether transform may give fewer rows than it was given."""
        return self._fitted is not None and self._fitted.removes_rows

    # Life

    def reset(self):
        """Forget everything that was learnt; the configuration stays."""
        with self._lock:
            self._names = None
            self._fitted, self._statistics, self._pending = None, None, False
            self._timings = Timings()
            self._arrange()

    def update_config(self, config):
        """Take another configuration. What was learnt stays if only options that fitting does not
        depend on differ (threads, chunks, cache, dtype, validation), and is forgotten otherwise."""
        config = _config_of(config)
        with self._lock:
            before, self.config = self.config, config
            if not options.RUNTIME.issuperset(_changed(config, before)):
                self._names = None
                self._fitted, self._statistics, self._pending = None, None, False
            self._arrange()

    def serialize(self, path):
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
    def deserialize(cls, path):
        """The preprocessor in a file of serialize(). SerializationError if it is damaged."""
        config, names, fitted, statistics = files.from_bytes(files.read(path))
        self = cls(config)
        self._names, self._fitted, self._statistics = names, fitted, statistics
        self._arrange()
        return self

    # Inside

    def _arrange(self):
        """Decide what serves transform(), after anything changed."""
        fitted, config = self._fitted, self.config
        self._timings.keep(self._small_program)
        self._small = self._small_program = None
        if self._cache is not None:
            self._cache.clear()
        self._cache = None
        if fitted is None:
            return
        custom = config.custom_transform_func is not None
        dear = not fitted.program.is_affine or fitted.judge is not None
        if config.cache_enabled and dear and not custom:
            self._cache = AnswerCache(config.cache_size)
        plain = config.dtype is None and config.input_size_limit is None and not config.debug_mode
        if plain and not custom and fitted.judge is None and self._cache is None:
            self._small_program = fitted.program
            self._small = fitted.program.transform_small

    def _transform(self, X, copy):
        fitted = self._require()
        began = perf_counter()
        x, _ = self._input(X, self._names, fitted.width)
        cache = self._cache if x.size <= VALUES_MAX and copy else None
        key = (*cache.key(x), self.config.dtype) if cache is not None else None
        answer = cache.get(key) if cache is not None else None
        if answer is None:
            answer = self._computed(fitted, x, copy)
            if cache is not None:
                cache.put(key, answer)
        self._timings.add("transform", len(x), perf_counter() - began)
        self._log("transform", x, began)
        return answer

    def _computed(self, fitted, x, copy):
        config = self.config
        out = self._output(x, copy)
        out = fitted.transform(x, out, self._threads(), config.chunk_size or 0)
        if config.custom_transform_func is None:
            return out
        changed = _applied("custom_transform_func", config.custom_transform_func, out)
        if copy or changed.dtype != out.dtype:
            return changed
        out[...] = changed
        return out

    def _output(self, x, copy):
        dtype = self.config.dtype or x.dtype
        if not copy and dtype == x.dtype and x.flags.writeable and not overlaps(x):
            return x
        fortran = x.flags.f_contiguous and not x.flags.c_contiguous
        return np.empty(x.shape, dtype=dtype, order="F" if fortran else "C")

    def _input(self, X, names, width):
        config = self.config
        if config.enable_input_validation or width is None or not isinstance(X, np.ndarray):
            x, found = as_array(X, names, width)
        else:
            x, found = as_array(np.asarray(X), None, width)
        limit = config.input_size_limit
        if limit is not None and len(x) > limit:
            raise InputValidationError(f"{len(x)} rows are more than input_size_limit, {limit}")
        return x, found

    def _threads(self):
        config = self.config
        if not config.parallel_processing:
            return 1
        if config.n_jobs > 0:
            return config.n_jobs
        import os

        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()

    def _require(self):
        fitted = self._fitted
        if fitted is None and self._pending:
            fitted = self._settle()
        if fitted is None:
            raise PreprocessingError("the preprocessor is not fitted yet; call fit first")
        return fitted

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
        return len(self._statistics.describe()["count"])

    def _log(self, what, x, began):
        if self.config.debug_mode:
            logger.debug("%s of %d x %d: %.6f s", what, *x.shape, perf_counter() - began)


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


def _applied(name, function, x):
    changed = np.asarray(function(x))
    if changed.shape != x.shape:
        raise PreprocessingError(
            f"{name} gave an array of shape {changed.shape} for one of shape {x.shape}"
        )
    return changed
