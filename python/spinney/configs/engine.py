"""Options of an InferenceEngine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Mapping, Sequence

from spinney.configs.base import Config, option
from spinney.configs.batching import BATCH_ROWS_MAX, BatchProcessorConfig, fit_batch_sizes
from spinney.configs.enums import OptimizationMode, QuantizationType
from spinney.configs.kinds import Bool, Choice, Int, Named, Names, Nested, Optional, Real, Text
from spinney.configs.preprocessor import PreprocessorConfig
from spinney.configs.quantization import QuantizationConfig
from spinney.exceptions import ConfigError, ConfigTypeError

if TYPE_CHECKING:
    from os import PathLike

_FAST = {"enable_memory_optimization": False, "max_cache_entries": 10_000, "warmup_iterations": 50}
# What each mode sets, of options that are not given themselves.
PRESETS = {
    OptimizationMode.BALANCED: {},
    OptimizationMode.CONSERVATIVE: {"num_threads": 1, "enable_throttling": True},
    OptimizationMode.PERFORMANCE: _FAST,
    OptimizationMode.FULL_UTILIZATION: {**_FAST, "set_cpu_affinity": True},
    OptimizationMode.MEMORY_SAVING: {"max_cache_entries": 100, "cache_ttl_seconds": 60},
}
# Options of the engine's own queue, which batch_processor_config may give as well.
QUEUE_OPTIONS = {
    "batch_timeout",
    "enable_adaptive_batching",
    "initial_batch_size",
    "max_batch_size",
    "max_queue_size",
    "min_batch_size",
}
_DTYPES = ("int8", "uint8", "int16", "float16")
_MODEL_TYPES = tuple(kind for kind in QuantizationType if kind.value in _DTYPES)
_PRESET_OPTIONS = sorted({name for chosen in PRESETS.values() for name in chosen})


@dataclass(eq=False, repr=False)
class InferenceEngineConfig(Config):
    """Options of an InferenceEngine.

    An option that the engine of this version or this machine cannot follow is named when the engine
    starts (`startup_messages`); none is ignored in silence. A default that contradicts an option
    given fits itself to it: initial_batch_size to the minimum and maximum, quantization_dtype to
    the quantization_type of quantization_config.
    """

    num_threads: int | None = option(
        None,
        Optional(Int(1, 4096)),
        "threads of one prediction; None: the CPUs that the process may use, where it pays",
    )
    set_cpu_affinity: bool = option(
        False, Bool(), "pin the engine's threads to CPUs, physical cores first"
    )
    model_version: str = option(
        "1.0", Text(), "version that models are loaded as unless one is given"
    )
    return_probabilities: bool = option(
        False, Bool(), "predict gives class probabilities instead of labels"
    )
    timeout_ms: float | None = option(
        None,
        Optional(Real(0.0, 10**9, above=True)),
        "milliseconds that a queued request may take unless it says otherwise; None for ever",
    )
    trusted: bool = option(False, Bool(), "handed to spinney.load")
    allowed_classes: Sequence[str] | None = option(
        None, Optional(Names()), "handed to spinney.load"
    )
    in_process: bool = option(False, Bool(), "handed to spinney.load")

    enable_batching: bool = option(
        True,
        Bool(),
        "queued requests run together; False runs each alone, whole, as one batch",
    )
    max_batch_size: int = option(64, Int(1, BATCH_ROWS_MAX), "rows of one batch at the most")
    initial_batch_size: int = option(
        16, Int(1, BATCH_ROWS_MAX), "rows of each of a model's first 8 batches at the most"
    )
    min_batch_size: int = option(
        1, Int(1, BATCH_ROWS_MAX), "rows that are worth waiting for, batch_timeout at the longest"
    )
    batch_timeout: float = option(
        0.1, Real(0.0, 3600.0), "seconds that a batch waits for min_batch_size rows at the longest"
    )
    enable_adaptive_batching: bool = option(
        True,
        Bool(),
        "move the limit of a batch by its measured cost; False: max_batch_size",
    )
    batch_processor_config: BatchProcessorConfig | None = option(
        None,
        Optional(Nested(BatchProcessorConfig)),
        "what it gives of the queue holds over the above",
    )
    max_concurrent_requests: int | None = option(
        None, Optional(Int(1, 1 << 24)), "requests in the engine at once; one more is refused"
    )
    enable_throttling: bool = option(
        False, Bool(), "refuse requests while the CPU stays above cpu_threshold_percent"
    )
    throttle_on_high_cpu: bool = option(
        True, Bool(), "let CPU load throttle; acts only with enable_throttling"
    )
    cpu_threshold_percent: float = option(
        90.0, Real(0.0, 100.0, above=True), "percent of the CPU time that the process may use"
    )

    enable_request_deduplication: bool = option(
        True, Bool(), "answer equal requests from one computation and from the cache"
    )
    max_cache_entries: int = option(
        1000, Int(0, 10**8), "answers that the cache holds; 0 holds none"
    )
    max_cache_bytes: int = option(
        64 << 20,
        Int(1, 1 << 50),
        "bytes that the cache takes for them, keys included; the least recently used leave",
    )
    cache_ttl_seconds: float = option(
        300, Real(0.0, 10**9, above=True), "seconds that an answer is served from the cache"
    )

    enable_warmup: bool = option(
        True, Bool(), "predict rows of zeros after loading, so that the first request is fast"
    )
    warmup_iterations: int = option(10, Int(0, 10**6), "how often the warm-up predicts")

    enable_monitoring: bool = option(True, Bool(), "measure times, sizes, resources")
    monitoring_window: int = option(100, Int(1, 10**7), "batches that the averages look back on")
    monitoring_interval: float = option(
        10.0, Real(0.0, 86400.0, above=True), "seconds between two looks at the resources"
    )
    enable_memory_optimization: bool = option(
        True,
        Bool(),
        "give the memory of pools back once a burst of requests is over; False keeps it",
    )
    memory_high_watermark_mb: float | None = option(
        None,
        Optional(Real(0.0, 10**8, above=True)),
        "MiB of the process at which pools and caches are trimmed",
    )
    memory_limit_gb: float | None = option(
        None,
        Optional(Real(0.0, 10**5, above=True)),
        "GiB of the process above which requests are refused",
    )

    enable_feature_scaling: bool = option(
        False, Bool(), "rows go through a DataPreprocessor before the model"
    )
    preprocessor_config: PreprocessorConfig | None = option(
        None, Optional(Nested(PreprocessorConfig)), "that DataPreprocessor's options"
    )
    enable_quantization: bool = option(
        False,
        Bool(),
        "quantize: what the two options below say or, with neither, each model where that can be, "
        "else its rows",
    )
    enable_model_quantization: bool = option(
        False, Bool(), "quantize the model's numbers; implies enable_quantization"
    )
    enable_input_quantization: bool = option(
        False, Bool(), "quantize and restore the rows; implies enable_quantization"
    )
    quantization_dtype: str = option(
        "int8", Choice(*_DTYPES), "the number format; by default that of quantization_config"
    )
    quantization_config: QuantizationConfig | None = option(
        None, Optional(Nested(QuantizationConfig)), "the Quantizer's options"
    )

    optimization_mode: OptimizationMode = option(
        OptimizationMode.BALANCED,
        Named(OptimizationMode),
        "what the engine spends and saves: values of other options unless they are given",
    )
    enable_jit: bool = option(False, Bool(), "compile the model to machine code at load")
    enable_onnx: bool = option(False, Bool(), "run ONNX models with ONNX Runtime")
    onnx_opset: int | None = option(
        None, Optional(Int(1, 1000)), "operator set that a model is converted to; needs enable_onnx"
    )
    debug_mode: bool = option(False, Bool(), "log every request")

    def settle(self) -> None:
        chosen = PRESETS[self.optimization_mode]
        defaults = self.defaults()
        for name in _PRESET_OPTIONS:
            self._fit(name, chosen.get(name, defaults[name]))
        fit_batch_sizes(self)
        self._check(
            self.onnx_opset is None or self.enable_onnx,
            "onnx_opset has a meaning only with enable_onnx=True",
        )
        self._settle_quantization()
        try:
            queue_config(self)
        except ConfigError as error:
            self._check(False, f"together with its batch_processor_config, {error}")

    def _settle_quantization(self):
        """Either of the two options implies the one for both, unless that was refused."""
        chosen = [
            name
            for name in ("enable_model_quantization", "enable_input_quantization")
            if getattr(self, name)
        ]
        self._fit("enable_quantization", bool(chosen))
        self._check(
            self.enable_quantization or not chosen,
            f"{' and '.join(chosen)}=True contradicts enable_quantization=False; leave that out",
        )
        detail = self.quantization_config
        wanted = getattr(detail, "quantization_type", None)
        known = wanted in _MODEL_TYPES and "quantization_type" in detail._given
        default = self.defaults()["quantization_dtype"]
        self._fit("quantization_dtype", wanted.value if known else default)

    def to_dict(self) -> dict[str, Any]:
        """Every option with its value as JSON and TOML hold them: enumerations by name.

        Of batch_processor_config only what was given, as no more of it holds over the engine's own.
        """
        found = super().to_dict()
        if self.batch_processor_config is not None:
            given, detail = self.batch_processor_config._given, found["batch_processor_config"]
            found["batch_processor_config"] = {
                name: value for name, value in detail.items() if name in given
            }
        return found


def chooses_what_to_quantize(config: InferenceEngineConfig) -> bool:
    """Whether each model is quantized where that can be, and else its rows."""
    either = config.enable_model_quantization or config.enable_input_quantization
    return config.enable_quantization and not either


def queue_config(config):
    """The options of an engine's queue: those given in batch_processor_config, then the engine's
    own that were given, then defaults that fit them. A value given holds if it is the default, too.
    """
    detail = config.batch_processor_config
    options = {name: getattr(config, name) for name in QUEUE_OPTIONS & config._given}
    if detail is not None:
        options.update({name: getattr(detail, name) for name in QUEUE_OPTIONS & detail._given})
    return BatchProcessorConfig(**options)


def engine_config(
    config: InferenceEngineConfig | Mapping[str, Any] | str | PathLike[str] | None,
) -> InferenceEngineConfig:
    """What an engine is given, as an InferenceEngineConfig.

    None: InferenceEngineConfig.load(), that is the environment over the file that SPINNEY_CONFIG
    names over the defaults. A mapping of options, or a path to a .json or .toml file, is all there
    is: the environment is not read.
    """
    if config is None:
        return InferenceEngineConfig.load()
    if isinstance(config, InferenceEngineConfig):
        return config
    if isinstance(config, str) or hasattr(config, "__fspath__"):
        return InferenceEngineConfig.from_file(config)
    if hasattr(config, "keys"):
        return InferenceEngineConfig.from_dict(dict(config))
    raise ConfigTypeError(
        f"config is a {type(config).__name__}; expected an InferenceEngineConfig, a mapping of "
        "its options, a path to a .json or .toml file, or None"
    )
