"""What answers transform(): what was fitted, its configuration and its cache, as one."""

from __future__ import annotations

import logging
import os
from time import perf_counter

import numpy as np

from spinney.preprocessing.cache import VALUES_MAX, AnswerCache
from spinney.preprocessing.columns import as_array, overlaps
from spinney.preprocessing.errors import InputValidationError, PreprocessingError

_log = logging.getLogger("spinney.preprocessing.preprocessor")


class Serving:
    """Replaced as a whole when any part changes, so that a call that runs meanwhile ends with the
    parts it began with, and never leaves an answer of old ones in a new cache."""

    def __init__(self, config, names, fitted, timings):
        self.config, self.names, self.fitted = config, names, fitted
        self._timings = timings
        custom = config.custom_transform_func is not None
        dear = not fitted.program.is_affine or fitted.judge is not None
        self.cache = None
        if config.cache_enabled and dear and not custom:
            self.cache = AnswerCache(config.cache_size)
        # A program that may be called at once with what the caller gave.
        self.small = None
        plain = config.dtype is None and config.input_size_limit is None and not config.debug_mode
        if plain and not custom and fitted.judge is None and self.cache is None:
            self.small = fitted.program

    def end(self):
        """Keeps the counts, and wipes the cache."""
        self._timings.keep(self.small)
        if self.cache is not None:
            self.cache.end()

    def transform(self, X, copy):
        began = perf_counter()
        x, _ = input_of(self.config, X, self.names, self.fitted.width)
        cache = self.cache if x.size <= VALUES_MAX and copy else None
        if cache is None:
            answer = self._computed(x, copy)
        else:
            x = x.copy(order="K")  # the key and the answer are of the same values
            key = (*cache.key(x), self.config.dtype)
            answer = cache.get(key)
            if answer is None:
                answer = self._computed(x, copy)
                cache.put(key, answer)
        self._timings.keep(self.small)  # those of earlier calls come first
        self._timings.add("transform", len(x), perf_counter() - began)
        log_call(self.config, "transform", x, began)
        return answer

    def reverse(self, X, copy):
        config = self.config
        began = perf_counter()
        x, _ = input_of(config, X, self.names, self.fitted.width)
        if config.custom_transform_func is not None:
            if config.custom_inverse_func is None:
                raise PreprocessingError(
                    "custom_transform_func cannot be reversed; give custom_inverse_func"
                )
            x = _applied("custom_inverse_func", config.custom_inverse_func, x)
        out = self._output(x, copy)
        self.fitted.program.reverse(x, out, threads_of(config), config.chunk_size or 0)
        self._timings.add("reverse", len(x), perf_counter() - began)
        return out

    def outlier_rows(self, X):
        x, _ = input_of(self.config, X, self.names, self.fitted.width)
        return self.fitted.outlier_rows(x, threads_of(self.config))

    def _computed(self, x, copy):
        config = self.config
        out = self._output(x, copy)
        out = self.fitted.transform(x, out, threads_of(config), config.chunk_size or 0)
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


def input_of(config, X, names, width):
    """(rows as an array of floats, names that a frame gave or None); width: columns, or None."""
    if config.enable_input_validation or width is None or not isinstance(X, np.ndarray):
        x, found = as_array(X, names, width)
    else:
        x, found = as_array(np.asarray(X), None, width)
    limit = config.input_size_limit
    if limit is not None and len(x) > limit:
        raise InputValidationError(f"{len(x)} rows are more than input_size_limit, {limit}")
    return x, found


def threads_of(config):
    if not config.parallel_processing:
        return 1
    if config.n_jobs > 0:
        return config.n_jobs
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def log_call(config, what, x, began):
    if config.debug_mode:
        _log.debug("%s of %d x %d: %.6f s", what, *x.shape, perf_counter() - began)


def _applied(name, function, x):
    changed = np.asarray(function(x))
    if changed.shape != x.shape:
        raise PreprocessingError(
            f"{name} gave an array of shape {changed.shape} for one of shape {x.shape}"
        )
    return changed
