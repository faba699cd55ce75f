"""What an engine says about its options when it starts."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from spinney.configs.enums import QuantizationType

if TYPE_CHECKING:
    from spinney.configs.engine import InferenceEngineConfig


def startup_messages(config: InferenceEngineConfig) -> list[str]:
    """What will not be done of what config asks for, and why, a sentence each.

    An option whose neglect would change answers, or let through what it was set to stop, is no
    matter of a message: whatever cannot follow it raises UnsupportedOptionError.
    """
    return idle_messages(config) + machine_messages(config)


# Options that act only while another one is on.
_NEEDS = {
    "preprocessor_config": "enable_feature_scaling",
    "quantization_dtype": "enable_quantization",
    "quantization_config": "enable_quantization",
    "cpu_threshold_percent": "enable_throttling",
    "warmup_iterations": "enable_warmup",
    "monitoring_window": "enable_monitoring",
    "monitoring_interval": "enable_monitoring",
    "max_cache_entries": "enable_request_deduplication",
    "max_cache_bytes": "enable_request_deduplication",
    "cache_ttl_seconds": "enable_request_deduplication",
    "max_batch_size": "enable_batching",
    "initial_batch_size": "enable_batching",
    "min_batch_size": "enable_batching",
    "batch_timeout": "enable_batching",
    "enable_adaptive_batching": "enable_batching",
}


def idle_messages(config):
    """Options that were given and changed, but that others keep from acting, a sentence each."""
    changed = config.changed()
    found = [
        f"{name} is {changed[name]!r}, but acts only with {master}=True"
        for name, master in _NEEDS.items()
        if name in changed and name in config._given and not getattr(config, master)
    ]
    if config.enable_throttling and not config.throttle_on_high_cpu:
        found.append("enable_throttling is True, but throttles nothing: throttle_on_high_cpu=False")
    return found + _value_messages(config, changed) + _quantization_messages(config)


def _value_messages(config, changed):
    """Of options that the value of another one keeps from acting."""
    found = []
    if config.enable_request_deduplication and config.max_cache_entries == 0:
        found += [
            f"{name} is {changed[name]!r}, but max_cache_entries=0 keeps no answers"
            for name in ("max_cache_bytes", "cache_ttl_seconds")
            if name in changed and name in config._given
        ]
    detail = getattr(config.batch_processor_config, "_given", set())
    if config.enable_batching and not {"min_batch_size", "batch_timeout"} & detail:
        wait = config.batch_timeout
        if "batch_timeout" in changed and wait > 0 and config.min_batch_size == 1:
            found.append(f"batch_timeout is {wait!r}, but acts only with min_batch_size above 1")
        if config.min_batch_size > 1 and wait == 0:
            found.append(
                f"min_batch_size is {config.min_batch_size}, but batch_timeout=0 waits for no rows"
            )
    return found


def _quantization_messages(config):
    if not config.enable_quantization:
        return []
    detail = config.quantization_config
    if detail is None:
        return []
    if config.enable_input_quantization or not config.enable_model_quantization:
        kind = detail.quantization_type
        if kind is QuantizationType.NONE:
            return ["quantization_config.quantization_type is NONE, which leaves rows as they are"]
        if "quantization_dtype" not in config._given or kind.value == config.quantization_dtype:
            return []
        return [
            f"quantization_dtype is {config.quantization_dtype!r}, but rows take the "
            f"quantization_type of quantization_config ({kind.name})"
        ]
    used = {"max_error"}
    if detail.quantization_type.value == config.quantization_dtype:
        used.add("quantization_type")
    unused = [name for name in detail.changed() if name in detail._given and name not in used]
    if not unused:
        return []
    return [
        f"quantization_config.{', '.join(unused)} concern rows, with enable_input_quantization; "
        "the model takes quantization_dtype and quantization_config.max_error"
    ]


def machine_messages(config):
    """What this machine or build lacks for what config asks for, a sentence each."""
    found = []
    if config.enable_onnx:
        if find_spec("onnxruntime") is None:
            found.append("enable_onnx is True, but the package onnxruntime is not installed")
        else:
            found.append("enable_onnx is True, but this version has no back end for ONNX")
        if config.onnx_opset is not None:
            found.append(
                f"onnx_opset is {config.onnx_opset}, but this version converts no model to ONNX"
            )
    if config.enable_jit:
        found.append(
            "enable_jit is True, but this version compiles no model; the native kernels serve it"
        )
    return found
