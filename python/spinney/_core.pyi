"""The compiled core. `x` is whatever docs/python-api.md lists under Input."""

from __future__ import annotations

from os import PathLike
from typing import Any

import numpy as np

__version__: str

def usable_cpus() -> int: ...
def cpu_topology(synthetic: str | None = None) -> dict[str, Any]: ...
def assign_threads(threads: int, synthetic: str | None = None) -> list[tuple[int, int]]: ...
def lend_buffer(shape: tuple[int, ...], dtype: Any, /) -> np.ndarray: ...
def wipe_buffer(array: Any, /) -> bool: ...
def buffer_bytes() -> int: ...
def pool_stats() -> dict[str, int]: ...
def trim_pool(idle_bytes: int, /) -> int: ...

class Model:
    @staticmethod
    def load(
        path: str | bytes | PathLike[str],
        format: str | None = None,
        *,
        as_booster: bool = False,
        iteration_range: tuple[int, int] | None = None,
        start_iteration: int | None = None,
        num_iteration: int | None = None,
        ntree_start: int | None = None,
        ntree_end: int | None = None,
        member: str = "",
        copy: bool = True,
    ) -> Model:
        """The model in a file. format: json, ubj, binary, text, cbm, pickle, joblib, skops or
        spinney; None tells by the content. copy=False maps a .spinney file instead of copying it:
        processes share the pages of its leaf values, and nobody may truncate it. The other
        keywords are spinney.load's.
        """
    @staticmethod
    def from_bytes(
        data: bytes,
        format: str | None = None,
        *,
        name: str = "model",
        source_format: str | None = None,
        as_booster: bool = False,
        iteration_range: tuple[int, int] | None = None,
        start_iteration: int | None = None,
        num_iteration: int | None = None,
        ntree_start: int | None = None,
        ntree_end: int | None = None,
        member: str = "",
    ) -> Model:
        """The model in the bytes of a file. name stands in error messages; source_format replaces
        the format that info() reports. The other keywords are spinney.load's.
        """
    def predict(
        self,
        x: Any,
        *,
        num_threads: int | None = None,
        strict: bool = False,
        iteration_range: tuple[int, int] | None = None,
        missing: float | None = None,
        base_margin: Any = None,
        num_iteration: int | None = None,
        start_iteration: int | None = None,
        init_score: Any = None,
        ntree_start: int | None = None,
        ntree_end: int | None = None,
    ) -> np.ndarray:
        """What the saved object's own predict gives, in its dtype and shape.

        Labels for a classifier object, transformed values for a regressor or Booster: shape
        (rows,), or (rows, columns) where there are several.

        x: rows of n_features numbers: a 2-D numpy array of any number type and layout, a
        pandas or polars frame or pyarrow table (matched by feature name), a scipy sparse
        matrix, or anything that numpy.asarray understands.
        num_threads: 1 and up; None uses as many as the process may, where they pay.
        strict: refuse NaN and infinity where the training library itself does.
        iteration_range, missing, base_margin: of models of XGBoost, for this call: the trees of
        iterations a to b - 1 as for spinney.load, a value that is missing, and scores to begin
        with in place of the base score, (rows,) or (rows, n_outputs).
        num_iteration, start_iteration, init_score: of models of LightGBM, for this call: as for
        spinney.load, and scores that are added to the raw ones before the link.
        ntree_start, ntree_end: of models of CatBoost, for this call: as for spinney.load.
        What is first asked for by iteration_range and the like makes a model of its own, which
        takes as long as loading; the last 8 are kept.

        Raises InvalidInputError if x does not fit.
        """
    def predict_raw(
        self,
        x: Any,
        *,
        num_threads: int | None = None,
        strict: bool = False,
        iteration_range: tuple[int, int] | None = None,
        missing: float | None = None,
        base_margin: Any = None,
        num_iteration: int | None = None,
        start_iteration: int | None = None,
        init_score: Any = None,
        ntree_start: int | None = None,
        ntree_end: int | None = None,
    ) -> np.ndarray:
        """The library's raw scores (margins), before any link: shape (rows,) or (rows,
        n_outputs), in the type the library adds them up in. Arguments as in predict.
        """
    def predict_proba(
        self,
        x: Any,
        *,
        num_threads: int | None = None,
        strict: bool = False,
        iteration_range: tuple[int, int] | None = None,
        missing: float | None = None,
        base_margin: Any = None,
        num_iteration: int | None = None,
        start_iteration: int | None = None,
        init_score: Any = None,
        ntree_start: int | None = None,
        ntree_end: int | None = None,
    ) -> np.ndarray | list[np.ndarray]:
        """Class probabilities, shape (rows, classes); for scikit-learn's multi-output
        classifiers a list with one such array per target. Arguments as in predict.

        Raises UnsupportedModelError if the model is no classifier.
        """
    def predict_leaf(
        self,
        x: Any,
        *,
        num_threads: int | None = None,
        strict: bool = False,
        iteration_range: tuple[int, int] | None = None,
        missing: float | None = None,
        base_margin: Any = None,
        num_iteration: int | None = None,
        start_iteration: int | None = None,
        init_score: Any = None,
        ntree_start: int | None = None,
        ntree_end: int | None = None,
    ) -> np.ndarray:
        """The leaf that each row reaches in each tree, numbered as the library does: int32,
        shape (rows, n_trees). Arguments as in predict.

        Raises UnsupportedModelError if the model is not one forest of trees.
        """
    def decision_function(
        self,
        x: Any,
        *,
        num_threads: int | None = None,
        strict: bool = False,
        iteration_range: tuple[int, int] | None = None,
        missing: float | None = None,
        base_margin: Any = None,
        num_iteration: int | None = None,
        start_iteration: int | None = None,
        init_score: Any = None,
        ntree_start: int | None = None,
        ntree_end: int | None = None,
    ) -> np.ndarray:
        """What the estimator's own decision_function gives, for scikit-learn's classifiers that
        have one and IsolationForest; elsewhere raises UnsupportedModelError.
        """
    def score_samples(
        self,
        x: Any,
        *,
        num_threads: int | None = None,
        strict: bool = False,
        iteration_range: tuple[int, int] | None = None,
        missing: float | None = None,
        base_margin: Any = None,
        num_iteration: int | None = None,
        start_iteration: int | None = None,
        init_score: Any = None,
        ntree_start: int | None = None,
        ntree_end: int | None = None,
    ) -> np.ndarray:
        """What an IsolationForest's score_samples gives, shape (rows,); for other models raises
        UnsupportedModelError.
        """
    @property
    def n_features(self) -> int:
        """Columns that rows must have."""
    @property
    def n_outputs(self) -> int:
        """Raw scores per row."""
    @property
    def n_trees(self) -> int:
        """Trees, over all members of an ensemble; 0 for linear models."""
    @property
    def feature_names(self) -> list[str]:
        """Names of the features, in order; empty if the model keeps none."""
    @property
    def columns(self) -> list[dict[str, Any]]:
        """What each column of the rows is, a dict for each: its name (None: by position alone) and
        kind (number, text or boolean); of models that say so what a missing value and a text that
        the training did not see are (allowed or refused), and of texts the values told apart.
        """
    @property
    def categories(self) -> dict[int, list[Any]]:
        """Feature number -> its categories in training, in the order of their codes."""
    @property
    def classes_(self) -> np.ndarray | list[np.ndarray]:
        """The labels as the estimator keeps them: a read-only array, or one per target."""
    @property
    def objective(self) -> str:
        """The training library's own name of the objective."""
    @property
    def source(self) -> dict[str, str]:
        """Where the model comes from: library, version, kind, format."""
    def info(self) -> dict[str, Any]:
        """Everything known of the model, as a dict."""
    def save(self, path: str | PathLike[str], *, format: str = "spinney") -> None:
        """Writes one .spinney file, by way of a temporary name beside it: a process that has
        loaded or mapped the file that was there keeps it.

        format: 'spinney', or 'treelite' for a checkpoint that Treelite 4 reads, whose raw scores
        are the model's own. Raises UnsupportedModelError, which names what a checkpoint cannot
        express.
        """
    def to_bytes(self) -> bytes:
        """The bytes of a .spinney file, which from_bytes takes."""
    def __reduce__(self) -> tuple[Any, ...]: ...
    def __copy__(self) -> Model: ...
    def __deepcopy__(self, memo: Any, /) -> Model: ...

# The array quantizer (spinney.quantization). Arrays must be C-contiguous; storage is 0 to 3 for
# int8, uint8, int16 and uint16.
def quantize_tensor(
    x: np.ndarray, storage: int, low: int, high: int, scale: float, zero: int
) -> tuple[np.ndarray, int, int, int]: ...
def quantize_dynamic(
    x: np.ndarray, storage: int, low: int, high: int, symmetric: bool
) -> tuple[np.ndarray, float, int, int, int]: ...
def quantize_channels(
    x: np.ndarray,
    storage: int,
    low: int,
    high: int,
    scales: np.ndarray,
    zeros: np.ndarray,
    axis: int,
) -> tuple[np.ndarray, int, int, int]: ...
def quantize_channels_dynamic(
    x: np.ndarray, axis: int, storage: int, low: int, high: int, symmetric: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int, int]: ...
def dequantize_tensor(
    codes: np.ndarray, scale: float, zero: int, out: np.ndarray | None = None
) -> np.ndarray: ...
def dequantize_channels(
    codes: np.ndarray,
    scales: np.ndarray,
    zeros: np.ndarray,
    axis: int,
    out: np.ndarray | None = None,
) -> np.ndarray: ...
def array_range(x: np.ndarray) -> tuple[float, float, int, int]: ...
def channel_ranges(x: np.ndarray, axis: int) -> list[tuple[float, float, int, int]]: ...
def channel_parameters(
    x: np.ndarray, axis: int, low: int, high: int, symmetric: bool
) -> tuple[np.ndarray, np.ndarray, int, int]: ...
def affine_parameters(
    min: float, max: float, low: int, high: int, symmetric: bool
) -> tuple[float, int]: ...
def array_difference(a: np.ndarray, b: np.ndarray) -> tuple[float, float]: ...
def to_half(x: np.ndarray) -> tuple[np.ndarray, int, int, int]: ...
def from_half(x: np.ndarray, out: np.ndarray | None = None) -> np.ndarray: ...

# Memory of large results that nothing refers to any more: bytes freed, and bytes kept.
def trim_results() -> int: ...
def idle_result_bytes() -> int: ...

# Quantized models (spinney.quantization.models).
def quantize_model(model: Model, dtype: str) -> Model: ...
def quantization(model: Model) -> dict[str, Any] | None: ...
def combine_models(models: list[Model], votes: bool, weights: list[float]) -> Model: ...
def linear_weights(model: Model) -> list[float] | None: ...

class PrepareProgram:
    """Fitted steps of a DataPreprocessor. Arrays are 2-D of float32 or float64."""

    @staticmethod
    def from_bytes(data: bytes) -> PrepareProgram: ...
    def to_bytes(self) -> bytes: ...
    @property
    def width(self) -> int: ...
    @property
    def is_affine(self) -> bool: ...
    def transform_small(self, x: Any, /) -> np.ndarray | None: ...
    def take_small_counts(self) -> tuple[int, int, int, list[int]]: ...
    def transform(self, x: np.ndarray, out: np.ndarray, threads: int, chunk: int) -> None: ...
    def reverse(self, x: np.ndarray, out: np.ndarray, threads: int, chunk: int) -> None: ...
    def mark_outliers(self, x: np.ndarray) -> np.ndarray: ...
    def with_scales(self, center: list[float], scale: list[float]) -> PrepareProgram: ...
    def recipe(self) -> dict[str, np.ndarray]: ...

class PrepareStatistics:
    @staticmethod
    def make(options: dict[str, Any], width: int) -> PrepareStatistics: ...
    @staticmethod
    def from_bytes(data: bytes) -> PrepareStatistics: ...
    def to_bytes(self) -> bytes: ...
    @property
    def rows(self) -> int: ...
    @property
    def width(self) -> int: ...
    def update(self, x: np.ndarray, threads: int) -> None: ...
    def merge(self, other: PrepareStatistics) -> None: ...
    def program(self) -> PrepareProgram: ...
    def describe(self) -> dict[str, Any]: ...

def prepare_fit(
    options: dict[str, Any], x: np.ndarray, threads: int
) -> tuple[PrepareProgram, PrepareStatistics]: ...
def prepare_pack(parts: list[tuple[int, bytes]]) -> bytes: ...
def prepare_unpack(data: bytes) -> list[tuple[int, bytes]]: ...

class CacheBase:
    """What LRUTTLCache is made of; a subclass calls _configure before anything else."""

    def _configure(
        self, max_size: int, ttl: float, cleanup_interval: float, private: bool, clock: Any, /
    ) -> None: ...
    def _counts(self) -> dict[str, int]: ...
    def get(self, key: Any, /) -> tuple[bool, Any]:
        """(True, value), or (False, None) if the key is unknown or its entry has expired."""
    def set(self, key: Any, value: Any, /) -> None:
        """Keeps the value for ttl_seconds; the least recently used entry leaves if the cache is
        full.
        """
    def invalidate(self, key: Any, /) -> bool:
        """Drops the key's entry; True if there was a fresh one."""
    def clear(self) -> None:
        """Drops everything."""
    def cleanup(self) -> int:
        """Drops what has expired; how many went."""
    def shrink(self, entries: int, /) -> int:
        """Drops the least recently used until at most so many remain, for when memory is short;
        how many went.
        """
    def __len__(self) -> int: ...
    def __contains__(self, key: Any, /) -> bool: ...

class InferenceWindow:
    def __init__(self, calls_max: int) -> None: ...
    def update_inference(
        self,
        inference_time: float,
        batch_size: int,
        preprocessing_time: float = 0.0,
        quantization_time: float = 0.0,
    ) -> None:
        """One call: its times in seconds and its rows. A time below 0, or NaN, counts as 0, and
        one
        above 10**9 as that.
        """
    def record_error(self, times: int = 1) -> None:
        """One failed call, or several."""
    def record_cache_hit(self) -> None:
        """One answer from the cache."""
    def record_cache_miss(self) -> None:
        """One look into the cache that found nothing."""
    def record_lookups(self, hits: int, misses: int) -> None:
        """Many looks into a cache that counted them itself."""

class LatencyHistogram:
    def __init__(self) -> None: ...
    def record(self, seconds: float) -> None: ...
    def read(self) -> dict[str, float]: ...
    def reset(self) -> None: ...

class PrometheusText:
    def __init__(self) -> None: ...
    def family(self, name: str, kind: str, help: str, /) -> None: ...
    def sample(self, name: str, labels: list[tuple[str, str]], value: float, /) -> None: ...
    def text(self) -> str: ...

class Trend:
    def __init__(self) -> None: ...
    def add(self, seconds: float, value: float) -> None: ...
    def slope(self) -> tuple[float, float, float, int]: ...
    def grows(self, per_second_min: float) -> bool: ...

class CpuMeter:
    def __init__(self, cpus: float) -> None: ...
    def percent(self, now: float, cpu_seconds: float) -> float: ...

def read_process() -> dict[str, float]: ...

class RankKey:
    @staticmethod
    def make(model: Model) -> RankKey | None: ...
    def of(self, x: Any) -> bytes | None: ...
    @property
    def row_bytes(self) -> int: ...

# The engine (spinney.engine); levels are the numbers of BatchPriority.
def in_main_interpreter() -> bool: ...
def settled_future(value: Any, exception: BaseException | None = None, /) -> Any: ...

class FutureBase:
    """What PredictionFuture is made of."""

    def result(self, timeout: float | None = None) -> Any: ...
    def exception(self, timeout: float | None = None) -> BaseException | None: ...
    def done(self) -> bool: ...
    def cancelled(self) -> bool: ...
    def running(self) -> bool: ...
    def cancel(self) -> bool: ...
    def add_done_callback(self, fn: Any, /) -> None: ...

class Dispatcher:
    def __init__(self) -> None: ...
    def serve(self, lane: int) -> None: ...
    def cannot_serve(self, lane: int) -> None: ...
    def stop(self) -> None: ...

class OpenFuture:
    def __init__(self, dispatcher: Dispatcher) -> None: ...
    def future(self) -> FutureBase: ...
    def start(self) -> None: ...
    def finish(self, value: Any, error: BaseException | None = None) -> None: ...

class Served:
    def submit(
        self,
        x: Any,
        priority: int,
        timeout_ms: float | None,
        keep: Any,
        key: Any,
        /,
    ) -> FutureBase | int | None: ...
    def submit_parcel(
        self,
        object: Any,
        rows: int,
        kind: int | None,
        own: Any | None,
        priority: int,
        timeout_ms: float | None,
        keep: Any,
        key: Any,
        /,
    ) -> FutureBase | int | None: ...
    def predict(
        self,
        x: Any,
        outcomes: Outcomes,
        more: dict[str, Any] | None,
        started: float = ...,
        scaling: float = ...,
        quantizing: float = ...,
        function: Any = ...,
        key: bytes | None = ...,
        flat_row: Any = ...,
        /,
    ) -> tuple[bool, Any, dict[str, Any]] | Exception | int | None: ...
    def at_once(
        self, x: Any, priority: int, timeout_ms: float | None, outcomes: Outcomes, /
    ) -> Any: ...
    def kept(self, key: bytes, /) -> Any: ...
    def keep(self, key: bytes, answer: Any, /) -> None: ...

class Outcomes:
    def __init__(self, served: Served, metrics: Any | None) -> None: ...
    def cached(
        self, result: Any, started: float, more: dict[str, Any] | None, /
    ) -> tuple[bool, Any, dict[str, Any]]: ...
    def answered(self, rows: int, started: float) -> None: ...
    def refused(self, throttled: bool) -> None: ...
    def failed(self, misfit: bool) -> None: ...
    def looked_up(self, seconds: float) -> None: ...
    def hit(self, seconds: float) -> None: ...

def succeeded(
    result: Any, took: float, started: float, cached: bool, more: dict[str, Any] | None, /
) -> tuple[bool, Any, dict[str, Any]]: ...

class BatchLane:
    def __new__(
        cls, runner: Any, settle: Any, options: dict[str, Any], idempotent: bool, own_clock: bool
    ) -> BatchLane: ...
    def submit(
        self, entry: Any, rows: int, bytes: int, signature: int, turn: float, deadline: float, /
    ) -> int: ...
    def serve(self) -> None: ...
    def keep_time(self) -> None: ...
    def wait_idle(self, seconds: float, /) -> bool: ...
    def run_one(self) -> bool: ...
    def tick(self) -> None: ...
    def set_now(self, now: float) -> None: ...
    def leave(self) -> None: ...
    def close(self, until: float) -> None: ...
    def stop(self) -> None: ...
    def forget(self) -> None: ...
    def pause(self, paused: bool) -> None: ...
    def limit(self, rows: int) -> None: ...
    def sweep(self, unwanted: Any) -> None: ...
    def after_fork(self) -> None: ...
    def counts(self) -> dict[str, int]: ...
    @property
    def retry_at(self) -> float: ...
    @property
    def waiting(self) -> int: ...
    @property
    def waiting_rows(self) -> int: ...
    @property
    def most_waiting(self) -> int: ...

class Engine:
    def __init__(
        self,
        num_workers: int = 0,
        max_concurrent_requests: int = 0,
        pin: bool = False,
        cache_entries: int = 0,
        cache_bytes: int = ...,
        cache_ttl: float = ...,
    ) -> None: ...
    def load(
        self, name: str, version: str, model: Model, kind: str, options: dict[str, Any]
    ) -> Served: ...
    def load_function(
        self,
        name: str,
        version: str,
        function: Any,
        width: int,
        concurrency: int,
        idempotent: bool,
        options: dict[str, Any],
        answer_parcels: Any | None = None,
    ) -> Served: ...
    def unload(self, served: Served) -> None: ...
    def cleanup_cache(self) -> int: ...
    def shrink_cache(self, bytes: int) -> int: ...
    def limit(self, requests: int) -> None: ...
    @property
    def active(self) -> int: ...
    def drain(self, seconds: float) -> bool: ...
    def stop(self, seconds: float) -> None: ...
    def abandon(self) -> None: ...
    def deliver_unserved(self) -> list[int]: ...
    @property
    def dispatcher(self) -> Dispatcher: ...
    def totals(self) -> dict[str, Any]: ...
    def refuse_unknown(self) -> None: ...
    def latest_calls(self, calls_max: int) -> list[tuple[float, float, int]]: ...
    def stats(self) -> dict[str, Any]: ...
    def models(self) -> list[dict[str, Any]]: ...
    def prometheus(self, labels: list[tuple[str, str]]) -> str: ...

class HttpServer:
    def __init__(self, host: str, port: int, options: dict[str, Any]) -> None: ...
    def load(self, name: str, version: str, model: Model) -> None: ...
    def unload(self, name: str, version: str) -> None: ...
    def listen(self) -> None: ...
    def drain(self, seconds: float) -> bool: ...
    def abandon(self) -> None: ...
    @property
    def url(self) -> str: ...
    @property
    def port(self) -> int: ...

def raise_descriptor_limit() -> None: ...
