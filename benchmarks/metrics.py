"""What recording costs, from Python, a call at a time.

python benchmarks/metrics.py
"""

from __future__ import annotations

import timeit

from spinney.cli.table import print_table
from spinney.memory_pool import MemoryPool
from spinney.metrics import MetricsManager

CALLS = [
    ("update_inference(time, rows)", "update(0.001, 8)"),
    ("update_inference(..., preprocessing_time=)", "update(0.001, 8, preprocessing_time=1e-4)"),
    ("record_cache_hit()", "metrics.record_cache_hit()"),
    ("record_stage(name, time)", "metrics.record_stage('queue_wait', 1e-5)"),
    ("get_metrics()", "metrics.get_metrics()"),
    ("to_prometheus()", "metrics.to_prometheus()"),
    ("MemoryPool: get and return 2.5 KB", "pool.return_buffer(pool.get_buffer((64, 10)))"),
]


def main():
    metrics = MetricsManager()
    names = {"metrics": metrics, "update": metrics.update_inference, "pool": MemoryPool()}
    rows = []
    for shown, statement in CALLS:
        timer = timeit.Timer(statement, globals=names)
        number, _ = timer.autorange()
        best = min(timer.repeat(7, max(1, number // 5))) / max(1, number // 5)
        rows.append([shown, f"{best * 1e6:.3f}"])
    print_table(["call", "µs"], rows)


if __name__ == "__main__":
    main()
