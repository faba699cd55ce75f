"""Loading, replacing and checking the models of an engine."""

from __future__ import annotations

import logging
from collections.abc import Hashable
from itertools import count
from typing import Any, Mapping, Sequence

from spinney.configs import EngineState, ModelType
from spinney.engine.served_model import ServedModel, named_type
from spinney.exceptions import EngineShutDownError, SpinneyError

_log = logging.getLogger("spinney.engine")
DEFAULT = "default"
_tickets = count(1)
NO_MODEL = "no model is loaded; call load_model first"


class _Loading:
    """A load under way. why_not: what it will fail with, once somebody called it off."""

    def __init__(self, name, version):
        self.name, self.version = name, version
        self.ticket = next(_tickets)
        self.why_not = None

    def check(self):
        if self.why_not is not None:
            raise self.why_not


class Loads:
    """The half of InferenceEngine that deals with models."""

    state: EngineState
    last_error: str | None
    model: Any
    model_type: ModelType | None
    model_info: dict[str, Any]

    def load_model(
        self,
        model_path: Any,
        model_type: ModelType | str | None = None,
        compile_model: bool | None = None,
        *,
        name: str | None = None,
        version: str | None = None,
        trusted: bool | None = None,
        allowed_classes: Sequence[str] | None = None,
        in_process: bool | None = None,
        worker_options: Mapping[str, Any] | None = None,
        calibration: Any = None,
        idempotent: bool = False,
        as_booster: bool = False,
        iteration_range: tuple[int, int] | None = None,
        start_iteration: int | None = None,
        num_iteration: int | None = None,
        ntree_start: int | None = None,
        ntree_end: int | None = None,
        missing: float | None = None,
        member: str | None = None,
        copy: bool = True,
    ) -> bool:
        """Load a model file (or fitted object, or function) and serve it. True if it worked.

        model_path: what spinney.load takes; or a function of rows, which model_type CUSTOM serves.
        model_type: a ModelType or its name, to insist on; None takes what the file holds.
            SKLEARN also fits the scikit-learn wrappers of XGBoost and LightGBM.
        compile_model: True asks for the fastest way there is. A native model stays native, since
            its kernels are faster than what compilers and runtimes make of it: no answer's metadata
            has compiled_model_used, and model_info says why_not_compiled. A model that runs in
            Python has nothing that would compile it in this version, and is not loaded.
        name, version: what predict calls it; None is the model that is meant when none is named,
            and the configuration's model_version. Loading a name and version again replaces that
            model: requests in flight finish on the old one, none fails. Another version of a name
            is kept beside; without a version the one loaded last is meant.
        trusted, allowed_classes, in_process: as in spinney.load; None takes the configuration's.
        worker_options: as in spinney.load, for a model that lives in a worker process.
        copy: as in spinney.load. False maps a .spinney file, which then must not be truncated.
        idempotent: of a model that runs in Python: that it may be asked again about the same rows.
            Then a batch that fails is divided and asked again, so that only the rows at fault fail,
            and equal requests share an answer, in flight and from the cache; otherwise all requests
            of that batch fail, and each request is run. Native models need no saying.
        as_booster, iteration_range, start_iteration, num_iteration, ntree_start, ntree_end,
        missing, member: as in spinney.load.
        calibration: rows, as the model takes them, on which enable_model_quantization measures
            what it costs; without them quantization_config.max_error is held against what is
            proven. A model that cannot be quantized, or would err by more, is not loaded.

        On failure the reason is logged and kept in last_error; models loaded before stay.
        Threads may load side by side, and everything else goes on meanwhile. Loads of one name
        count in the order in which they were called, whichever takes longer: one that ends after a
        later one of the same version counts as replaced by it at once. A load whose model is
        unloaded meanwhile, or whose engine is shut down, fails, and nothing of it stays.
        """
        try:
            loading = self._begin_load(name, version)
        except EngineShutDownError as error:
            return self._load_failed(model_path, str(error))
        served = None
        kept = False
        try:
            wanted = named_type(model_type)
            load_options = {
                "trusted": _or(trusted, self.config.trusted),
                "allowed_classes": _or(allowed_classes, self.config.allowed_classes),
                "in_process": _or(in_process, self.config.in_process),
                "worker_options": worker_options,
                "as_booster": as_booster,
                "iteration_range": iteration_range,
                "start_iteration": start_iteration,
                "num_iteration": num_iteration,
                "ntree_start": ntree_start,
                "ntree_end": ntree_end,
                "missing": missing,
                "member": member,
                "copy": copy,
            }
            served = ServedModel(
                model_path,
                wanted,
                self.config,
                load_options,
                calibration,
                idempotent,
                bool(compile_model),
            )
            served.name, served.version = loading.name, loading.version
            served.ticket = loading.ticket
            loading.check()
            self._warm_up(served)
            loading.check()
            parts = self._parts
            served.enter(parts.core, parts.model_options(), parts.told)
            kept = self._adopt(served, loading)
            self.last_error = None
            return True
        except Exception as error:
            reason = loading.why_not or error  # what follows of it is of no interest
            return self._load_failed(model_path, str(reason) or type(reason).__name__)
        finally:
            self._end_load(loading)
            if served is not None and not kept:
                self._discard(served, model_path)

    def _begin_load(self, name, version):
        with self.state_lock:
            if self.state in (EngineState.STOPPING, EngineState.STOPPED):
                raise EngineShutDownError("the engine is shut down")
            loading = _Loading(
                DEFAULT if name is None else str(name), _or(version, self.config.model_version)
            )
            self._loading.append(loading)
            self.state = EngineState.LOADING
        return loading

    def _end_load(self, loading):
        with self.state_lock:
            if loading in self._loading:  # not in a child that was forked meanwhile
                self._loading.remove(loading)
            if self.state is EngineState.LOADING and not self._loading:
                self.state = EngineState.READY if self._named else EngineState.ERROR

    def _call_off_loads(self, error, name=None, version=None):
        """Have loads that are under way fail; how many there were. With state_lock."""
        called_off = [
            loading
            for loading in self._loading
            if loading.why_not is None
            and name in (None, loading.name)
            and version in (None, loading.version)
        ]
        for loading in called_off:
            loading.why_not = error
        return len(called_off)

    def _discard(self, served, model_path):
        """Let go of a model that was loaded and is not to be served."""
        if served.handle is not None:
            self._parts.core.unload(served.handle)
        if model_path is not (served.model if served.ensemble is None else served.ensemble):
            served.close()

    def _load_failed(self, model_path, reason) -> bool:
        if isinstance(model_path, (bytes, bytearray, memoryview)):
            model_path = f"a model of {len(model_path)} bytes"
        _log.error("cannot load %s: %s", model_path, reason)
        self.last_error = reason
        return False

    def _warm_up(self, served):
        """Also shows at once whether there are probabilities."""
        rounds = self.config.warmup_iterations if self.config.enable_warmup else 0
        first = self.config.return_probabilities and served.native
        served.try_out(max(rounds, 1 if first else 0))

    def _adopt(self, served, loading):
        """Serve it. False if a later load of the same name and version is served already."""
        with self.state_lock:
            loading.check()
            versions = self._named.get(served.name, {})
            replaced = versions.get(served.version)
            if replaced is not None and replaced.ticket > served.ticket:
                return False
            others = [one for one in versions.values() if one is not replaced]
            # The last is the one that is meant without a version.
            ordered = sorted([*others, served], key=lambda one: one.ticket)
            self._named = {**self._named, served.name: {one.version: one for one in ordered}}
            self._mean(self._default())
        if replaced is not None:
            self._parts.core.unload(replaced.handle)
        return True

    def _default(self):
        versions = self._named.get(DEFAULT) or next(iter(self._named.values()), None)
        return None if versions is None else versions[next(reversed(list(versions)))]

    def _mean(self, served):
        """Make it the model that is meant where none is named."""
        self.model = served.model
        self.model_type = served.model_type
        self.model_info = served.info
        self._served = served

    def _forget_model(self):
        self.model = self.model_type = self._served = None
        self.model_info = {}

    def unload_model(self, name: str | None = None, version: str | None = None) -> bool:
        """Serve a model no longer; requests in flight finish. False if there is none such.

        version: None unloads every version of that name. A load of it that is under way fails.
        """
        with self.state_lock:
            name = DEFAULT if name is None else str(name)
            versions = dict(self._named.get(name, {}))
            gone = [versions.pop(key) for key in list(versions) if version in (None, key)]
            named = {**self._named, name: versions}
            self._named = {key: value for key, value in named.items() if value}
            served = self._default()
            if served is None:
                self._forget_model()
            else:
                self._mean(served)
            why = SpinneyError("the model was unloaded while it was being loaded")
            called_off = self._call_off_loads(why, name, version)
        for one in gone:
            self._parts.core.unload(one.handle)
        return bool(gone or called_off)

    def _find(self, name, version):
        """(the model, None), or (None, why there is none)."""
        named = self._named
        if not named:
            return None, self._why_not
        if name is None:
            served = self._served
            if served is None:  # another thread is loading the first, or unloading the last
                return None, NO_MODEL
            if version is None:
                return served, None
            name = served.name
        for what, given in (("model", name), ("version", version)):
            if not isinstance(given, Hashable):
                return None, f"{what} is a {type(given).__name__}; expected a {what}'s name"
        versions = named.get(name)
        if versions is None:
            return None, f"there is no model {name!r}; there are {', '.join(map(repr, named))}"
        if version is None:
            return versions[next(reversed(list(versions)))], None
        if version in versions:
            return versions[version], None
        known = ", ".join(map(repr, versions))
        return None, f"there is no version {version!r} of the model {name!r}; there are {known}"

    def list_models(self) -> list[dict[str, Any]]:
        """What is served: a list of dicts with name, version and model_info's other entries.

        library_version is what model_info calls version.
        """
        return [
            {
                **served.info,
                "library_version": served.info["version"],
                "name": name,
                "version": version,
            }
            for name, versions in self._named.items()
            for version, served in versions.items()
        ]


def _or(value, default):
    return default if value is None else value
