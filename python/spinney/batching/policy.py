"""How large a batch may be and whether it waits: settings, and a size that follows throughput."""

from __future__ import annotations

import math
from dataclasses import dataclass

from spinney.configs import BatchProcessingStrategy

_MIB = 1 << 20


@dataclass
class Policy:
    """Numbers that a Core runs by. Sizes in rows, times in seconds."""

    max_rows: int = 64
    min_rows: int = 1
    limit: int = 64
    wait: float = 0.0
    strategy: BatchProcessingStrategy = BatchProcessingStrategy.GREEDY
    adapts: bool = False
    queue_max: int = 1000
    aging: float = 1.0
    workers: int = 1
    interval: float = 0.0
    bytes_max: float = math.inf
    idempotent: bool = False
    retries: int = 0
    retry_delay: float = 0.0
    halves: bool = True
    gc_rows: int = 0
    _rate: float | None = None  # rows per second of the last full batch

    @classmethod
    def of(cls, config):
        """The policy of a BatchProcessorConfig."""
        adaptive = config.processing_strategy is BatchProcessingStrategy.ADAPTIVE
        greedy = config.processing_strategy is BatchProcessingStrategy.GREEDY
        memory = config.max_batch_memory_mb
        return cls(
            max_rows=config.max_batch_size,
            min_rows=config.min_batch_size,
            limit=config.max_batch_size if greedy else config.initial_batch_size,
            wait=config.batch_timeout,
            strategy=config.processing_strategy,
            adapts=adaptive and config.enable_adaptive_batching,
            queue_max=config.max_queue_size,
            aging=config.priority_aging if config.enable_priority_queue else 0.0,
            workers=config.max_workers,
            interval=config.min_batch_interval,
            bytes_max=math.inf if memory is None else memory * _MIB,
            idempotent=config.idempotent,
            retries=config.max_retries,
            retry_delay=config.retry_delay,
            halves=config.reduce_batch_on_failure,
            gc_rows=config.gc_batch_threshold if config.enable_memory_optimization else 0,
        )

    @property
    def waits_until_full(self):
        return self.strategy is BatchProcessingStrategy.FIXED

    @property
    def needs_timer(self):
        """Whether a batch may be due at a time of its own."""
        waits = self.wait > 0 and (self.min_rows > 1 or self.waits_until_full)
        return waits or self.interval > 0 or (self.idempotent and self.retries > 0)

    def set_limit(self, rows):
        self.limit = max(self.min_rows, min(rows, self.max_rows))
        self._rate = None

    def learn(self, rows, seconds, backlog_rows):
        """Double the limit while full batches leave a backlog and larger ones are no slower a row.

        Where the throughput of full batches falls by more than a tenth, a quarter is taken back.
        """
        if not self.adapts or rows < self.limit or backlog_rows < self.limit or seconds <= 0:
            return
        rate, before = rows / seconds, self._rate
        if before is None or rate >= 0.9 * before:
            self.limit = min(2 * self.limit, self.max_rows)
            self._rate = rate
        else:
            self.set_limit(self.limit * 3 // 4)

    def shrink(self):
        if self.adapts:
            self.set_limit(self.limit // 2)
