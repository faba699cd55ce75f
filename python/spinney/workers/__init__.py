"""Models that only Python can run: in worker processes, or as callables in this one."""

from __future__ import annotations

from spinney.workers.local_model import CallableModel, LocalModel, load_here
from spinney.workers.surface import PythonModel
from spinney.workers.worker_model import WorkerModel

__all__ = ["CallableModel", "LocalModel", "PythonModel", "WorkerModel", "load_here"]
