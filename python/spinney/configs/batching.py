"""Options of a BatchProcessor."""

from __future__ import annotations

from dataclasses import dataclass

from spinney.configs.base import Config, option
from spinney.configs.enums import BatchProcessingStrategy
from spinney.configs.kinds import Bool, Int, Named, Optional, Real

BATCH_ROWS_MAX = 1 << 20
QUEUE_MAX = 1 << 24


def fit_batch_sizes(config):
    """min ≤ initial ≤ max: refused where they were given so, else defaults give way."""
    given, least, most = config._given, config.min_batch_size, config.max_batch_size
    if "max_batch_size" in given or "min_batch_size" not in given:
        config._check(least <= most, f"min_batch_size ({least}) is above max_batch_size ({most})")
    else:
        most = max(least, config.defaults()["max_batch_size"])
        config._fit("max_batch_size", most)
    if "initial_batch_size" in given:
        first = config.initial_batch_size
        if "max_batch_size" not in given:
            most = max(most, first)
            config._fit("max_batch_size", most)
        config._check(
            least <= first <= most,
            f"initial_batch_size ({first}) is not between min_batch_size ({least}) and "
            f"max_batch_size ({most})",
        )
    default = config.defaults()["initial_batch_size"]
    config._fit("initial_batch_size", min(max(default, least), most))


@dataclass(eq=False, repr=False)
class BatchProcessorConfig(Config):
    """Options of a BatchProcessor. Sizes count rows of arrays, other objects count one each.

    A default that contradicts an option given fits itself to it: initial_batch_size to the minimum
    and maximum, the queue's thresholds to 10 and 50 percent of max_queue_size.
    """

    env_prefix = "SPINNEY_BATCH_PROCESSOR__"

    initial_batch_size: int = option(
        16, Int(1, BATCH_ROWS_MAX), "the first limit of a batch, which ADAPTIVE then moves"
    )
    min_batch_size: int = option(
        1, Int(1, BATCH_ROWS_MAX), "rows that are worth waiting for, batch_timeout at the longest"
    )
    max_batch_size: int = option(64, Int(1, BATCH_ROWS_MAX), "rows of one call at the most")
    max_queue_size: int = option(
        1000,
        Int(1, QUEUE_MAX),
        "items that may wait, of an engine: rows for each model; one more is refused at once",
    )
    batch_timeout: float = option(
        0.1, Real(0.0, 3600.0), "seconds that a batch may wait to fill, where it waits at all"
    )
    max_workers: int = option(
        1, Int(1, 1024), "threads that call the function, each with a batch of its own"
    )
    enable_priority_queue: bool = option(
        True, Bool(), "urgent items first; False serves in the order of arrival"
    )
    priority_aging: float = option(
        1.0,
        Real(0.0, 86400.0),
        "seconds of waiting that count as one level of priority, so that nothing starves",
    )
    enable_adaptive_batching: bool = option(
        True, Bool(), "let ADAPTIVE move the batch size; False keeps it where it was set"
    )
    processing_strategy: BatchProcessingStrategy = option(
        BatchProcessingStrategy.ADAPTIVE,
        Named(BatchProcessingStrategy),
        "when a batch is closed: FIXED waits until it is full, the others take what is queued",
    )
    idempotent: bool = option(
        False,
        Bool(),
        "the function may be called again on the same items; True where max_retries asks for it",
    )
    max_retries: int = option(
        0, Int(0, 1000), "times that what failed is tried again; 2 where idempotent is True"
    )
    retry_delay: float = option(0.1, Real(0.0, 3600.0), "seconds before each retry")
    reduce_batch_on_failure: bool = option(
        True,
        Bool(),
        "halve a failing batch until the items at fault fail alone, and shrink the batch size",
    )
    item_timeout: float | None = option(
        10.0,
        Optional(Real(0.0, 10**9, above=True)),
        "seconds that an item may wait; then it fails and is never run. None for ever",
    )
    min_batch_interval: float = option(
        0.0, Real(0.0, 3600.0), "least seconds between the starts of two batches"
    )
    max_batch_memory_mb: float | None = option(
        None,
        Optional(Real(0.0, 10**7, above=True)),
        "MiB of input that a batch may hold; a larger item runs alone",
    )
    gc_batch_threshold: int = option(
        32,
        Int(0, 10**9),
        "collect garbage's young generation after a batch with more rows; 0 never "
        "(needs enable_memory_optimization)",
    )
    monitoring_window: int = option(100, Int(1, 10**7), "batches that the averages look back on")
    enable_monitoring: bool = option(True, Bool(), "measure times; False keeps the counts only")
    enable_health_monitoring: bool = option(
        True, Bool(), "watch memory and queue, log warnings, act when critical"
    )
    health_check_interval: float = option(
        5.0, Real(0.0, 86400.0, above=True), "seconds between two looks"
    )
    memory_warning_threshold: float = option(
        70.0, Real(0.0, 100.0, above=True), "percent of the memory limit that is logged"
    )
    memory_critical_threshold: float = option(
        85.0,
        Real(0.0, 100.0, above=True),
        "percent at which garbage is collected and batches halve",
    )
    queue_warning_threshold: int = option(100, Int(1, QUEUE_MAX), "queued items that are logged")
    queue_critical_threshold: int = option(
        500, Int(1, QUEUE_MAX), "queued items at which batches grow to max_batch_size"
    )
    enable_memory_optimization: bool = option(
        True, Bool(), "collect garbage after large batches and when memory is critical"
    )
    debug_mode: bool = option(False, Bool(), "log every batch")

    def settle(self) -> None:
        fit_batch_sizes(self)
        given = self._given
        self._fit("idempotent", "max_retries" in given and self.max_retries > 0)
        if not self.idempotent:
            self._check(
                "max_retries" not in given or self.max_retries == 0,
                "max_retries calls the function again on the same items, which idempotent=False "
                "forbids",
            )
            self._fit("max_retries", 0)
        else:
            self._fit("max_retries", 2)
        self._check(
            self.memory_warning_threshold <= self.memory_critical_threshold,
            f"memory_warning_threshold ({self.memory_warning_threshold:g}) is above "
            f"memory_critical_threshold ({self.memory_critical_threshold:g})",
        )
        critical = max(1, self.max_queue_size // 2)
        if "queue_warning_threshold" in given:
            critical = max(critical, self.queue_warning_threshold)
        self._fit("queue_critical_threshold", critical)
        self._fit(
            "queue_warning_threshold",
            min(max(1, self.max_queue_size // 10), self.queue_critical_threshold),
        )
        self._check(
            self.queue_warning_threshold <= self.queue_critical_threshold,
            f"queue_warning_threshold ({self.queue_warning_threshold}) is above "
            f"queue_critical_threshold ({self.queue_critical_threshold})",
        )
