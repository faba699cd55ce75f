"""Several models that answer as one: spinney.Ensemble, and the manifests that name one."""

from __future__ import annotations

from spinney.ensemble.combined import Ensemble, EnsembleAnswer
from spinney.ensemble.manifest import is_manifest, load_manifest

__all__ = ["Ensemble", "EnsembleAnswer", "is_manifest", "load_manifest"]
