"""What the engine did and what it cost: PerformanceMetrics, MetricsManager."""

from __future__ import annotations

from spinney.metrics.monitor import MetricsManager
from spinney.metrics.performance import PerformanceMetrics

__all__ = ["MetricsManager", "PerformanceMetrics"]
