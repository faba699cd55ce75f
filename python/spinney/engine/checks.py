"""Checks of the models that an engine serves, and members of ensembles loaded anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from spinney.engine.rank_keys import row_to_try
from spinney.exceptions import InvalidInputError, SpinneyError

if TYPE_CHECKING:
    from spinney.ensemble import ValidationReport


class Checks:
    """The part of InferenceEngine that looks at what is served."""

    last_error: str | None
    _find: Any
    load_model: Any
    _load_failed: Any

    def validate_model(
        self, model: str | None = None, *, version: str | None = None
    ) -> dict[str, Any]:
        """Predict a row of zeros, or of the first texts of each column; a dict with valid and
        model_type, and error if not valid.
        """
        served, why = self._find(model, version)
        if served is None:
            return {"valid": False, "model_type": None, "error": why}
        found = {"valid": True, "model_type": served.info["model_type"]}
        found["n_features"] = served.n_features
        if served.n_features is None:
            found["note"] = "the model does not say how many features it takes; nothing was tried"
            return found
        row = row_to_try(served.model)
        if row is None:
            found["note"] = "one row takes too much memory; nothing was tried"
            return found
        try:
            answer = served.predict(row)
        except Exception as error:
            text = str(error) if isinstance(error, SpinneyError) else repr(error)
            return {**found, "valid": False, "error": text}
        found["output_shape"] = np.shape(answer)
        return found

    def validate_ensemble(
        self,
        X: Any,
        y: Any,
        model: str | None = None,
        *,
        version: str | None = None,
        **options: Any,
    ) -> ValidationReport:
        """What Ensemble.validate says of an ensemble that is served.

        X, y: rows and their labels or values. options: of Ensemble.validate.
        Raises InvalidInputError where the model is none, or no ensemble.
        """
        return self._ensemble_of(model, version).ensemble.validate(X, y, **options)

    def reload_member(
        self,
        member: str,
        source: Any = None,
        model: str | None = None,
        *,
        version: str | None = None,
    ) -> bool:
        """Load one member of an ensemble anew and serve it with the others. True if it worked.

        source: what it is loaded from; None for where it came from. Requests in flight finish on
        the old one. On failure the reason is in last_error, and the old one goes on.
        """
        try:
            served = self._ensemble_of(model, version)
            served.ensemble.reload(member, source)
        except Exception as error:
            return self._load_failed(f"member {member!r}", str(error) or type(error).__name__)
        if served.tells_members:
            self.last_error = None
            return True  # it answers by the ensemble itself
        return self.load_model(served.ensemble, name=served.name, version=served.version)

    def _ensemble_of(self, model, version):
        served, why = self._find(model, version)
        if served is None:
            raise InvalidInputError(why)
        if served.ensemble is None:
            raise InvalidInputError(f"{served} is no ensemble")
        return served
