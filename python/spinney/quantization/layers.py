"""Which layer is stored how."""

from __future__ import annotations

from fnmatch import fnmatchcase

from spinney.configs import QuantizationType

UNCHANGED, HALF, CODES = "unchanged", "float16", "codes"


def matches(name, patterns):
    """Whether a pattern (as of file names) matches a layer's name."""
    return any(fnmatchcase(str(name), pattern) for pattern in patterns)


def layer_kind(config, layer):
    """UNCHANGED, HALF or CODES for a layer's name, or None for no layer."""
    kind = config.quantization_type
    named = layer is not None
    if kind is QuantizationType.NONE or (named and matches(layer, config.skip_layers)):
        return UNCHANGED
    if kind is QuantizationType.FLOAT16:
        return HALF
    mixed = config.enable_mixed_precision or kind is QuantizationType.MIXED
    if mixed and named and matches(layer, config.mixed_precision_layers):
        return HALF
    return CODES


def layer_format(config, layer, storage):
    """quantized, quantization_type and bits (also as num_bits) of a layer."""
    kind = layer_kind(config, layer)
    bits = {UNCHANGED: 32, HALF: 16}.get(kind, config.num_bits)
    return {
        "quantized": kind != UNCHANGED,
        "quantization_type": {UNCHANGED: "none", HALF: "float16"}.get(kind, storage),
        "bits": bits,
        "num_bits": bits,
    }
