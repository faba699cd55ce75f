"""Several models that answer as one: spinney.Ensemble, and the manifests that name one."""

from __future__ import annotations

from spinney.ensemble.answers import EnsembleAnswer
from spinney.ensemble.combined import Ensemble
from spinney.ensemble.manifest import is_manifest, load_manifest
from spinney.ensemble.report import ValidationReport

__all__ = ["Ensemble", "EnsembleAnswer", "ValidationReport", "is_manifest", "load_manifest"]
