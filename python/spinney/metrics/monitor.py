"""MetricsManager: PerformanceMetrics, the process's resources, and export."""

from __future__ import annotations

import json
import logging
import math
import os
import threading
import time
import weakref
from typing import Any, Callable, Mapping

from spinney._core import InferenceWindow, LatencyHistogram, PrometheusText, read_process
from spinney.exceptions import InvalidInputError
from spinney.metrics import names
from spinney.metrics.cpu import CpuMeter
from spinney.metrics.garbage import GarbageWatch
from spinney.metrics.leaks import BYTES_PER_SECOND_MIN, LeakWatch
from spinney.metrics.performance import PerformanceMetrics
from spinney.metrics.watermarks import Watermark

_log = logging.getLogger("spinney")
_KINDS_MAX = 256


class MetricsManager(PerformanceMetrics):
    """PerformanceMetrics, and besides: times of stages, the process, the collector, leaks, export.

    window_size: as PerformanceMetrics. interval: seconds between samples that start() has a thread
    take (memory, marks, leaks); sample() takes one now. leak_bytes_per_second: slower growth is not
    reported. labels: of every sample in the Prometheus text.

    >>> manager = MetricsManager()
    >>> manager.record_stage("queue_wait", 0.001)
    >>> manager.get_metrics()["stages"]["queue_wait"]["count"]
    1
    """

    def __init__(
        self,
        window_size: int = 100,
        interval: float = 10.0,
        *,
        leak_bytes_per_second: float = BYTES_PER_SECOND_MIN,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(window_size)
        self.interval: float = _seconds("interval", interval)
        self.labels: dict[str, str] = dict(labels or {})
        self._stages = {}
        self._errors = {}
        self._sources = {}
        self._marks = []
        self._leaks = LeakWatch(leak_bytes_per_second)
        self._garbage = GarbageWatch()
        self._cpu = CpuMeter()
        self._cpu_percent = 0.0
        self._started = time.monotonic()
        self._thread = None
        self._wake = threading.Event()
        self._leak_reported = False
        self._pid = os.getpid()

    def record_stage(self, name: str, seconds: float) -> None:
        """One duration of a stage, such as queue_wait or kernel_run."""
        stage = self._stages.get(name)
        if stage is None:
            stage = self._stages.setdefault(name, LatencyHistogram())
        stage.record(seconds)

    def record_error(self, kind: str = "error", times: int = 1) -> None:
        """One failed call, or several. kind: what failed, by which errors_by_kind counts: a class
        of errors and no message. Beyond 256 kinds, further ones count as "other"."""
        super().record_error(times)
        counter = self._errors.get(kind)
        if counter is None:
            if len(self._errors) >= _KINDS_MAX:
                kind = "other"
            counter = self._errors.setdefault(kind, InferenceWindow(1))
        counter.record_error(times)  # counts without a lock, and loses none

    def add_source(
        self,
        name: str,
        read: Callable[[], Mapping[str, Any]],
        bytes_of: Callable[[], int] | None = None,
    ) -> None:
        """A dict of more numbers, read() each time metrics are asked for, under this name.

        bytes_of: how many bytes of memory it accounts for, to tell what grows.
        """
        self._sources[name] = (read, bytes_of)

    def add_memory_watermark(
        self, high_mb: float, action: Callable[[float], Any], low_mb: float | None = None
    ) -> None:
        """Calls action(megabytes) once each time that resident memory reaches high_mb (of 2**20
        bytes), as samples show it; not again before it was below low_mb (0.9 times high_mb)."""
        self._marks.append(Watermark("resident memory in MB", high_mb, action, low_mb))

    def sample(self) -> dict[str, Any]:
        """Reads the process, follows its memory, acts on watermarks. Returns read_process()."""
        process = read_process()
        self._cpu_percent = self._cpu.percent(process)
        parts = {}
        for name, (_, bytes_of) in list(self._sources.items()):
            if bytes_of is not None:
                parts[name] = _guarded(name, bytes_of, 0)
        seconds = time.monotonic() - self._started
        self._leaks.add(seconds, process["resident_bytes"], parts)
        for mark in list(self._marks):
            mark.check(process["resident_bytes"] / 2**20)
        if not self._leak_reported and self._leaks.read()["memory_leak_suspected"]:
            self._leak_reported = True
            _log.warning("memory grows: %s", self._leaks.read())
        return process

    def start(self) -> None:
        """Watches the collector and takes a sample every `interval` seconds on a daemon thread."""
        if self._thread is not None and self._pid == os.getpid() and self._thread.is_alive():
            return
        self._pid = os.getpid()
        self._garbage.start()
        self._wake = threading.Event()
        self._thread = threading.Thread(
            target=_watch, args=(weakref.ref(self), self._wake), name="spinney-metrics", daemon=True
        )
        self._thread.start()

    def stop(self, timeout: float = 2.0) -> None:
        """Ends what start() began. May be called twice."""
        self._garbage.stop()
        self._wake.set()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)

    def get_metrics(self) -> dict[str, Any]:
        """PerformanceMetrics.get_metrics(), and besides:

        cpu_percent (of the CPUs that the process may use, between samples at least 50 ms apart),
        memory_usage_mb (resident, of 2**20 bytes), threads_count, descriptors_count,
        uptime_seconds; process (all of read_process(): the control group's quota and throttling
        too); gc_* (collector's runs and pauses since start()); memory_* (the slope and what grows);
        errors_by_kind; stages: name -> count, mean_ms, max_ms, p50_ms to p999_ms; and each source
        under its name.
        """
        metrics = super().get_metrics()
        process = read_process()
        self._cpu_percent = self._cpu.percent(process)
        metrics.update(
            cpu_percent=self._cpu_percent,
            memory_usage_mb=process["resident_bytes"] / 2**20,
            threads_count=process["threads"],
            descriptors_count=process["descriptors"],
            uptime_seconds=time.monotonic() - self._started,
            process=process,
            errors_by_kind={
                kind: each._counts()["errors"] for kind, each in list(self._errors.items())
            },
            stages={name: in_ms(stage.read()) for name, stage in list(self._stages.items())},
        )
        metrics.update(self._garbage.read())
        metrics.update(self._leaks.read())
        for name, (read, _) in list(self._sources.items()):
            metrics[name] = _guarded(name, lambda read=read: dict(read()), {})
        return metrics

    to_dict = get_metrics

    def to_json(self) -> str:
        """get_metrics() as JSON; what is no finite number is null."""
        return json.dumps(_plain(self.get_metrics()), allow_nan=False)

    def to_prometheus(self) -> str:
        """The text that Prometheus scrapes (version 0.0.4): nv_* names as dashboards know them, and
        spinney_* for the rest, with histograms of inference and of each stage."""
        metrics = self.get_metrics()
        text = PrometheusText()
        labels = self._labels()
        names.write(text, names.CALLS, metrics, labels)
        text.family("spinney_errors_total", "counter", "Failed requests, by what failed")
        for kind, count in metrics["errors_by_kind"].items():
            text.sample("spinney_errors_total", [*labels, ("kind", str(kind))], float(count))
        text.family("spinney_inference_seconds", "histogram", "Time of a call of the model")
        self._write(text, "spinney_inference_seconds", labels)
        self._write_stages(text, labels)
        return text.text() + self.process_text(metrics)

    def process_text(self, metrics: Mapping[str, Any]) -> str:
        """Of to_prometheus(), what is of the process and the sources, by get_metrics()."""
        text = PrometheusText()
        labels = self._labels()
        names.write(text, names.PROCESS, metrics, labels)
        for name in list(self._sources):
            names.write_source(text, name, metrics.get(name, {}), labels)
        return text.text()

    def _labels(self):
        return [(str(name), str(value)) for name, value in self.labels.items()]

    def _write_stages(self, text, labels):
        text.family("spinney_stage_seconds", "histogram", "Time that requests spend in a stage")
        for name, stage in list(self._stages.items()):
            stage._write(text, "spinney_stage_seconds", [*labels, ("stage", str(name))])


def _watch(manager, wake):
    """The thread keeps no manager alive that nobody else holds."""
    while True:
        found = manager()
        if found is None:
            return
        interval = found.interval
        try:
            found.sample()
        except BaseException:  # whatever a source of the program's does, the watch goes on
            _log.exception("a sample of the process failed")
        del found
        if wake.wait(interval):
            return


def _seconds(name, value):
    """Above 0 and at most a day, for a thread that waits so long and looks again."""
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = math.nan
    if not 0 < seconds <= 86400:
        raise InvalidInputError(f"{name} is {value!r}; give seconds, above 0 and up to 86400")
    return seconds


def _guarded(name, read, otherwise):
    try:
        return read()
    except Exception:
        _log.exception("the source %r of metrics failed", name)
        return otherwise


def in_ms(read):
    """A histogram's numbers in seconds, under the names of metrics."""
    out = {"count": read["count"]}
    for name in ("mean", "min", "max", "p50", "p90", "p95", "p99", "p999"):
        out[f"{name}_ms"] = 1e3 * read[name]
    return out


def _plain(value):
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return str(value)
