"""What the figures were measured on."""

from __future__ import annotations

import os
import platform


def describe():
    """CPU, number of CPUs that this process may use, system and Python, in one line."""
    name = platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as facts:
            name = next(line.split(":")[1].strip() for line in facts if "model name" in line)
            facts.seek(0)
            flags = next(line for line in facts if line.startswith("flags")).split()
    except (OSError, StopIteration):
        flags = []
    best = [isa for isa in ("avx2", "avx512bw", "avx512_vbmi2") if isa in flags]
    isa = f" ({best[-1].replace('_', ' ')})" if best else ""
    cpus = len(os.sched_getaffinity(0))
    return f"{name}{isa}, {cpus} CPUs, Python {platform.python_version()}"
