"""The one place where the engine looks up what it is built of.

Programs and their tests replace a collaborator where the specification puts its name:

    with mock.patch("modules.engine.inference_engine.LRUTTLCache") as cache:
        engine = InferenceEngine()

so the name is looked up there first, each time an engine is made.
"""

from __future__ import annotations

import sys
from importlib import import_module

_DOOR = "modules.engine.inference_engine"
_HOMES = {
    "DataPreprocessor": "spinney.preprocessing",
    "DynamicBatcher": "spinney.batching",
    "LRUTTLCache": "spinney.lru_ttl_cache",
    "MemoryPool": "spinney.memory_pool",
    "MetricsManager": "spinney.metrics",
    "Quantizer": "spinney.quantization",
}


def collaborator(name):
    """The class of that name: a replaced one, or Spinney's own."""
    door = sys.modules.get(_DOOR)
    replaced = getattr(door, name, None)
    return own(name) if replaced is None else replaced


def own(name):
    """Spinney's own class of that name."""
    return getattr(import_module(_HOMES[name]), name)


def is_replaced(name):
    return collaborator(name) is not own(name)
