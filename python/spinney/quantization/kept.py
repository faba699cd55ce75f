"""The parameters that a Quantizer keeps: found by calibration, loaded, or of the last call."""

from __future__ import annotations

from threading import local

import numpy as np

from spinney import _core
from spinney.exceptions import InvalidInputError
from spinney.quantization.calibration import calibrated_range, finite_values
from spinney.quantization.counts import refuse
from spinney.quantization.floats import sampled
from spinney.quantization.parameters import STORAGES, Parameters, parameters_for


class KeptParameters:
    """Base of Quantizer, which makes what is used here: configuration, lock, counts, cache.

    _fixed: layer -> parameters that stay; _shared: those for every other layer; _last and _local:
    the parameters of the last call by any thread, and by each.
    """

    def _parameters_for(self, ranges, axis):
        return parameters_for(ranges, axis, self._storage, self.config.num_bits, self._symmetric)

    def _fixed_for(self, layer):
        return self._fixed.get(layer, self._shared)

    def calibrate(self, data, channel_dim=None, layer_name=None):
        """Find the range of values in a list of arrays by calibration_method, and keep it.

        STATIC and CALIBRATED quantize with it from then on: for every layer without parameters of
        its own, or with layer_name for that layer. At most calibration_samples rows (elements of
        the first axis) are looked at, evenly taken from all that there are.
        """
        try:
            arrays = [data] if isinstance(data, np.ndarray) else list(data)
        except TypeError:
            raise InvalidInputError(
                f"calibration takes a list of arrays, but this is: {type(data).__name__}"
            ) from None
        copies = []  # which nobody else has
        try:
            made = self._fitting_all([self._taken(array, copies) for array in arrays], channel_dim)
        finally:
            for copy in copies:
                copy.fill(0)
        if made is None:
            return
        with self._lock:
            if layer_name is None:
                self._shared = made
                self._fixed.pop(None, None)
            else:
                self._fixed[layer_name] = made
            self.counts.calibrations += 1
        self._remember(layer_name, made)

    def _taken(self, array, copies):
        """An array as float32 that may be kept meanwhile; one that was made is added to copies."""
        x, ours = self._floats.copy_of(array)
        if ours:
            copies.append(x)
        return np.atleast_1d(x)

    def _fitting_all(self, arrays, channel_dim):
        """Parameters for all of these together, or None where there are no codes."""
        arrays = [array for array in arrays if array.size]
        if not arrays:
            raise InvalidInputError("calibration needs at least one array that is not empty")
        if self._storage not in STORAGES:
            return None
        arrays, chosen = sampled(arrays, self.config.calibration_samples)
        try:
            for array in arrays:
                _, _, nans, infinities = _core.array_range(array)
                refuse(self.config, nans, infinities)
            axis = self._axis(arrays[0], channel_dim)
            return self._parameters_for(self._ranges(arrays, axis), axis)
        finally:
            for array in chosen:
                array.fill(0)

    def _ranges(self, arrays, axis):
        if axis is None:
            return self._calibrated(arrays)
        if len({array.shape[axis] for array in arrays}) != 1:
            raise InvalidInputError("the arrays differ in their number of channels")
        channels = zip(*(np.moveaxis(array, axis, 0) for array in arrays))
        return [self._calibrated(parts) for parts in channels]

    def _calibrated(self, parts):
        values = np.concatenate([finite_values(part) for part in parts])
        try:
            return calibrated_range(
                values, self.config, self._storage, self.config.num_bits, self._symmetric
            )
        finally:
            values.fill(0)

    def _remember(self, layer, parameters):
        here = self._local
        if layer is None:
            here.last = parameters
        else:
            here.__dict__.setdefault("layers", {})[layer] = parameters
        self._last[layer] = parameters

    def _current(self, layer):
        """The parameters of this thread's last call for the layer, or of any, or those kept."""
        here = self._local.__dict__
        found = here.get("last") if layer is None else here.get("layers", {}).get(layer)
        return self._whole(found or self._last.get(layer) or self._fixed_for(layer))

    def _whole(self, found):
        """Parameters, of which the quick way keeps only scale and zero point."""
        if type(found) is tuple:
            return Parameters(self._storage, *self._codes, *found)
        return found

    @property
    def scale(self):
        """The scale in use: a float, or an array of one a channel; 1.0 before there is one."""
        found = self._current(None)
        return 1.0 if found is None else found.scale

    @property
    def zero_point(self):
        """The code of 0.0: an int, or an array of one a channel; 0 before there is one."""
        found = self._current(None)
        return 0 if found is None else found.zero_point

    def export_import_parameters(self):
        """Configuration and parameters as plain data (JSON holds it), for load_parameters."""
        with self._lock:
            layers = {name: p for name, p in self._fixed.items() if name is not None}
            names = [name for name in list(self._last) if name is not None]
        for name in names:
            layers.setdefault(name, self._current(name))
        shared = self._fixed_for(None) or self._current(None)
        return {
            "version": 1,
            "config": self.config.to_dict(),
            "parameters": None if shared is None else shared.to_dict(),
            "layers": {name: found.to_dict() for name, found in layers.items() if found},
        }

    def load_parameters(self, parameters):
        """Take over what export_import_parameters gave, but for its configuration.

        STATIC and CALIBRATED quantize with them; dequantize goes by them in every mode.
        """
        if not isinstance(parameters, dict) or parameters.get("version") != 1:
            raise InvalidInputError("these are not exported quantization parameters of version 1")
        shared = parameters.get("parameters")
        layers = parameters.get("layers") or {}
        if not isinstance(layers, dict):
            raise InvalidInputError("layers must be a mapping from name to parameters")
        shared = None if shared is None else self._loaded(shared, "parameters")
        fixed = {name: self._loaded(found, name) for name, found in layers.items()}
        if self._cache is not None:
            self._cache.clear()
        with self._lock:
            self._fixed, self._shared, self._last = fixed, shared, {}
            self._local = local()

    def _loaded(self, data, name):
        if not isinstance(data, dict):
            raise InvalidInputError(f"{name} is a {type(data).__name__}; expected a mapping")
        loaded = Parameters.from_dict(data)
        if self._storage in STORAGES and loaded.storage != self._storage:
            raise InvalidInputError(
                f"{name} is for {loaded.storage} codes and this quantizer gives {self._storage}"
            )
        return loaded
